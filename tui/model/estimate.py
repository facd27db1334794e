"""When the work that is there will be done, judged by how long jobs of the same name took, numbers
in it apart.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_JOB_PRIORITY_MIN
from flux.job.states import Urgency
from tui.model.sets import alike
from tui.model.states import RUNNING, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.model.table import JobTable

ENOUGH: Final = 10
"""With fewer jobs waiting, chance decides when the last one ends."""
LOOKED_AT: Final = 5000
"""Active jobs that an estimate is made from, if there are more."""
NAMES: Final = 10_000
_MEMORY: Final = 50
"""Jobs that a mean is taken over, roughly: newer ones count more than older ones."""
_UNKNOWN: Final = 0.1
"""The share of the work that may be of jobs of which none has ended yet."""


class RunTimes:
    """How long jobs of each name ran, seconds; names that differ in numbers only are one."""

    def __init__(self) -> None:
        self._mean: dict[str, tuple[int, float]] = {}

    def add(self, table: JobTable, rows: Iterable[int]) -> None:
        """Take in jobs that came to an end of their own."""
        for row in rows:
            name = alike(table.name[row])
            number, mean = self._mean.pop(name, (0, 0.0))
            number = min(number + 1, _MEMORY)
            seconds = table.runtime(row, table.t_inactive[row])
            self._mean[name] = number, mean + (seconds - mean) / number
            if len(self._mean) > NAMES:
                del self._mean[next(iter(self._mean))]

    def seconds_left(self, table: JobTable, now: float) -> float | None:
        """Return in how many seconds all jobs that can run will have run, None if that cannot be
        told.

        Jobs that are held or wait for others are not counted: nobody knows when they may run.
        """
        running, waiting = _TaskSum(), _TaskSum()
        for row in islice(table.active, LOOKED_AT):
            runs = table.status[row] in RUNNING
            if runs or _can_run(table, row):
                elapsed = table.runtime(row, now) if runs else 0.0
                known = self._mean.get(alike(table.name[row]))
                # One that runs far longer than those before it is not of their kind.
                mean = None if known is None or elapsed > 2 * known[1] + 1 else known[1]
                (running if runs else waiting).add(max(1, table.ntasks[row]), mean, elapsed)
        tasks = running.tasks + waiting.tasks
        if (
            waiting.jobs < ENOUGH
            or not running.tasks
            or running.unknown + waiting.unknown > _UNKNOWN * tasks
        ):
            return None
        # Where only some were looked at, those that wait stand for the others that wait.
        more = max(1.0, len(table.active) / LOOKED_AT)
        return (running.work + waiting.work * more) / running.tasks


class _TaskSum:
    """Jobs counted: their tasks, those of which nothing is known, and their work in task
    seconds.
    """

    def __init__(self) -> None:
        self.jobs = self.tasks = self.unknown = 0
        self.work = 0.0

    def add(self, tasks: int, mean: float | None, elapsed: float) -> None:
        self.jobs += 1
        self.tasks += tasks
        if mean is None:
            self.unknown += tasks
        else:
            self.work += tasks * max(0.0, mean - elapsed)


def _can_run(table: JobTable, row: int) -> bool:
    return (
        table.status[row] == Status.SCHED
        and table.priority[row] != FLUX_JOB_PRIORITY_MIN
        and table.urgency[row] != Urgency.HOLD
    )
