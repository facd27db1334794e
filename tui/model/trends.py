"""What an instance did over time, in rings of growing steps: seconds for the last minutes, ten
minutes for the last month.

Every ring takes every observation, so that a span of any length is read from the one whose step
suits it, and memory stays bounded however long the dashboard runs. A bin knows how many of its
seconds were watched: what is divided by that, and a bin that has none is a gap, not a zero. Bins
may also be filled from what the job list tells of the past; those say that they were.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import accumulate
from math import log2
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STEPS: Final = ((1, 1200), (5, 1440), (60, 1500), (600, 4320))
"""Step in seconds and number of bins of each ring."""
MOST_BINS: Final = 200_000
"""Bins that a ring may have where a length is asked for."""
LATE: Final = 3
"""Bins before the newest that events still come for."""
MONTH: Final = STEPS[-1][0] * STEPS[-1][1]
SPANS: Final[tuple[tuple[str, int | None], ...]] = (
    ("1 min", 60),
    ("10 min", 600),
    ("1 h", 3600),
    ("8 h", 28800),
    ("all", None),
)
"""What charts can show: name and seconds, None for all there is."""
_SHORTEST: Final = 0.001
_PER_OCTAVE: Final = 3
_BUCKETS: Final = 96
"""Times from a millisecond up, three buckets for each doubling: the last holds weeks."""


class Depth(NamedTuple):
    """Jobs by what they do: not ready (without a priority, or with dependencies), waiting for
    resources, running.
    """

    blocked: float
    queued: float
    running: float


class Rate(NamedTuple):
    """Jobs a second that ran to an end of their own: well, and not well."""

    completed: float
    failed: float


class Delay(NamedTuple):
    """How long jobs took to something, seconds: half of them at most ``median``, 95 of 100 at most
    ``most``.
    """

    median: float
    most: float


class Moment(NamedTuple):
    """What is known of some seconds from ``time`` on; None is a gap."""

    time: float
    depth: Depth | None = None
    rate: Rate | None = None
    cores: float | None = None
    wait: Delay | None = None
    launch: Delay | None = None
    rebuilt: bool = False


class TrendWindow(NamedTuple):
    """A span of history: equal steps of ``step`` seconds from ``start`` on."""

    start: float
    step: int
    moments: tuple[Moment, ...]

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.step * len(self.moments)


def bucket(seconds: float) -> int:
    """Return the bucket of a time."""
    if seconds <= _SHORTEST:
        return 0
    return min(_BUCKETS - 1, int(log2(seconds / _SHORTEST) * _PER_OCTAVE))


def quantile(buckets: Sequence[int], share: float) -> float:
    """Return the time, in seconds, that ``share`` of those counted in ``buckets`` took at most; it
    is right to an eighth. There has to be one.
    """
    sums = list(accumulate(buckets))
    wanted = share * sums[-1]
    place = bisect_left(sums, wanted)
    before = sums[place - 1] if place else 0
    part = (wanted - before) / (sums[place] - before)
    return float(_SHORTEST * 2 ** ((place + part) / _PER_OCTAVE))


def _delay(found: list[array[int]]) -> Delay | None:
    if not found:
        return None
    merged = found[0] if len(found) == 1 else [sum(counts) for counts in zip(*found, strict=True)]
    return Delay(quantile(merged, 0.5), quantile(merged, 0.95))


class Ring:
    """The last ``size`` bins of ``step`` seconds each; a bin's number is its time by the step."""

    def __init__(self, step: int, size: int) -> None:
        self.step, self.size = step, size
        self.newest = -1
        self.oldest = -1
        self.seconds = array("l", bytes(8 * size))
        self.rebuilt = bytearray(size)
        self.blocked, self.queued, self.running = (array("d", bytes(8 * size)) for _ in range(3))
        self.completed, self.failed = (array("l", bytes(8 * size)) for _ in range(2))
        self.used = array("d", bytes(8 * size))
        self.polled = array("l", bytes(8 * size))
        self.waits: dict[int, array[int]] = {}
        self.launches: dict[int, array[int]] = {}
        self._read: dict[tuple[int, int], Moment] = {}
        self._read_to = -1
        """What was read of bins that are over, and the last of them: most of a chart is the same
        from one second to the next.
        """
        self._windows: dict[tuple[int, int, int], tuple[Moment, ...]] = {}
        """What was read since it was written to last: several charts show the same span."""

    def slot(self, time: float) -> int | None:
        """Return where the bin of a time is, to write to it: it is made if it is the newest. None
        if it is too old.
        """
        number = int(time) // self.step
        self._windows.clear()
        if number <= self._read_to:
            self._forget()
        if number > self.newest:
            self._forward(number)
        if number <= self.newest - self.size:
            return None
        if self.oldest < 0 or number < self.oldest:
            self.oldest = number
        return number % self.size

    def _forward(self, number: int) -> None:
        """Make ``number`` the newest bin and empty those that are taken over."""
        first = max(self.newest + 1, number - self.size + 1) if self.newest >= 0 else number
        if self.newest < 0:
            self.newest = number
            return
        for stale in range(first, number + 1):
            slot = stale % self.size
            if self.seconds[slot] or self.polled[slot] or self.completed[slot] or self.failed[slot]:
                for column in (self.seconds, self.polled, self.completed, self.failed):
                    column[slot] = 0
                for level in (self.blocked, self.queued, self.running, self.used):
                    level[slot] = 0.0
                self.rebuilt[slot] = 0
            self.waits.pop(slot, None)
            self.launches.pop(slot, None)
        self.newest = number
        self.oldest = max(self.oldest, number - self.size + 1)

    def add_depth(self, slot: int, depth: Depth, seconds: int) -> None:
        """Take in that so many jobs were there for ``seconds``."""
        self.seconds[slot] += seconds
        self.blocked[slot] += depth.blocked * seconds
        self.queued[slot] += depth.queued * seconds
        self.running[slot] += depth.running * seconds

    def add_delay(self, slot: int, seconds: float, launch: bool) -> None:
        """Count a job that took so long to be given resources, or to be started."""
        kept = self.launches if launch else self.waits
        counts = kept.get(slot)
        if counts is None:
            counts = kept[slot] = array("l", bytes(8 * _BUCKETS))
        counts[bucket(seconds)] += 1

    def _forget(self) -> None:
        self._read.clear()
        self._read_to = -1

    def window(self, first: int, last: int, group: int) -> tuple[Moment, ...]:
        """Return the bins ``first`` to ``last``, without that, in groups of so many; the last one
        may be smaller.
        """
        key = (first, last, group)
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = tuple(
                self.moment(number, min(number + group, last))
                for number in range(first, last, group)
            )
        return found

    def moment(self, first: int, last: int) -> Moment:
        """Return what is known of the bins ``first`` to ``last``, without that."""
        if last > self.newest - LATE or first <= self.newest - self.size:
            return self._moment(first, last)
        found = self._read.get((first, last))
        if found is None:
            if len(self._read) > self.size:  # other spans and widths than those on the screen now
                self._forget()
            found = self._read[first, last] = self._moment(first, last)
            self._read_to = max(self._read_to, last - 1)
        return found

    def _moment(self, first: int, last: int) -> Moment:
        first_known = max(first, self.oldest, self.newest - self.size + 1)
        slots = [number % self.size for number in range(first_known, min(last, self.newest + 1))]
        time = float(first * self.step)
        if self.newest < 0 or not slots:
            return Moment(time)
        seconds = sum(self.seconds[slot] for slot in slots)
        polled = sum(self.polled[slot] for slot in slots)

        def mean(column: array[float] | array[int], over: int) -> float:
            return sum(column[slot] for slot in slots) / over

        return Moment(
            time,
            Depth(*(mean(level, seconds) for level in (self.blocked, self.queued, self.running)))
            if seconds
            else None,
            Rate(mean(self.completed, seconds), mean(self.failed, seconds)) if seconds else None,
            mean(self.used, polled) if polled else None,
            _delay([self.waits[slot] for slot in slots if slot in self.waits]),
            _delay([self.launches[slot] for slot in slots if slot in self.launches]),
            any(self.rebuilt[slot] for slot in slots),
        )


