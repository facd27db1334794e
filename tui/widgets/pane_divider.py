"""The line between two parts of a screen, that the mouse moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.events import MouseDown, MouseMove, MouseUp

    from tui.widgets.palette import Glyphs


class PaneDivider(Widget):
    """One column; tells where it is dragged to."""

    class Dragged(Message):
        """It was dragged to a column of the screen."""

        def __init__(self, column: int) -> None:
            super().__init__()
            self.column = column

    def __init__(self, glyphs: Glyphs, id: str | None = None) -> None:
        super().__init__(id=id)
        self.glyphs = glyphs

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        return Strip([Segment(self.glyphs.splitter, self.rich_style)], 1)

    def on_mouse_down(self, event: MouseDown) -> None:
        """Begin to move."""
        self.capture_mouse()
        self.add_class("moving")
        event.stop()

    def on_mouse_move(self, event: MouseMove) -> None:
        """Tell where it is by now."""
        if self.has_class("moving"):
            self.post_message(self.Dragged(int(event.screen_x)))

    def on_mouse_up(self, event: MouseUp) -> None:
        """Stay."""
        self.release_mouse()
        self.remove_class("moving")
        event.stop()
