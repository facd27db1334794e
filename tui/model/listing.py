"""Rows of a view that are sorted and filtered: nodes, modules, keys. Nothing here knows a screen.

A listing is replaced as a whole when its source was read anew; what is marked and what the cursor
is on are keys of rows, so they outlive that. Jobs have a table of their own, which is kept up to
date event by event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from operator import itemgetter
from typing import Final, Generic, NamedTuple, TypeVar

Row = TypeVar("Row")
Key = Hashable
END: Final = "\n"
"""What ends a cell; no cell has it in its text."""
_TERM: Final = re.compile(r'(-?)(?:([a-z]+):)?("[^"]*"|\S+)')


class ListColumn(NamedTuple, Generic[Row]):
    """One column: what it is called, the least ``width`` it needs in cells, its share of what is
    left (``grow``), its text and what it is sorted by, None for the text itself.

    Columns that have no room are left out, those with the largest ``rank`` first.
    """

    name: str
    title: str
    width: int
    text: Callable[[Row], str]
    order: Callable[[Row], float | str] | None = None
    right: bool = False
    grow: int = 0
    rank: int = 0

    def key(self, row: Row) -> tuple[float, str]:
        """Return what orders rows; numbers come before texts."""
        value = self.order(row) if self.order is not None else self.text(row)
        return (float("inf"), value) if isinstance(value, str) else (value, "")


def fitted(columns: Sequence[ListColumn[Row]], width: int) -> list[tuple[ListColumn[Row], int]]:
    """Return the columns that fit in ``width`` cells, a cell between two, and how wide each is."""
    chosen = list(columns)
    while len(chosen) > 1 and sum(column.width + 1 for column in chosen) - 1 > width:
        chosen.remove(max(chosen, key=lambda column: (column.rank, chosen.index(column))))
    spare = max(0, width - sum(column.width + 1 for column in chosen) + 1)
    shares = sum(column.grow for column in chosen)
    found = []
    for column in chosen:
        more = spare * column.grow // shares if shares else 0
        found.append((column, column.width + more))
    return found


class ListWords:
    """A filter as it is typed: words that must all be in a row, ``-word`` for one that must not,
    ``column:word`` for one column; with ``*`` or ``?`` a word stands for a whole cell.
    """

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self._tests: list[Callable[[str], bool]] = []
        for turned, name, word in _TERM.findall(text.lower()):
            place = columns.index(name) if name in columns else -1
            whole = f"{name}:{word}" if name and place < 0 else word
            self._tests.append(_test(whole.strip('"'), place, bool(turned)))

    def __call__(self, cells: str) -> bool:
        """Tell whether a row matches; ``cells`` are its cells in small letters, a line each."""
        return all(test(cells) for test in self._tests)

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return bool(self._tests)


def _test(word: str, place: int, turned: bool) -> Callable[[str], bool]:
    wild = "*" in word or "?" in word

    def found(cells: str) -> bool:
        if place < 0 and not wild:
            return (word in cells) is not turned
        texts = cells.split(END)
        wanted = texts if place < 0 else texts[place : place + 1]
        hit = any(fnmatchcase(text, word) if wild else word in text for text in wanted)
        return hit is not turned

    return found


@dataclass(slots=True)
class Listing(Generic[Row]):
    """The rows, in order; ``key`` tells them apart and ``limit``, if it is not 0, is how many are
    kept of those that are appended.

    Without a sort column rows stay in the order they came in.
    """

    columns: Sequence[ListColumn[Row]]
    key: Callable[[Row], Key]
    sort: str = ""
    reverse: bool = False
    limit: int = 0
    text: str = ""
    total: int = 0
    marks: set[Key] = field(default_factory=set)
    shown: list[Row] = field(default_factory=list)
    revision: int = 0
    """Grows whenever other rows are shown."""
    test: Callable[[Row], bool] | None = None
    """A filter beside that of ``text``."""
    _rows: list[Row] = field(default_factory=list)
    _place: dict[Key, int] | None = None
    _cells: list[str] | None = None
    """The cells of each row as a filter looks at them, once there was one."""

    def __len__(self) -> int:
        return len(self.shown)

    def replace(self, rows: Iterable[Row]) -> None:
        """Show other rows. Marks of rows that are gone go with them."""
        self._rows = list(rows)
        self._cells = None
        if self.marks:
            self.marks &= set(map(self.key, self._rows))
        self.arrange()

    def append(self, rows: Sequence[Row]) -> int:
        """Add rows at the end; returns by how many lines those that were shown have moved up
        because the oldest had to go. Only for listings without a sort column.
        """
        first = len(self._rows)
        self._rows.extend(rows)
        self.shown.extend(self._matching(first))
        self.total += len(rows)
        self.revision += 1
        self._place = None
        over = len(self._rows) - self.limit
        if not self.limit or over <= self.limit // 4:  # a quarter more, so that this is rare
            return 0
        before = len(self.shown)
        del self._rows[:over]
        self._cells = None
        self.arrange()
        return before - len(self.shown)

    def arrange(self) -> None:
        """Filter and sort anew."""
        rows = self._matching(0)
        column = next((column for column in self.columns if column.name == self.sort), None)
        if column is not None:
            order = [(column.key(row), place) for place, row in enumerate(rows)]
            order.sort(key=itemgetter(0), reverse=self.reverse)
            rows = [rows[place] for _, place in order]
        elif self.reverse:
            rows.reverse()
        self.shown = rows
        self.total = len(self._rows)
        self._place = None
        self.revision += 1

    def _matching(self, first: int) -> list[Row]:
        """Return the rows from a place on that the filter lets through."""
        rows = self._rows[first:] if first else list(self._rows)
        words = ListWords(self.text, [column.name for column in self.columns])
        if words:
            cells = self._texts()[first:]
            rows = [row for row, text in zip(rows, cells, strict=True) if words(text)]
        test = self.test
        return rows if test is None else [row for row in rows if test(row)]

    def _texts(self) -> list[str]:
        """Return the cells of each row in small letters."""
        known = self._cells if self._cells is not None else []
        columns = self.columns
        known.extend(
            END.join([column.text(row) for column in columns]).lower()
            for row in self._rows[len(known) :]
        )
        self._cells = known
        return known

    def set_sort(self, column: str, reverse: bool) -> None:
        """Sort by another column, or the other way round."""
        self.sort, self.reverse = column, reverse
        self.arrange()

    def set_text(self, text: str) -> None:
        """Filter by ``text``, see `ListWords`."""
        self.text = text
        self.arrange()

    def index_of(self, key: Key | None) -> int | None:
        """Return where the row of ``key`` is shown, None if it is not."""
        if key is None:
            return None
        if self._place is None:
            self._place = {self.key(row): index for index, row in enumerate(self.shown)}
        return self._place.get(key)

    def rows(self) -> list[Row]:
        """Return all rows, shown or not."""
        return self._rows

    def marked(self) -> list[Row]:
        """Return the marked rows, shown or not, in the order they came in."""
        return [row for row in self._rows if self.key(row) in self.marks] if self.marks else []

    def hidden_marks(self) -> int:
        """Return how many marked rows the filter hides."""
        return sum(1 for key in self.marks if self.index_of(key) is None)
