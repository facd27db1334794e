"""The columns of the job table: title, width, cell text and sort key of each, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.model import format as fmt
from tui.model import reasons
from tui.model.jobid import f58
from tui.model.states import DONE, PENDING, STATUS
from tui.model.users import user_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.model.table import JobTable

SortKey = float | str


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``keep`` is its importance (the least important leave a narrow screen first),
    ``grow`` its share of spare room; ``live`` values change with time alone; ``indent`` keeps text
    off the number to its left.
    """

    name: str
    title: str
    width: int
    keep: int
    cell: Callable[[JobTable, int, float], str]
    key: Callable[[JobTable, int, float], SortKey]
    right: bool = False
    grow: int = 0
    live: bool = False
    indent: bool = False


def _state_key(table: JobTable, row: int, _now: float) -> float:
    """Running first, then pending, then done; the newest first but for pending, where it is the
    next to run.
    """
    status = table.status[row]
    rank = STATUS[status].rank * 1e12
    if status in PENDING:
        return rank + table.t_submit[row] - min(max(table.priority[row], 0), 1000) * 2e8
    return rank - (table.t_inactive[row] or table.t_run[row] or table.t_submit[row])


def _bottom(value: float) -> str:
    return str(int(value)) if value > 0 else "-"


def _expires(table: JobTable, row: int, now: float) -> str:
    limit = table.expiration[row]
    if not limit or table.status[row] in DONE or not table.t_run[row]:
        return "-"
    return fmt.age(max(0.0, limit - now))


COLUMNS: Final[tuple[Column, ...]] = (
    Column("id", "JOBID", 13, 100, lambda t, r, n: f58(t.ids[r]), lambda t, r, n: t.ids[r]),
    Column(
        "user",
        "USER",
        8,
        60,
        lambda t, r, n: user_name(t.userid[r]),
        lambda t, r, n: user_name(t.userid[r]),
    ),
    Column("state", "ST", 4, 95, lambda t, r, n: STATUS[t.status[r]].code, _state_key),
    Column(
        "name", "NAME", 12, 98, lambda t, r, n: t.name[r], lambda t, r, n: t.name[r].lower(), grow=2
    ),
    Column(
        "priority",
        "PRI",
        5,
        15,
        lambda t, r, n: str(t.priority[r]) if t.priority[r] >= 0 else "-",
        lambda t, r, n: t.priority[r],
        right=True,
    ),
    Column(
        "ntasks",
        "TASKS",
        5,
        55,
        lambda t, r, n: _bottom(t.ntasks[r]),
        lambda t, r, n: t.ntasks[r],
        right=True,
    ),
    Column(
        "nnodes",
        "NODES",
        5,
        50,
        lambda t, r, n: _bottom(t.nnodes[r]),
        lambda t, r, n: t.nnodes[r],
        right=True,
    ),
    Column(
        "submit",
        "SUBMIT",
        11,
        25,
        lambda t, r, n: fmt.clock(t.t_submit[r], n),
        lambda t, r, n: t.t_submit[r],
        right=True,
    ),
    Column(
        "wait",
        "WAIT",
        7,
        30,
        # Of one that waits still, no finer than it stays true for a while: a screenful of jobs
        # that wait would otherwise be sent anew each second.
        lambda t, r, n: (fmt.age if t.status[r] in PENDING else fmt.duration)(t.waited(r, n)),
        lambda t, r, n: t.waited(r, n),
        right=True,
        live=True,
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
    ),
    Column(
        "left",
        "LEFT",
        7,
        20,
        _expires,
        lambda t, r, n: t.expiration[r] or 1e18,
        right=True,
    ),
    Column(
        "ranks",
        "RANKS",
        9,
        35,
        lambda t, r, n: t.ranks[r] or "-",
        lambda t, r, n: t.ranks[r],
        grow=1,
        indent=True,
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
    ),
)

BY_NAME: Final[dict[str, Column]] = {column.name: column for column in COLUMNS}

MIN_SEPARATION: Final = 1


def fit(columns: tuple[Column, ...], width: int) -> list[tuple[Column, int]]:
    """Return the columns that fit in ``width`` cells, in order, each with its width; spare room
    goes where ``grow`` says.
    """
    chosen = list(columns)
    while (
        len(chosen) > 1 and sum(c.width + MIN_SEPARATION for c in chosen) > width + MIN_SEPARATION
    ):
        chosen.remove(min(chosen, key=lambda c: c.keep))
    spare = width + MIN_SEPARATION - sum(c.width + MIN_SEPARATION for c in chosen)
    shares = sum(c.grow for c in chosen) or 1
    fitted = [(c, c.width + spare * c.grow // shares) for c in chosen]
    rest = spare - sum(spare * c.grow // shares for c in chosen)
    if rest and any(c.grow for c in chosen):
        last = max(i for i, (c, _) in enumerate(fitted) if c.grow)
        fitted[last] = (fitted[last][0], fitted[last][1] + rest)
    return fitted
