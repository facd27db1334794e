"""Sets of non-negative integers and their string form, such as ``0-3,7`` (RFC 22, idset_create(3),
idset_encode(3)).

A set is kept as sorted, disjoint, non-adjacent ranges, so its cost follows the number of ranges:
the ids of a hundred thousand jobs or ranks in a row cost as much as one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias, Union

from flux.constants import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE, IDSET_INVALID_ID
from flux.idset_ranges import MAX_ID, invalid, normalize, parse_ranges, ranges_of
from flux.scoped import Scoped
from flux.wire.text import Text, as_text

IDsetLike: TypeAlias = Union["IDset", str, bytes, int, Iterable[int | str]]
"""Whatever an operation accepts as the other operand."""


class IDset(Scoped):
    """A set of non-negative integers, kept as ranges (RFC 22).

    It is made from an idset string (``0-3``, ``[0,5,7]``), an integer, another IDset or an iterable
    of integers and idset strings. ``flags`` are what `encode` uses unless it is told otherwise: the
    union of IDSET_FLAG_RANGE and IDSET_FLAG_BRACKETS. Raises ValueError if the string is malformed
    or an id not in 0 to 2^32-2, TypeError for an argument of another kind.
    """

    __slots__ = ("_firsts", "_flags", "_lasts")

    def __init__(self, arg: IDsetLike = "", flags: int = IDSET_FLAG_RANGE) -> None:
        self._flags = flags
        self._firsts: list[int]
        self._lasts: list[int]
        if isinstance(arg, IDset):
            self._firsts, self._lasts = arg._firsts.copy(), arg._lasts.copy()
        elif isinstance(arg, str | bytes):
            self._firsts, self._lasts = normalize(parse_ranges(as_text(arg, "an idset")))
        elif isinstance(arg, bool):
            raise invalid(arg)
        elif isinstance(arg, int):
            self._firsts, self._lasts = ranges_of((arg,))
        elif isinstance(arg, Iterable):
            self._firsts, self._lasts = ranges_of(arg)
        else:
            raise TypeError(
                "IDset(): expected an idset string or an iterable of integers, "
                f"got {type(arg).__name__}"
            )

    @classmethod
    def _of(cls, firsts: list[int], lasts: list[int], flags: int) -> IDset:
        made = cls.__new__(cls)
        made._firsts, made._lasts, made._flags = firsts, lasts, flags
        return made

    @staticmethod
    def arg_to_set(arg: IDsetLike, method: str) -> IDset:
        """Return an operand as an IDset; TypeError and ValueError name the `method` it was given
        to.
        """
        try:
            return arg if isinstance(arg, IDset) else IDset(arg)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("IDset()", f"IDset.{method}()")) from None

    # Members

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the inclusive, ascending, non-adjacent ranges of this set."""
        return zip(self._firsts, self._lasts, strict=True)

    def __iter__(self) -> Iterator[int]:
        for first, last in zip(self._firsts, self._lasts, strict=True):
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __getitem__(self, i: int) -> bool:
        """Return whether an id is in the set, as `test` does."""
        return self.test(i)

    def __setitem__(self, i: int, there: bool) -> None:
        """Add an id, or remove it if ``there`` is false; raises TypeError for what is neither true
        nor false (or 1 nor 0), and errors of `test`.
        """
        if there not in (0, 1):
            kind = type(there)
            raise TypeError(f"IDset setitem must be bool or 0,1 not {kind}")
        if there:
            self.set(i)
        else:
            self.clear(i)

    def __contains__(self, i: object) -> bool:
        return isinstance(i, int) and self.test(i)

    def test(self, i: int) -> bool:
        """Return whether id `i` is in the set. Raises ValueError for a negative id, TypeError for
        what is not an integer.
        """
        _check_id(i, "test")
        at = bisect_right(self._firsts, i) - 1
        return at >= 0 and i <= self._lasts[at]

    def count(self) -> int:
        """Return the number of ids in the set."""
        return len(self)

    def first(self) -> int:
        """Return the smallest id, IDSET_INVALID_ID if the set is empty."""
        return self._firsts[0] if self._firsts else IDSET_INVALID_ID

    def last(self) -> int:
        """Return the greatest id, IDSET_INVALID_ID if the set is empty."""
        return self._lasts[-1] if self._lasts else IDSET_INVALID_ID

    def next(self, i: int) -> int:
        """Return the smallest id greater than `i`, IDSET_INVALID_ID if there is none."""
        at = bisect_right(self._firsts, i) - 1
        if at >= 0 and i < self._lasts[at]:
            return i + 1
        if at + 1 < len(self._firsts):
            return self._firsts[at + 1]
        return IDSET_INVALID_ID

    def expand(self) -> list[int]:
        """Return the ids as an ascending list."""
        return list(self)

    # Text

    def set_flags(self, flags: int) -> None:
        """Set the default flags of encode()."""
        if flags & ~(IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS):
            raise ValueError(f"IDset.set_flags(): unknown flags {flags:#x}")
        self._flags = flags

    def encode(self, flags: int | None = None) -> str:
        """Return the string of the set (RFC 22).

        With IDSET_FLAG_RANGE in ``flags`` runs of ids are written as ranges (``0-3``), with
        IDSET_FLAG_BRACKETS several ids stand in brackets. None stands for the flags of the set,
        given when it was made or by `set_flags`.
        """
        flags = self._flags if flags is None else flags
        if flags & IDSET_FLAG_RANGE:
            text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in self.ranges())
        else:
            text = ",".join(map(str, self))
        if flags & IDSET_FLAG_BRACKETS and len(self) > 1:
            return f"[{text}]"
        return text

    def __str__(self) -> str:
        return self.encode()

    def __repr__(self) -> str:
        return f"IDset('{self}')"

    # Changing the set

    def set(self, start: int, end: int | None = None) -> IDset:
        """Add an id or the inclusive range `start` to `end`; return self."""
        return self.add(self._range(start, end))

    def clear(self, start: int, end: int | None = None) -> IDset:
        """Remove an id or the inclusive range `start` to `end`; return self."""
        return self.subtract(self._range(start, end))

    def add(self, arg: IDsetLike) -> IDset:
        """Add all ids of `arg` to this set; return self."""
        other = _coerce(arg)
        if len(other._firsts) == 1:
            self._insert(other._firsts[0], other._lasts[0])
        elif other._firsts:
            self._firsts, self._lasts = normalize([*self.ranges(), *other.ranges()])
        return self

    def subtract(self, arg: IDsetLike) -> IDset:
        """Remove all ids of `arg` from this set; return self."""
        other = _coerce(arg)
        if len(other._firsts) == 1:
            self._remove(other._firsts[0], other._lasts[0])
        elif other._firsts:
            self._firsts, self._lasts = self._difference(other)
        return self

    @staticmethod
    def _range(start: int, end: int | None) -> IDset:
        end = start if end is None else end
        for one in (start, end):
            _check_id(one, "set")
        if end < start:
            raise ValueError(f"can't set range with {start} > {end}")
        if end > MAX_ID:
            raise invalid(start if end == start else f"{start}-{end}")
        return IDset._of([start], [end], IDSET_FLAG_RANGE)

    def _insert(self, first: int, last: int) -> None:
        # Ranges lo..hi-1 overlap or touch [first, last] and melt into it.
        lo = bisect_right(self._lasts, first - 2)
        hi = bisect_right(self._firsts, last + 1)
        if lo < hi:
            first = min(first, self._firsts[lo])
            last = max(last, self._lasts[hi - 1])
        self._firsts[lo:hi] = [first]
        self._lasts[lo:hi] = [last]

    def _remove(self, first: int, last: int) -> None:
        lo = bisect_right(self._lasts, first - 1)
        hi = bisect_right(self._firsts, last)
        if lo >= hi:
            return
        firsts, lasts = [], []
        if self._firsts[lo] < first:
            firsts.append(self._firsts[lo])
            lasts.append(first - 1)
        if self._lasts[hi - 1] > last:
            firsts.append(last + 1)
            lasts.append(self._lasts[hi - 1])
        self._firsts[lo:hi] = firsts
        self._lasts[lo:hi] = lasts

    # New sets

    def copy(self) -> IDset:
        """Return an independent copy of the set."""
        return IDset(self, self._flags)

    def union(self, *args: IDsetLike) -> IDset:
        """Return the set of all ids in this set or in any of `args`."""
        ranges = list(self.ranges())
        for arg in args:
            ranges.extend(_coerce(arg).ranges())
        return IDset._of(*normalize(ranges), self._flags)

    def intersect(self, *args: IDsetLike) -> IDset:
        """Return the set of ids in this set and in all of `args`."""
        result = self
        for arg in args:
            result = result._intersection(_coerce(arg))
        return result.copy() if result is self else result

    def difference(self, *args: IDsetLike) -> IDset:
        """Return the set of ids in this set and in none of `args`."""
        result = self.copy()
        for arg in args:
            result.subtract(arg)
        return result

    def equal(self, idset: IDsetLike) -> bool:
        """Return whether both sets have the same ids."""
        other = _coerce(idset)
        return self._firsts == other._firsts and self._lasts == other._lasts

    def has_intersection(self, arg: IDsetLike) -> bool:
        """Tell whether this set and ``arg`` have an id in common."""
        return bool(self._intersection(_coerce(arg))._firsts)

    def clear_all(self) -> IDset:
        """Remove all ids; return self."""
        self._firsts, self._lasts = [], []
        return self

    def _intersection(self, other: IDset) -> IDset:
        firsts: list[int] = []
        lasts: list[int] = []
        i = j = 0
        while i < len(self._firsts) and j < len(other._firsts):
            first = max(self._firsts[i], other._firsts[j])
            last = min(self._lasts[i], other._lasts[j])
            if first <= last:
                firsts.append(first)
                lasts.append(last)
            if self._lasts[i] < other._lasts[j]:
                i += 1
            else:
                j += 1
        return IDset._of(firsts, lasts, self._flags)

    def _difference(self, other: IDset) -> tuple[list[int], list[int]]:
        firsts: list[int] = []
        lasts: list[int] = []
        j = 0
        for first, last in self.ranges():
            while j < len(other._firsts) and other._lasts[j] < first:
                j += 1
            k = j
            while k < len(other._firsts) and other._firsts[k] <= last:
                if other._firsts[k] > first:
                    firsts.append(first)
                    lasts.append(other._firsts[k] - 1)
                first = other._lasts[k] + 1
                k += 1
            if first <= last:
                firsts.append(first)
                lasts.append(last)
        return firsts, lasts

    def __eq__(self, other: object) -> bool:
        return self.equal(other) if isinstance(other, IDset) else NotImplemented

    def __le__(self, other: IDset) -> bool:
        return not self._difference(other)[0] if isinstance(other, IDset) else NotImplemented

    def __lt__(self, other: IDset) -> bool:
        return (
            self <= other and not self.equal(other) if isinstance(other, IDset) else NotImplemented
        )

    def __ge__(self, other: IDset) -> bool:
        return other <= self if isinstance(other, IDset) else NotImplemented

    def __gt__(self, other: IDset) -> bool:
        return other < self if isinstance(other, IDset) else NotImplemented

    def __xor__(self, other: IDsetLike) -> IDset:
        return self.union(other).difference(self.intersect(other))

    def __iand__(self, other: IDsetLike) -> IDset:
        found = self.intersect(other)
        self._firsts, self._lasts = found._firsts, found._lasts
        return self

    def __or__(self, other: IDsetLike) -> IDset:
        return self.union(other)

    def __and__(self, other: IDsetLike) -> IDset:
        return self.intersect(other)

    def __sub__(self, other: IDsetLike) -> IDset:
        return self.difference(other)

    def __add__(self, other: IDsetLike) -> IDset:
        return self.union(other)

    def __ior__(self, other: IDsetLike) -> IDset:
        return self.add(other)

    def __iadd__(self, other: IDsetLike) -> IDset:
        return self.add(other)

    def __isub__(self, other: IDsetLike) -> IDset:
        return self.subtract(other)


class IDsetIterator:
    """Iterate over the ids of an IDset in ascending order; tolerates changes of the set on the
    way.
    """

    def __init__(self, idset: IDset) -> None:
        self._idset = idset
        self._last = -1

    def __iter__(self) -> IDsetIterator:
        return self

    def __next__(self) -> int:
        following = self._idset.next(self._last)
        if following == IDSET_INVALID_ID:
            raise StopIteration
        self._last = following
        return following


def _check_id(i: object, method: str) -> None:
    """Raise TypeError unless something is an integer, ValueError if that is negative."""
    if not isinstance(i, int):
        raise TypeError(f"IDset.{method} supports integers, not {type(i)}")
    if i < 0:
        raise ValueError(f"negative index passed to IDset.{method}")


def _coerce(arg: IDsetLike) -> IDset:
    return arg if isinstance(arg, IDset) else IDset(arg)


def decode(string: Text) -> IDset:
    """Return the IDset of an RFC 22 string; ValueError if it is malformed."""
    if not isinstance(string, str | bytes):
        raise TypeError(f"idset.decode(): expected a string, got {type(string).__name__}")
    return IDset(string)
