"""The scheduler's decisions: which of the waiting requests are met now, and why others are not.

Requests are looked at in the order of their priority. With the policy ``fcfs`` one that cannot be
met keeps the ranks that it may run on from all behind it. With ``easy`` the others may use them as
far as the first one can still start when it could have (`broker.services.sched_simple.easy`).
Requests whose constraints name other ranks, such as those of other queues, wait independently.
"""

from __future__ import annotations

import math
from collections import ChainMap
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.services.sched_simple.easy import Reservation, reserve
from broker.services.sched_simple.lanes import Lane, Lanes, Pending
from broker.services.sched_simple.nodes import Allocation, allocation_of
from broker.services.sched_simple.pool import ResourcePool
from broker.services.sched_simple.refusals import why_never

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from broker.services.sched_simple.nodes import Room
    from broker.services.sched_simple.request import ResourceRequest
    from flux.job.types import ResourceObject

FCFS: Final = "fcfs"
EASY: Final = "easy"
BACKFILL_DEPTH: Final = 1000
"""How many requests behind the first that waits are looked at in a turn."""
_KNOWN_SHAPES: Final = 4096

Shape = tuple[int, int, int, int, bool, str]


class HeldRanks(Struct, frozen=True):
    """Ranks that the request of a job keeps from those behind it, None for all of them."""

    jobid: int
    ranks: frozenset[int] | None


class WaitReason(Struct, frozen=True):
    """Why a request is not met: a job before it, or the resources; ``estimate`` is when it will
    start at the latest, None if that is not known.
    """

    text: str
    behind: int | None = None
    estimate: float | None = None


