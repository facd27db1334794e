"""The job table: only the visible lines are ever drawn, straight from the columns of the model."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.model.lines import Heading, JobLine, SetLine
from tui.model.sets import ALONE
from tui.model.submit_line import spelling_for
from tui.widgets import palette
from tui.widgets.cells import cell
from tui.widgets.job_lines import GUTTER, LinePainter
from tui.widgets.palette import Glyphs, style
from tui.widgets.strips import changed_span

if TYPE_CHECKING:
    from textual.events import Click, MouseDown, MouseEvent, MouseMove, Resize

    from tui.model.column import Column
    from tui.model.dashboard import Dashboard
    from tui.model.lines import TableLine

__all__ = ["JobTableHeading", "JobTableView", "cell"]

SCROLL_BAR: Final = 1


@lru_cache(maxsize=8)
def _without_job(text: str, width: int) -> Strip:
    """Return a line of that many cells under the jobs: a screen has many that are all alike."""
    return Strip([Segment(text, style(palette.DIM))], width)


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
        self._drawn: tuple[object, ...] = ()

    def _fitted(self) -> list[tuple[Column, int]]:
        return self.dashboard.fitted(self.size.width - GUTTER - SCROLL_BAR)

    def update(self) -> None:
        """Repaint if there are other columns, or another order."""
        view = self.dashboard.view
        now = (self.dashboard.columns, view.column, view.reverse)
        if now != self._drawn:
            self._drawn = now
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw the titles, the sorting one with its direction."""
        view = self.dashboard.view
        plain = style(palette.DIM, palette.SURFACE, bold=True)
        chosen = style(palette.ACCENT, palette.SURFACE, bold=True)
        segments = [Segment(" " * GUTTER, plain)]
        fitted = self._fitted()
        arrow = self.glyphs.down if view.reverse else self.glyphs.up
        for column, width in fitted:
            sorts = column is view.column
            title = " " * column.indent + column.title
            if self.glyphs is palette.ASCII:
                title = title.encode("ascii", "replace").decode().replace("?", "x")
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
        for column, width in self._fitted():
            if left <= event.x < left + width:
                self.post_message(self.Sort(column.name))
            left += width + 1


