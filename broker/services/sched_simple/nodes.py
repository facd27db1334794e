"""One rank of the pool, what a job gets of several, and both as R (RFC 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flux.hostlist import Hostlist
from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from broker.services.sched_simple.request import ResourceRequest
    from flux.job.types import ResourceObject


class Room(NamedTuple):
    """Numbers of cores and GPUs."""

    cores: int
    gpus: int

    def slots(self, request: ResourceRequest) -> int:
        """Return how many slots of a request fit."""
        slots = self.cores // request.slot_size
        return min(slots, self.gpus // request.slot_gpus) if request.slot_gpus else slots


class PoolNode:
    """One rank: its host and properties, its cores and GPUs, and which of them are free."""

    __slots__ = ("cores", "free_cores", "free_gpus", "gpus", "host", "properties", "rank", "up")

    def __init__(
        self,
        rank: int,
        host: str,
        cores: Iterable[int],
        gpus: Iterable[int],
        properties: frozenset[str] = frozenset(),
    ) -> None:
        self.rank = rank
        self.host = host
        self.properties = properties
        self.cores = sorted(cores)
        self.gpus = sorted(gpus)
        self.free_cores = list(self.cores)
        self.free_gpus = list(self.gpus)
        self.up = False

    def fits(self, request: ResourceRequest, cap: Room | None = None) -> int:
        """Return how many slots fit into what is free, or into the part of it that ``cap`` leaves;
        none if the request is for whole nodes and this one is not to be had.
        """
        cores, gpus = len(self.free_cores), len(self.free_gpus)
        if request.exclusive and (not self.idle or (cap is not None and cap != (cores, gpus))):
            return 0
        if cap is not None:
            cores, gpus = min(cores, cap.cores), min(gpus, cap.gpus)
        slots = cores // request.slot_size
        return min(slots, gpus // request.slot_gpus) if request.slot_gpus else slots

    def holds(self, request: ResourceRequest) -> int:
        """Return how many slots would fit into the idle node."""
        return self.size.slots(request)

    @property
    def size(self) -> Room:
        """All that it has."""
        return Room(len(self.cores), len(self.gpus))

    @property
    def free(self) -> Room:
        """What of it is free."""
        return Room(len(self.free_cores), len(self.free_gpus))

    @property
    def idle(self) -> bool:
        """Whether nothing of it is allocated."""
        return len(self.free_cores) == len(self.cores) and len(self.free_gpus) == len(self.gpus)


class Allocation:
    """What a job got: cores and GPUs by rank, and until when (seconds since the epoch, 0 for
    ever).
    """

    __slots__ = ("expiration", "nodes")

    def __init__(
        self, nodes: dict[int, tuple[list[int], list[int]]], expiration: float = 0.0
    ) -> None:
        self.nodes = nodes
        self.expiration = expiration

    def summary(self) -> str:
        """Return the ``resource_summary`` annotation, for example ``rank[0-1]/core[0-3]``."""
        return " ".join(
            f"rank{brackets(ranks)}/core{brackets(cores)}"
            + (f",gpu{brackets(gpus)}" if gpus else "")
            for ranks, cores, gpus in grouped(self.nodes)
        )


def brackets(ids: Iterable[int]) -> str:
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


def grouped(
    nodes: Mapping[int, tuple[list[int], list[int]]],
) -> Iterator[tuple[list[int], list[int], list[int]]]:
    """Yield (ranks, cores, gpus) of the ranks with equal cores and GPUs, by lowest rank."""
    groups: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for rank in sorted(nodes):
        cores, gpus = nodes[rank]
        groups.setdefault((tuple(cores), tuple(gpus)), []).append(rank)
    for (cores_key, gpus_key), ranks in groups.items():
        yield ranks, list(cores_key), list(gpus_key)


def nodelist(hosts: list[str]) -> str:
    if len(hosts) == 1:
        return hosts[0]
    return Hostlist(hosts).encode() if hosts else ""


def hosts_of(resources: ResourceObject) -> list[str]:
    hosts: list[str] = []
    for text in resources["execution"].get("nodelist") or []:
        if text:
            hosts.extend(Hostlist(text))
    return hosts


def properties_of(resources: ResourceObject) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for name, ranks in (resources["execution"].get("properties") or {}).items():
        for rank in IDset(str(ranks)):
            found.setdefault(rank, set()).add(name)
    return found


def allocation_of(resources: ResourceObject) -> Allocation:
    """Return what an R object holds; raises ValueError or KeyError for a malformed one."""
    nodes: dict[int, tuple[list[int], list[int]]] = {}
    for entry in resources["execution"]["R_lite"]:
        cores = IDset(entry["children"].get("core", "")).expand()
        gpus = IDset(entry["children"].get("gpu", "")).expand()
        for rank in IDset(entry["rank"]):
            nodes[rank] = (cores, gpus)
    return Allocation(nodes, float(resources["execution"].get("expiration") or 0.0))
