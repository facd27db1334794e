"""Which columns tell jobs apart: one in which all jobs have the same is not worth its room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.model import states
from tui.model.columns import USUAL
from tui.model.table import UNTOLD

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from tui.model.column import Column
    from tui.model.table import JobTable

_UNKNOWN: Final[dict[str, float | str]] = {
    "userid": -1,
    "priority": -1,
    "queue": "",
    "bank": "",
    "project": "",
    "ncores": 0,
    "duration": UNTOLD,
    "expiration": 0.0,
}
"""What is looked at, and the value of it that stands for "not known" or "none"."""
_RUNNING: Final = frozenset({"expiration"})
"""What is shown of running jobs only: worth its room as soon as one of them has it."""


class Variety:
    """What of a table has had more than one value. It never goes back, so that columns do not come
    and go while jobs do.
    """

    def __init__(self, table: JobTable) -> None:
        self.table = table
        self._first: dict[str, float | str] = {}
        self._uniform = set(_UNKNOWN)
        self.columns = self._columns()

    def _columns(self) -> tuple[Column, ...]:
        return tuple(it for it in USUAL if it.varies not in self._uniform)

    def update(self, rows: Collection[int]) -> None:
        """Take in rows that are new or have changed."""
        everything = len(rows) * 2 >= len(self.table)
        found = {
            name
            for name in self._uniform
            if (self._differs(name) if everything else self._differs_in(name, rows))
        }
        if found:
            self._uniform -= found
            self.columns = self._columns()

    def _differs(self, name: str) -> bool:
        column: Sequence[float | str] = getattr(self.table, name)
        unknown = _UNKNOWN[name]
        number = column.count(unknown)
        if number == len(column):
            return False
        if name in _RUNNING:
            pairs = zip(column, self.table.state, strict=True)
            return any(value != unknown and state == states.RUN for value, state in pairs)
        first = next(value for value in column if value != unknown)
        self._first.setdefault(name, first)
        return number + column.count(first) < len(column)

    def _differs_in(self, name: str, rows: Collection[int]) -> bool:
        column: Sequence[float | str] = getattr(self.table, name)
        unknown = _UNKNOWN[name]
        for row in rows:
            value = column[row]
            if value == unknown:
                continue
            if name in _RUNNING:
                if self.table.state[row] == states.RUN:
                    return True
            elif self._first.setdefault(name, value) != value:
                return True
        return False
