"""One job as `flux jobs` sees it: what its eventlog tells, and what its jobspec and R hold.

A record holds only numbers and shared strings, so a hundred thousand finished jobs stay affordable.
"""

from __future__ import annotations

from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_STATE_PRIORITY, FLUX_JOB_STATE_SCHED
from flux.job.describe import (
    allocation,
    job_name,
    queue_name,
    requested,
    system_text,
    time_limit,
    whole_nodes,
)
from flux.job.lifecycle import JobHistory
from flux.job.updates import (
    DURATION,
    EXPIRATION,
    JOBSPEC_UPDATE,
    NAME,
    QUEUE,
    SYSTEM,
    UPDATE_EVENTS,
    current_jobspec,
    has_member,
)
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.job.lifecycle import Annotations
    from flux.wire.json import JsonMapping


class ListedJob(JobHistory):
    """What the list knows of a job; None stands for "not known (yet)"."""

    __slots__ = (
        "bank",
        "cwd",
        "duration",
        "expiration",
        "id",
        "name",
        "ncores",
        "nnodes",
        "nodelist",
        "ntasks",
        "project",
        "queue",
        "ranks",
        "seq",
        "t_priority",
        "t_sched",
    )

    def __init__(self, id: int) -> None:
        super().__init__()
        self.id = id
        self.seq = -1
        self.name: str | None = None
        self.ntasks: int | None = None
        self.nnodes: int | None = None
        self.ncores: int | None = None
        self.queue: str | None = None
        self.cwd: str | None = None
        self.project: str | None = None
        self.bank: str | None = None
        self.duration: float | None = None
        self.ranks: str | None = None
        self.nodelist: str | None = None
        self.expiration: float | None = None
        self.t_priority: float | None = None
        self.t_sched: float | None = None

    @property
    def success(self) -> bool:
        """Whether every task exited with 0, which is what makes a job COMPLETED."""
        return self.waitstatus == 0

    def set_jobspec(self, jobspec: JsonMapping) -> None:
        """Learn what a jobspec (RFC 14) holds; what it does not hold stays unknown.

        Its nodes are known in advance if it asks for some, its cores unless it gets nodes whole.
        """
        asked = requested(jobspec)
        self.name = _shared_text(asked.name)
        self.queue = _shared_text(queue_name(jobspec))
        self.cwd = _shared_text(system_text(jobspec, "cwd"))
        self.project = _shared_text(system_text(jobspec, "project"))
        self.bank = _shared_text(system_text(jobspec, "bank"))
        self.duration = _shared_number(time_limit(jobspec))
        self.ntasks = asked.ntasks
        self.nnodes = asked.nnodes
        self.ncores = None if whole_nodes(jobspec) else asked.ncores

    def set_resources(self, resources: JsonMapping) -> None:
        """Learn ranks, nodes and expiration from an R (RFC 20)."""
        found = allocation(resources)
        self.ncores = found.ncores
        self.ranks, self.nnodes = intern(_bracketed(found.ranks)), found.nnodes
        self.nodelist, self.expiration = intern(found.nodelist), found.expiration

    def _update_jobspec(self, entry: JsonMapping) -> None:
        """Learn what members of the jobspec are by now."""
        changed = current_jobspec({}, [entry])
        for field, key, read in _FROM_JOBSPEC:
            if has_member(changed, key):
                setattr(self, field, read(changed))

    def apply(self, entry: JsonMapping) -> None:
        """Bring the job up to date with one entry of its eventlog; raises KeyError or TypeError if
        the entry is malformed.
        """
        before, name = self.state, entry["name"]
        super().apply(entry)
        if name in UPDATE_EVENTS:
            context = entry.get("context") or {}
            if name == JOBSPEC_UPDATE:
                self._update_jobspec(entry)
            elif EXPIRATION in context:
                self.expiration = float(context[EXPIRATION])
        if self.state != before:
            if self.state == FLUX_JOB_STATE_PRIORITY:
                self.t_priority = self._moment(entry["timestamp"])
            elif self.state == FLUX_JOB_STATE_SCHED:
                self.t_sched = self._moment(entry["timestamp"])

    def _moment(self, time: float) -> float:
        """Return a time as the object that is there already, if it is that of the state before:
        states pass at once as a rule.
        """
        for known in (self.t_submit, self.t_priority):
            if known == time:
                return known
        return time

    def keep_annotations(self, annotations: Annotations | None) -> Annotations | None:
        """Return one object for all jobs with the same annotations, which are few on a machine:
        where they ran.
        """
        if not annotations:
            return None
        if len(_shared_annotations) >= _SHARED_LIMIT:
            _shared_annotations.clear()
        return _shared_annotations.setdefault(json.dumps(annotations), annotations)


def _bracketed(ids: str) -> str:
    """Return an idset in brackets if it has more than one member, as flux-core lists ranks."""
    return f"[{ids}]" if "-" in ids or "," in ids else ids


def _shared_text(text: str | None) -> str | None:
    return None if text is None else intern(text)


@lru_cache(maxsize=1024)
def _shared_number(number: float | None) -> float | None:
    """Return one object for all equal numbers, which are few: time limits are round."""
    return number


def _text_at(name: str) -> Callable[[JsonMapping], object]:
    return lambda jobspec: _shared_text(system_text(jobspec, name))


_FROM_JOBSPEC: Final[tuple[tuple[str, str, Callable[[JsonMapping], object]], ...]] = (
    ("name", NAME, lambda jobspec: _shared_text(job_name(jobspec))),
    ("queue", QUEUE, lambda jobspec: _shared_text(queue_name(jobspec))),
    ("duration", DURATION, lambda jobspec: _shared_number(time_limit(jobspec))),
    *((name, SYSTEM + name, _text_at(name)) for name in ("cwd", "project", "bank")),
)
"""Fields that an update of the jobspec may change: the key of each, and how it is read."""
_SHARED_LIMIT: Final = 4096
_shared_annotations: dict[bytes, Annotations] = {}
