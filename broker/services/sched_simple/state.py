"""The scheduler's decisions: requests wait in priority order, the first one that does not fit holds
up the rest.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from broker.services.sched_simple.pool import Allocation, ResourcePool, allocation_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.services.sched_simple.request import ResourceRequest
    from flux.job.types import ResourceObject


class Pending:
    """A request waiting for resources."""

    __slots__ = ("jobid", "priority", "request")

    def __init__(self, jobid: int, priority: int, request: ResourceRequest) -> None:
        self.jobid = jobid
        self.priority = priority
        self.request = request


class Scheduler:
    """The pool, the waiting requests and what jobs hold. Pure: the service sends what the methods
    return.
    """

    def __init__(self, pool: ResourcePool | None = None) -> None:
        self.pool = pool or ResourcePool()
        self.held: dict[int, Allocation] = {}
        self._pending: dict[int, Pending] = {}
        self._order: list[tuple[int, int]] = []  # (-priority, jobid)

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, jobid: int) -> bool:
        return jobid in self._pending

    def add(self, jobid: int, priority: int, request: ResourceRequest) -> bool:
        """Queue a request; returns False, queueing nothing, if it can never be met."""
        if not self.pool.satisfiable(request):
            return False
        self._pending[jobid] = Pending(jobid, priority, request)
        insort(self._order, (-priority, jobid))
        return True

    def cancel(self, jobid: int) -> bool:
        """Drop a request; returns False if it is not waiting."""
        pending = self._pending.pop(jobid, None)
        if pending is None:
            return False
        del self._order[bisect_left(self._order, (-pending.priority, jobid))]
        return True

    def prioritize(self, jobid: int, priority: int) -> None:
        """Give a waiting request another priority; others are ignored."""
        pending = self._pending.get(jobid)
        if pending is not None:
            self.cancel(jobid)
            pending.priority = priority
            self._pending[jobid] = pending
            insort(self._order, (-priority, jobid))

    def schedule(self) -> list[tuple[Pending, Allocation]]:
        """Allocate to waiting requests in order until one does not fit; returns what was given."""
        given: list[tuple[Pending, Allocation]] = []
        for _, jobid in self._order:
            pending = self._pending[jobid]
            allocation = self.pool.allocate(pending.request)
            if allocation is None:
                break
            self.held[jobid] = allocation
            given.append((pending, allocation))
        del self._order[: len(given)]
        for pending, _ in given:
            del self._pending[pending.jobid]
        return given

    def free(self, jobid: int, resources: ResourceObject | None = None) -> Allocation | None:
        """Free what a job held, as remembered or as its R says; returns it, None if nothing is
        known.

        Raises ValueError or KeyError for a malformed R.
        """
        allocation = self.held.pop(jobid, None)
        if allocation is None and resources is not None:
            allocation = allocation_of(resources)
        if allocation is not None:
            self.pool.free(allocation)
        return allocation

    def claim(self, jobid: int, resources: ResourceObject) -> None:
        """Count in what a job has from before this scheduler; raises ValueError or KeyError if that
        cannot be.
        """
        allocation = allocation_of(resources)
        self.pool.claim(allocation)
        self.held[jobid] = allocation

    def replace_pool(self, pool: ResourcePool) -> list[int]:
        """Go on with other resources; returns the requests that can no longer be met, which are
        dropped.
        """
        self.pool = pool
        for jobid, allocation in list(self.held.items()):
            try:
                pool.claim(allocation)
            except ValueError:
                del self.held[jobid]
        hopeless = [
            jobid
            for jobid, pending in self._pending.items()
            if not pool.satisfiable(pending.request)
        ]
        for jobid in hopeless:
            self.cancel(jobid)
        return hopeless

    def set_up(self, ranks: Iterable[int], up: bool) -> None:
        """Mark ranks as usable or not."""
        self.pool.set_up(ranks, up)
