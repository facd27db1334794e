"""Writes a dashboard's trends: how things are at every second, what happened to jobs as it is told,
and, after each time that the jobs were read, what they tell of the time that nobody watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.model.rebuilding import Rebuilding
from tui.model.states import RUNNING, Status
from tui.model.trends import Depth, Trends

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping
    from tui.model.table import JobTable

ALLOC: Final = "alloc"
START: Final = "start"
TIMED: Final = frozenset({ALLOC, START})
"""Events that end a span of which the length is kept."""
CARRIED: Final = 5
"""Seconds that may pass between two looks without a gap: a machine is busy, a process was stopped
for a moment.
"""


class Chronicle:
    """What is written to ``trends``, for one dashboard. The jobs of each connection are rebuilt
    once they have all been read.
    """

    def __init__(self, trends: Trends) -> None:
        self.trends = trends
        self._rebuilding: Rebuilding | None = None
        self._begun = False
        self._second = 0

    @property
    def busy(self) -> bool:
        """Whether there is more of the past to rebuild."""
        return self._rebuilding is not None

    def restart(self) -> None:
        """Begin with another table: the jobs are read anew."""
        self._begun = False
        self._rebuilding = None

    def event(self, table: JobTable, row: int, entry: JsonMapping) -> None:
        """Take in an event that is among `TIMED`, when the table has it."""
        time = float(entry.get("timestamp") or 0.0)
        if entry.get("name") == START:
            # Never rebuilt: the job list does not tell when a job was started.
            if table.t_run[row]:
                self.trends.launched(time, max(0.0, time - table.t_run[row]))
        elif table.t_submit[row] and self._counts(row, time):
            self.trends.waited(time, max(0.0, time - table.t_submit[row]))

    def ended(self, table: JobTable, rows: list[int]) -> None:
        """Take in jobs that ran to their end."""
        rows = [row for row in rows if self._counts(row, table.t_inactive[row])]
        for failed in (False, True):
            self.trends.ended(
                (
                    table.t_inactive[row]
                    for row in rows
                    if (table.status[row] != Status.COMPLETED) == failed
                ),
                failed,
            )

    def rebuild_some(self) -> None:
        """Rebuild some of the past, in a few milliseconds."""
        if self._rebuilding is not None and self._rebuilding.step():
            self._rebuilding = None

    def complete(self) -> None:
        """Rebuild all there is to rebuild at once, where nobody waits for the screen."""
        while self._rebuilding is not None:
            self.rebuild_some()

    @property
    def begun(self) -> bool:
        """Whether what happens to jobs is counted: from the first time on that all were there."""
        return self._begun

    def _counts(self, row: int, time: float) -> bool:
        if not self._begun:
            return False
        return self._rebuilding is None or not self._rebuilding.covers(row, time)

    def settle(
        self, table: JobTable, cores: tuple[int, int] | None, now: float, fresh: bool
    ) -> None:
        """Write down the seconds that have passed, if what is known is ``fresh``. Called when all
        jobs are in the table; ``cores`` are those in use and those there are, None if that is not
        known.
        """
        if not self._begun:
            self._begun = True
            self._rebuilding = Rebuilding(self.trends, table, now)
        second = int(now)
        elapsed = second - self._second
        if not fresh or elapsed <= 0:
            return
        counts = table.counts
        depth = Depth(
            counts[Status.DEPEND] + counts[Status.PRIORITY],
            counts[Status.SCHED],
            sum(counts[status] for status in RUNNING),
        )
        self.trends.watched(second, elapsed if elapsed <= CARRIED else 1, depth, cores)
        self._second = second