class Scheduler:
    """The pool, the waiting requests and what jobs hold. Pure: the service sends what the methods
    return.

    ``estimates`` has the time at which the jobs with reservations start at the latest.
    """

    def __init__(self, pool: ResourcePool | None = None, policy: str = FCFS) -> None:
        self.policy = policy
        self.pool = pool or ResourcePool()
        self.held: dict[int, Allocation] = {}
        self.estimates: dict[int, float] = {}
        self._lanes = Lanes(self.pool)
        self._holding: list[HeldRanks] = []
        self._satisfiable: dict[Shape, bool] = {}
        self._satisfiable_up: dict[Shape, bool] = {}

    def __len__(self) -> int:
        return len(self._lanes.pending)

    def __contains__(self, jobid: int) -> bool:
        return jobid in self._lanes.pending

    # Requests

    def satisfiable(self, request: ResourceRequest) -> bool:
        """Whether a request could be met if everything were up and idle."""
        return self._could_be_met(request, self._satisfiable, up_only=False)

    def _could_be_met(
        self, request: ResourceRequest, known: dict[Shape, bool], *, up_only: bool
    ) -> bool:
        shape = shape_of(request)
        answer = known.get(shape)
        if answer is None:
            if len(known) >= _KNOWN_SHAPES:
                known.clear()
            ranks = self._lanes.lane(request.constraint).ranks
            answer = self.pool.satisfiable(request, ranks, up_only=up_only)
            known[shape] = answer
        return answer

    def why_never(self, request: ResourceRequest) -> str:
        """Return the sentence for a request that can never be met."""
        nodes = self.pool.nodes
        ranks = self._lanes.lane(request.constraint).ranks
        allowed = [node for rank, node in nodes.items() if ranks is None or rank in ranks]
        return why_never(request, allowed, len(nodes))

    @property
    def has_gpus(self) -> bool:
        """Whether any node has GPUs."""
        return any(node.gpus for node in self.pool.nodes.values())

    def add(self, jobid: int, priority: int, request: ResourceRequest) -> bool:
        """Queue a request; returns False, queueing nothing, if it can never be met."""
        if not self.satisfiable(request):
            return False
        self._lanes.add(jobid, priority, request, self._lanes.lane(request.constraint))
        return True

    def cancel(self, jobid: int) -> bool:
        """Drop a request; returns False if it is not waiting."""
        return self._lanes.remove(jobid) is not None

    def prioritize(self, jobid: int, priority: int) -> None:
        """Give a waiting request another priority; others are ignored."""
        pending = self._lanes.remove(jobid)
        if pending is not None:
            self._lanes.add(jobid, priority, pending.request, pending.lane)

    def waiting(self) -> list[int]:
        """Return the jobs whose requests wait, in order."""
        return [pending.jobid for pending in self._lanes.walk(set())]

    # Turns

    def schedule(self, now: float = 0.0) -> list[tuple[Pending, Allocation]]:
        """Meet what can be met at ``now``, seconds since the epoch; returns what was given."""
        self._holding = []
        self.estimates = {}
        given = self._schedule_easy(now) if self.policy == EASY else self._schedule_fcfs()
        for pending, allocation in given:
            duration = pending.request.duration
            allocation.expiration = now + duration if duration > 0 else 0.0
            self.held[pending.jobid] = allocation
            self._lanes.remove(pending.jobid)
        return given

    def _schedule_fcfs(self) -> list[tuple[Pending, Allocation]]:
        given: list[tuple[Pending, Allocation]] = []
        done: set[Lane] = set()
        blocked: set[int] = set()
        for pending in self._lanes.walk(done):
            lane = pending.lane
            eligible = lane.ranks
            if blocked:
                eligible = (frozenset(self.pool.nodes) if eligible is None else eligible) - blocked
            allocation = None
            if eligible is None or eligible:
                allocation = self.pool.allocate(pending.request, eligible)
            if allocation is not None:
                given.append((pending, allocation))
                continue
            done.add(lane)
            self._holding.append(HeldRanks(pending.jobid, lane.ranks))
            if lane.ranks is None:
                break
            blocked |= lane.ranks
        return given

    def _schedule_easy(self, now: float) -> list[tuple[Pending, Allocation]]:
        given: list[tuple[Pending, Allocation]] = []
        reservations: list[Reservation] = []
        failed: dict[Shape, float] = {}
        wanted: set[int] = set()
        depth = 0
        for pending in self._lanes.walk(set()):
            if reservations:
                depth += 1
                if depth > BACKFILL_DEPTH or not self.pool.free_up_cores:
                    break
            request = pending.request
            shape, end = shape_of(request), now + request.duration if request.duration else math.inf
            if end >= failed.get(shape, math.inf) and shape in failed:
                continue
            ranks = pending.lane.ranks
            bound = [
                item
                for item in reservations
                if item.binds(end) and (ranks is None or not ranks.isdisjoint(item.ranks))
            ]
            allocation = self.pool.allocate(request, ranks, _caps(bound))
            if allocation is not None:
                for item in bound:
                    item.use(allocation)
                allocation.expiration = 0.0 if math.isinf(end) else end
                given.append((pending, allocation))
                continue
            failed[shape] = end
            self._reserve(pending, wanted, reservations, given, now)
        return given

    def _reserve(
        self,
        pending: Pending,
        wanted: set[int],
        reservations: list[Reservation],
        given: list[tuple[Pending, Allocation]],
        now: float,
    ) -> None:
        """Keep resources for a request that has to wait, if it is the first to want any of its
        ranks: not if one before it wants some of them, though that has no reservation yet.

        One that needs nodes which are down wants none: it is no use to wait for it.
        """
        if not self._could_be_met(pending.request, self._satisfiable_up, up_only=True):
            return
        ranks = pending.lane.ranks
        everything = frozenset(self.pool.nodes) if ranks is None else ranks
        if everything.isdisjoint(wanted):
            running = [*self.held.values(), *(allocation for _, allocation in given)]
            found = reserve(pending.jobid, pending.request, self.pool, everything, running, now)
            if found is not None:
                reservations.append(found)
                if not math.isinf(found.time):
                    self.estimates[pending.jobid] = found.time
        wanted |= everything
        self._holding.append(HeldRanks(pending.jobid, ranks))

    def reason(self, jobid: int) -> WaitReason | None:
        """Return why a request was not met in the last turn; None if it does not wait."""
        pending = self._lanes.pending.get(jobid)
        if pending is None:
            return None
        ranks = pending.lane.ranks
        estimate = self.estimates.get(jobid)
        if not self._could_be_met(pending.request, self._satisfiable_up, up_only=True):
            return WaitReason("the nodes that it needs are drained or offline", estimate=estimate)
        for item in self._holding:
            if item.jobid == jobid:
                break
            if item.ranks is None or ranks is None or not ranks.isdisjoint(item.ranks):
                return WaitReason("behind another job", item.jobid)
        return WaitReason("insufficient resources", estimate=estimate)

    # Resources

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

    def free_part(self, jobid: int, resources: ResourceObject) -> Allocation:
        """Free the ranks of R, a part of what a job holds; returns it. The job keeps the others.

        Raises ValueError or KeyError for a malformed R.
        """
        part = allocation_of(resources)
        held = self.held.get(jobid)
        if held is not None:
            kept = {rank: ids for rank, ids in held.nodes.items() if rank not in part.nodes}
            self.held[jobid] = Allocation(kept, held.expiration)
        self.pool.free(part)
        return part

    def expire(self, jobid: int, expiration: float) -> bool:
        """What a job holds is to be free at another time, 0 for nobody knows when; returns False if
        it holds nothing.
        """
        allocation = self.held.get(jobid)
        if allocation is None:
            return False
        allocation.expiration = expiration
        return True

    def claim(self, jobid: int, resources: ResourceObject) -> None:
        """Count in what a job has from before this scheduler; raises ValueError or KeyError if that
        cannot be.
        """
        allocation = allocation_of(resources)
        if allocation.expiration == self.pool.expiration:
            allocation.expiration = 0.0  # it has no time limit of its own
        self.pool.claim(allocation)
        self.held[jobid] = allocation

    def replace_pool(self, pool: ResourcePool) -> list[int]:
        """Go on with other resources; returns the requests that can no longer be met, which are
        dropped.
        """
        pool.mode = self.pool.mode
        self.pool = pool
        self._satisfiable.clear()
        self._satisfiable_up.clear()
        self._lanes.look(pool)
        for jobid, allocation in list(self.held.items()):
            try:
                pool.claim(allocation)
            except ValueError:
                del self.held[jobid]
        hopeless = [
            jobid
            for jobid, pending in self._lanes.pending.items()
            if not self.satisfiable(pending.request)
        ]
        for jobid in hopeless:
            self.cancel(jobid)
        return hopeless

    def set_up(self, ranks: Iterable[int], up: bool) -> None:
        """Mark ranks as usable or not."""
        self._satisfiable_up.clear()
        self.pool.set_up(ranks, up)


def shape_of(request: ResourceRequest) -> Shape:
    """Return a request without its duration."""
    return (
        request.nnodes,
        request.nslots,
        request.slot_size,
        request.slot_gpus,
        request.exclusive,
        request.constraint,
    )


def _caps(reservations: list[Reservation]) -> Mapping[int, Room]:
    """Return what reservations, which have no rank in common, leave of their ranks."""
    spares = [item.spare for item in reservations]
    return spares[0] if len(spares) == 1 else ChainMap(*spares)
