"""A list of rows under column titles, drawn line by line: only what is in sight is ever drawn, so
100,000 rows cost what fifty do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.model.listing import Key, ListColumn, Listing, fitted
from tui.widgets import palette
from tui.widgets.job_table import cell
from tui.widgets.palette import Glyphs, style
from tui.widgets.strips import changed_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.events import Click, Resize

Row = TypeVar("Row")
Piece = tuple[str, str]
"""A part of a cell: text and colour."""
GUTTER: Final = 2


class Painter(Generic[Row]):
    """How rows look; a view overrides what is its own."""

    def colour(self, row: Row, column: str) -> str:
        """Return the colour of a cell's text."""
        return palette.TEXT

    def pieces(self, row: Row, column: str, width: int) -> Sequence[Piece] | None:
        """Return a cell's parts in ``width`` cells, None for its text in one colour."""
        return None

    def quiet(self, row: Row) -> bool:
        """Tell whether the row is dim: what it was when the instance was last heard of."""
        return False


class ListingHeading(Widget):
    """The line of column titles; a click on one sorts by it."""

    class Sorted(Message):
        """A title was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, listing: Listing[Row], glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns: Callable[[], list[tuple[str, str, int, bool]]] = lambda: [
            (column.name, column.title, width, column.right)
            for column, width in fitted(listing.columns, self.size.width - GUTTER - 1)
        ]
        self._order: Callable[[], tuple[str, bool]] = lambda: (listing.sort, listing.reverse)
        self.glyphs = glyphs

    def render_line(self, y: int) -> Strip:
        """Draw the titles, that of the sorting column with the direction."""
        plain = style(palette.DIM, palette.SURFACE, bold=True)
        chosen = style(palette.ACCENT, palette.SURFACE, bold=True)
        sort, reverse = self._order()
        arrow = self.glyphs.down if reverse else self.glyphs.up
        segments = [Segment(" " * GUTTER, plain)]
        for name, title, width, right in self._columns():
            if name == sort:  # the arrow stays, whatever of the title has to go
                title = title[: width - 1] + arrow
            text = cell(title, width, right, self.glyphs.more)
            segments.append(Segment(text, chosen if name == sort else plain))
            segments.append(Segment(" ", plain))
        return Strip(segments).adjust_cell_length(self.size.width, plain)

    def on_click(self, event: Click) -> None:
        """Tell which title was clicked."""
        left = GUTTER
        for name, _, width, _ in self._columns():
            if left <= event.x < left + width:
                self.post_message(self.Sorted(name))
            left += width + 1


class ListingView(ScrollView, Generic[Row], can_focus=True, inherit_bindings=False):
    """The rows, with a cursor that stays on its row while the order changes around it. ``follows``
    keeps the last one in sight until the cursor is moved off it.
    """

    class RowOpened(Message):
        """A row was double-clicked."""

    class CursorMoved(Message):
        """The cursor is on another row."""

    def __init__(
        self,
        listing: Listing[Row],
        painter: Painter[Row],
        glyphs: Glyphs,
        *,
        follows: bool = False,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.listing = listing
        self.painter = painter
        self.glyphs = glyphs
        self.following = follows
        self.empty = ""
        self.old = False
        """Whether the rows are dim, because they could not be read again."""
        self.cursor = 0
        self._key: Key | None = None
        self._revision = -1
        self._fitted: list[tuple[ListColumn[Row], int]] = []
        self._shown: dict[int, Strip] = {}
        self._ahead: dict[int, tuple[tuple[int, int], Strip]] = {}
        # Lines drawn to find out what changed, for the painting that follows.

    def watch_show_vertical_scrollbar(self) -> None:
        """Put a scroll bar that has just appeared where the lines are already."""
        self.vertical_scrollbar.position = self.scroll_y

    # The cursor

    @property
    def row(self) -> Row | None:
        """The row under the cursor, None if there is none."""
        shown = self.listing.shown
        return shown[min(self.cursor, len(shown) - 1)] if shown else None

    @property
    def columns_shown(self) -> list[str]:
        """The names of the columns that have room."""
        return [column.name for column, _ in self._fitted]

    @property
    def page(self) -> int:
        """The number of lines in sight."""
        return max(1, self.size.height)

    def move_to(self, index: int) -> None:
        """Put the cursor on line ``index``, or the nearest there is, and scroll it into sight."""
        self.cursor = max(0, min(index, len(self.listing) - 1))
        self._note_row()
        self._show_cursor()
        self._repaint()

    def move_by(self, lines: int) -> None:
        """Move the cursor ``lines`` down, up if negative."""
        self.move_to(self.cursor + lines)

    def move_to_key(self, key: Key) -> bool:
        """Put the cursor on a row; returns whether it is shown."""
        index = self.listing.index_of(key)
        if index is None:
            return False
        self.move_to(index)
        return True

    def _note_row(self) -> None:
        row = self.row
        before, self._key = self._key, None if row is None else self.listing.key(row)
        if self._key != before:
            self.post_message(self.CursorMoved())

    def _show_cursor(self) -> None:
        region = Region(0, self.cursor, 1, 1)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def update(self) -> None:
        """Follow the listing: its length, the cursor on the same row as before."""
        height = len(self.listing)
        if self.virtual_size.height != height:
            self.virtual_size = Size(self.size.width, height)
        if self._revision != self.listing.revision:
            self._revision = self.listing.revision
            self._find_cursor(height)
        self._repaint()

    def _find_cursor(self, height: int) -> None:
        before = self.cursor
        if self.following:
            self.cursor = height - 1
        elif self._key is not None and self.cursor:  # a cursor at the top stays there
            index = self.listing.index_of(self._key)
            self.cursor = self.cursor if index is None else index
        self.cursor = max(0, min(self.cursor, height - 1))
        self._note_row()
        if self.cursor != before:
            if not self.following:
                y = self.scroll_offset.y + self.cursor - before
                self.scroll_to(y=y, animate=False, force=True, immediate=True)
            self._show_cursor()

    def _repaint(self) -> None:
        """Have those cells painted anew that look different by now."""
        self._ahead.clear()
        place = self.scroll_offset.y, self.scrollable_content_region.width
        for y in range(self.size.height):
            old, new = self._shown.get(y), self._line(y)
            span = (0, new.cell_length) if old is None else changed_span(old, new)
            if span is not None:
                self._ahead[y] = (place, new)
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    # Drawing

    def on_resize(self, event: Resize) -> None:
        """Choose the columns that fit and keep the cursor in sight."""
        self._fitted = fitted(self.listing.columns, self.scrollable_content_region.width - GUTTER)
        self.virtual_size = Size(event.size.width, len(self.listing))
        self._show_cursor()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        place, line = self._ahead.pop(y, (None, None))
        if line is None or place != (self.scroll_offset.y, self.scrollable_content_region.width):
            line = self._line(y)
        self._shown[y] = line
        return line

    def _line(self, y: int) -> Strip:
        index, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        shown = self.listing.shown
        if index >= len(shown):
            text = f"  {self.empty}" if y == 1 and not shown and self.empty else ""
            return Strip(
                [Segment(cell(text, width, False, self.glyphs.more), style(palette.DIM))], width
            )
        return self._row_line(shown[index], index == self.cursor).adjust_cell_length(
            width, style(palette.TEXT)
        )

    def _row_line(self, row: Row, at_cursor: bool) -> Strip:
        marked = self.listing.key(row) in self.listing.marks
        ground = palette.CURSOR if at_cursor else palette.BACKGROUND
        segments = [
            Segment(self.glyphs.cursor if at_cursor else " ", style(palette.ACCENT, ground)),
            Segment(self.glyphs.mark if marked else " ", style(palette.AMBER, ground, bold=True)),
        ]
        quiet = self.old or self.painter.quiet(row)
        for column, width in self._fitted:
            for text, colour in self._pieces(row, column, width):
                colour = palette.DIM if quiet else colour
                segments.append(Segment(text, style(colour, ground, bold=marked)))
            segments.append(Segment(" ", style(palette.TEXT, ground)))
        return Strip(segments).adjust_cell_length(
            self.scrollable_content_region.width, style(palette.TEXT, ground)
        )

    def _pieces(self, row: Row, column: ListColumn[Row], width: int) -> Sequence[Piece]:
        more = self.glyphs.more
        found = self.painter.pieces(row, column.name, width)
        if found is None:
            text = cell(column.text(row), width, column.right, more)
            return [(text, self.painter.colour(row, column.name))]
        pieces, left = [], width
        for text, colour in found:
            part = cell(text, min(len(text), left), False, more) if left else ""
            pieces.append((part, colour))
            left -= len(part)
        return [*pieces, (" " * left, palette.TEXT)]

    def on_mouse_scroll_up(self) -> None:
        """Scrolling back with the wheel stops following."""
        self.following = False

    def on_click(self, event: Click) -> None:
        """Put the cursor on the clicked line; the second click opens it."""
        index = event.y + self.scroll_offset.y
        if index < len(self.listing):
            self.move_to(index)
            self.following = False
            if event.chain == 2:
                self.post_message(self.RowOpened())
