"""The lines of the job table: headings, sets and jobs, those of an unfolded set under it.

A view says what stands at the top and in which order; here it is laid out, as pieces of which one
holds any number of lines: a line is found by bisection, however many there are.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.model.sets import ALONE
from tui.model.states import GROUPS
from tui.model.view import item_of

if TYPE_CHECKING:
    from tui.model.view import JobView

MANY: Final = 200
"""Sets that are looked for one by one; for more all that is at the top is gone through."""


class Heading(NamedTuple):
    """The title of a group of states, by its number in ``GROUPS``."""

    group: int


class SetLine(NamedTuple):
    """A set, by its number."""

    number: int


class JobLine(NamedTuple):
    """A job, by its row, and the unfolded set that it is in, or `ALONE`."""

    row: int
    number: int


TableLine = Heading | SetLine | JobLine

_ITEMS, _HEADING, _ROWS = range(3)


class _Piece(NamedTuple):
    """TableLines from ``line`` on: items from the ``what``-th at the top, a heading, or rows of a
    set.
    """

    line: int
    kind: int
    what: int


class TableLines:
    """The lines of ``view`` with the sets in ``unfolded`` unfolded."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.unfolded: set[int] = set()
        self._pieces: list[_Piece] = []
        self._items: list[_Piece] = []
        self._length = 0
        self._laid_out = -1

    def __len__(self) -> int:
        self._lay_out()
        return self._length

    def at(self, index: int) -> TableLine:
        """Return a line that there is."""
        self._lay_out()
        piece = self._pieces[bisect_right(self._pieces, index, key=lambda it: it.line) - 1]
        if piece.kind == _HEADING:
            return Heading(piece.what)
        if piece.kind == _ROWS:
            return JobLine(self.view.row_in(piece.what, index - piece.line), piece.what)
        item = self.view.item_at(piece.what + index - piece.line)
        if item >= 0:
            return JobLine(item, ALONE)
        number = item_of(item)
        return (
            SetLine(number)
            if self._is_line(number)
            else JobLine(self.view.row_in(number, 0), ALONE)
        )

    def _is_line(self, number: int) -> bool:
        """Whether a set is a line of its own; one of which a single job matches is that job."""
        return len(self.view.members[number].order) > 1

    def index_of_set(self, number: int) -> int | None:
        """Return the line of a set, None if it is not shown."""
        self._lay_out()
        if number not in self.view.members:
            return None
        return self._line_of(item_of(number))

    def index_of(self, row: int) -> int | None:
        """Return the line of a job, or of the folded set that it is in; None if it does not
        match.
        """
        if row not in self.view:
            return None
        number = self.view.set_of(row)
        if number == ALONE:
            self._lay_out()
            return self._line_of(row)
        line = self.index_of_set(number)
        if line is not None and number in self.unfolded and self._is_line(number):
            line += 1 + self.view.index_in(number, row)
        return line

    def _line_of(self, item: int) -> int:
        index = self.view.index_of_item(item)
        piece = self._items[bisect_right(self._items, index, key=lambda it: it.what) - 1]
        return piece.line + index - piece.what

    def rows_at(self, index: int) -> list[int]:
        """Return the rows that a line stands for: a job, all of a set, none for a heading."""
        line = self.at(index)
        if isinstance(line, JobLine):
            return [line.row]
        return self.view.rows_of(line.number) if isinstance(line, SetLine) else []

    def near(self, index: int, down: bool = True) -> int:
        """Return the line nearest to ``index`` that can be pointed at: no heading, further down
        or, if there is none, up.
        """
        last = len(self) - 1
        index = max(0, min(index, last))
        for step in (1, -1) if down else (-1, 1):
            place = index
            while 0 <= place <= last:
                if not isinstance(self.at(place), Heading):
                    return place
                place += step
        return 0

    # folding

    def fold(self, number: int) -> None:
        """Show a set as one line."""
        self.unfolded.discard(number)
        self._laid_out = -1

    def unfold(self, number: int) -> None:
        """Show the jobs of a set under it."""
        self.unfolded.add(number)
        self._laid_out = -1

    def fold_all(self) -> None:
        """Show all sets as one line each."""
        self.unfolded.clear()
        self._laid_out = -1

    def unfold_all(self) -> None:
        """Show the jobs of all sets."""
        self.unfolded.update(self.view.members)
        self._laid_out = -1

    # layout

    def _lay_out(self) -> None:
        if self._laid_out == self.view.revision:
            return
        self._laid_out = self.view.revision
        pieces: list[_Piece] = []
        line = place = 0
        for index, kind, what in sorted(self._headings() + self._unfolded()):
            end = index if kind == _HEADING else index + 1
            if end > place:
                pieces.append(_Piece(line, _ITEMS, place))
                line += end - place
                place = end
            pieces.append(_Piece(line, kind, what))
            line += 1 if kind == _HEADING else len(self.view.members[what].order)
        total = len(self.view.top)
        if total > place:
            pieces.append(_Piece(line, _ITEMS, place))
        self._pieces, self._length = pieces, line + total - place
        self._items = [piece for piece in pieces if piece.kind == _ITEMS]

    def _headings(self) -> list[tuple[int, int, int]]:
        """Return where groups of states begin at the top, if it is in the order of states and there
        are several.
        """
        view = self.view
        if view.column.role != "state" or view.ranked:
            return []
        total = len(view.top)
        ends = [view.top.bound((group.rank - 0.5) * 1e12) for group in GROUPS[1:]] + [total]
        found = []
        start = 0
        for group, end in enumerate(ends):
            if end > start:
                found.append((total - end if view.reverse else start, _HEADING, group))
            start = end
        return found if len(found) > 1 else []

    def _unfolded(self) -> list[tuple[int, int, int]]:
        view = self.view
        shown = {it for it in self.unfolded & view.members.keys() if self._is_line(it)}
        if len(shown) <= MANY:
            return [(view.index_of_item(item_of(number)), _ROWS, number) for number in shown]
        return [
            (index, _ROWS, item_of(item))
            for index, item in enumerate(view.items())
            if item < 0 and item_of(item) in shown
        ]
