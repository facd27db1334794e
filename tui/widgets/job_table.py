"""The job table: only the visible lines are ever drawn, straight from the columns of the model."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.model import format as fmt
from tui.model.columns import COLUMNS, Column, fit
from tui.model.jobid import PREFIX
from tui.model.states import DONE, STATUS, Status
from tui.widgets import palette
from tui.widgets.palette import Glyphs, status_colour, style
from tui.widgets.strips import changed_span

if TYPE_CHECKING:
    from textual.events import Click, Resize

    from tui.model.dashboard import Dashboard

GUTTER: Final = 2
_ALARMING: Final = frozenset({Status.FAILED, Status.TIMEOUT, Status.DEPEND})
"""Statuses whose reason is shown in colour."""


@lru_cache(maxsize=8192)
def cell(text: str, width: int, right: bool, more: str) -> str:
    """Return ``text`` in exactly ``width`` cells, cut with ``more`` if it is too long; fit for a
    terminal, whatever it holds.
    """
    text = fmt.printable(text)
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + more
    padding = " " * (width - length)
    return padding + text if right else text + padding


class JobTableHeading(Widget):
    """The line of column titles; a click on a title sorts by it."""

    class Sort(Message):
        """A title was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id)
        self.dashboard = dashboard
        self.glyphs = glyphs

    def render_line(self, y: int) -> Strip:
        """Draw the titles, the sorting one with its direction."""
        view = self.dashboard.view
        plain = style(palette.DIM, palette.SURFACE, bold=True)
        chosen = style(palette.ACCENT, palette.SURFACE, bold=True)
        segments = [Segment(" " * GUTTER, plain)]
        fitted = fit(COLUMNS, self.size.width - GUTTER - 1)
        arrow = self.glyphs.down if view.reverse else self.glyphs.up
        for column, width in fitted:
            sorts = column is view.column
            title = " " * column.indent + column.title
            if sorts:  # the arrow stays, whatever of the title has to go
                title = title[: width - 1] + arrow
            text = cell(title, width, column.right, self.glyphs.more)
            segments.append(Segment(text, chosen if sorts else plain))
            segments.append(Segment(" ", plain))
        strip = Strip(segments).adjust_cell_length(self.size.width, plain)
        if all(column is not view.column for column, _ in fitted):
            # Ordered by a column that is not shown: say so where the last one ends.
            words = f" by {view.column.title}{arrow} "
            room = max(0, self.size.width - len(words))
            strip = Strip([*strip.crop(0, room), Segment(words[: self.size.width], chosen)])
        return strip

    def on_click(self, event: Click) -> None:
        """Tell which title was clicked."""
        left = GUTTER
        for column, width in fit(COLUMNS, self.size.width - GUTTER - 1):
            if left <= event.x < left + width:
                self.post_message(self.Sort(column.name))
            left += width + 1


