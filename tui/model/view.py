"""One sorted, filtered order over the rows of a ``JobTable``, kept up to date
without sorting again.

The order is ascending; a descending view reads it backwards, so turning the order costs nothing.
Every key ends in the job id, so keys are unique and a row that changes is found by bisection under
the key it was filed with.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from tui.model.columns import BY_NAME, Column, SortKey
from tui.model.query import Query
from tui.model.table import JobTable, collector_off

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = tuple[SortKey, int]

FEW: Final = 400
"""Up to this many changed rows are moved one by one; beyond it one merge is cheaper."""


class JobView:
    """The rows that match ``query``, in the order of column ``sort``."""

    def __init__(
        self,
        table: JobTable,
        sort: str = "state",
        reverse: bool = False,
        query: Query | None = None,
    ) -> None:
        self.table = table
        self.column: Column = BY_NAME[sort]
        self.reverse = reverse
        self.query = query or Query.parse("")
        self._keys: list[Key] = []
        self._rows: list[int] = []
        self._filed: dict[int, Key] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, row: object) -> bool:
        """Tell whether a row matches."""
        return row in self._filed

    def row_at(self, index: int) -> int:
        """Return the row shown at ``index`` from the top."""
        return self._rows[-1 - index if self.reverse else index]

    def index_of(self, row: int) -> int | None:
        """Return where ``row`` is shown, or None if it does not match."""
        key = self._filed.get(row)
        if key is None:
            return None
        index = bisect_left(self._keys, key)
        return len(self._rows) - 1 - index if self.reverse else index

    def rows(self) -> list[int]:
        """Return all matching rows from the top."""
        return self._rows[::-1] if self.reverse else list(self._rows)

    def set_sort(self, column: str, reverse: bool, now: float) -> None:
        """Sort by another column or turn the order."""
        self.reverse = reverse
        if BY_NAME[column] is not self.column:
            self.column = BY_NAME[column]
            self.rebuild(now)

    def set_query(self, query: Query, now: float) -> None:
        """Show the jobs that match ``query`` instead."""
        self.query = query
        self.rebuild(now)

    def rebuild(self, now: float) -> None:
        """File every row anew."""
        table, key = self.table, self.column.key
        matches = self.query.compile(table, now)
        rows: Iterable[int] = (
            range(len(table)) if matches is None else filter(matches, range(len(table)))
        )
        ids = table.ids
        with collector_off():
            filed = {row: (key(table, row, now), ids[row]) for row in rows}
            self._rows = sorted(filed, key=filed.__getitem__)
            self._keys = [filed[row] for row in self._rows]
        self._filed = filed

    def update(self, changed: set[int], now: float) -> None:
        """File the rows in ``changed`` anew; all others stay where they are."""
        if not changed:
            return
        if len(changed) > FEW:
            self._merge(changed, now)
            return
        table, key, filed = self.table, self.column.key, self._filed
        matches = self.query.compile(table, now)
        for row in changed:
            old = filed.get(row)
            new: Key | None = None
            if matches is None or matches(row):
                new = (key(table, row, now), table.ids[row])
            if new == old:
                continue
            if old is not None:
                index = bisect_left(self._keys, old)
                del self._keys[index], self._rows[index]
                del filed[row]
            if new is not None:
                index = bisect_left(self._keys, new)
                self._keys.insert(index, new)
                self._rows.insert(index, row)
                filed[row] = new

    def _merge(self, changed: set[int], now: float) -> None:
        """Drop ``changed`` from the order and merge them in again; timsort merges two sorted runs
        in one pass.
        """
        if len(changed) * 2 > len(self.table):
            self.rebuild(now)
            return
        table, key, filed = self.table, self.column.key, self._filed
        matches = self.query.compile(table, now)
        kept = [pair for pair in zip(self._keys, self._rows, strict=True) if pair[1] not in changed]
        for row in changed:
            filed.pop(row, None)
        added = [
            ((key(table, row, now), table.ids[row]), row)
            for row in changed
            if matches is None or matches(row)
        ]
        filed.update((row, k) for k, row in added)
        kept += sorted(added)
        kept.sort()
        self._keys = [k for k, _ in kept]
        self._rows = [row for _, row in kept]

    def due(self) -> set[int]:
        """Return the rows whose place may change by time alone: those still active, if order or
        filter look at the clock.
        """
        return set(self.table.active) if self.column.live or self.query.live else set()
