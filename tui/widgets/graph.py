"""One large chart with its axes, and what it says at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.message import Message

from tui.widgets.graphs import GraphKind, Plot, gutter, legend, span_name, time_axis
from tui.widgets.painted import Painted

if TYPE_CHECKING:
    from textual.events import MouseDown, MouseMove, MouseScrollDown, MouseScrollUp

    from tui.model.dashboard import Dashboard
    from tui.widgets.palette import Glyphs

GUTTER: Final = 9
"""Cells of the vertical axis."""
LOW: Final = 6
"""Lines below which there is no room for the times."""


class Graph(Painted):
    """A chart with values above, an axis at the left and times below. A click, or moving the mouse
    with a button down, points at a time; the wheel zooms.
    """

    class Pointed(Message):
        """The mouse points at a time."""

        def __init__(self, time: float) -> None:
            super().__init__()
            self.time = time

    class Zoomed(Message):
        """The wheel was turned: 1 for a longer span, -1 for a shorter one."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    def __init__(self, kind: GraphKind, dashboard: Dashboard, glyphs: Glyphs) -> None:
        super().__init__(dashboard, glyphs, id=f"graph-{kind.name}")
        self.plot = Plot(kind, dashboard, glyphs)
        self.border_title = kind.title
        self.pointed: float | None = None
        """The time that is read, None for the newest."""

    def lines(self, width: int) -> list[Text]:
        """Return values, chart and times; a low one goes without the times."""
        height = self.content_size.height
        across = max(1, width - GUTTER)
        low = height < LOW
        rows = max(1, height - 1 - (not low))
        chart = gutter(self.plot.lines(across, rows, self.pointed), self.plot, GUTTER)
        values = legend(self.plot.values(self.pointed), self.glyphs, width)
        if low:
            return [values, *chart][:height]
        axis = Text(" " * GUTTER) + time_axis(self.plot.window, across, self.dashboard.moment)
        return [values, *chart, axis]

    def update(self) -> None:
        """Repaint what changed, the span in the frame too."""
        super().update()
        span = span_name(self.dashboard, self.plot.window)
        if self.border_subtitle != span:
            self.border_subtitle = span

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.update()

    def _point(self, x: int) -> None:
        column = x - self.gutter.left - GUTTER
        across = max(1, self.content_size.width - GUTTER)
        self.post_message(self.Pointed(self.plot.time_at(min(across - 1, max(0, column)), across)))

    def on_mouse_down(self, event: MouseDown) -> None:
        """Point at a time."""
        self._point(event.x)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Point at another while the button is down."""
        if event.button:
            self._point(event.x)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """A shorter span."""
        event.stop()
        self.post_message(self.Zoomed(-1))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """A longer span."""
        event.stop()
        self.post_message(self.Zoomed(1))
