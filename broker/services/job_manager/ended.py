"""How inactive jobs ended, for jobs that depend on them."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from broker.services.job_manager.restart import UNREADABLE, listed_jobs
from flux.job.lifecycle import INACTIVE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from broker.services.job_manager.states import Job
    from flux.aio import AsyncFlux

KEPT: Final = 4096
"""Jobs that ended last, which need not be read from the KVS; their logs may not be stored yet."""


class EndedJob(NamedTuple):
    """What is kept of an inactive job: its user, whether its tasks began, whether all went well."""

    userid: int
    started: bool
    success: bool


class EndedJobs:
    """The inactive jobs that ended last or were looked up last, by id."""

    def __init__(self, handle: AsyncFlux) -> None:
        self._handle = handle
        self._known: OrderedDict[int, EndedJob] = OrderedDict()
        self._lookups = 0

    def get(self, id: int) -> EndedJob | None:
        """Return a job, None for one that is not known here."""
        return self._known.get(id)

    def add(self, job: Job) -> None:
        """A job is inactive."""
        self._known[job.id] = EndedJob(job.userid, job.started, job.success)
        self._known.move_to_end(job.id)
        self._trim()

    def _trim(self) -> None:
        while len(self._known) > KEPT and not self._lookups:
            self._known.popitem(last=False)

    def drop(self, ids: Collection[int]) -> None:
        """Jobs are purged: nobody can depend on them."""
        for id in ids:
            self._known.pop(id, None)

    @asynccontextmanager
    async def looked_up(self, ids: Collection[int]) -> AsyncIterator[None]:
        """Read jobs from the KVS that are not known here, and forget none, however many, inside the
        block. Those that are not inactive or cannot be read stay unknown.
        """
        self._lookups += 1
        try:
            wanted = [id for id in ids if id not in self._known]
            async for stored in listed_jobs(self._handle, wanted, ("eventlog",)):
                try:
                    job = await stored.replay()
                except UNREADABLE:
                    continue
                if job.state == INACTIVE:
                    self.add(job)
            yield
        finally:
            self._lookups -= 1
            self._trim()
