"""A pane of coloured lines that grows at the end: follows, stops following when scrolled back,
wraps, filters, searches, gives what the mouse selects.

Lines are kept whole and drawn only when in sight, so ten thousand lines at once cost as much as
ten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.model import format as fmt
from tui.model.stamps import Stamps
from tui.widgets import palette
from tui.widgets.cells import cell
from tui.widgets.log_lines import LogLines
from tui.widgets.log_text import text_segments, window
from tui.widgets.palette import Glyphs, style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.events import MouseScrollDown, MouseScrollUp, Resize
    from textual.selection import Selection

    from tui.model.logs import Line


_GAP: Final = 2


class LogView(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines of ``Line``; ``colours`` says how each kind is drawn."""

    def __init__(
        self,
        title: str,
        glyphs: Glyphs,
        colours: dict[str, str],
        *,
        stamps: Stamps = Stamps.NONE,
        wrap: bool = False,
        by_words: bool = False,
        live: bool = True,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._title = title
        self.glyphs = glyphs
        self.colours = colours
        self.empty = ""
        self.remark = ""
        self.kept = ""
        self.live = live
        self.following = live
        self.stamps = stamps
        self.wrap = wrap
        self.lines = LogLines(by_words=by_words)
        self.hit = -1
        self._marked = -1
        self._start = 0.0

    def watch_show_vertical_scrollbar(self) -> None:
        """Put a scroll bar that has just appeared where the lines are already."""
        self.vertical_scrollbar.position = self.scroll_y

    def on_mount(self) -> None:
        """Show the title."""
        self._retitle()

    def on_resize(self, event: Resize) -> None:
        """Wrap anew."""
        self._resize_content()

    # Content

    @property
    def content(self) -> list[Line]:
        """The lines that are shown."""
        return self.lines.shown

    @property
    def hits(self) -> list[int]:
        """The numbers of the shown lines that were found."""
        return self.lines.hits

    def extend(self, lines: Iterable[Line]) -> None:
        """Add lines at the end."""
        if self.lines.extend(lines):
            self._resize_content()

    def replace(self, lines: Iterable[Line]) -> None:
        """Show other lines instead."""
        self.lines.clear()
        self._marked = -1
        self.virtual_size = Size(0, 0)
        self.lines.extend(lines)
        self._resize_content()

    def keep(self, which: Callable[[Line], bool] | None, words: str = "") -> None:
        """Show only some lines, all for None; ``words`` say in the title which."""
        self.kept = words
        self.lines.keep(which)
        self._marked = self.hit = -1
        self._resize_content()

    def _resize_content(self) -> None:
        if self.lines.every and not self._start:
            self._start = next((line.time for line in self.lines.every if line.time), 0.0)
        room = self.scrollable_content_region.width - self.text_start
        self.lines.set_wrap(room - 1 if self.wrap else 0)
        width = self.text_start + (room if self.wrap else self.lines.text_width + 2)
        self.virtual_size = Size(max(0, width), self.lines.rows)
        if self.following:
            self.scroll_end(animate=False, force=True, immediate=True, x_axis=False)
        self._retitle()
        self.refresh()

    @property
    def title(self) -> str:
        """What the lines are."""
        return self._title

    @title.setter
    def title(self, title: str) -> None:
        self._title = title
        self._retitle()

    def set_source(self, remark: str, empty: str, *, live: bool = True) -> None:
        """Say of the lines what they do not say themselves: ``remark`` stands beside their number,
        ``empty`` where there are none; ``live`` is false when no more come.
        """
        empty = fmt.printable(empty)
        if empty != self.empty and not self.content:
            self.refresh()
        self.empty = empty
        if (remark, live) != (self.remark, self.live):
            self.remark, self.live = remark, live
            self._retitle()

    def as_texts(self, lines: Iterable[Line]) -> list[str]:
        """Return lines as they are shown, for a file."""
        return [
            " ".join(part for part in (self._stamp(line).strip(), line.label, line.text) if part)
            for line in lines
        ]

    # How lines are shown

    def toggle_wrap(self) -> bool:
        """Wrap long lines, or no longer; returns which."""
        top = self.top_line
        self.wrap = not self.wrap
        self.scroll_to(x=0, animate=False, force=True, immediate=True)
        self._resize_content()
        if not self.following:
            self.show_line(top)
        return self.wrap

    def turn_stamps(self) -> Stamps:
        """Show the times of lines in another way; returns which."""
        self.stamps = self.stamps.next
        self._resize_content()
        return self.stamps

    @property
    def text_start(self) -> int:
        """Cells before the text: for times and labels."""
        label = self.lines.label_width
        return self.stamps.width + (label + _GAP if label else 0)

    def _stamp(self, line: Line) -> str:
        return self.stamps.of(line.time, self._start)

    # Following and searching

    def set_following(self, following: bool) -> None:
        """Keep the last line in sight, or stay where we are."""
        self.following = following
        if following:
            self.scroll_end(animate=False, force=True, immediate=True, x_axis=False)
        self._retitle()

    def scrolled_by_hand(self) -> None:
        """Stop following if the end is out of sight, follow again once it is back."""
        at_end = self.scroll_offset.y >= self.max_scroll_y
        if self.following != at_end:
            self.following = at_end
            self._retitle()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scrolling back with the wheel stops following."""
        self.following = False
        self._retitle()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scrolling to the end with the wheel follows it again."""
        self.call_after_refresh(self.scrolled_by_hand)

    def move_by(self, lines: int) -> None:
        """Scroll by some lines."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, force=True, immediate=True)
        self.scrolled_by_hand()

    def move_to(self, row: int) -> None:
        """Scroll to a row; a large number is the end."""
        self.scroll_to(y=min(row, self.max_scroll_y), animate=False, force=True, immediate=True)
        self.scrolled_by_hand()

    @property
    def top_line(self) -> int:
        """The number of the first line in sight."""
        return self.lines.at(self.scroll_offset.y)[0]

    def show_line(self, index: int) -> None:
        """Scroll until a line stands in the middle."""
        self.move_to(max(0, self.lines.row_of(index) - self.size.height // 2))

    def search(self, text: str) -> str:
        """Mark every line that a regular expression finds and go to the last; returns what is wrong
        with the expression, empty if nothing is.
        """
        self.hit = self._marked = -1
        wrong = self.lines.search(text)
        if self.hits:
            self.go_to_hit(len(self.hits) - 1)
        self._retitle()
        self.refresh()
        return wrong

    def go_to_hit(self, number: int) -> None:
        """Show the hit of that number, counted round the end."""
        if self.hits:
            self.hit = number % len(self.hits)
            self._mark(self.hits[self.hit])

    def go_to_error(self, step: int) -> bool:
        """Show the next line, or the one before, that tells of something wrong; false if none
        does.
        """
        if not self.content:
            return False
        start = self._marked if self._marked >= 0 else self.top_line - 1
        found = self.lines.next_error(start, step)
        if found is None:
            return False
        self._mark(found)
        return True

    def _mark(self, index: int) -> None:
        self._marked = index
        self.show_line(index)
        self._retitle()
        self.refresh()

    def _retitle(self) -> None:
        following = ("follows" if self.following else "paused") if self.live else ""
        found = ""
        if self.lines.pattern is not None:
            found = f"hit {self.hit + 1} of {len(self.hits)}" if self.hits else "no hit"
        number = len(self.content)
        count = f"{number:,} line{'' if number == 1 else 's'}"
        if number != len(self.lines.every):
            count = f"{number:,} of {len(self.lines.every):,} lines"
        words = (found, self.kept, count, self.remark, following)
        self._entitle(", ".join(word for word in words if word))

    def _entitle(self, remark: str) -> None:
        """Put the title above and ``remark`` below; both are text, whatever looks like markup in
        the names that users gave.
        """
        self.border_title = Content(fmt.printable(self.title))
        self.border_subtitle = Content(fmt.printable(remark))

    # Selecting with the mouse

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return what is selected: whole lines, however they are wrapped, without what stands
        before them where the selection begins in the text.
        """
        last = self.lines.rows - 1
        first = 0 if selection.start is None else min(selection.start.y, last)
        final = last if selection.end is None else min(selection.end.y, last)
        cut = (
            self.text_start
            if selection.start is None or selection.start.x >= self.text_start
            else 0
        )
        parts: list[str] = []
        for row in range(first, final + 1):
            span = selection.get_span(row)
            if span is None:
                continue
            text = self._row_text(row)
            end = len(text) if span[1] == -1 else span[1]
            piece = text[max(span[0], cut) : end]
            if parts and self.lines.at(row)[1]:
                parts[-1] += piece
            else:
                parts.append(piece)
        return "\n".join(parts), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Show what is selected."""
        self.refresh()

    def _row_text(self, row: int) -> str:
        index, part = self.lines.at(row)
        line = self.content[index]
        start, end = self.lines.pieces(line.text)[part]
        return self._before(line, part) + line.text[start:end]

    def _before(self, line: Line, part: int) -> str:
        """Return what stands before the text of a row."""
        if part:
            return " " * self.text_start
        label = fmt.printable(line.label)
        width = self.lines.label_width
        return self._stamp(line) + (label.ljust(width + _GAP) if width else "")

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        row, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if row >= self.lines.rows:
            text = f" {self.empty}" if y == 0 and not self.content else ""
            return Strip(
                [Segment(cell(text, width, False, self.glyphs.more), style(palette.DIM))], width
            )
        index, part = self.lines.at(row)
        line = self.content[index]
        ground = palette.CURSOR if index == self._marked else palette.BACKGROUND
        segments = [Segment(self._before(line, part), style(palette.DIM, ground))]
        base = style(self.colours.get(line.kind, palette.TEXT), ground)
        piece = self.lines.pieces(line.text)[part]
        segments.extend(text_segments(line, piece, base, ground, self.lines.pattern))
        left = self.scroll_offset.x
        strip = self._selected(Strip(segments), row)
        return window(strip, left, width, ground, self.glyphs.more).apply_offsets(left, row)

    def _selected(self, strip: Strip, row: int) -> Strip:
        """Return the strip with what the mouse selected of it marked."""
        selection = self.text_selection
        span = None if selection is None else selection.get_span(row)
        if span is None:
            return strip
        text = self._row_text(row)
        end = len(text) if span[1] == -1 else min(span[1], len(text))
        first, after = cell_len(text[: span[0]]), cell_len(text[:end])
        look = style(palette.BRIGHT, palette.CURSOR)
        return Strip.join(
            [
                strip.crop(0, first),
                Strip([Segment(text[span[0] : end], look)], after - first),
                strip.crop(after),
            ]
        )
