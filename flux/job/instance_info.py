"""What is known of a job that is an instance: its own jobs and resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job.stats import JobStats

if TYPE_CHECKING:
    from flux.core.interface import Requester
    from flux.resource.list import SchedResourceList

_SECONDS = 5.0
"""How long an instance may take to answer."""


class EmptyObject:
    """Stands for what is not known: its attributes are empty, and it shows as nothing."""

    def __getattr__(self, name: str) -> EmptyObject:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return ""

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format("", spec.rstrip("fdeg%") if "." not in spec else "")


class StatsInfo(JobStats):
    """Numbers of jobs that show as pending, running, complete and failed ones."""

    def __init__(self, handle: Requester | None = None) -> None:
        super().__init__(handle)
        if handle is not None:
            self.update_sync()

    def __repr__(self) -> str:
        return f"PD:{self.pending} R:{self.running} CD:{self.successful} F:{self.failed}"


class JobInstanceInfo:
    """The jobs, ``stats``, and the resources, ``resources``, of the instance at ``uri``; both are
    empty if it does not answer, or ``uri`` is None. ``initialized`` tells.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.initialized = False
        self.stats: StatsInfo | EmptyObject = EmptyObject()
        self.resources: SchedResourceList | EmptyObject = EmptyObject()
        if uri is None:
            return
        from flux.core.handle import Flux
        from flux.resource.list import resource_list

        try:
            with Flux(uri) as handle:
                rpc = resource_list(handle)
                rpc.wait_for(_SECONDS)
                self.resources = rpc.get()
                self.stats = StatsInfo(handle)
                self.initialized = True
        except (OSError, ValueError):
            return

    def _share(self, kind: str) -> float | str:
        """Return which share of a kind of resources is allocated, empty if there are none."""
        from flux.resource.list import SchedResourceList

        if not isinstance(self.resources, SchedResourceList):
            return ""
        total = int(getattr(self.resources.all, kind))
        used = int(getattr(self.resources.allocated, kind))
        return used / total if total else ""

    @property
    def utilization(self) -> float | str:
        """Share of the cores that are allocated, 0 to 1, empty if it is not known."""
        return self._share("ncores")

    @property
    def gpu_utilization(self) -> float | str:
        """Share of the GPUs that are allocated, empty without any."""
        return self._share("ngpus")

    @property
    def progress(self) -> float | str:
        """Share of the jobs that have ended, 0 to 1, empty without any."""
        if not isinstance(self.stats, StatsInfo):
            return ""
        total = self.stats.active + self.stats.inactive
        return self.stats.inactive / total if total else ""


InstanceInfo = JobInstanceInfo
