"""The pool of resources: ranks with cores and GPUs, what is free, what is up (RFC 20).

Ranks are kept in groups by their number of free cores, so that the ranks with most room are found
without looking at all of them. An allocation takes the emptiest ranks first (``worst-fit``) and,
among equals, the lowest rank; or else the fullest ones that have room (``best-fit``), or the lowest
ranks (``first-fit``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final

from broker.services.sched_simple.nodes import (
    Allocation,
    PoolNode,
    Room,
    brackets,
    grouped,
    hosts_of,
    nodelist,
    properties_of,
    ranges,
)
from flux.constraint.match import Place
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from broker.services.sched_simple.request import ResourceRequest
    from flux.constraint.match import Matcher
    from flux.job.types import RankResources, ResourceExecution, ResourceObject

WORST_FIT: Final = "worst-fit"
BEST_FIT: Final = "best-fit"
FIRST_FIT: Final = "first-fit"


class ResourcePool:
    """All resources of the instance, from ``starttime`` to ``expiration`` (seconds since the epoch,
    0 for no end); ``mode`` says which ranks are taken first.
    """

    def __init__(self, mode: str = WORST_FIT) -> None:
        self.mode = mode
        self.starttime = self.expiration = 0.0
        self.nodes: dict[int, PoolNode] = {}
        self._by_room: dict[int, list[int]] = {}  # free cores -> sorted ranks that are up
        self._free_cores = 0

    @classmethod
    def from_resources(cls, resources: ResourceObject) -> ResourcePool:
        """Return the pool that an R object describes, every rank down; raises ValueError or
        KeyError for a malformed one.
        """
        pool = cls()
        execution = resources["execution"]
        pool.starttime = float(execution.get("starttime") or 0.0)
        pool.expiration = float(execution.get("expiration") or 0.0)
        parts: dict[int, tuple[list[int], list[int]]] = {}
        for entry in resources["execution"]["R_lite"]:
            children = entry["children"]
            cores, gpus = (
                IDset(children.get("core", "")).expand(),
                IDset(children.get("gpu", "")).expand(),
            )
            for rank in IDset(entry["rank"]):
                parts[rank] = (cores, gpus)
        hosts = hosts_of(resources)
        properties = properties_of(resources)
        for position, rank in enumerate(sorted(parts)):
            host = hosts[position] if position < len(hosts) else ""
            pool.nodes[rank] = PoolNode(
                rank, host, *parts[rank], frozenset(properties.get(rank, ()))
            )
        return pool

    # Up and down

    def set_up(self, ranks: Iterable[int], up: bool = True) -> None:
        """Mark ranks as usable or not; unknown ranks are ignored."""
        for rank in ranks:
            node = self.nodes.get(rank)
            if node is None or node.up == up:
                continue
            node.up = up
            if up:
                self._insert(node)
            else:
                self._remove(node)

    def _insert(self, node: PoolNode) -> None:
        room = len(node.free_cores)
        if room:
            insort(self._by_room.setdefault(room, []), node.rank)
            self._free_cores += room

    def _remove(self, node: PoolNode) -> None:
        room = len(node.free_cores)
        if room:
            group = self._by_room[room]
            del group[bisect_left(group, node.rank)]
            if not group:
                del self._by_room[room]
            self._free_cores -= room

    # Allocation

    def matching(self, matches: Matcher) -> frozenset[int]:
        """Return the ranks that a constraint allows."""
        return frozenset(
            node.rank
            for node in self.nodes.values()
            if matches(Place(node.rank, node.host, node.properties))
        )

    def satisfiable(
        self,
        request: ResourceRequest,
        eligible: frozenset[int] | None = None,
        *,
        up_only: bool = False,
    ) -> bool:
        """Whether the request could be met by the ranks ``eligible``, None for all, if they were
        idle and, unless only those that are up count, up.
        """
        per_node = [
            node.holds(request)
            for node in self.nodes.values()
            if (eligible is None or node.rank in eligible) and (node.up or not up_only)
        ]
        if request.nnodes:
            share = -(-request.nslots // request.nnodes)
            return sum(1 for slots in per_node if slots >= share) >= request.nnodes
        return sum(per_node) >= request.nslots

    def allocate(
        self,
        request: ResourceRequest,
        eligible: frozenset[int] | None = None,
        caps: Mapping[int, Room] | None = None,
    ) -> Allocation | None:
        """Take resources for a request, of the ranks ``eligible``, None for all, and of those in
        ``caps`` no more than that; None when there is not enough room now.
        """
        if self._free_cores < request.nslots * request.slot_size:
            return None
        planned = self._plan_nodes if request.nnodes else self._plan_slots
        plan = planned(request, eligible, caps or {})
        if plan is None:
            return None
        taken: dict[int, tuple[list[int], list[int]]] = {}
        for node, slots in plan:
            taken[node.rank] = self._take(node, request, slots)
        return Allocation(taken)

    def _candidates(self, least: int) -> Iterator[PoolNode]:
        """Yield the ranks with at least so many free cores, in the order they are to be taken."""
        if self.mode == FIRST_FIT:
            ranks = sorted(
                rank for room, group in self._by_room.items() if room >= least for rank in group
            )
            yield from (self.nodes[rank] for rank in ranks)
            return
        for room in sorted(self._by_room, reverse=self.mode == WORST_FIT):
            if room >= least:
                for rank in self._by_room[room]:
                    yield self.nodes[rank]
            elif self.mode == WORST_FIT:
                return

    def _plan_nodes(
        self,
        request: ResourceRequest,
        eligible: frozenset[int] | None,
        caps: Mapping[int, Room],
    ) -> list[tuple[PoolNode, int]] | None:
        share = -(-request.nslots // request.nnodes)
        plan: list[tuple[PoolNode, int]] = []
        for node in self._candidates(share * request.slot_size):
            if eligible is not None and node.rank not in eligible:
                continue
            if node.fits(request, caps.get(node.rank)) >= share:
                plan.append((node, share))
                if len(plan) == request.nnodes:
                    return plan
        return None

    def _plan_slots(
        self,
        request: ResourceRequest,
        eligible: frozenset[int] | None,
        caps: Mapping[int, Room],
    ) -> list[tuple[PoolNode, int]] | None:
        missing = request.nslots
        plan: list[tuple[PoolNode, int]] = []
        for node in self._candidates(request.slot_size):
            if eligible is not None and node.rank not in eligible:
                continue
            slots = min(missing, node.fits(request, caps.get(node.rank)))
            if slots:
                plan.append((node, slots))
                missing -= slots
                if not missing:
                    return plan
        return None

    def _take(
        self, node: PoolNode, request: ResourceRequest, slots: int
    ) -> tuple[list[int], list[int]]:
        self._remove(node)
        if request.exclusive:
            cores, node.free_cores = node.free_cores, []
            gpus, node.free_gpus = node.free_gpus, []
        else:
            ncores, ngpus = slots * request.slot_size, slots * request.slot_gpus
            cores, node.free_cores = node.free_cores[:ncores], node.free_cores[ncores:]
            gpus, node.free_gpus = node.free_gpus[:ngpus], node.free_gpus[ngpus:]
        self._insert(node)
        return cores, gpus

    def free(self, allocation: Allocation) -> None:
        """Give resources back; ids that are free already are ignored."""
        for rank, (cores, gpus) in allocation.nodes.items():
            node = self.nodes.get(rank)
            if node is None:
                continue
            if node.up:
                self._remove(node)
            node.free_cores = sorted(set(node.free_cores).union(cores).intersection(node.cores))
            node.free_gpus = sorted(set(node.free_gpus).union(gpus).intersection(node.gpus))
            if node.up:
                self._insert(node)

    def claim(self, allocation: Allocation) -> None:
        """Mark resources as taken by a job that has them from before; raises ValueError if one of
        them is not free.
        """
        for rank, (cores, gpus) in allocation.nodes.items():
            node = self.nodes.get(rank)
            if (
                node is None
                or not set(cores) <= set(node.free_cores)
                or not set(gpus) <= set(node.free_gpus)
            ):
                raise ValueError(f"rank{rank} does not have core{brackets(cores)} free")
        for rank, (cores, gpus) in allocation.nodes.items():
            node = self.nodes[rank]
            if node.up:
                self._remove(node)
            node.free_cores = [core for core in node.free_cores if core not in cores]
            node.free_gpus = [gpu for gpu in node.free_gpus if gpu not in gpus]
            if node.up:
                self._insert(node)

    # Description

    @property
    def free_up_cores(self) -> int:
        """How many cores can be allocated now."""
        return self._free_cores

    @property
    def total_cores(self) -> int:
        """How many cores there are."""
        return sum(len(node.cores) for node in self.nodes.values())

    def free_summary(self) -> str:
        """Return what is free on the ranks that are up, for the log."""
        free = {
            n.rank: (n.free_cores, n.free_gpus)
            for n in self.nodes.values()
            if n.up and n.free_cores
        }
        return Allocation(free).summary()

    def describe(
        self, allocation: Allocation, starttime: float = 0.0, expiration: float = 0.0
    ) -> ResourceObject:
        """Return an allocation as an R object."""
        return self._resources(allocation.nodes, starttime, expiration)

    def _resources(
        self,
        nodes: Mapping[int, tuple[list[int], list[int]]],
        starttime: float = 0.0,
        expiration: float = 0.0,
    ) -> ResourceObject:
        lite: list[RankResources] = []
        order: list[int] = []
        for ranks, cores, gpus in grouped(nodes):
            children = {"core": ranges(cores)}
            if gpus:
                children["gpu"] = ranges(gpus)
            lite.append({"rank": ranges(ranks), "children": children})
            order.extend(ranks)
        hosts = [self.nodes[rank].host for rank in sorted(order)]
        execution: ResourceExecution = {
            "R_lite": lite,
            "starttime": starttime,
            "expiration": expiration,
            "nodelist": [nodelist(hosts)],
        }
        properties: dict[str, list[int]] = {}
        for rank in sorted(order):
            for name in self.nodes[rank].properties:
                properties.setdefault(name, []).append(rank)
        if properties:
            execution["properties"] = {
                name: ranges(ranks) for name, ranks in sorted(properties.items())
            }
        return {"version": 1, "execution": execution}

    def all_resources(self) -> ResourceObject:
        """Return everything as an R object."""
        return self._resources(
            {node.rank: (node.cores, node.gpus) for node in self.nodes.values()},
            self.starttime,
            self.expiration,
        )

    def down_resources(self) -> ResourceObject:
        """Return the ranks that are not usable as an R object."""
        return self._resources(
            {node.rank: (node.cores, node.gpus) for node in self.nodes.values() if not node.up}
        )

    def allocated_resources(self) -> ResourceObject:
        """Return what jobs hold as an R object."""
        held: dict[int, tuple[list[int], list[int]]] = {}
        for node in self.nodes.values():
            if not node.idle:
                cores = sorted(set(node.cores).difference(node.free_cores))
                held[node.rank] = (cores, sorted(set(node.gpus).difference(node.free_gpus)))
        return self._resources(held)
