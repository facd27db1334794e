"""How many jobs end each second, how many cores are in use."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.model.nodestrip import NodeUse

SPAN: Final = 900
"""Seconds of history kept."""


class Throughput:
    """Jobs that ended, counted by second over the last :data:`SPAN` seconds."""

    def __init__(self) -> None:
        self._bins: array[int] = array("l", bytes(8 * SPAN))
        self._newest = 0

    def add(self, timestamps: Iterable[float]) -> None:
        """Count jobs that ended at ``timestamps``; older ones than the span are left out."""
        for timestamp in timestamps:
            second = int(timestamp)
            self._forward(second)
            if second > self._newest - SPAN:
                self._bins[second % SPAN] += 1

    def _forward(self, second: int) -> None:
        """Make ``second`` the newest bin, emptying those it takes over."""
        if second <= self._newest:
            return
        for stale in range(max(self._newest + 1, second - SPAN + 1), second + 1):
            self._bins[stale % SPAN] = 0
        self._newest = second

    def per_second(self, now: float, window: int) -> float:
        """Return the mean rate over the last ``window`` whole seconds before ``now``."""
        last = int(now)
        self._forward(last)
        return sum(self._bins[second % SPAN] for second in range(last - window, last)) / window

    def series(self, now: float, points: int, step: int = 1) -> list[float]:
        """Return ``points`` mean rates of ``step`` seconds each, the newest last."""
        last = int(now) // step * step
        self._forward(int(now))
        return [
            sum(self._bins[second % SPAN] for second in range(start, start + step)) / step
            for start in range(last - points * step, last, step)
        ]


class ResourceCounts(NamedTuple):
    """Cores, those in use and those that are down; nodes, those that are down and how many of these
    are drained; the first nodes one by one.
    """

    total: int = 0
    allocated: int = 0
    down: int = 0
    nodes: int = 0
    nodes_down: int = 0
    drained: int = 0
    uses: tuple[NodeUse, ...] = ()

    def as_list(self) -> list[object]:
        """Return it as JSON can be made of it."""
        return [*self[:-1], [list(use) for use in self.uses]]


class Utilisation:
    """Cores in use."""

    def __init__(self) -> None:
        self.total = 0
        self.allocated = 0
        self.down = 0
        self.nodes = 0
        self.nodes_down = 0
        self.drained = 0
        self.uses: tuple[NodeUse, ...] = ()
        self.known = False

    def set(
        self,
        total: int,
        allocated: int,
        down: int,
        nodes: int,
        nodes_down: int,
        drained: int = 0,
        uses: tuple[NodeUse, ...] = (),
    ) -> None:
        """Take in one observation, as `ResourceCounts` has it, at the pace of the feed's poll."""
        self.total, self.allocated, self.down = total, allocated, down
        self.nodes, self.nodes_down, self.drained = nodes, nodes_down, min(drained, nodes_down)
        self.uses = uses
        self.known = True

    @property
    def counts(self) -> ResourceCounts:
        """The last observation."""
        return ResourceCounts(
            self.total,
            self.allocated,
            self.down,
            self.nodes,
            self.nodes_down,
            self.drained,
            self.uses,
        )

    @property
    def fraction(self) -> float:
        """Allocated cores of those there are, 0 to 1."""
        return self.allocated / self.total if self.total else 0.0
