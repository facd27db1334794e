"""The job table as text for other programs: CSV (RFC 4180) and lines of JSON, row by row."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final

from flux.waitstatus import return_code_of
from tui.model import reasons
from tui.model.format import printable
from tui.model.jobid import f58
from tui.model.states import STATUS
from tui.model.users import user_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tui.model.table import JobTable

    Value = str | int | float | None

CHUNK: Final = 1000
"""Rows that are made at once: few enough not to be felt."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula for programs that show tables."""


def _time(seconds: float) -> float | None:
    return seconds or None


def _known(number: int) -> int | None:
    return number if number >= 0 else None


def _exit(status: int) -> int | None:
    return None if status < 0 else return_code_of(status)


FIELDS: Final[dict[str, Callable[[JobTable, int, float], Value]]] = {
    "id": lambda t, row, now: f58(t.ids[row]),
    "user": lambda t, row, now: user_name(t.userid[row]),
    "status": lambda t, row, now: STATUS[t.status[row]].word,
    "name": lambda t, row, now: t.name[row],
    "priority": lambda t, row, now: _known(t.priority[row]),
    "urgency": lambda t, row, now: t.urgency[row],
    "ntasks": lambda t, row, now: t.ntasks[row] or None,
    "nnodes": lambda t, row, now: t.nnodes[row] or None,
    "t_submit": lambda t, row, now: _time(t.t_submit[row]),
    "t_run": lambda t, row, now: _time(t.t_run[row]),
    "t_inactive": lambda t, row, now: _time(t.t_inactive[row]),
    "runtime": lambda t, row, now: round(t.runtime(row, now), 3) if t.t_run[row] else None,
    "exit": lambda t, row, now: _exit(t.waitstatus[row]),
    "ranks": lambda t, row, now: t.ranks[row],
    "nodelist": lambda t, row, now: t.nodelist[row],
    "info": lambda t, row, now: reasons.info(t, row),
}
"""What is written of each job: times in seconds since the epoch, the run time in seconds."""


def as_csv(table: JobTable, rows: Iterable[int], now: float) -> Iterator[str]:
    """Return pieces of CSV, the names of the fields first; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(FIELDS)
    for part in _parts(rows):
        for row in part:
            writer.writerow([harmless(read(table, row, now)) for read in FIELDS.values()])
        yield text.getvalue()
        text.seek(0)
        text.truncate()


def harmless(value: Value) -> Value:
    """Return a cell of CSV that no program takes for a formula: a text that would be one begins
    with an apostrophe; control characters are escaped.
    """
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(_FORMULA) else value
    return printable(text)


def as_json_lines(table: JobTable, rows: Iterable[int], now: float) -> Iterator[str]:
    """Return pieces of text with an object for each job on a line; what is not known is null."""
    for part in _parts(rows):
        yield "".join(
            json.dumps({name: read(table, row, now) for name, read in FIELDS.items()}) + "\n"
            for row in part
        )


def _parts(rows: Iterable[int]) -> Iterator[list[int]]:
    """Return rows some at a time; once none, so that a table without jobs has its heading."""
    listed = list(rows)
    for first in range(0, max(len(listed), 1), CHUNK):
        yield listed[first : first + CHUNK]


def as_row(table: JobTable, row: int, now: float) -> str:
    """Return the fields of one job, with tabs between them."""
    values = (read(table, row, now) for read in FIELDS.values())
    return "\t".join("" if value is None else printable(str(value)) for value in values)
