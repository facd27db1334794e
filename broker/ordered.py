"""Keys in order, for queues that may hold a hundred thousand jobs. No I/O.

A sorted list moves all that comes after a key when it is added or removed. Here it is in pieces of
some hundred keys, so that either costs the same at both ends, in the middle, and whatever the
length.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = 512
"""Keys of a piece when it is cut off another."""

K = TypeVar("K", bound=tuple[int, ...])


class OrderedKeys(Generic[K]):
    """Different keys in ascending order."""

    __slots__ = ("_greatest", "_length", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[list[K]] = []
        self._greatest: list[K] = []  # of each piece
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._pieces)

    def __reversed__(self) -> Iterator[K]:
        return chain.from_iterable(map(reversed, reversed(self._pieces)))

    @property
    def first(self) -> K:
        """The least key; raises IndexError if there is none."""
        return self._pieces[0][0]

    @property
    def last(self) -> K:
        """The greatest key; raises IndexError if there is none."""
        return self._greatest[-1]

    @property
    def pieces(self) -> list[int]:
        """The numbers of keys that lie together, for tests."""
        return list(map(len, self._pieces))

    def add(self, key: K) -> None:
        """Add a key that is not there."""
        self._length += 1
        if not self._pieces:
            self._pieces.append([key])
            self._greatest.append(key)
            return
        place = min(bisect_left(self._greatest, key), len(self._pieces) - 1)
        piece = self._pieces[place]
        insort(piece, key)
        if len(piece) > 2 * PIECE:
            self._pieces.insert(place + 1, piece[PIECE:])
            del piece[PIECE:]
            self._greatest.insert(place, piece[-1])
            place += 1
        self._greatest[place] = self._pieces[place][-1]

    def remove(self, key: K) -> None:
        """Remove a key; raises KeyError if it is not there."""
        place = bisect_left(self._greatest, key)
        piece = self._pieces[place] if place < len(self._pieces) else []
        index = bisect_left(piece, key)
        if index == len(piece) or piece[index] != key:
            raise KeyError(key)
        self._length -= 1
        del piece[index]
        if not piece:
            del self._pieces[place], self._greatest[place]
        elif index == len(piece):
            self._greatest[place] = piece[-1]