class Trends:
    """Queue depth, rates, cores in use and delays over time. ``seconds`` is how much is to be kept
    second by second, if that is more than usual; ``revision`` grows when something has changed.
    """

    def __init__(self, seconds: float = 0) -> None:
        self.rings = tuple(
            Ring(step, max(size, min(MOST_BINS, int(seconds) // step + 2))) for step, size in STEPS
        )
        self.revision = 0

    @property
    def since(self) -> float | None:
        """When the oldest bin that is kept begins, None if there is none."""
        for ring in self.rings:
            # One that has forgotten something does not know when all began.
            if 0 <= ring.newest - ring.size + 1 < ring.oldest or ring is self.rings[-1]:
                return float(ring.oldest * ring.step) if ring.newest >= 0 else None
        return None

    def watched(
        self, second: int, elapsed: int, depth: Depth, cores: tuple[int, int] | None
    ) -> None:
        """Take in how things were in the ``elapsed`` seconds up to ``second`` with it: jobs by what
        they do, cores in use and cores there are.
        """
        share = None if cores is None or not cores[1] else cores[0] / cores[1]
        for one in range(second - elapsed + 1, second + 1):
            for ring in self.rings:
                slot = ring.slot(one)
                if slot is not None:
                    ring.add_depth(slot, depth, 1)
                    if share is not None:
                        ring.used[slot] += share
                        ring.polled[slot] += 1
        self.revision += 1

    def ended(self, times: Iterable[float], failed: bool) -> None:
        """Count jobs that ran to their end at ``times``."""
        for time in times:
            for ring in self.rings:
                slot = ring.slot(time)
                if slot is not None:
                    (ring.failed if failed else ring.completed)[slot] += 1

    def waited(self, time: float, seconds: float) -> None:
        """Count that a job was given resources at ``time``, so long after it was submitted."""
        self._delay(time, seconds, launch=False)

    def launched(self, time: float, seconds: float) -> None:
        """Count that a job was started at ``time``, so long after it was given resources."""
        self._delay(time, seconds, launch=True)

    def _delay(self, time: float, seconds: float, launch: bool) -> None:
        for ring in self.rings:
            slot = ring.slot(time)
            if slot is not None:
                ring.add_delay(slot, seconds, launch)

    def window(self, now: float, span: float | None, points: int) -> TrendWindow:
        """Return the last ``span`` seconds before ``now``, all that is known for None, in at most
        ``points`` steps. The second that has not ended is left out.
        """
        since = self.since
        if span is None:
            span = max(60.0, now - since) if since is not None else 60.0
        ring = next((r for r in self.rings if r.step * r.size >= span), self.rings[-1])
        bins = max(1, min(ring.size, -(-int(span) // ring.step)))
        group = 1 if bins <= points else -(-bins // max(1, points - 1))
        # Whole groups, always the same ones: else every curve would tremble as time goes on.
        last = int(now) // ring.step + (ring.step > 1)
        first = (last - bins) // group * group
        moments = ring.window(first, last, group)
        return TrendWindow(float(first * ring.step), group * ring.step, moments)
