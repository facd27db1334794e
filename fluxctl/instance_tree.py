"""The jobs of an instance, and those of the instances among them: what ``flux pstree`` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from flux.core.handle import Flux
from flux.job.info import JobInfo, get_username
from flux.job.list import JobList
from flux.uri.forms import reachable
from fluxctl.job_tree import TreeNode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE: Final = 10.0
"""Seconds that an instance has to answer: one that does not is shown without its jobs."""
RUNNING: Final = "RUN"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an instance that answers: nodes, cores and GPUs in all and in use, jobs by
    how far they are.
    """

    nodes: int = 0
    nodes_used: int = 0
    cores: int = 0
    cores_used: int = 0
    gpus: int = 0
    gpus_used: int = 0
    pending: int = 0
    running: int = 0
    successful: int = 0
    failed: int = 0


class RootJob:
    """An instance as a job of which only owner, size and age in seconds are known."""

    def __init__(self, userid: int, size: int, runtime: float) -> None:
        self.id = _RootId()
        self.name = "."
        self.username = get_username(userid)
        self.state, self.phase, self.phase_abbrev = "RUN", "RUN", "R"
        self.ntasks = self.nnodes = size
        self.runtime = runtime

    def __getattr__(self, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return ""


class _RootId:
    """The id of an instance in itself: it has none."""

    def __getattr__(self, name: str) -> str:
        return str(self)

    def __str__(self) -> str:
        return "."

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


Drawable: TypeAlias = JobInfo | RootJob
"""What a node shows."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How nodes are drawn: labels of jobs and of instances, and the detail before them.

    ``needs_facts`` says whether the detail shows what only an instance itself knows.
    """

    label: Callable[[Drawable], str]
    parent: Callable[[Drawable], str]
    detail: Callable[[Drawable, Facts | None], str]
    needs_facts: bool


@dataclass(frozen=True, slots=True)
class JobChoice:
    """Which jobs of each instance are shown: states and results, how many at most, the attributes
    that the layout needs, and how many levels of instances below the first.
    """

    filters: Sequence[str]
    count: int
    attrs: Sequence[str]
    levels: int | None = None


class InstanceTree:
    """Reads trees of jobs; ``truncated`` are the instances that have more jobs than are shown,
    ``unknown`` the ids that no job has, each told in a sentence.
    """

    def __init__(self, selection: JobChoice, layout: Layout) -> None:
        self._selection = selection
        self._layout = layout
        self.truncated = 0
        self.unknown: list[str] = []

    def children(
        self, h: Flux, level: int, ids: Sequence[int | str] = (), *, only_running: bool = False
    ) -> list[TreeNode]:
        """Return the jobs of an instance that is so many levels down, those of some ids only if
        there are any, with what is below them; ``only_running`` replaces what is chosen here, not
        below.

        Raises OSError if they cannot be listed, ValueError for an unknown
        state or result.
        """
        levels = self._selection.levels
        if levels is not None and level > levels:
            return []
        return [self._node(job, level) for job in self._jobs(h, ids, only_running)]

    def _jobs(self, h: Flux, ids: Sequence[int | str], only_running: bool) -> list[JobInfo]:
        import os

        wanted = self._selection
        attrs = list(dict.fromkeys([*wanted.attrs, "state", "result", "annotations"]))
        filters = ["running"] if only_running else wanted.filters
        query = JobList(h, attrs, filters, ids, os.getuid(), wanted.count)
        query.fetch_jobs().wait_for(PATIENCE)
        jobs = [JobInfo(job.raw()) for job in query.jobs()]
        if ids:
            self.unknown += query.errors
        elif query.errors:
            raise OSError(query.errors[0])
        if not ids and wanted.count and len(jobs) >= wanted.count:
            self.truncated += 1
        return jobs

    def _node(self, job: JobInfo, level: int) -> TreeNode:
        uri = str(job.user.uri) if job.state == RUNNING else ""
        facts: Facts | None = None
        below: list[TreeNode] = []
        deep = self._selection.levels is None or level < self._selection.levels
        if uri and (deep or self._layout.needs_facts):
            try:
                with Flux(reachable(uri)) as inner:
                    facts = facts_of(inner) if self._layout.needs_facts else None
                    below = self.children(inner, level + 1) if deep else []
            except OSError:
                pass  # it has ended meanwhile, or is on a host that cannot be reached
        layout = self._layout
        label = layout.parent(job) if uri else layout.label(job)
        known = {**job.raw(), "f58": job.id.f58, "status": job.status}
        return TreeNode(label, layout.detail(job, facts), below, facts=known)


def facts_of(h: Flux) -> Facts:
    """Return what an instance knows of itself. Raises OSError if it does not answer."""
    from flux.job.stats import JobStats
    from flux.resource.list import resource_list

    query = resource_list(h)
    query.wait_for(PATIENCE)
    resources = query.get()
    stats = JobStats(h)
    stats.update_sync()
    everything, used = resources.all, resources.allocated
    return Facts(
        everything.nnodes,
        used.nnodes,
        everything.ncores,
        used.ncores,
        everything.ngpus,
        used.ngpus,
        stats.pending,
        stats.running,
        stats.successful,
        stats.failed,
    )
