"""The past out of the job list: queue depth and rates from the times at which jobs were submitted,
ran and ended. Jobs that have been purged are missing in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.model.states import Status
from tui.model.trends import MONTH, Depth

if TYPE_CHECKING:
    from tui.model.table import JobTable
    from tui.model.trends import Ring, Trends

PIECE: Final = 1000
"""Jobs looked at in one go, in a few milliseconds: keys are answered in between."""
_FINE: Final = 7200
"""Seconds before the end in which the time of a change counts to the second, else to the minute."""

Change = list[int]
"""At one time: jobs more or fewer that wait, that run, that completed, that failed."""
_WAITING, _RUNNING, _COMPLETED, _FAILED = range(4)


class Rebuilding:
    """Fills the bins before ``until`` that nobody watched. `step` does a piece of it, and tells
    whether that was the last one.

    Jobs from row ``reached`` on have not been looked at: what happens to them before ``until`` is
    not to be counted by others.
    """

    def __init__(self, trends: Trends, table: JobTable, until: float) -> None:
        self.until = int(until) + 1
        self.reached = 0
        self._trends, self._table = trends, table
        self._changes: dict[int, Change] = {}
        self._rings = list(trends.rings)
        self._unwatched = [self._bin_is_empty(ring) for ring in self._rings]

    def _bin_is_empty(self, ring: Ring) -> bool:
        """Whether nobody has watched any of the bin that this moment is in."""
        slot = ring.slot(self.until - 1)
        return slot is None or not ring.seconds[slot]

    def step(self) -> bool:
        """Look at some jobs, or fill one ring."""
        if self.reached < len(self._table):
            last = min(len(self._table), self.reached + PIECE)
            for row in range(self.reached, last):
                self._take(row)
            self.reached = last
            return False
        if self._rings and self._changes:
            self._fill(self._rings.pop())
            self._trends.revision += 1
        return not (self._rings and self._changes)

    def covers(self, row: int, time: float) -> bool:
        """Whether something that happened to a job will be found here, and must not be counted when
        it is told.
        """
        return time < self.until and row >= self.reached

    def _take(self, row: int) -> None:
        table, until = self._table, self.until
        submitted, ran = table.t_submit[row], table.t_run[row]
        ended = table.t_inactive[row]
        if not until - MONTH < submitted < until:
            return
        self._change(submitted, _WAITING, 1)
        if ran and ran < until:
            self._change(ran, _WAITING, -1)
            self._change(ran, _RUNNING, 1)
            self._waited(ran, max(0.0, ran - submitted))
        if ended and ended < until:
            self._change(ended, _RUNNING if ran else _WAITING, -1)
            status = table.status[row]
            if ran and status != Status.CANCELED:
                self._change(ended, _COMPLETED if status == Status.COMPLETED else _FAILED, 1)

    def _change(self, time: float, place: int, number: int) -> None:
        second = int(time)
        if second < self.until - _FINE:
            second -= second % 60
        change = self._changes.get(second)
        if change is None:
            change = self._changes[second] = [0, 0, 0, 0]
        change[place] += number

    def _waited(self, time: float, seconds: float) -> None:
        for place, ring in enumerate(self._trends.rings):
            slot = ring.slot(time)
            if slot is not None and self._may_fill(place, int(time) // ring.step, slot):
                ring.add_delay(slot, seconds, launch=False)

    def _may_fill(self, place: int, number: int, slot: int) -> bool:
        ring = self._trends.rings[place]
        now = (self.until - 1) // ring.step
        return self._unwatched[place] if number == now else not ring.seconds[slot]

    def _fill(self, ring: Ring) -> None:
        """Fill the bins of a ring that were not watched, from the first change on.

        The second that it is is watched already: of that one only what ended is taken.
        """
        times = sorted(self._changes)
        now = self.until - 1
        first = max(times[0] // ring.step, now // ring.step - ring.size + 1)
        place = waiting = running = 0
        for number in range(first, now // ring.step + 1):
            start, end = number * ring.step, min((number + 1) * ring.step, now)
            area = [waiting * (end - start), running * (end - start)]
            done = [0, 0]
            while place < len(times) and times[place] < (number + 1) * ring.step:
                change, rest = self._changes[times[place]], end - max(start, times[place])
                waiting += change[_WAITING]
                running += change[_RUNNING]
                area[0] += change[_WAITING] * max(0, rest)
                area[1] += change[_RUNNING] * max(0, rest)
                if times[place] >= start:
                    done[0] += change[_COMPLETED]
                    done[1] += change[_FAILED]
                place += 1
            slot = ring.slot(start)
            if slot is not None and self._may_fill(len(self._rings), number, slot):
                if end > start:
                    depth = Depth(0.0, area[0] / (end - start), area[1] / (end - start))
                    ring.add_depth(slot, depth, end - start)
                    ring.rebuilt[slot] = 1
                ring.completed[slot] += done[0]
                ring.failed[slot] += done[1]
