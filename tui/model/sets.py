"""Which jobs belong together: those of one user, queue and size whose names differ in numbers only,
each submitted within a few seconds of another.

No instance says what was submitted in bulk, so likeness and time decide. A run of like jobs is a
set once `LEAST` are in it. Jobs come in any order, by page of the job list or by event, and end up
in the same sets: one that fills the gap between two runs makes them one.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from tui.model.table import collector_off

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tui.model.table import JobTable

LEAST: Final = 5
"""Jobs that make a set."""
APART: Final = 5.0
"""Seconds between two submissions that still belong together."""
RATE_SPAN: Final = 10.0
"""Seconds that a set's rate is taken over."""
ALONE: Final = -1
"""The set of a job that is in none."""
ENOUGH_ENDED: Final = 3
"""Jobs of a set that have to have ended before their mean says how long the others will take."""
_DIGITS: Final = re.compile(r"[0-9]+")
_NO_DIGITS: Final = str.maketrans("", "", "0123456789")
_RUN: Final = re.compile(rb"\x01{%d,}" % (LEAST - 1))
"""Gaps between jobs of a set, where short ones are 1 and long ones 0."""
_first = attrgetter("first")
_UNFILED: Final = -1


def pattern(name: str) -> str:
    """Return a job's name with each number in it as ``*``."""
    return _DIGITS.sub("*", name)


def alike(name: str) -> str:
    """Return what a name has in common with those that differ in numbers only."""
    return name.translate(_NO_DIGITS)


def likeness(names: Sequence[str]) -> list[str]:
    """Return `alike` of many names. As one text, for that is many times faster; a name has no line
    breaks.
    """
    return alike("\n".join(names)).split("\n")


class _Kinds(dict[tuple[int, str, str, int], int]):
    """Numbers for what like jobs have in common: user, likeness, queue, tasks."""

    def __missing__(self, key: tuple[int, str, str, int]) -> int:
        number = self[key] = len(self)
        return number


class JobSet:
    """A run of like jobs, submitted between ``first`` and ``last``; ``rows`` in no order."""

    __slots__ = ("called", "ended", "first", "kind", "last", "mean", "number", "rows", "runs_ended")

    def __init__(self, number: int, kind: int, first: float, last: float, rows: set[int]) -> None:
        self.number = number
        self.kind = kind
        self.first = first
        self.last = last
        self.rows = rows
        self.called = (0, "")
        self.ended: deque[float] = deque()
        self.runs_ended = 0
        self.mean = 0.0

    def add_ended(self, when: float, seconds: float) -> None:
        """Take in a job that came to an end of its own, and how long it ran."""
        self.ended.append(when)
        self._forget(when)
        self.runs_ended += 1
        self.mean += (seconds - self.mean) / min(self.runs_ended, 50)

    def rate(self, now: float) -> float:
        """Return how many of its jobs ended per second of late."""
        self._forget(now)
        return len(self.ended) / RATE_SPAN

    def _forget(self, now: float) -> None:
        while self.ended and self.ended[0] <= now - RATE_SPAN:
            self.ended.popleft()

    def seconds_left(self, running: int, waiting: int) -> float | None:
        """Return in how many seconds the ``running`` and ``waiting`` ones will have run with as
        many at a time as run now; None if that cannot be told.
        """
        if self.runs_ended < ENOUGH_ENDED or not running:
            return None
        return (waiting + running / 2) * self.mean / running


