"""The k-ary tree of brokers: who is whose parent, computed from rank, size and fan-out alone."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Topology:
    """Place of ``rank`` in a tree of ``size`` brokers in which each has up to ``fanout`` children.

    Rank 0 is the root; the children of rank r are r*fanout+1 to r*fanout+fanout.
    """

    rank: int
    size: int
    fanout: int = 2
    children: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size or self.fanout < 1:
            raise ValueError(
                f"no rank {self.rank} in a tree of {self.size} brokers with fan-out {self.fanout}"
            )
        first = self.rank * self.fanout + 1
        object.__setattr__(
            self, "children", tuple(range(first, min(first + self.fanout, self.size)))
        )

    @property
    def parent(self) -> int | None:
        """The parent's rank, None for the root."""
        return self.parent_of(self.rank)

    def parent_of(self, rank: int) -> int | None:
        """Return the rank above ``rank``, None for the root."""
        return None if rank == 0 else (rank - 1) // self.fanout

    def level_of(self, rank: int) -> int:
        """Return how many links separate ``rank`` from the root."""
        level = 0
        while rank > 0:
            rank = (rank - 1) // self.fanout
            level += 1
        return level

    @property
    def level(self) -> int:
        """Links between this rank and the root."""
        return self.level_of(self.rank)

    @property
    def maxlevel(self) -> int:
        """The level of the deepest rank."""
        return self.level_of(self.size - 1)

    def child_towards(self, rank: int) -> int | None:
        """Return the child whose subtree holds ``rank``, None if ``rank`` is not below this one."""
        while rank > self.rank:
            above = (rank - 1) // self.fanout
            if above == self.rank:
                return rank
            rank = above
        return None

    def subtree(self, rank: int) -> list[int]:
        """Return ``rank`` and every rank below it, in ascending order."""
        members, level = [], [rank]
        while level:
            members.extend(level)
            level = [
                child
                for above in level
                for child in range(above * self.fanout + 1, above * self.fanout + self.fanout + 1)
                if child < self.size
            ]
        return members

    @property
    def descendants(self) -> int:
        """How many ranks are below this one."""
        return len(self.subtree(self.rank)) - 1
