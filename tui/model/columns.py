"""The columns of the job table: title, width, cell text and sort key of each, as one table."""

from __future__ import annotations

from operator import sub
from typing import TYPE_CHECKING, Final

from tui.model import format as fmt
from tui.model import reasons
from tui.model.column import Column, SortKey, fit
from tui.model.jobid import f58
from tui.model.states import DONE, PENDING, STATUS
from tui.model.users import user_name

if TYPE_CHECKING:
    from tui.model.table import JobTable

__all__ = [
    "BY_NAME",
    "COLUMNS",
    "USUAL",
    "Column",
    "SortKey",
    "columns_from_format",
    "fit",
    "state_key",
]


def state_key(table: JobTable, row: int, _now: float) -> float:
    """Running first, then pending, failed, done; the newest first but for pending, where it is the
    next to run.
    """
    status = table.status[row]
    rank = STATUS[status].rank * 1e12
    if status in PENDING:
        return rank + table.t_submit[row] - min(max(table.priority[row], 0), 1000) * 2e8
    return rank - (table.t_inactive[row] or table.t_run[row] or table.t_submit[row])


def _state_keys(table: JobTable, now: float) -> list[SortKey]:
    """The same for all rows: those that are over, which most are, without a call for each."""
    ranks = [info.rank * 1e12 for info in STATUS]
    found: list[SortKey] = list(map(sub, map(ranks.__getitem__, table.status), table.t_inactive))
    for row in table.active:
        found[row] = state_key(table, row, now)
    return found


def _bottom(value: float) -> str:
    return str(int(value)) if value > 0 else "-"


def _size(table: JobTable, row: int) -> str:
    """Return tasks and nodes in one: ``8×2``, ``8`` while no nodes are known."""
    nodes = table.nnodes[row]
    return _bottom(table.ntasks[row]) + (f"{fmt.TIMES}{nodes}" if nodes > 0 else "")


def _expires(table: JobTable, row: int, now: float) -> str:
    limit = table.expiration[row]
    if not limit or table.status[row] in DONE or not table.t_run[row]:
        return "-"
    left = max(0.0, limit - now)
    # Its last minute counts; its other cells tick by the second, too.
    return f"{int(left)}s" if left < 60 else fmt.age(left)


def share_left(table: JobTable, row: int, now: float) -> float | None:
    """Return how much of its time a running job has left, 0 to 1; None for one without a limit."""
    limit, started = table.expiration[row], table.t_run[row]
    if table.status[row] in DONE or not started or limit <= started:
        return None
    return min(1.0, max(0.0, (limit - now) / (limit - started)))


def _limit(table: JobTable, row: int) -> str:
    limit = table.duration[row]
    return fmt.duration(limit) if limit > 0 else "-"


def _wait(table: JobTable, row: int, now: float) -> str:
    # Of one that waits still, no finer than it stays true for a while: a screenful of jobs that
    # wait would otherwise be sent anew each second.
    waited = table.waited(row, now)
    return fmt.age(waited) if table.status[row] in PENDING else fmt.duration(waited)


def _text(
    name: str, width: int, keep: int, meaning: str, *, usual: bool = True, grow: int = 0
) -> Column:
    """Return a column of one of the table's texts."""

    def read(table: JobTable, row: int) -> str:
        texts: list[str] = getattr(table, name)
        return texts[row]

    return Column(
        name,
        name.upper(),
        width,
        keep,
        lambda t, r, n: read(t, r) or "-",
        lambda t, r, n: read(t, r),
        grow=grow,
        indent=True,
        varies=name,
        usual=usual,
        meaning=meaning,
    )