class JobSets:
    """All sets; ``shown`` has the number of each row's set, `ALONE` for a row that is in none.

    Of each kind there are the sets and the loose rows between them, both in order of time.
    """

    def __init__(self, table: JobTable) -> None:
        self.table = table
        self.shown: array[int] = array("l")
        self.by_number: dict[int, JobSet] = {}
        self._kind_of: array[int] = array("l")
        self._kinds = _Kinds()
        self._loose: dict[int, list[int]] = {}
        self._sets: dict[int, list[JobSet]] = {}
        self._numbers = 0

    def name(self, number: int) -> str:
        """Return the name of a set: that of its jobs, with what differs as ``*``."""
        it = self.by_number[number]
        size, name = it.called
        if size != len(it.rows):
            names = self.table.name
            rows = iter(it.rows)
            name = names[next(rows)]
            if not all(names[row] == name for row in rows):
                name = pattern(name)
            it.called = len(it.rows), name
        return name

    def number_of(self, row: int) -> int:
        """Return the set that a row is in, `ALONE` for none."""
        return self.shown[row] if row < len(self.shown) else ALONE

    def count_ended(self, rows: Iterable[int]) -> None:
        """Take in jobs that came to an end of their own."""
        table = self.table
        for row in rows:
            number = self.number_of(row)
            if number != ALONE:
                ended = table.t_inactive[row]
                self.by_number[number].add_ended(ended, table.runtime(row, ended))

    # filing

    def update(self, rows: set[int]) -> set[int]:
        """Put rows that are new or have changed where they belong; returns those whose set is
        another now. Rows of which nothing but the id is known belong nowhere yet.
        """
        table = self.table
        if not self._kind_of and len(table) and not table.undescribed:
            self._build()
            return rows if len(rows) == len(table) else set(range(len(table)))
        self.cover()
        moved: set[int] = set()
        for row in rows:
            if row in table.undescribed:
                continue
            kind, before = self._kind(row), self._kind_of[row]
            if kind == before:
                continue
            if before != _UNFILED:
                self._leave(row, before, moved)
            self._kind_of[row] = kind
            self._join(row, kind, moved)
        return moved

    def cover(self) -> None:
        """Know of all rows, as being in no set yet."""
        missing = array("l", [_UNFILED]) * (len(self.table) - len(self._kind_of))
        self._kind_of.extend(missing)
        self.shown.extend(missing)

    def _kind(self, row: int) -> int:
        table = self.table
        return self._kinds[
            table.userid[row],
            alike(table.name[row]),
            table.queue[row],
            table.ntasks[row],
        ]

    def _build(self) -> None:
        """File all rows at once: by kind and time, cut where the time between two is too long."""
        table = self.table
        times = table.t_submit.tolist()
        with collector_off():
            facts = zip(table.userid, likeness(table.name), table.queue, table.ntasks, strict=True)
            kinds = self._kind_of = array("l", map(self._kinds.__getitem__, facts))
            self.shown = array("l", [ALONE]) * len(table)
            by_kind: list[list[int]] = [[] for _ in self._kinds]
            near = [bytearray() for _ in self._kinds]  # whether the one before is
            add = [rows.append for rows in by_kind]
            add_near = [flags.append for flags in near]
            before = [-inf] * len(self._kinds)
            order = sorted(range(len(table)), key=times.__getitem__)
            for row, kind in zip(order, map(kinds.__getitem__, order), strict=True):
                time = times[row]
                add[kind](row)
                add_near[kind](time - before[kind] <= APART)
                before[kind] = time
            for kind, rows in enumerate(by_kind):
                loose: list[int] = []
                end = 0
                for run in _RUN.finditer(near[kind]):
                    start = run.start() - 1
                    loose += rows[end:start]
                    end = run.end()
                    self._found(rows[start:end])
                self._loose[kind] = loose + rows[end:]

    def _found(self, rows: list[int]) -> None:
        """Make a set of rows in order of time, later than all other sets of their kind."""
        submitted, kind = self.table.t_submit, self._kind_of[rows[0]]
        found = self._new(kind, submitted[rows[0]], submitted[rows[-1]], set(rows))
        self._sets.setdefault(kind, []).append(found)
        first, last = min(rows), max(rows)
        if last - first + 1 == len(rows):
            self.shown[first : last + 1] = array("l", [found.number]) * len(rows)
            return
        for row in rows:
            self.shown[row] = found.number

    def _new(self, kind: int, first: float, last: float, rows: set[int]) -> JobSet:
        made = JobSet(self._numbers, kind, first, last, rows)
        self._numbers += 1
        self.by_number[made.number] = made
        return made

    def _join(self, row: int, kind: int, moved: set[int]) -> None:
        """Put a row into the set that its time is at, or beside the loose ones, of which it may
        make a set.
        """
        when = self.table.t_submit[row]
        loose = self._loose.setdefault(kind, [])
        place = bisect_right(loose, when, key=self.table.t_submit.__getitem__)
        sets = self._sets.setdefault(kind, [])
        index = bisect_right(sets, when, key=_first)
        for near in sets[max(0, index - 1) : index + 1]:
            if near.first - APART <= when <= near.last + APART:
                self._grow(near, [row], moved)
                self._absorb(near, moved)
                return
        loose.insert(place, row)
        start, end = self._run(loose, place)
        if end - start >= LEAST:
            rows = loose[start:end]
            del loose[start:end]
            times = self.table.t_submit
            made = self._new(kind, times[rows[0]], times[rows[-1]], set())
            sets.insert(index, made)
            self._grow(made, rows, moved)
            self._absorb(made, moved)

    def _run(self, loose: list[int], place: int) -> tuple[int, int]:
        """Return from where to where loose rows are near enough to one another, around a place."""
        times = self.table.t_submit
        start = end = place
        while start and times[loose[start]] - times[loose[start - 1]] <= APART:
            start -= 1
        while end + 1 < len(loose) and times[loose[end + 1]] - times[loose[end]] <= APART:
            end += 1
        return start, end + 1

    def _grow(self, grown: JobSet, rows: Iterable[int], moved: set[int]) -> None:
        times = self.table.t_submit
        for row in rows:
            grown.rows.add(row)
            grown.first = min(grown.first, times[row])
            grown.last = max(grown.last, times[row])
            self.shown[row] = grown.number
            moved.add(row)

    def _absorb(self, grown: JobSet, moved: set[int]) -> None:
        """Take into a set what its new ends have come near to: loose rows, and other sets."""
        times, loose = self.table.t_submit, self._loose[grown.kind]
        sets = self._sets[grown.kind]
        while True:
            start = bisect_left(loose, grown.first - APART, key=times.__getitem__)
            end = bisect_right(loose, grown.last + APART, key=times.__getitem__)
            self._grow(grown, loose[start:end], moved)
            del loose[start:end]
            index = sets.index(grown)
            around = sets[max(0, index - 1) : index] + sets[index + 1 : index + 2]
            near = [
                other
                for other in around
                if other.first - grown.last <= APART and grown.first - other.last <= APART
            ]
            for other in near:
                sets.remove(other)
                del self.by_number[other.number]
                grown.ended = deque(sorted((*grown.ended, *other.ended)))
                self._grow(grown, other.rows, moved)
            if end == start and not near:
                return

    def _leave(self, row: int, kind: int, moved: set[int]) -> None:
        """Take a row from where it is. Its set stays one, even if there is a gap in it now, while
        it is large enough.
        """
        number = self.shown[row]
        self.shown[row] = ALONE
        loose = self._loose[kind]
        if number == ALONE:
            loose.remove(row)
            return
        moved.add(row)
        left = self.by_number[number]
        left.rows.discard(row)
        if len(left.rows) < LEAST:
            moved |= left.rows
            for other in left.rows:
                self.shown[other] = ALONE
            loose.extend(left.rows)
            loose.sort(key=self.table.t_submit.__getitem__)
            del self.by_number[number]
            self._sets[kind].remove(left)
