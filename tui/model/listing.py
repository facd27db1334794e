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
from typing import Final, Generic, TypeVar

Row = TypeVar("Row")
Key = Hashable
_TERM: Final = re.compile(r'(-?)(?:([a-z]+):)?("[^"]*"|\S+)')


@dataclass(frozen=True)
class ListColumn(Generic[Row]):
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


class ListWords(Generic[Row]):
    """A filter as it is typed: words that must all be in a row, ``-word`` for one that must not,
    ``column:word`` for one column; with ``*`` or ``?`` a word stands for a whole cell.
    """

    def __init__(self, text: str, columns: Sequence[ListColumn[Row]]) -> None:
        self._columns = columns
        self._terms: list[tuple[bool, Sequence[ListColumn[Row]], str]] = []
        by_name = {column.name: column for column in columns}
        for turned, name, word in _TERM.findall(text.lower()):
            where: Sequence[ListColumn[Row]] = columns
            if name in by_name:
                where = [by_name[name]]
            elif name:
                word = f"{name}:{word}"
            self._terms.append((bool(turned), where, word.strip('"')))

    def __call__(self, row: Row) -> bool:
        """Tell whether a row matches."""
        return all(
            any(_found(word, column.text(row).lower()) for column in where) is not turned
            for turned, where, word in self._terms
        )

    def __bool__(self) -> bool:
        """Tell whether anything is asked for."""
        return bool(self._terms)


def _found(word: str, text: str) -> bool:
    return fnmatchcase(text, word) if "*" in word or "?" in word else word in text


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

    def __len__(self) -> int:
        return len(self.shown)

    def replace(self, rows: Iterable[Row]) -> None:
        """Show other rows. Marks of rows that are gone go with them."""
        self._rows = list(rows)
        if self.marks:
            self.marks &= set(map(self.key, self._rows))
        self.arrange()

    def append(self, rows: Sequence[Row]) -> int:
        """Add rows at the end; returns by how many lines those that were shown have moved up
        because the oldest had to go. Only for listings without a sort column.
        """
        self._rows.extend(rows)
        match = self._matching()
        self.shown.extend(rows if match is None else filter(match, rows))
        self.total += len(rows)
        self.revision += 1
        self._place = None
        over = len(self._rows) - self.limit
        if not self.limit or over <= self.limit // 4:  # a quarter more, so that this is rare
            return 0
        before = len(self.shown)
        del self._rows[:over]
        self.arrange()
        return before - len(self.shown)

    def arrange(self) -> None:
        """Filter and sort anew."""
        match = self._matching()
        rows = list(self._rows) if match is None else [row for row in self._rows if match(row)]
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

    def _matching(self) -> Callable[[Row], bool] | None:
        words = ListWords(self.text, self.columns)
        other = self.test
        if other is None:
            return words if words else None
        return (lambda row: other(row) and words(row)) if words else other

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
