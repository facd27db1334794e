"""The base of everything above and below the table: lines drawn from the model, of which only what
changed goes to the terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.model import format as fmt
from tui.widgets.strips import changed_span

if TYPE_CHECKING:
    from textual.geometry import Size

    from tui.model.dashboard import Dashboard
    from tui.widgets.palette import Glyphs


class Painted(Widget):
    """A widget that draws itself from the dashboard and repaints only the cells that look
    different.
    """

    def __init__(
        self,
        dashboard: Dashboard,
        glyphs: Glyphs,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.dashboard = dashboard
        self.glyphs = glyphs
        self._shown: list[Strip] = []
        self._texts: list[Text] = []

    def lines(self, width: int) -> list[Text]:
        """Return what to draw in ``width`` cells."""
        raise NotImplementedError

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return how many lines there are, for those whose height is not given."""
        return len(self.lines(width))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.content_size.width
        if not self._shown or self._shown[0].cell_length != width:
            self._shown = self._drawn(width)
        if y < len(self._shown):
            return self._shown[y].apply_style(self.rich_style)
        return Strip.blank(width, self.rich_style)

    def _drawn(self, width: int) -> list[Strip]:
        """Return all lines; those whose text is as it was are the strips on the screen."""
        before = self._texts, self._shown
        same_width = bool(self._shown) and self._shown[0].cell_length == width
        self._texts = texts = self.lines(width)
        strips = []
        for place, text in enumerate(texts):
            if same_width and place < len(before[0]) and _looks_like(text, before[0][place]):
                strips.append(before[1][place])
            else:
                line = self._cut(fit_for_terminal(text), width)
                strips.append(self._strip(line).adjust_cell_length(width))
        return strips

    def _strip(self, line: Text) -> Strip:
        console = self.app.console
        strip = Strip(line.render(console))
        # Rich leaves out the style of a text that has no other.
        return strip if line.spans else strip.apply_style(console.get_style(line.style))

    def _cut(self, line: Text, width: int) -> Text:
        """Return ``line`` with a sign at its end if there is more of it than fits."""
        if line.cell_len <= width:
            return line
        line = line.copy()
        line.truncate(max(0, width - 1))
        return line.append(self.glyphs.more)

    def update(self) -> None:
        """Repaint what changed."""
        width = self.content_size.width
        new, old = self._drawn(width), self._shown
        self._shown = new
        if len(new) != len(old) or (old and old[0].cell_length != width):
            self.refresh(layout=len(new) != len(old))
            return
        for y, (before, after) in enumerate(zip(old, new, strict=True)):
            span = changed_span(before, after)
            if span is not None:
                self.refresh(Region(span[0], y, span[1] - span[0], 1))


def _looks_like(new: Text, old: Text) -> bool:
    return new is old or (
        new.plain == old.plain and new.style == old.style and new.spans == old.spans
    )


def fit_for_terminal(line: Text) -> Text:
    """Return ``line`` itself if a terminal shows it as it is, else its text with escapes: whoever
    made it may have forgotten what others can write into names and notes.
    """
    plain = line.plain
    return line if plain.isprintable() else Text(fmt.printable(plain), line.style)


def spread(left: Text, right: Text, width: int) -> Text:
    """Return ``left`` and ``right`` at the ends of ``width`` cells; if both do not fit, the right
    one is cut, and goes before the left one is.
    """
    if left.cell_len + right.cell_len + 1 > width:
        right = right.copy()
        right.truncate(max(0, width - left.cell_len - 1), overflow="ellipsis")
    if left.cell_len > width:
        left = left.copy()
        left.truncate(width, overflow="ellipsis")
    room = width - right.cell_len
    return Text.assemble(left, " " * max(0, room - left.cell_len), right)
