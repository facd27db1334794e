"""The pool of resources: ranks with cores and GPUs, what is free, what is up (RFC 20).

Ranks are kept in groups by their number of free cores, so that the ranks with most room are found
without looking at all of them. An allocation takes the emptiest ranks first and, among equals, the
lowest rank.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from broker.services.sched_simple.request import ResourceRequest
    from flux.job.types import RankResources, ResourceExecution, ResourceObject


class PoolNode:
    """One rank: its host, its cores and GPUs, and which of them are free."""

    __slots__ = ("cores", "free_cores", "free_gpus", "gpus", "host", "rank", "up")

    def __init__(self, rank: int, host: str, cores: Iterable[int], gpus: Iterable[int]) -> None:
        self.rank = rank
        self.host = host
        self.cores = sorted(cores)
        self.gpus = sorted(gpus)
        self.free_cores = list(self.cores)
        self.free_gpus = list(self.gpus)
        self.up = False

    def fits(self, request: ResourceRequest) -> int:
        """Return how many slots fit into what is free."""
        slots = len(self.free_cores) // request.slot_size
        if request.slot_gpus:
            slots = min(slots, len(self.free_gpus) // request.slot_gpus)
        return slots

    def holds(self, request: ResourceRequest) -> int:
        """Return how many slots would fit into the idle node."""
        slots = len(self.cores) // request.slot_size
        if request.slot_gpus:
            slots = min(slots, len(self.gpus) // request.slot_gpus)
        return slots

    @property
    def idle(self) -> bool:
        """Whether nothing of it is allocated."""
        return len(self.free_cores) == len(self.cores) and len(self.free_gpus) == len(self.gpus)


class Allocation:
    """What a job got: cores and GPUs by rank."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: dict[int, tuple[list[int], list[int]]]) -> None:
        self.nodes = nodes

    def summary(self) -> str:
        """Return the ``resource_summary`` annotation, for example ``rank[0-1]/core[0-3]``."""
        return " ".join(
            f"rank{_brackets(ranks)}/core{_brackets(cores)}"
            + (f",gpu{_brackets(gpus)}" if gpus else "")
            for ranks, cores, gpus in _grouped(self.nodes)
        )


def _brackets(ids: Iterable[int]) -> str:
    items = list(ids)
    text = ranges(items)
    return text if len(items) == 1 else f"[{text}]"


def ranges(ids: Iterable[int]) -> str:
    """Return sorted ids as an RFC 22 idset string."""
    out: list[str] = []
    first = last = -1
    for number in ids:
        if first < 0:
            first = last = number
        elif number == last + 1:
            last = number
        else:
            out.append(f"{first}-{last}" if last > first else str(first))
            first = last = number
    if first >= 0:
        out.append(f"{first}-{last}" if last > first else str(first))
    return ",".join(out)


def _grouped(
    nodes: Mapping[int, tuple[list[int], list[int]]],
) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Yield (ranks, cores, gpus) of the ranks with equal cores and GPUs, by lowest rank."""
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for rank in sorted(nodes):
        cores, gpus = nodes[rank]
        groups.setdefault((tuple(cores), tuple(gpus)), []).append(rank)
    for (cores_key, gpus_key), ranks in groups.items():
        yield ranks, list(cores_key), list(gpus_key)


class ResourcePool:
    """All resources of the instance."""

    def __init__(self) -> None:
        self.nodes: dict[int, PoolNode] = {}
        self._by_room: dict[int, list[int]] = {}  # free cores -> sorted ranks that are up
        self._free_cores = 0

    @classmethod
    def from_resources(cls, resources: ResourceObject) -> ResourcePool:
        """Return the pool that an R object describes, every rank down; raises ValueError or
        KeyError for a malformed one.
        """
        pool = cls()
        parts: dict[int, tuple[list[int], list[int]]] = {}
        for entry in resources["execution"]["R_lite"]:
            children = entry["children"]
            cores, gpus = (
                IDset(children.get("core", "")).expand(),
                IDset(children.get("gpu", "")).expand(),
            )
            for rank in IDset(entry["rank"]):
                parts[rank] = (cores, gpus)
        hosts = _hosts(resources)
        for position, rank in enumerate(sorted(parts)):
            host = hosts[position] if position < len(hosts) else ""
            pool.nodes[rank] = PoolNode(rank, host, *parts[rank])
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

    def satisfiable(self, request: ResourceRequest) -> bool:
        """Whether the request could be met if everything were up and idle."""
        per_node = [node.holds(request) for node in self.nodes.values()]
        if request.nnodes:
            share = -(-request.nslots // request.nnodes)
            return sum(1 for slots in per_node if slots >= share) >= request.nnodes
        return sum(per_node) >= request.nslots

    def allocate(self, request: ResourceRequest) -> Allocation | None:
        """Take resources for a request; None when there is not enough room now."""
        if self._free_cores < request.nslots * request.slot_size:
            return None
        plan = self._plan_nodes(request) if request.nnodes else self._plan_slots(request)
        if plan is None:
            return None
        taken: dict[int, tuple[list[int], list[int]]] = {}
        for node, slots in plan:
            taken[node.rank] = self._take(node, request, slots)
        return Allocation(taken)

    def _roomiest(self) -> Iterator[PoolNode]:
        for room in sorted(self._by_room, reverse=True):
            for rank in self._by_room[room]:
                yield self.nodes[rank]

    def _plan_nodes(self, request: ResourceRequest) -> list[tuple[PoolNode, int]] | None:
        share = -(-request.nslots // request.nnodes)
        plan: list[tuple[PoolNode, int]] = []
        for node in self._roomiest():
            if node.fits(request) >= share and (node.idle or not request.exclusive):
                plan.append((node, share))
                if len(plan) == request.nnodes:
                    return plan
            elif len(node.free_cores) < share * request.slot_size:
                return None
        return None

    def _plan_slots(self, request: ResourceRequest) -> list[tuple[PoolNode, int]] | None:
        missing = request.nslots
        plan: list[tuple[PoolNode, int]] = []
        for node in self._roomiest():
            if request.exclusive and not node.idle:
                continue
            slots = min(missing, node.fits(request))
            if slots:
                plan.append((node, slots))
                missing -= slots
                if not missing:
                    return plan
            elif len(node.free_cores) < request.slot_size:
                return None
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
                raise ValueError(f"rank{rank} does not have core{_brackets(cores)} free")
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
        for ranks, cores, gpus in _grouped(nodes):
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
            "nodelist": [_nodelist(hosts)],
        }
        return {"version": 1, "execution": execution}

    def all_resources(self) -> ResourceObject:
        """Return everything as an R object."""
        return self._resources({node.rank: (node.cores, node.gpus) for node in self.nodes.values()})

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


def _nodelist(hosts: list[str]) -> str:
    if len(hosts) == 1:
        return hosts[0]
    return Hostlist(hosts).encode() if hosts else ""


def _hosts(resources: ResourceObject) -> list[str]:
    hosts: list[str] = []
    for text in resources["execution"].get("nodelist") or []:
        if text:
            hosts.extend(Hostlist(text))
    return hosts


def allocation_of(resources: ResourceObject) -> Allocation:
    """Return what an R object holds; raises ValueError or KeyError for a malformed one."""
    nodes: dict[int, tuple[list[int], list[int]]] = {}
    for entry in resources["execution"]["R_lite"]:
        cores = IDset(entry["children"].get("core", "")).expand()
        gpus = IDset(entry["children"].get("gpu", "")).expand()
        for rank in IDset(entry["rank"]):
            nodes[rank] = (cores, gpus)
    return Allocation(nodes)