class JobTableView(ScrollView, can_focus=True, inherit_bindings=False):
    """The lines under the titles, with a cursor that stays on its job while the order changes
    around it.
    """

    ALLOW_SELECT = False  # the mouse marks jobs

    class Opened(Message):
        """A job was double-clicked."""

    class Moved(Message):
        """The cursor was moved."""

    class Marked(Message):
        """Other jobs are marked."""

    class Scrolled(Message):
        """Other lines are in sight."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id)
        self.dashboard = dashboard
        self.glyphs = glyphs
        self.cursor = 0
        self._cursor_id: int | None = None
        self._on_set = False
        self._pinned = False
        self._paint = LinePainter(dashboard, glyphs)
        self._columns: tuple[Column, ...] = ()
        self._drag_from: int | None = None
        self._dragged = False
        self._marks_before: set[int] = set()
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
        return [column.name for column, _ in self._paint.fitted]

    # The cursor

    @property
    def cursor_line(self) -> TableLine | None:
        """What is under the cursor, None if the table is empty."""
        lines = self.dashboard.lines
        return lines.at(min(self.cursor, len(lines) - 1)) if len(lines) else None

    @property
    def cursor_row(self) -> int | None:
        """The row of the job under the cursor, of a set its first; None if the table is empty."""
        line = self.cursor_line
        if isinstance(line, SetLine):
            return self.dashboard.view.row_in(line.number, 0)
        return line.row if isinstance(line, JobLine) else None

    @property
    def cursor_rows(self) -> list[int]:
        """The rows of all jobs that are under the cursor: those of a set."""
        lines = self.dashboard.lines
        return lines.rows_at(min(self.cursor, len(lines) - 1)) if len(lines) else []

    @property
    def cursor_set(self) -> int | None:
        """The set under the cursor, by its line or one of its jobs."""
        line = self.cursor_line
        if line is None or isinstance(line, Heading) or line.number == ALONE:
            return None
        return line.number

    def move_to(self, index: int) -> None:
        """Put the cursor on line ``index`` and scroll it into sight."""
        lines = self.dashboard.lines
        self.cursor = lines.near(index, index >= self.cursor) if len(lines) else 0
        self._note_job()
        self._pinned = self.cursor > lines.near(0) if len(lines) else False
        self._show_cursor()
        self._repaint()
        self.post_message(self.Moved())

    def _note_job(self) -> None:
        line, sets = self.cursor_line, self.dashboard.sets.by_number
        row = self.cursor_row
        self._on_set = isinstance(line, SetLine)
        if isinstance(line, SetLine):
            # Any of its jobs stands for the set, whichever is the first by now.
            row = next(iter(sets[line.number].rows))
        self._cursor_id = None if row is None else self.dashboard.table.ids[row]

    def move_by(self, lines: int) -> None:
        """Move the cursor ``lines`` down, up if negative."""
        self.move_to(self.cursor + lines)

    @property
    def page(self) -> int:
        """The number of lines in sight."""
        return max(1, self.size.height)

    def _show_cursor(self) -> None:
        # A heading comes into sight with the first line under it.
        above = self.cursor > 0 and isinstance(self._line_above(), Heading)
        region = Region(0, self.cursor - above, 1, 1 + above)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    def _line_above(self) -> TableLine | None:
        lines = self.dashboard.lines
        return lines.at(self.cursor - 1) if self.cursor <= len(lines) else None

    def update(self) -> None:
        """Follow the model: new length, cursor on the same job as before, its line at the same
        height on the screen.
        """
        lines = self.dashboard.lines
        height = len(lines)
        if self.dashboard.columns is not self._columns:
            self._fit()
        if self.virtual_size.height != height:
            self.virtual_size = Size(self.size.width, height)
        before = self.cursor
        if self._pinned:
            index = self._line_of_cursor()
            self.cursor = index if index is not None else self.cursor
        self.cursor = lines.near(self.cursor) if height else 0
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

    def _line_of_cursor(self) -> int | None:
        """Return where what the cursor was on is by now, None if it is nowhere."""
        dashboard = self.dashboard
        row = dashboard.table.row_of.get(self._cursor_id or 0)
        if row is None:
            return None
        if self._on_set:
            index = dashboard.lines.index_of_set(dashboard.sets.number_of(row))
            if index is not None:
                return index
        return dashboard.lines.index_of(row)

    def _repaint(self) -> None:
        """Have those cells painted anew that look different by now."""
        self._ahead.clear()
        self._paint.count_marks()
        place = self._place
        for y in range(self.size.height):
            old, new = self._shown.get(y), self._line(y, *place)
            span = (0, new.cell_length) if old is None else changed_span(old, new)
            if span is not None:
                self._ahead[y] = (place, new)
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    @property
    def marks_in_sight(self) -> int:
        """How many jobs are marked of those that the lines on the screen stand for."""
        lines = self.dashboard.lines
        first = self.scroll_offset.y
        last = min(len(lines), first + self.size.height)
        self._paint.count_marks()
        shown = [lines.at(index) for index in range(first, last)]
        sets = {line.number for line in shown if isinstance(line, SetLine)}
        return sum(
            self._paint.marked(line)
            for line in shown
            if not (isinstance(line, JobLine) and line.number in sets)
        )

    # Drawing

    def on_resize(self, event: Resize) -> None:
        """Choose the columns that fit and keep the cursor in sight."""
        self._fit()
        self.virtual_size = Size(event.size.width, len(self.dashboard.lines))
        self._show_cursor()

    def _fit(self) -> None:
        self._columns = self.dashboard.columns
        self._paint.width = self.scrollable_content_region.width
        self._paint.fitted = self.dashboard.fitted(self._paint.width - GUTTER)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the table."""
        place, line = self._ahead.pop(y, (None, None))
        here = self._place
        if line is None or place != here:
            line = self._line(y, *here)
        self._shown[y] = line
        return line

    @property
    def _place(self) -> tuple[int, int]:
        """The first line in sight, and the cells that a line has."""
        return self.scroll_offset.y, self.scrollable_content_region.width

    def _line(self, y: int, top: int, width: int) -> Strip:
        index, lines = y + top, self.dashboard.lines
        if index >= len(lines):
            text = self._empty_text() if y == 1 and not len(lines) else ""
            return _without_job(cell(text, width, False, self.glyphs.more), width)
        return self._paint.line(lines.at(index), index == self.cursor).adjust_cell_length(
            width, style(palette.TEXT)
        )

    def _empty_text(self) -> str:
        dashboard = self.dashboard
        if not dashboard.link.up or (len(dashboard.table) and not dashboard.loaded):
            return "  waiting for the instance" + self.glyphs.more
        if len(dashboard.table):
            return "  no job matches the filter"
        spelling = spelling_for(dashboard.instance.version)
        return f"  no jobs yet: submit some with {spelling}, run or bulksubmit"

    # The mouse

    def _line_under(self, event: MouseEvent) -> int | None:
        """Return the line under the mouse, None if there is none to point at."""
        index, lines = event.y + self.scroll_offset.y, self.dashboard.lines
        if not 0 <= index < len(lines) or isinstance(lines.at(index), Heading):
            return None
        return index

    def on_click(self, event: Click) -> None:
        """Put the cursor on the clicked line; the second click opens the job. With Ctrl it is
        marked or unmarked, with Shift all from the cursor to it are marked.
        """
        index = self._line_under(event)
        if index is None or self._dragged:
            return
        if event.ctrl:
            self.mark_lines(index, index, toggle=True)
        elif event.shift:
            self.mark_lines(self.cursor, index)
        self.move_to(index)
        if event.chain == 2 and not (event.ctrl or event.shift):
            self.post_message(self.Opened())

    def on_mouse_down(self, event: MouseDown) -> None:
        """Begin to draw the mouse over lines."""
        self._dragged = False
        if event.button == 1 and not (event.ctrl or event.shift):
            self._drag_from, self._marks_before = self._line_under(event), set(self.dashboard.marks)
            self.capture_mouse()

    def on_mouse_move(self, event: MouseMove) -> None:
        """Mark the lines that the mouse is drawn over; the table scrolls at its ends."""
        if self._drag_from is None or not event.button:
            return
        lines = self.dashboard.lines
        y = max(-1, min(event.y, self.size.height))
        index = lines.near(y + self.scroll_offset.y, y >= 0)
        if index != self._drag_from or self._dragged:
            self._dragged = True
            self.dashboard.marks.clear()
            self.dashboard.marks |= self._marks_before
            self.mark_lines(self._drag_from, index)
            self.move_to(index)

    def on_mouse_up(self) -> None:
        """End drawing the mouse over lines."""
        self._drag_from = None
        self.release_mouse()

    def mark_lines(self, one: int, other: int, toggle: bool = False) -> None:
        """Mark the jobs of all lines from one to the other; ``toggle`` unmarks them if all are."""
        lines, ids, marks = self.dashboard.lines, self.dashboard.table.ids, self.dashboard.marks
        first, last = sorted((one, min(other, len(lines) - 1)))
        found = {ids[row] for index in range(first, last + 1) for row in lines.rows_at(index)}
        if toggle and found <= marks:
            marks -= found
        else:
            marks |= found
        self.post_message(self.Marked())
