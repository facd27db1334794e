"""Rows, or whatever else there is to list, in the order of their keys, kept up to date without
sorting again.

Keys and ties are looked up rather than stored beside the items, so a list of 100,000 is one list of
numbers; whoever changes a key takes the item out before and puts it back after.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tui.model.column import SortKey

Place = tuple["SortKey", int]
"""Where an item stands: its key, then its job id, so that no two are alike."""


class Order:
    """``items`` in ascending order of ``place_of``."""

    __slots__ = ("items", "place_of")

    def __init__(self, place_of: Callable[[int], Place], items: Iterable[int] = ()) -> None:
        self.place_of = place_of
        self.items = list(items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[int]:
        return iter(self.items)

    def index(self, item: int) -> int:
        """Return where an item is that is here."""
        index = bisect_left(self.items, self.place_of(item), key=self.place_of)
        # Of a set and the job it was filed under, which has left it, one may still be to be moved.
        while self.items[index] != item:
            index += 1
        return index

    def bound(self, key: SortKey) -> int:
        """Return how many items stand before all with this key or a greater one."""
        return bisect_left(self.items, (key, -1), key=self.place_of)

    def add(self, item: int) -> None:
        """Put in an item."""
        self.items.insert(bisect_left(self.items, self.place_of(item), key=self.place_of), item)

    def remove(self, item: int) -> None:
        """Take out an item that is here, under the key it came in with."""
        del self.items[self.index(item)]

    def splice(self, gone: Iterable[int], new: Iterable[int]) -> None:
        """Take out what is at the places ``gone`` and put in other items.

        The list is put together from what stays between them: to move each of a hundred items by
        itself would move half of the list a hundred times.
        """
        kept: list[int] = []
        start = 0
        for index in sorted(gone):
            kept += self.items[start:index]
            start = index + 1
        kept += self.items[start:]
        coming, found, start = sorted(new, key=self.place_of), [], 0
        for item in coming:
            index = bisect_left(kept, self.place_of(item), start, key=self.place_of)
            found += kept[start:index]
            found.append(item)
            start = index
        self.items = found + kept[start:]
