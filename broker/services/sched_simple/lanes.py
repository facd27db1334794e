"""Waiting requests in the order of their priority, those with the same constraint in one lane."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Final

from broker.ordered import OrderedKeys
from broker.services.sched_simple.request import matcher_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker.services.sched_simple.pool import ResourcePool
    from broker.services.sched_simple.request import ResourceRequest

_IDLE_LANES: Final = 256
"""Lanes that are kept although nothing waits in them: their ranks need not be looked for again."""


class Pending:
    """A request waiting for resources, in its lane."""

    __slots__ = ("jobid", "lane", "priority", "request")

    def __init__(self, jobid: int, priority: int, request: ResourceRequest, lane: Lane) -> None:
        self.jobid = jobid
        self.priority = priority
        self.request = request
        self.lane = lane

    @property
    def place(self) -> tuple[int, int]:
        """Its place in the order: high priorities first, then old jobs."""
        return (-self.priority, self.jobid)


class Lane:
    """The requests with one constraint; ``ranks`` are those that it allows, None for all."""

    __slots__ = ("constraint", "order", "ranks")

    def __init__(self, constraint: str, pool: ResourcePool) -> None:
        self.constraint = constraint
        self.order: OrderedKeys[tuple[int, int]] = OrderedKeys()
        self.ranks: frozenset[int] | None = None
        self.look(pool)

    def look(self, pool: ResourcePool) -> None:
        """Find the ranks that the constraint allows."""
        if self.constraint:
            self.ranks = pool.matching(matcher_of(self.constraint))


class Lanes:
    """All waiting requests by lane."""

    def __init__(self, pool: ResourcePool) -> None:
        self._pool = pool
        self._lanes: dict[str, Lane] = {}
        self.pending: dict[int, Pending] = {}

    def lane(self, constraint: str) -> Lane:
        """Return the lane of a constraint."""
        lane = self._lanes.get(constraint)
        if lane is None:
            if len(self._lanes) > _IDLE_LANES:
                self._lanes = {key: lane for key, lane in self._lanes.items() if lane.order}
            lane = self._lanes[constraint] = Lane(constraint, self._pool)
        return lane

    def look(self, pool: ResourcePool) -> None:
        """Go on with other resources."""
        self._pool = pool
        for lane in self._lanes.values():
            lane.look(pool)

    def add(self, jobid: int, priority: int, request: ResourceRequest, lane: Lane) -> None:
        """Add a request to a lane of its constraint."""
        pending = self.pending[jobid] = Pending(jobid, priority, request, lane)
        lane.order.add(pending.place)

    def remove(self, jobid: int) -> Pending | None:
        """Take a request out; returns None if it does not wait."""
        pending = self.pending.pop(jobid, None)
        if pending is not None:
            pending.lane.order.remove(pending.place)
        return pending

    def busy(self) -> list[Lane]:
        """Return the lanes in which something waits."""
        return [lane for lane in self._lanes.values() if lane.order]

    def walk(self, done: set[Lane]) -> Iterator[Pending]:
        """Yield the requests of all lanes in order; those of a lane are left out from when it is
        ``done``. Lanes must not be changed meanwhile.
        """
        if len(lanes := self.busy()) == 1:
            for _, jobid in lanes[0].order:
                yield self.pending[jobid]
                if lanes[0] in done:
                    return
            return
        orders = [iter(lane.order) for lane in lanes]
        heads = [(next(order), number) for number, order in enumerate(orders)]
        heapify(heads)
        while heads:
            place, number = heappop(heads)
            if lanes[number] in done:
                continue
            yield self.pending[place[1]]
            following = next(orders[number], None)
            if following is not None and lanes[number] not in done:
                heappush(heads, (following, number))
