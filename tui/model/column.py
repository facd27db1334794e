"""What a column of the job table is, and which columns fit side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tui.model.table import JobTable

SortKey = float | str | tuple[int, "SortKey"]

MIN_SEPARATION: Final = 1
NARROW: Final = 78
"""Cells of a table in which each column may be as narrow as it can."""
MINOR: Final = 30
"""The importance up to which a column makes room for those that grow."""


class Column(NamedTuple):
    """One column: ``keep`` is its importance (the least important leave a narrow screen first),
    ``grow`` its share of spare room; ``live`` values change with time alone; ``indent`` keeps text
    off the number to its left. ``keys`` are the keys of all rows at once, where that is faster.

    ``varies`` names what of the table has to have more than one value for the column to be worth
    its room; columns that are not ``usual`` are shown to those who ask for them. ``like`` is the
    column of ours that one out of a format looks like.
    """

    name: str
    title: str
    width: int
    keep: int
    cell: Callable[[JobTable, int, float], str]
    key: Callable[[JobTable, int, float], SortKey]
    right: bool = False
    grow: int = 0
    live: bool = False
    indent: bool = False
    varies: str = ""
    usual: bool = True
    keys: Callable[[JobTable, float], list[SortKey]] | None = None
    meaning: str = ""
    like: str = ""

    @property
    def role(self) -> str:
        """The name of the column that it is drawn as."""
        return self.like or self.name


def fit(columns: Sequence[Column], width: int, *, weigh: bool = False) -> list[tuple[Column, int]]:
    """Return the columns that fit in ``width`` cells, in order, each with its width; spare room
    goes where ``grow`` says.

    With ``weigh`` columns of little importance make room for those that grow, which get a third of
    what is beyond `NARROW`: names and reasons are read, whoever misses the rest can choose it.
    """
    chosen = list(columns)
    while len(chosen) > 1 and _spare(chosen, width) < 0:
        chosen.remove(min(chosen, key=lambda c: c.keep))
    wanted = max(0, width - NARROW) // 3
    while weigh and any(c.grow for c in chosen) and _spare(chosen, width) < wanted:
        least = min(chosen, key=lambda c: c.keep)
        if least.keep > MINOR:
            break
        chosen.remove(least)
    spare = _spare(chosen, width)
    shares = sum(c.grow for c in chosen) or 1
    fitted = [(c, c.width + spare * c.grow // shares) for c in chosen]
    rest = spare - sum(spare * c.grow // shares for c in chosen)
    if rest and any(c.grow for c in chosen):
        last = max(i for i, (c, _) in enumerate(fitted) if c.grow)
        fitted[last] = (fitted[last][0], fitted[last][1] + rest)
    return fitted


def _spare(columns: Sequence[Column], width: int) -> int:
    """Return how many of ``width`` cells columns leave at their least, below 0 if they want
    more.
    """
    return width + MIN_SEPARATION - sum(c.width + MIN_SEPARATION for c in columns)
