"""One job as `flux jobs` sees it: what its eventlog tells, and what its jobspec and R hold.

A record holds only numbers and shared strings, so a hundred thousand finished jobs stay affordable.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Final

from flux.job.describe import allocation, job_name, queue_name, task_count
from flux.job.lifecycle import JobHistory
from flux.wire import json

if TYPE_CHECKING:
    from flux.job.lifecycle import Annotations
    from flux.wire.json import JsonMapping


class ListedJob(JobHistory):
    """What the list knows of a job; None stands for "not known (yet)"."""

    __slots__ = (
        "expiration",
        "id",
        "name",
        "nnodes",
        "nodelist",
        "ntasks",
        "queue",
        "ranks",
        "seq",
    )

    def __init__(self, id: int) -> None:
        super().__init__()
        self.id = id
        self.seq = -1
        self.name: str | None = None
        self.ntasks: int | None = None
        self.nnodes: int | None = None
        self.queue: str | None = None
        self.ranks: str | None = None
        self.nodelist: str | None = None
        self.expiration: float | None = None

    @property
    def success(self) -> bool:
        """Whether every task exited with 0, which is what makes a job COMPLETED."""
        return self.waitstatus == 0

    def set_jobspec(self, jobspec: JsonMapping) -> None:
        """Learn name, queue and task count from a jobspec (RFC 14); what it does not hold stays
        unknown.
        """
        name = job_name(jobspec)
        self.name = None if name is None else intern(name)
        queue = queue_name(jobspec)
        self.queue = None if queue is None else intern(queue)
        self.ntasks = task_count(jobspec)

    def set_resources(self, resources: JsonMapping) -> None:
        """Learn ranks, nodes and expiration from an R (RFC 20)."""
        found = allocation(resources)
        self.ranks, self.nnodes = intern(found.ranks), found.nnodes
        self.nodelist, self.expiration = intern(found.nodelist), found.expiration

    def keep_annotations(self, annotations: Annotations | None) -> Annotations | None:
        """Return one object for all jobs with the same annotations, which are few on a machine:
        where they ran.
        """
        if not annotations:
            return None
        if len(_shared_annotations) >= _SHARED_LIMIT:
            _shared_annotations.clear()
        return _shared_annotations.setdefault(json.dumps(annotations), annotations)


_SHARED_LIMIT: Final = 4096
_shared_annotations: dict[bytes, Annotations] = {}
