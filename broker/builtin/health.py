"""How whole the tree of brokers is (flux-overlay): what each subtree misses, and since when.

A broker is offline until it has joined, and again when it has ended in good order; it is lost when
its link broke. A broker that is there is as whole as what is below it: degraded if someone there is
lost, partial if someone is offline only, else full. Pure: rank 0 tells it who comes and goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flux.overlay import DEGRADED, FULL, LOST, OFFLINE, PARTIAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.topology import Topology

_ONLINE: Final = "online"


class TreeHealth:
    """The health of every subtree of ``topology``, which is the one of rank 0."""

    def __init__(self, topology: Topology, now: float) -> None:
        """All ranks are offline, since ``now``, in seconds of any clock."""
        self._topology = topology
        size = topology.size
        self._own = [OFFLINE] * size
        self._missing = {OFFLINE: [0] * size, LOST: [0] * size}
        self._since = [now] * size
        for rank in range(1, size):
            self._count(OFFLINE, rank, 1)

    def _count(self, state: str, rank: int, more: int) -> None:
        """``more`` ranks than before are in ``state`` below those above ``rank``."""
        above = self._topology.parent_of(rank)
        while above is not None:
            self._missing[state][above] += more
            above = self._topology.parent_of(above)

    def status(self, rank: int) -> str:
        """Return the status of the subtree of ``rank``."""
        if self._own[rank] != _ONLINE:
            return self._own[rank]
        if self._missing[LOST][rank]:
            return DEGRADED
        return PARTIAL if self._missing[OFFLINE][rank] else FULL

    def duration(self, rank: int, now: float) -> float:
        """Return for how many seconds the subtree of ``rank`` has had its status."""
        return max(0.0, now - self._since[rank])

    def came(self, ranks: Iterable[int], now: float) -> None:
        """``ranks`` are there."""
        self._move(ranks, _ONLINE, now)

    def went(self, ranks: Iterable[int], orderly: bool, now: float) -> None:
        """``ranks`` have gone: ended, if ``orderly``."""
        self._move(ranks, OFFLINE if orderly else LOST, now)

    def _move(self, ranks: Iterable[int], state: str, now: float) -> None:
        for rank in ranks:
            before = self._own[rank]
            if before == state:
                continue
            path = [rank, *self._above(rank)]
            told = [self.status(one) for one in path]
            self._own[rank] = state
            if before in self._missing:
                self._count(before, rank, -1)
            if state in self._missing:
                self._count(state, rank, 1)
            for one, status in zip(path, told, strict=True):
                if self.status(one) != status:
                    self._since[one] = now

    def _above(self, rank: int) -> Iterable[int]:
        above = self._topology.parent_of(rank)
        while above is not None:
            yield above
            above = self._topology.parent_of(above)
