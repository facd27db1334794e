"""Columns out of an output format of ``flux jobs`` (flux-jobs(1)): ``{id.f58:>12} {queue}
{name:<20} {runtime!F:>8h}``.

What stands together in the format is one column: ``{ntasks}x{nnodes}``. Its text is what ``flux
jobs`` would print, its order that of its first field. Fields that the format gives no width share
what room there is.
"""

from __future__ import annotations

import errno
import re
from string import Formatter
from typing import TYPE_CHECKING, Final

from flux.job.info import JobInfo, JobInfoFormat
from flux.job.query.fields import nearest
from flux.output_values import CONVERSIONS
from tui.model import format as fmt
from tui.model.column import Column
from tui.model.states import INACTIVE, RESULT_OF, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flux.wire.json import JsonObject
    from tui.model.column import SortKey
    from tui.model.table import JobTable

MOST: Final = 4096
"""Characters that a format may have."""
_NOTES: Final = ("annotations", "sched", "user")
_UNKNOWN: Final = frozenset(
    {
        *("t_depend", "t_priority", "t_sched"),
        *(name for name in JobInfoFormat.headings if name.startswith("instance.")),
    }
)
"""What ``flux jobs`` has and the table does not; what the instance in a job tells of itself is
asked of that instance, which a table of many jobs does not wait for.
"""
_SAME: Final = {
    "id": "id",
    "username": "user",
    "userid": "user",
    "state": "state",
    "state_single": "state",
    "status": "state",
    "status_abbrev": "state",
    "phase": "state",
    "phase_abbrev": "state",
    "state_emoji": "state",
    "status_emoji": "state",
    "result_emoji": "state",
    "contextual_time": "runtime",
    "result": "state",
    "result_abbrev": "state",
    "success": "state",
    "name": "name",
    "queue": "queue",
    "bank": "bank",
    "project": "project",
    "cwd": "cwd",
    "priority": "priority",
    "urgency": "urgency",
    "ntasks": "ntasks",
    "nnodes": "nnodes",
    "node_count": "nnodes",
    "ncores": "ncores",
    "duration": "limit",
    "t_submit": "submit",
    "runtime": "runtime",
    "expiration": "left",
    "t_remaining": "left",
    "ranks": "ranks",
    "nodelist": "nodelist",
    "reason": "info",
    "where": "info",
    "contextual_info": "info",
    "inactive_reason": "info",
}
"""Which column has the order and the looks of a field."""
_SPEC_WIDTH: Final = re.compile(r"(\d+)")
_BLANKS: Final = re.compile(r"(\s+)")


class RowInfo(JobInfo):
    """A row of the table with the fields of ``flux jobs``, at a time."""

    def __init__(self, table: JobTable, row: int, now: float) -> None:
        super().__init__(record(table, row))
        self._at = now

    def get_runtime(self) -> float:
        """Return the seconds that it has run, 0 if it never did."""
        started = float(self.t_run)
        return max(0.0, (float(self.t_cleanup) or self._at) - started) if started else 0.0

    def get_remaining_time(self) -> float:
        """Return the seconds until its time limit, 0 if it has none or does not run."""
        limit = float(self.expiration)
        runs = self.state_id != INACTIVE and float(self.t_run)
        return max(0.0, limit - self._at) if limit and runs else 0.0


def record(table: JobTable, row: int) -> JsonObject:
    """Return what the table knows of a job, as the job list would tell it."""
    found: JsonObject = {
        "id": table.ids[row],
        "state": table.state[row],
        "userid": table.userid[row],
        "urgency": table.urgency[row],
        "duration": max(0.0, table.duration[row]),
        "annotations": table.annotations_of(row) or {},
        "dependencies": table.dependencies.get(row, []),
        "pending_reason": table.waits.get(table.ids[row], ""),
    }
    for name in ("t_submit", "t_run", "t_cleanup", "t_inactive", "expiration"):
        found[name] = getattr(table, name)[row]
    for name in ("name", "ranks", "nodelist", "queue", "bank", "project", "cwd"):
        found[name] = getattr(table, name)[row]
    for name, least in (("ntasks", 1), ("nnodes", 1), ("ncores", 1), ("priority", 0)):
        if getattr(table, name)[row] >= least:
            found[name] = getattr(table, name)[row]
    if table.waitstatus[row] >= 0:
        found["waitstatus"] = table.waitstatus[row]
    if table.state[row] == INACTIVE:
        status = Status(table.status[row])
        found |= {"result": RESULT_OF[status], "success": status == Status.COMPLETED}
    if row in table.exception:
        kind, severity, note = table.exception[row]
        found |= {
            "exception_occurred": True,
            "exception_type": kind,
            "exception_severity": severity,
            "exception_note": note,
        }
    return found


def columns_of_format(text: str, known: Mapping[str, Column]) -> tuple[Column, ...]:
    """Return the columns of a format; ``known`` are those that the table has names of its own for,
    which may be named too (``{age}``).

    Raises OSError if it cannot be read or names what the table does not know.
    """
    if len(text) > MOST:
        raise OSError(errno.EINVAL, f"a format has at most {MOST} characters")
    pieces = _pieces(text)
    if not pieces:
        raise OSError(errno.EINVAL, "the format names no field: write {id.f58} {name}")
    return tuple(_column(piece, place, known) for place, piece in enumerate(pieces))