class JobTableView(ScrollView, can_focus=True, inherit_bindings=False):
    """The lines under the titles, with a cursor that stays on its job while the order changes
    around it.
    """

    class Opened(Message):
        """A job was double-clicked."""

    class Moved(Message):
        """The cursor was moved."""

    class Scrolled(Message):
        """Other lines are in sight."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id)
        self.dashboard = dashboard
        self.glyphs = glyphs
        self.cursor = 0
        self._cursor_id: int | None = None
        self._pinned = False
        self._fitted: list[tuple[Column, int]] = []
        self._shown: dict[int, Strip] = {}
        self._ahead: dict[int, tuple[tuple[int, int], Strip]] = {}
        # Lines drawn to find out what changed, for the painting that follows.

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell that other lines are in sight."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Scrolled())

    def watch_show_vertical_scrollbar(self) -> None:
        """Put a scroll bar that has just appeared where the lines are already."""
        self.vertical_scrollbar.position = self.scroll_y

    @property
    def shown_columns(self) -> list[str]:
        """The names of the columns that have room."""
        return [column.name for column, _ in self._fitted]

    # The cursor

    @property
    def cursor_row(self) -> int | None:
        """The row of the job under the cursor, None if the table is empty."""
        view = self.dashboard.view
        if not len(view):
            return None
        return view.row_at(min(self.cursor, len(view) - 1))

    def move_to(self, index: int) -> None:
        """Put the cursor on line ``index`` and scroll it into sight."""
        last = len(self.dashboard.view) - 1
        self.cursor = max(0, min(index, last))
        self._note_job()
        self._pinned = self.cursor > 0
        self._show_cursor()
        self._repaint()
        self.post_message(self.Moved())

    def _note_job(self) -> None:
        row = self.cursor_row
        self._cursor_id = None if row is None else self.dashboard.table.ids[row]

    def move_by(self, lines: int) -> None:
        """Move the cursor ``lines`` down, up if negative."""
        self.move_to(self.cursor + lines)

    @property
    def page(self) -> int:
        """The number of lines in sight."""
        return max(1, self.size.height)

    def _show_cursor(self) -> None:
        region = Region(0, self.cursor, 1, 1)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def update(self) -> None:
        """Follow the model: new length, cursor on the same job as before, its line at the same
        height on the screen.
        """
        view = self.dashboard.view
        height = len(view)
        if self.virtual_size.height != height:
            self.virtual_size = Size(self.size.width, height)
        before = self.cursor
        row = self.dashboard.table.row_of.get(self._cursor_id or 0)
        if self._pinned and row is not None:
            index = view.index_of(row)
            self.cursor = index if index is not None else self.cursor
        self.cursor = max(0, min(self.cursor, height - 1))
        self._note_job()
        if self.cursor != before:
            # Scroll by what the cursor moved, so that its line stays where it is on the screen;
            # where the table ends too soon for that, bring it into sight at least.
            self.scroll_to(
                y=self.scroll_offset.y + self.cursor - before,
                animate=False,
                force=True,
                immediate=True,
            )
            self._show_cursor()
        self._repaint()

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

    @property
    def marks_in_sight(self) -> int:
        """How many of the lines on the screen are marked."""
        view, dashboard = self.dashboard.view, self.dashboard
        first = self.scroll_offset.y
        last = min(len(view), first + self.size.height)
        ids, marks = dashboard.table.ids, dashboard.marks
        return sum(ids[view.row_at(index)] in marks for index in range(first, last))

    # Drawing

    def on_resize(self, event: Resize) -> None:
        """Choose the columns that fit and keep the cursor in sight."""
        self._fitted = fit(COLUMNS, self.scrollable_content_region.width - GUTTER)
        self.virtual_size = Size(event.size.width, len(self.dashboard.view))
        self._show_cursor()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the table."""
        place, line = self._ahead.pop(y, (None, None))
        if line is None or place != (self.scroll_offset.y, self.scrollable_content_region.width):
            line = self._line(y)
        self._shown[y] = line
        return line

    def _line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        view, width = self.dashboard.view, self.scrollable_content_region.width
        if index >= len(view):
            text = self._empty_text() if y == 1 and not len(view) else ""
            return Strip(
                [Segment(cell(text, width, False, self.glyphs.more), style(palette.DIM))], width
            )
        return self._job_line(view.row_at(index), index == self.cursor).adjust_cell_length(
            width, style(palette.TEXT)
        )

    def _empty_text(self) -> str:
        dashboard = self.dashboard
        if not dashboard.link.up or (len(dashboard.table) and not dashboard.loaded):
            return "  waiting for the instance" + self.glyphs.more
        if len(dashboard.table):
            return "  no job matches the filter"
        return "  no jobs yet: submit some with flux mini submit, run or bulksubmit"

    def _job_line(self, row: int, at_cursor: bool) -> Strip:
        dashboard, table, now = self.dashboard, self.dashboard.table, self.dashboard.moment
        marked = table.ids[row] in dashboard.marks
        ground = palette.BACKGROUND
        if at_cursor:
            ground = palette.CURSOR
        elif row in dashboard.flash:
            ground = palette.FLASH
        status = table.status[row]
        colour = status_colour(status)
        base = palette.SOFT if status in DONE else palette.TEXT
        if at_cursor:
            base = palette.BRIGHT
        sign = self.glyphs.cursor if at_cursor else " "
        segments = [
            Segment(sign, style(palette.ACCENT, ground)),
            Segment(self.glyphs.mark if marked else " ", style(palette.AMBER, ground, bold=True)),
        ]
        gap = Segment(" ", style(base, ground))
        for column, width in self._fitted:
            text = cell(self._cell_text(column, row, now), width, column.right, self.glyphs.more)
            segments.append(
                Segment(
                    text,
                    style(self._colour(column, status, colour, base), ground, bold=marked),
                )
            )
            segments.append(gap)
        return Strip(segments).adjust_cell_length(
            self.scrollable_content_region.width, style(base, ground)
        )

    def _cell_text(self, column: Column, row: int, now: float) -> str:
        table = self.dashboard.table
        if column.name == "state":
            return f"{self.glyphs.dot} {STATUS[table.status[row]].code}"
        text = " " * column.indent + column.cell(table, row, now)
        if self.glyphs is palette.ASCII:
            text = text.replace(PREFIX, "f")
        return text

    def _colour(self, column: Column, status: int, colour: str, base: str) -> str:
        name = column.name
        if (column.live or name == "left") and status not in DONE and self.dashboard.stale:
            return palette.DIM  # what it was when the instance was last heard of
        if name == "state":
            return colour
        if name == "info":
            return colour if status in _ALARMING else palette.DIM
        if name in ("id", "name", "runtime"):
            return base
        return palette.DIM if base == palette.SOFT else palette.SOFT

    def on_click(self, event: Click) -> None:
        """Put the cursor on the clicked line; the second click opens the job."""
        index = event.y + self.scroll_offset.y
        if index < len(self.dashboard.view):
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened())