COLUMNS: Final[tuple[Column, ...]] = (
    Column(
        "id",
        "JOBID",
        13,
        100,
        lambda t, r, n: f58(t.ids[r]),
        lambda t, r, n: t.ids[r],
        keys=lambda t, n: list(t.ids),
        meaning="job id",
    ),
    Column(
        "user",
        "USER",
        8,
        60,
        lambda t, r, n: user_name(t.userid[r]),
        lambda t, r, n: user_name(t.userid[r]),
        varies="userid",
        keys=lambda t, n: list(map(user_name, t.userid)),
        meaning="who submitted it",
    ),
    Column(
        "state",
        "ST",
        4,
        95,
        lambda t, r, n: STATUS[t.status[r]].code,
        state_key,
        keys=_state_keys,
        meaning="state or result",
    ),
    Column(
        "name",
        "NAME",
        12,
        98,
        lambda t, r, n: t.name[r],
        lambda t, r, n: t.name[r].lower(),
        grow=3,
        keys=lambda t, n: list(map(str.lower, t.name)),
        meaning="name",
    ),
    _text("queue", 9, 58, "queue"),
    _text("bank", 8, 33, "bank"),
    _text("project", 8, 32, "project"),
    Column(
        "priority",
        "PRI",
        5,
        15,
        lambda t, r, n: str(t.priority[r]) if t.priority[r] >= 0 else "-",
        lambda t, r, n: t.priority[r],
        right=True,
        varies="priority",
        keys=lambda t, n: list(t.priority),
        meaning="priority",
    ),
    Column(
        "size",
        f"T{fmt.TIMES}N",
        6,
        55,
        lambda t, r, n: _size(t, r),
        lambda t, r, n: t.ntasks[r],
        right=True,
        keys=lambda t, n: list(t.ntasks),
        meaning="tasks and nodes",
    ),
    Column(
        "ntasks",
        "TASKS",
        5,
        54,
        lambda t, r, n: _bottom(t.ntasks[r]),
        lambda t, r, n: t.ntasks[r],
        right=True,
        usual=False,
        keys=lambda t, n: list(t.ntasks),
        meaning="tasks",
    ),
    Column(
        "nnodes",
        "NODES",
        5,
        50,
        lambda t, r, n: _bottom(t.nnodes[r]),
        lambda t, r, n: t.nnodes[r],
        right=True,
        usual=False,
        keys=lambda t, n: list(t.nnodes),
        meaning="nodes",
    ),
    Column(
        "ncores",
        "CORES",
        5,
        13,
        lambda t, r, n: _bottom(t.ncores[r]),
        lambda t, r, n: t.ncores[r],
        right=True,
        varies="ncores",
        keys=lambda t, n: list(t.ncores),
        meaning="cores",
    ),
    Column(
        "submit",
        "SUBMIT",
        11,
        22,
        lambda t, r, n: fmt.clock(t.t_submit[r], n),
        lambda t, r, n: t.t_submit[r],
        right=True,
        keys=lambda t, n: list(t.t_submit),
        meaning="when it was submitted",
    ),
    Column(
        "age",
        "AGE",
        6,
        40,
        lambda t, r, n: fmt.age(n - t.t_submit[r]) if t.t_submit[r] else "-",
        lambda t, r, n: -t.t_submit[r],
        right=True,
        keys=lambda t, n: [-when for when in t.t_submit],
        meaning="how long ago it was submitted",
    ),
    Column(
        "wait",
        "WAIT",
        7,
        20,
        _wait,
        lambda t, r, n: t.waited(r, n),
        right=True,
        live=True,
        meaning="how long it waited, or waits",
    ),
    Column(
        "runtime",
        "TIME",
        7,
        90,
        lambda t, r, n: fmt.duration(t.runtime(r, n)),
        lambda t, r, n: t.runtime(r, n),
        right=True,
        live=True,
        meaning="how long it has run",
    ),
    Column(
        "limit",
        "LIMIT",
        7,
        11,
        lambda t, r, n: _limit(t, r),
        lambda t, r, n: t.duration[r] if t.duration[r] > 0 else 1e18,
        right=True,
        varies="duration",
        meaning="time limit",
    ),
    Column(
        "left",
        "LEFT",
        11,
        45,
        _expires,
        lambda t, r, n: t.expiration[r] or 1e18,
        right=True,
        varies="expiration",
        meaning="until its time limit",
    ),
    Column(
        "ranks",
        "RANKS",
        9,
        10,
        lambda t, r, n: t.ranks[r] or "-",
        lambda t, r, n: t.ranks[r],
        grow=1,
        indent=True,
        keys=lambda t, n: list(t.ranks),
        meaning="ranks it runs or ran on",
    ),
    _text("nodelist", 12, 9, "nodes it runs or ran on", usual=False, grow=1),
    _text("cwd", 16, 8, "directory it was submitted for", usual=False, grow=2),
    Column(
        "urgency",
        "URG",
        5,
        14,
        lambda t, r, n: str(t.urgency[r]),
        lambda t, r, n: t.urgency[r],
        right=True,
        usual=False,
        keys=lambda t, n: list(t.urgency),
        meaning="urgency",
    ),
    Column(
        "info",
        "INFO",
        25,
        70,
        lambda t, r, n: reasons.info(t, r, n),
        lambda t, r, n: reasons.info(t, r),
        grow=4,
        indent=True,
        meaning="why it waits or failed, or where it runs",
    ),
)

BY_NAME: Final[dict[str, Column]] = {column.name: column for column in COLUMNS}
USUAL: Final = tuple(column for column in COLUMNS if column.usual)
"""The columns that are shown as far as there is room, and something to tell apart."""


def columns_from_format(text: str) -> tuple[Column, ...]:
    """Return the columns of an output format as ``flux jobs -o`` takes it (flux-jobs(1)); names of
    our own columns are fields too. Raises OSError if it cannot be read or names what the table does
    not know.
    """
    # What reads formats is not loaded for those who have none.
    from tui.model.format_columns import columns_of_format

    return columns_of_format(text, BY_NAME)
