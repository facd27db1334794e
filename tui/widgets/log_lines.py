"""The lines of a pane: which of them are shown, on how many rows of the screen, and which were
found.

Everything grows with what is added, not with what is there: a pane holds 200,000 lines and gets
thousands a second.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, chop_cells

from tui.model import format as fmt
from tui.model.highlight import is_error, may_have_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tui.model.logs import Line

NARROWEST: Final = 8
"""Cells of text below which lines are not wrapped: there would be one letter in a row."""
_BLOCK: Final = 1000
"""Lines that are looked through at once."""


class LogLines:
    """Lines in order; ``shown`` are those that the filter keeps, and row and line numbers count
    these.

    ``by_words`` wraps at spaces where there are some.
    """

    def __init__(self, *, by_words: bool = False) -> None:
        self.every: list[Line] = []
        self.shown: list[Line] = self.every
        self.hits: list[int] = []
        self.pattern: re.Pattern[str] | None = None
        self.label_width = 0
        self.text_width = 0
        self._by_words = by_words
        self._keep: Callable[[Line], bool] | None = None
        self._wrap = 0
        self._ends: list[int] = []
        """The row after the last of each line, while lines are wrapped."""

    # Content

    def extend(self, lines: Iterable[Line]) -> int:
        """Add lines at the end; returns how many of them are shown."""
        fresh = [
            line if line.text.isprintable() else line._replace(text=fmt.printable(line.text))
            for line in lines
        ]
        first = len(self.shown)
        if self._keep is None:
            self.every.extend(fresh)
        else:
            self.every.extend(fresh)
            self.shown.extend(filter(self._keep, fresh))
        self._measure(first)
        return len(self.shown) - first

    def clear(self) -> None:
        """Forget all lines."""
        self.every.clear()
        self._show()

    def keep(self, which: Callable[[Line], bool] | None) -> None:
        """Show only lines of which ``which`` says so, all for None."""
        self._keep = which
        self._show()

    @property
    def kept_by(self) -> Callable[[Line], bool] | None:
        """What says which lines are shown, None for all."""
        return self._keep

    def _show(self) -> None:
        self.shown = self.every if self._keep is None else list(filter(self._keep, self.every))
        self.hits.clear()
        self._ends.clear()
        self.label_width = self.text_width = 0
        self._measure(0)

    def _measure(self, first: int) -> None:
        """Take in the shown lines from ``first`` on."""
        found = self.pattern.search if self.pattern is not None else None
        for index in range(first, len(self.shown)):
            line = self.shown[index]
            if line.label:
                self.label_width = max(self.label_width, len(line.label))
            self.text_width = max(self.text_width, _width(line.text))
            if found is not None and found(line.text):
                self.hits.append(index)
        self._wrap_from(first)

    # Rows

    def set_wrap(self, width: int) -> None:
        """Wrap lines at ``width`` cells; 0 gives each line one row."""
        width = width if width >= NARROWEST else 0
        if width != self._wrap:
            self._wrap = width
            self._ends.clear()
            self._wrap_from(0)

    def _wrap_from(self, first: int) -> None:
        if not self._wrap:
            return
        row = self._ends[first - 1] if first else 0
        for line in self.shown[first:] if first else self.shown:
            row += self._height(line.text)
            self._ends.append(row)

    def _height(self, text: str) -> int:
        """Return how many rows a text takes."""
        length, width = len(text), self._wrap
        if not text.isascii() or (self._by_words and length > width):
            return len(self.pieces(text))
        return max(1, -(-length // width))

    @property
    def rows(self) -> int:
        """How many rows all shown lines take."""
        if self._wrap:
            return self._ends[-1] if self._ends else 0
        return len(self.shown)

    def at(self, row: int) -> tuple[int, int]:
        """Return the line at a row, and which of its pieces."""
        if not self._wrap:
            return row, 0
        index = bisect_right(self._ends, row)
        return index, row - (self._ends[index - 1] if index else 0)

    def row_of(self, index: int) -> int:
        """Return the first row of a line."""
        return self._ends[index - 1] if self._wrap and index else index

    def pieces(self, text: str) -> list[tuple[int, int]]:
        """Return the first character of each row of a text, and the one after its last."""
        width = self._wrap
        if not width or (len(text) <= width and text.isascii()):
            return [(0, len(text))]
        if not text.isascii():
            return _by_cells(text, width)
        if not self._by_words:
            return [(start, min(start + width, len(text))) for start in range(0, len(text), width)]
        return _by_words(text, width)

    # Finding

    def search(self, text: str) -> str:
        """Look for a regular expression, deaf to case unless it has capitals; for the text itself
        if it is none. Returns what is wrong with it, empty if nothing is.
        """
        self.pattern, wrong = None, ""
        self.hits.clear()
        if text:
            flags = 0 if text != text.lower() else re.IGNORECASE
            try:
                self.pattern = re.compile(text, flags)
            except re.error as error:
                self.pattern, wrong = re.compile(re.escape(text), flags), str(error)
            found = self.pattern.search
            self.hits.extend(i for i, line in enumerate(self.shown) if found(line.text))
        return wrong

    def next_error(self, index: int, step: int) -> int | None:
        """Return the nearest line after ``index``, before it for a negative ``step``, that tells of
        something wrong, beginning anew at the other end; None if none does.
        """
        number = len(self.shown)
        if not number:
            return None
        first = index + 1 if step > 0 else index - 1
        for place in _blocks(first % number, number, step):
            block = self.shown[place.start : place.stop]
            if may_have_error(block):
                order = place if step > 0 else reversed(place)
                for candidate in order:
                    if is_error(self.shown[candidate]):
                        return candidate
        return None


def _blocks(first: int, number: int, step: int) -> Iterator[range]:
    """Return all of ``number`` places in blocks, from ``first`` on round the end and back."""
    spans = [(first, number), (0, first)] if step > 0 else [(0, first + 1), (first + 1, number)]
    for start, stop in spans:
        starts = range(start, stop, _BLOCK)
        for begin in starts if step > 0 else reversed(starts):
            yield range(begin, min(begin + _BLOCK, stop))


def _width(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _by_cells(text: str, width: int) -> list[tuple[int, int]]:
    """Return the pieces of a text with wide characters."""
    pieces, start = [], 0
    for piece in chop_cells(text, width):
        pieces.append((start, start + len(piece)))
        start += len(piece)
    return pieces or [(0, 0)]


def _by_words(text: str, width: int) -> list[tuple[int, int]]:
    """Return pieces that end at spaces, unless a word is longer than half of a row."""
    pieces, start = [], 0
    while len(text) - start > width:
        space = text.rfind(" ", start + width // 2, start + width + 1)
        end = start + width if space < 0 else space
        pieces.append((start, end))
        start = end if space < 0 else space + 1
    pieces.append((start, len(text)))
    return pieces
