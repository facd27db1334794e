"""Why a job waits and why it failed, in a few words or in full."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from flux.job import why as job_why
from flux.job.why import Waiting
from tui.model import format as fmt
from tui.model.states import DONE, PENDING, RESULT_OF, Status

if TYPE_CHECKING:
    from tui.model.table import JobTable


def info(table: JobTable, row: int, now: float | None = None) -> str:
    """Return the last column of the job table: what matters most about this job now."""
    status = Status(table.status[row])
    if status in PENDING:
        begins = _begins(table, row, now) if now is not None else ""
        return begins or why_pending(table, row, now)
    if status in DONE and status != Status.COMPLETED:
        return why_failed(table, row)
    return table.where[row] or table.nodelist[row]


def _begins(table: JobTable, row: int, now: float) -> str:
    """Return when a job may start that waits for nothing but a time, as short as it can be."""
    waits_for = table.dependencies.get(row, [])
    begin = job_why.begin_time(str(waits_for[0])) if len(waits_for) == 1 else None
    if begin is None or begin < now:
        return ""
    return f"begins {fmt.moment(begin, now)}, in {fmt.age(begin - now)}"


def why_pending(table: JobTable, row: int, now: float | None = None) -> str:
    """Return why a job waits, in the words of ``flux jobs``; with ``now`` a begin-time says in how
    long it is.
    """
    return fmt.printable(job_why.why_pending(waiting(table, row), now))


def waiting(table: JobTable, row: int) -> Waiting:
    """Return what is known of a job that waits."""
    return Waiting(
        table.state[row],
        tuple(map(str, table.dependencies.get(row, ()))),
        table.urgency[row],
        table.priority[row],
        table.annotations.get(row) or {},
        table.waits.get(table.ids[row], ""),
    )


def scheduled(table: JobTable, limit: int) -> list[int]:
    """Return the first jobs that wait for resources, by priority and age, at most ``limit``."""
    rows = (row for row in table.active if table.status[row] == Status.SCHED)
    first = nsmallest(limit, rows, key=lambda row: (-table.priority[row], table.ids[row]))
    return [table.ids[row] for row in first]


def why_failed(table: JobTable, row: int) -> str:
    """Return the exception and how the tasks ended, in the words of ``flux jobs``."""
    kind, _, note = table.exception.get(row, ("", 0, ""))
    status, waitstatus = Status(table.status[row]), table.waitstatus[row]
    ended = waitstatus if waitstatus >= 0 else None
    return fmt.printable(job_why.why_unsuccessful(RESULT_OF[status], kind, note, ended))
