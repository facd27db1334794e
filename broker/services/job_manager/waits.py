"""Who waits for which job's result (flux_job_wait(3)): waitable jobs, zombies and waiters.

A job submitted with the waitable flag is kept as a zombie when it ends until its result has been
fetched, once.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Generic, TypedDict, TypeVar

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job

W = TypeVar("W")

ANY_JOB = -1
NOT_WAITABLE = "invalid job id, or job may be inactive and not waitable"
NO_MORE = "there are no more waitable jobs"


class JobEnd(TypedDict):
    """What a waiter is told about an ended job."""

    id: int
    success: bool
    errstr: str


def result_of(job: Job) -> JobEnd:
    """Return what a waiter is told about an ended job."""
    return {"id": job.id, "success": job.success, "errstr": job.result_text()}


class WaitTable(Generic[W]):
    """Waiters of type ``W`` and the results they wait for. Methods return the waiters that can be
    answered now.
    """

    def __init__(self) -> None:
        self.zombies: dict[int, JobEnd] = {}
        self._active: set[int] = set()
        self._by_id: dict[int, W] = {}
        self._any: deque[W] = deque()

    def __len__(self) -> int:
        return len(self._by_id) + len(self._any)

    def add_job(self, id: int) -> None:
        """A waitable job became active."""
        self._active.add(id)

    def wait(self, id: int, waiter: W) -> JobEnd | None:
        """Return the result of job ``id``, or of any job for ANY_JOB, or None after queueing
        ``waiter``.

        Raises OSError(ECHILD) when there is nothing to wait for.
        """
        if id != ANY_JOB:
            return self._wait_one(id, waiter)
        if self.zombies:
            return self.zombies.pop(next(iter(self.zombies)))
        if len(self._active) - len(self._by_id) <= len(self._any):
            raise OSError(errno.ECHILD, NO_MORE)
        self._any.append(waiter)
        return None

    def _wait_one(self, id: int, waiter: W) -> JobEnd | None:
        if id in self.zombies:
            return self.zombies.pop(id)
        if id not in self._active or id in self._by_id:
            raise OSError(errno.ECHILD, NOT_WAITABLE)
        if len(self._active) - len(self._by_id) <= len(self._any):
            raise OSError(errno.ECHILD, NOT_WAITABLE)
        self._by_id[id] = waiter
        return None

    def ended(self, job: Job) -> W | None:
        """A job became inactive: return who is to be told `result_of` it; without a waiter it stays
        as a zombie.
        """
        if job.id not in self._active:
            return None
        self._active.discard(job.id)
        waiter = self._by_id.pop(job.id, None)
        if waiter is None and self._any:
            waiter = self._any.popleft()
        if waiter is None:
            self.zombies[job.id] = result_of(job)
        return waiter

    def drop(self, waiter: W) -> None:
        """Forget a waiter that went away."""
        self._by_id = {id: other for id, other in self._by_id.items() if other is not waiter}
        if waiter in self._any:
            self._any.remove(waiter)

    def waiters(self) -> list[W]:
        """Return everybody who waits."""
        return [*self._by_id.values(), *self._any]
