"""Columns that are left in the records of the job list until somebody asks for all of them.

The first picture of 100,000 jobs shows fifty. What it needs of all is read at once; the rest, of
which it needs those fifty cells, is read a cell at a time until there is time to read it whole.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from tui.model.records import (
    CHUNK,
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    kept_annotations,
    number_of,
    numbers_of,
    text_of,
    texts_of,
    where_of,
)

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, ItemsView, Iterable, Iterator, Sequence

    from flux.job.lifecycle import Annotations
    from tui.model.records import Job

_WHERE: Final = "where"
LATER: Final = frozenset({"waitstatus", "nnodes", "ranks", "nodelist", "cwd", _WHERE})
"""Columns of which a picture needs only the cells that it shows."""
MANY: Final = 10_000
"""Records of which such columns are read later."""


class Unreadable(Protocol):
    """A table of jobs, as far as columns are left unread in it: it has an attribute for each column
    of `tui.model.records`, and `unread` for what reads those that were left, by name.
    """

    where: list[str] | UnreadColumn
    annotations: dict[int, Annotations] | UnreadAnnotations
    unread: dict[str, Callable[[], None]]

    def __len__(self) -> int: ...

    def append_annotations(self, jobs: Sequence[Job], first: int) -> None:
        """Take in the annotations of new rows."""


def leave_unread(table: Unreadable, jobs: Sequence[Job]) -> None:
    """Have the columns that are for later read from ``jobs``, the next rows of ``table``, when they
    are asked for; ``table.unread`` has, by name, what reads one.
    """
    for name, kind, default in NUMBER_COLUMNS:
        if name in LATER:
            cell = partial(number_of, name=name, kind=kind, default=default)
            read = partial(numbers_of, name=name, kind=kind, default=default)
            _leave(table, name, jobs, cell, read)
    for name in TEXT_COLUMNS:
        if name in LATER:
            _leave(table, name, jobs, partial(text_of, name=name), partial(texts_of, name=name))
    _leave_annotations(table, jobs)


def _leave(
    table: Unreadable,
    name: str,
    jobs: Sequence[Job],
    cell: Callable[[Job], Any],
    read: Callable[[Sequence[Job]], Iterable[Any]],
) -> None:
    column = getattr(table, name)

    def fill() -> None:
        setattr(table, name, column)
        del table.unread[name]
        for start in range(0, len(jobs), CHUNK):
            column.extend(read(jobs[start : start + CHUNK]))

    table.unread[name] = fill
    setattr(table, name, UnreadColumn(column, jobs, cell, fill))


def _leave_annotations(table: Unreadable, jobs: Sequence[Job]) -> None:
    where, annotations, first = list(table.where), dict(table.annotations.items()), len(table)

    def fill() -> None:
        table.where, table.annotations = where, annotations
        del table.unread[_WHERE]
        for start in range(0, len(jobs), CHUNK):
            table.append_annotations(jobs[start : start + CHUNK], first + start)

    table.unread[_WHERE] = fill
    table.where = UnreadColumn(where, jobs, where_of, fill)
    table.annotations = UnreadAnnotations(annotations, first, jobs, fill)


class UnreadColumn:
    """A column of which the last rows are in ``records``; ``cell`` reads one of them, ``fill`` adds
    all of them to ``column``. A single cell is read by itself; whatever else is asked has the
    column filled, and from then on this is a way to it.
    """

    __slots__ = ("_cell", "_column", "_fill", "_first", "_records")

    def __init__(
        self,
        column: list[Any] | array[Any],
        records: Sequence[Job],
        cell: Callable[[Job], Any],
        fill: Callable[[], None],
    ) -> None:
        self._column, self._records = column, records
        self._first = len(column)
        self._cell, self._fill = cell, fill

    def filled(self) -> list[Any] | array[Any]:
        """Return the column with all rows in it."""
        if self._records:
            self._records = ()
            self._fill()
        return self._column

    def __len__(self) -> int:
        return len(self._column) if not self._records else self._first + len(self._records)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.filled())

    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return self.filled()[key]
        if self._records and key >= self._first:
            return self._cell(self._records[key - self._first])
        return (self.filled() if key < 0 else self._column)[key]

    def __setitem__(self, key: int, value: Any) -> None:
        self.filled()[key] = value

    def count(self, value: Any) -> int:
        """Return in how many rows ``value`` is."""
        return self.filled().count(value)

    def extend(self, values: Iterable[Any]) -> None:
        """Add rows."""
        self.filled().extend(values)


class UnreadAnnotations:
    """Annotations by row, of which those from ``first`` on are in ``records``; ``fill`` adds all
    of them to ``read``.
    """

    __slots__ = ("_fill", "_first", "_read", "_records")

    def __init__(
        self,
        read: dict[int, Annotations],
        first: int,
        records: Sequence[Job],
        fill: Callable[[], None],
    ) -> None:
        self._read, self._first, self._records = read, first, records
        self._fill = fill

    def filled(self) -> dict[int, Annotations]:
        """Return the annotations with those of all rows in it."""
        if self._records:
            self._records = ()
            self._fill()
        return self._read

    def get(self, row: int) -> Annotations | None:
        """Return the annotations of a row, None for none."""
        if self._records and row >= self._first:
            return kept_annotations(self._records[row - self._first])
        return self._read.get(row)

    def items(self) -> ItemsView[int, Annotations]:
        """Return rows and their annotations."""
        return self.filled().items()

    def __setitem__(self, row: int, notes: Annotations) -> None:
        self.filled()[row] = notes

    def pop(self, row: int, default: Annotations | None) -> Annotations | None:
        """Drop those of a row."""
        return self.filled().pop(row, default)