def _pieces(text: str) -> list[str]:
    """Return the parts of a format that have no blanks between their fields."""
    pieces, current = [], ""
    try:
        parsed = list(Formatter().parse(text))
    except ValueError as exc:
        raise OSError(errno.EINVAL, f"the format cannot be read: {exc}") from None
    for literal, name, spec, conversion in parsed:
        for part in _BLANKS.split(literal):
            if not part.isspace():
                current += part.replace("{", "{{").replace("}", "}}")
            elif current:
                pieces.append(current)
                current = ""
        if name is not None:
            current += f"{{{name}{'!' + conversion if conversion else ''}"
            current += f":{spec}}}" if spec else "}"
    return [*pieces, current] if current else pieces


def _column(piece: str, place: int, known: Mapping[str, Column]) -> Column:
    parsed = [part for part in Formatter().parse(piece) if part[1] is not None]
    if not parsed:
        raise OSError(errno.EINVAL, f"{piece} is no field: fields are written {{{piece}}}")
    for _, name, _, conversion in parsed:
        _check(name or "", known)
        if conversion and conversion not in CONVERSIONS:
            raise OSError(errno.EINVAL, f"{piece}: no conversion {conversion}")
    first, spec = parsed[0][1] or "", parsed[0][2] or ""
    if len(parsed) == 1 and first in known and first not in JobInfoFormat.headings:
        return _ours(known[first], spec, place)
    try:
        layout = JobInfoFormat(piece, prefixes=False)
    except ValueError as exc:
        raise OSError(errno.EINVAL, f"{piece}: {exc}") from None
    title = layout.header().strip()
    width = sum(len(part[0]) + _width(part[2] or "", known, part[1] or "") for part in parsed)
    same = known.get(_SAME.get(first.partition(".")[0], ""))

    def read(table: JobTable, row: int, now: float) -> str:
        try:
            return layout.format(RowInfo(table, row, now)).strip() or "-"
        except ValueError:
            return "?"  # the spec does not fit this value

    return Column(
        piece,
        fmt.printable(title) or "-",
        max(width, 1),
        1000 - place,
        read,
        _key(first, same),
        right=spec.lstrip("0123456789").startswith(">") or ":>" in piece,
        grow=int(not _SPEC_WIDTH.search(spec) and not _fixed(first)),
        live=same is not None and same.live,
        like=same.name if same is not None else piece,
        keys=same.keys if same is not None else None,
        meaning=f"as flux jobs prints {piece}",
    )


def _ours(column: Column, spec: str, place: int) -> Column:
    """Return one of our own columns with the width that a format gives it."""
    found = _SPEC_WIDTH.search(spec)
    return Column(
        column.name,
        column.title,
        int(found[1]) if found else column.width,
        1000 - place,
        column.cell,
        column.key,
        right="<" not in spec and (">" in spec or column.right),
        grow=0 if found else column.grow,
        live=column.live,
        keys=column.keys,
        meaning=column.meaning,
    )


def _fixed(field: str) -> bool:
    """Whether the values of a field are short enough to do without more room."""
    return field not in (
        "name",
        "cwd",
        "nodelist",
        "ranks",
        "reason",
        "where",
        "dependencies",
    ) and (field.partition(".")[0] not in (*_NOTES, "exception"))


def _width(spec: str, known: Mapping[str, Column], field: str) -> int:
    found = _SPEC_WIDTH.search(spec.partition(".")[0])
    if found:
        return int(found[1])
    same = known.get(_SAME.get(field.partition(".")[0], ""))
    return max(len(JobInfoFormat.headings[field]), same.width if same is not None else 8)


def _check(name: str, known: Mapping[str, Column]) -> None:
    """Raise OSError unless the table knows a field, with the one that was probably meant."""
    if name in known or (name in JobInfoFormat.headings and name not in _UNKNOWN):
        return
    there = {*known, *JobInfoFormat.headings} - _UNKNOWN
    near = nearest(name, there)
    hint = f"; did you mean {near}?" if near else ""
    raise OSError(errno.EINVAL, f"no column {fmt.printable(name)}{hint}")


def _key(field: str, same: Column | None) -> Callable[[JobTable, int, float], SortKey]:
    """Return what orders by a field: by number where it is one."""
    if same is not None:
        return same.key
    root, _, rest = field.partition(".")
    if root in _NOTES:
        path = rest.split(".") if root == "annotations" else [root, *rest.split(".")]
        return lambda table, row, _: _note(table, row, path)
    if root == "uri":
        return lambda table, row, _: _note(table, row, ["user", "uri"])
    if root == "exception":
        return lambda table, row, _: table.exception.get(row, ("", 0, ""))[0]
    if root == "dependencies":
        return lambda table, row, _: ",".join(map(str, table.dependencies.get(row, ())))
    if root == "returncode":
        root = "waitstatus"
    return lambda table, row, _: float(getattr(table, root)[row])


def _note(table: JobTable, row: int, path: list[str]) -> str:
    """Return an annotation as text, empty where there is none."""
    value: object = table.annotations_of(row)
    for name in path:
        value = value.get(name) if isinstance(value, dict) and name else value
    return "" if value is None else str(value)
