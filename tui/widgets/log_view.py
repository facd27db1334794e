"""A pane of coloured lines that grows at the end: follows, stops following when scrolled back,
searches.

Lines are kept whole and drawn only when in sight, so ten thousand lines at once cost as much as
ten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.model import format as fmt
from tui.widgets import palette
from tui.widgets.job_table import cell
from tui.widgets.palette import Glyphs, style

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.events import MouseScrollUp

    from tui.model.logs import Line


class LogView(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines of ``Line``; ``colours`` says how each kind is drawn."""

    def __init__(
        self,
        title: str,
        glyphs: Glyphs,
        colours: dict[str, str],
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.title = title
        self.glyphs = glyphs
        self.colours = colours
        self.empty = ""
        self.remark = ""
        self.live = True
        self.following = True
        self.content: list[Line] = []
        self.hits: list[int] = []
        self.hit = -1
        self._pattern: re.Pattern[str] | None = None
        self._label_width = 0
        self._text_width = 0

    def watch_show_vertical_scrollbar(self) -> None:
        """Put a scroll bar that has just appeared where the lines are already."""
        self.vertical_scrollbar.position = self.scroll_y

    def on_mount(self) -> None:
        """Show the title."""
        self._retitle()

    # Content

    def extend(self, lines: Iterable[Line]) -> None:
        """Add lines at the end."""
        first = len(self.content)
        self.content.extend(lines)
        if len(self.content) == first:
            return
        for index in range(first, len(self.content)):
            line = self.content[index]
            self._label_width = max(self._label_width, len(line.label))
            self._text_width = max(self._text_width, cell_len(line.text))
            if self._pattern is not None and self._pattern.search(line.text):
                self.hits.append(index)
        self._resize_content()

    def replace(self, lines: Iterable[Line]) -> None:
        """Show other lines instead."""
        self.content.clear()
        self.hits.clear()
        self._label_width = self._text_width = 0
        self.virtual_size = Size(0, 0)
        self.extend(lines)
        self.refresh()

    def _resize_content(self) -> None:
        label = self._label_width + 2 if self._label_width else 0
        self.virtual_size = Size(label + self._text_width + 2, len(self.content))
        if self.following:
            self.scroll_end(animate=False, force=True, immediate=True, x_axis=False)
        self._retitle()
        self.refresh()

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

    def move_by(self, lines: int) -> None:
        """Scroll by some lines."""
        self.scroll_to(y=self.scroll_offset.y + lines, animate=False, force=True, immediate=True)
        self.scrolled_by_hand()

    def move_to(self, line: int) -> None:
        """Scroll to a line; a large number is the end."""
        self.scroll_to(y=min(line, self.max_scroll_y), animate=False, force=True, immediate=True)
        self.scrolled_by_hand()

    def search(self, text: str) -> int:
        """Mark every line with ``text`` (deaf to case unless it has capitals) and go to the last;
        return how many there are.
        """
        self._pattern = None
        self.hits.clear()
        self.hit = -1
        if text:
            self._pattern = re.compile(
                re.escape(text), 0 if text != text.lower() else re.IGNORECASE
            )
            self.hits.extend(
                i for i, line in enumerate(self.content) if self._pattern.search(line.text)
            )
            if self.hits:
                self.go_to_hit(len(self.hits) - 1)
        self._retitle()
        self.refresh()
        return len(self.hits)

    def go_to_hit(self, number: int) -> None:
        """Show the hit of that number, counted round the end."""
        if self.hits:
            self.hit = number % len(self.hits)
            self.move_to(max(0, self.hits[self.hit] - self.size.height // 2))
            self._retitle()
            self.refresh()

    def _retitle(self) -> None:
        following = ("follows" if self.following else "paused") if self.live else ""
        state = ", ".join(word for word in (self.remark, following) if word)
        found = ""
        if self._pattern is not None:
            found = f"hit {self.hit + 1} of {len(self.hits)}, " if self.hits else "no hit, "
        self.border_title = self.title
        count = f"{len(self.content):,} line{'' if len(self.content) == 1 else 's'}"
        self.border_subtitle = f"{found}{count}, {state}"

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        index, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        plain = style(palette.TEXT)
        if index >= len(self.content):
            text = f" {self.empty}" if y == 0 and not self.content else ""
            return Strip(
                [Segment(cell(text, width, False, self.glyphs.more), style(palette.DIM))], width
            )
        line = self.content[index]
        current = 0 <= self.hit < len(self.hits) and self.hits[self.hit] == index
        ground = palette.CURSOR if current else palette.BACKGROUND
        segments = []
        if self._label_width:
            label = fmt.printable(line.label).ljust(self._label_width) + "  "
            segments.append(Segment(label, style(palette.DIM, ground)))
        segments.extend(
            self._text_segments(line, style(self.colours.get(line.kind, palette.TEXT), ground))
        )
        strip = Strip(segments)
        left = self.scroll_offset.x
        return strip.crop(left, left + width).adjust_cell_length(
            width, style(palette.TEXT, ground) if current else plain
        )

    def _text_segments(self, line: Line, base: Style) -> list[Segment]:
        if self._pattern is None or not line.text.isprintable():
            return [Segment(fmt.printable(line.text), base)]
        segments, last = [], 0
        found = Style(color=palette.BACKGROUND, bgcolor=palette.AMBER, bold=True)
        for match in self._pattern.finditer(line.text):
            segments.append(Segment(line.text[last : match.start()], base))
            segments.append(Segment(match.group(), found))
            last = match.end()
        segments.append(Segment(line.text[last:], base))
        return segments
