"""Why a job waits and why it failed, in a few words or in full."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from flux.job.lifecycle import plugin_reason
from tui.model import format as fmt
from tui.model.states import DONE, PENDING, Status

if TYPE_CHECKING:
    from tui.model.table import JobTable


def annotation(table: JobTable, row: int, group: str, key: str) -> str:
    """Return one annotation as text, empty if absent."""
    section = table.annotations.get(row, {}).get(group)
    value = section.get(key, "") if isinstance(section, dict) else ""
    return fmt.printable(value if isinstance(value, str) else str(value))


def info(table: JobTable, row: int) -> str:
    """Return the last column of the job table: what matters most about this job now."""
    status = Status(table.status[row])
    if status in PENDING:
        return why_pending(table, row)
    if status in DONE and status != Status.COMPLETED:
        return why_failed(table, row)
    return table.where[row] or table.nodelist[row]


def why_pending(table: JobTable, row: int) -> str:
    """Return the first reason that applies: dependency, held, what the instance tells, the
    scheduler's own note, queue position.
    """
    waiting = table.dependencies.get(row)
    if table.status[row] == Status.DEPEND:
        return (
            fmt.printable("waits for " + ", ".join(map(str, waiting)))
            if waiting
            else "waits for its dependencies"
        )
    plugins = fmt.printable(plugin_reason(table.annotations.get(row)))
    if table.urgency[row] == 0:
        return "held (urgency 0)"
    if table.priority[row] == 0:
        return plugins or "held (priority 0)"
    if table.status[row] == Status.PRIORITY:
        return plugins or "waits for a priority"
    known = table.waits.get(table.ids[row])
    if known:
        return fmt.printable(known)
    reason = annotation(table, row, "sched", "reason_pending")
    if reason:
        return reason
    ahead = annotation(table, row, "sched", "jobs_ahead")
    if ahead:
        return f"{ahead} jobs ahead"
    return "waits for resources"


def scheduled(table: JobTable, limit: int) -> list[int]:
    """Return the first jobs that wait for resources, by priority and age, at most ``limit``."""
    rows = (row for row in table.active if table.status[row] == Status.SCHED)
    first = nsmallest(limit, rows, key=lambda row: (-table.priority[row], table.ids[row]))
    return [table.ids[row] for row in first]


def why_failed(table: JobTable, row: int) -> str:
    """Return the exception and how the tasks ended."""
    parts: list[str] = []
    exception = table.exception.get(row)
    status = table.status[row]
    if exception is not None:
        kind, _, note = exception
        if status == Status.CANCELED and kind == "cancel":
            parts.append(f"canceled: {note}" if note else "canceled")
        else:
            parts.append(f"{kind}: {note}" if note and note != kind else kind)
    if table.waitstatus[row] > 0 and (exception is None or status == Status.FAILED):
        parts.append(fmt.wait_status(table.waitstatus[row]))
    return ", ".join(parts) or "failed"
