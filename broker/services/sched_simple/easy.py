"""Reservations for EASY backfill: when the first waiting request can be met, and what others may
use without making that later.

A request that has to wait gets the earliest time at which enough will be free, if every job runs to
its time limit, and a plan of what it takes then. What is free now and not in the plan may be used
by others for any time, the rest by those that end before.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from broker.services.sched_simple.nodes import Room

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.services.sched_simple.nodes import Allocation, PoolNode
    from broker.services.sched_simple.pool import ResourcePool
    from broker.services.sched_simple.request import ResourceRequest


class Reservation:
    """What is kept for a request on ``ranks``, from ``time`` on, seconds since the epoch.

    ``spare`` is what it leaves of each of its ranks from then on. ``time`` is infinite if nobody
    knows when there will be enough: then nothing is spare.
    """

    __slots__ = ("jobid", "ranks", "spare", "time")

    def __init__(
        self, jobid: int, ranks: frozenset[int], time: float, spare: dict[int, Room]
    ) -> None:
        self.jobid = jobid
        self.ranks = ranks
        self.time = time
        self.spare = spare

    def binds(self, end: float) -> bool:
        """Whether a job that ends at ``end`` has to leave alone what is kept."""
        return math.isinf(self.time) or end > self.time

    def use(self, allocation: Allocation) -> None:
        """Count what a job got that does not end in time."""
        for rank, (cores, gpus) in allocation.nodes.items():
            if rank in self.spare:
                left = self.spare[rank]
                self.spare[rank] = Room(left.cores - len(cores), left.gpus - len(gpus))


def reserve(
    jobid: int,
    request: ResourceRequest,
    pool: ResourcePool,
    ranks: frozenset[int],
    held: Iterable[Allocation],
    now: float,
) -> Reservation | None:
    """Return the reservation of a request that has to wait, on ``ranks``; None if it could not be
    met by those that are up, however long it waits.
    """
    nodes = {rank: node for rank in ranks if (node := pool.nodes.get(rank)) and node.up}
    free = {rank: node.free for rank, node in nodes.items()}
    ends = sorted(
        ((max(item.expiration or math.inf, now), item) for item in held), key=lambda pair: pair[0]
    )
    plan = _plan(request, nodes, free)
    if plan is not None:  # only what is reserved for others keeps it waiting
        return Reservation(jobid, ranks, now, _spare(free, plan))
    missing = request.nslots * request.slot_size - sum(room.cores for room in free.values())
    for time, ending in groupby(ends, key=lambda pair: pair[0]):
        for _, allocation in ending:
            for rank, (cores, gpus) in allocation.nodes.items():
                if rank in free:
                    room = free[rank]
                    free[rank] = Room(room.cores + len(cores), room.gpus + len(gpus))
                    missing -= len(cores)
        plan = _plan(request, nodes, free) if missing <= 0 else None
        if plan is not None:
            spare = _spare(free, plan) if time < math.inf else dict.fromkeys(free, Room(0, 0))
            return Reservation(jobid, ranks, time, spare)
    return None


def _spare(free: dict[int, Room], plan: dict[int, Room]) -> dict[int, Room]:
    nothing = Room(0, 0)
    return {
        rank: Room(
            room.cores - plan.get(rank, nothing).cores, room.gpus - plan.get(rank, nothing).gpus
        )
        for rank, room in free.items()
    }


def _plan(
    request: ResourceRequest, nodes: dict[int, PoolNode], free: dict[int, Room]
) -> dict[int, Room] | None:
    """Return what a request takes of each rank if so much is free, the emptiest ones first."""
    share = -(-request.nslots // request.nnodes) if request.nnodes else 1
    plan: dict[int, Room] = {}
    missing = request.nslots
    for rank in sorted(free, key=lambda rank: (-free[rank].cores, rank)):
        room = free[rank]
        if request.exclusive and room != nodes[rank].size:
            continue
        slots = room.slots(request)
        if slots < share:
            continue
        slots = share if request.nnodes else min(slots, missing)
        plan[rank] = (
            room
            if request.exclusive
            else Room(slots * request.slot_size, slots * request.slot_gpus)
        )
        missing -= slots
        if len(plan) == request.nnodes or (not request.nnodes and not missing):
            return plan
    return None
