"""Why a job waits or was no success, in full: the sentence, what it stands for, who and when, the
last lines of its error output, and what helps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flux.job.why import Remedy, awaited_job, meaning, remedies
from tui.model import format as fmt
from tui.model import reasons
from tui.model.jobid import f58
from tui.model.states import ACTIVE, PENDING, STATUS, Status
from tui.model.users import user_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tui.model.dashboard import Dashboard
    from tui.model.logs import Line
    from tui.model.story import Raised

_TITLES: Final = {
    Status.FAILED: "why it failed",
    Status.CANCELED: "why it was canceled",
    Status.TIMEOUT: "why it was stopped",
}


class Part(NamedTuple):
    """One line of a card: ``kind`` is ``headline``, ``cause``, ``link`` or that of a `Line`."""

    kind: str
    text: str


class Card(NamedTuple):
    """Why: the status that colours it, its title, its lines, what helps and the job it waits
    for.
    """

    status: Status
    title: str
    parts: list[Part]
    helps: tuple[Remedy, ...]
    parent: int | None


def why_card(
    dashboard: Dashboard, jobid: int, raised: Raised | None = None, errors: Iterable[Line] = ()
) -> Card | None:
    """Return the card of a job; None for one that has nothing to explain, or is not known.

    ``raised`` is its gravest exception and ``errors`` the last lines of its error output.
    """
    table = dashboard.table
    row = table.row_of.get(jobid)
    if row is None:
        return None
    status = Status(table.status[row])
    if status in PENDING:
        return _pending(dashboard, row, status)
    if status in ACTIVE:
        return _ending(status, raised, errors, dashboard.moment) if raised else None
    if status == Status.COMPLETED:
        return None
    return _failed(dashboard, row, status, raised, errors)


def _pending(dashboard: Dashboard, row: int, status: Status) -> Card:
    table, now = dashboard.table, dashboard.moment
    waiting = reasons.waiting(table, row)
    parts = [Part("headline", reasons.why_pending(table, row, now))]
    parent = awaited_job(waiting)
    if parent is not None:
        parts.append(Part("link", describe_job(dashboard, parent)))
    waited = fmt.duration(table.waited(row, now))
    parts.append(Part("cause", f"has waited {waited}, priority {_priority(table.priority[row])}"))
    return Card(status, "why it waits", parts, remedies(waiting), parent)


def _priority(priority: int) -> str:
    return str(priority) if priority >= 0 else "not decided yet"


def describe_job(dashboard: Dashboard, jobid: int) -> str:
    """Return a job in a few words: id, name, status and how long it has run."""
    table = dashboard.table
    row = table.row_of.get(jobid)
    if row is None:
        return f"{f58(jobid)} is not in the list of this instance"
    ran = table.runtime(row, dashboard.moment)
    word = STATUS[table.status[row]].word
    return f"{f58(jobid)} {table.name[row]}: {word}" + (
        f", {fmt.duration(ran)}" if ran >= 0 else ""
    )


def _ending(status: Status, raised: Raised, errors: Iterable[Line], now: float) -> Card:
    """Return the card of a job that runs, and to which something has happened."""
    note = f": {raised.note}" if raised.note else ""
    parts = [Part("headline", f"exception {raised.kind}{note}"), _who(raised, now)]
    return Card(status, "what happened", [*parts, *_tail(errors)], (), None)


def _failed(
    dashboard: Dashboard,
    row: int,
    status: Status,
    raised: Raised | None,
    errors: Iterable[Line],
) -> Card:
    table = dashboard.table
    kind, _, note = table.exception.get(row, ("", 0, ""))
    ended = table.waitstatus[row]
    why = reasons.why_failed(table, row)
    if status == Status.CANCELED:  # which the title says already
        why = why.removeprefix("canceled: ")
    parts = [Part("headline", why)]
    usual = meaning(kind, ended if ended >= 0 else None)
    if usual and usual != note:
        parts.append(Part("cause", usual + _limit(table.t_run[row], table.expiration[row], kind)))
    if raised is not None:
        parts.append(_who(raised, dashboard.moment))
    return Card(status, _TITLES[status], [*parts, *_tail(errors)], (), None)


def _limit(started: float, expiration: float, kind: str) -> str:
    """Return how long the limit was that a job ran into."""
    if kind != "timeout" or not started or expiration <= started:
        return ""
    return f" of {fmt.duration(expiration - started)}"


def _who(raised: Raised, now: float) -> Part:
    by = f" by {user_name(raised.userid)}" if raised.userid >= 0 else ""
    grave = "fatal" if raised.severity == 0 else f"severity {raised.severity}"
    return Part("cause", f"raised{by} at {fmt.clock(raised.at, now)}, {grave}")


def _tail(errors: Iterable[Line]) -> list[Part]:
    """Return the last lines of error output, with the rank or ``shell`` before each."""
    parts = []
    for line in errors:
        whose = line.label.removesuffix("err").strip()
        parts.append(Part(line.kind, f"{whose}: {line.text}" if whose else line.text))
    return parts
