"""Where in a recording the dashboard is: a line to read and to click."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.text import Text

from tui.model import format as fmt
from tui.widgets.painted import Painted
from tui.widgets.palette import ACCENT, AMBER, BRIGHT, LINE, RED, SOFT, Glyphs

if TYPE_CHECKING:
    from textual.events import MouseDown, MouseMove

    from tui.feed.base import Timeline
    from tui.model.dashboard import Dashboard

PERIOD: Final = 0.1
SHORTEST: Final = 8
"""Cells that the line is worth drawing with."""


class Slider(Painted):
    """Speed, time, a line with a knob and the failures, how much of how much, what there is to say
    of the recording. A click or a drag on the line goes there.
    """

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, timeline: Timeline) -> None:
        super().__init__(dashboard, glyphs, id="slider")
        self.timeline = timeline
        self._bar = (0, 1)
        """The first cell of the line, and how many it has."""

    def on_mount(self) -> None:
        """Follow the play."""
        self.set_interval(PERIOD, self.update)

    def lines(self, width: int) -> list[Text]:
        """Return the line; what there is to say goes before the figures do."""
        timeline = self.timeline
        sign = self.glyphs.paused if timeline.paused else self.glyphs.playing
        stamp = time.strftime("%b%d %H:%M:%S", time.localtime(timeline.position))
        left = Text.assemble(
            (f" {sign} ", f"bold {AMBER if timeline.paused else ACCENT}"),
            (f"{timeline.speed:g}x ", SOFT),
            (f" {stamp}  ", f"bold {BRIGHT}"),
        )
        passed = fmt.duration(round(timeline.position - timeline.started))
        right = Text(f"  {passed} of {fmt.duration(round(timeline.end - timeline.started))} ", SOFT)
        remark = fmt.printable(timeline.remark)
        room = width - left.cell_len - right.cell_len
        if remark and room - len(remark) - 2 >= SHORTEST:
            right.append(f" {remark} ", AMBER)
        elif room < SHORTEST:
            right = Text(" ")
        room = max(1, width - left.cell_len - right.cell_len)
        self._bar = (left.cell_len, room)
        return [Text.assemble(left, self._line(room), right)]

    def _line(self, width: int) -> Text:
        timeline = self.timeline
        knob = self._cell(timeline.position, width)
        failed = {self._cell(moment, width) for moment in timeline.failures}
        text = Text()
        for cell in range(width):
            if cell == knob:
                text.append(self.glyphs.knob, BRIGHT)
            elif cell < knob:
                text.append(self.glyphs.progress, RED if cell in failed else ACCENT)
            else:
                text.append(self.glyphs.rest, RED if cell in failed else LINE)
        return text

    def _cell(self, moment: float, width: int) -> int:
        timeline = self.timeline
        length = timeline.end - timeline.started
        share = (moment - timeline.started) / length if length > 0 else 0.0
        return min(width - 1, max(0, int(share * width)))

    def _go(self, x: int) -> None:
        first, width = self._bar
        timeline = self.timeline
        share = min(1.0, max(0.0, (x - first) / max(1, width - 1)))
        timeline.seek(timeline.started + share * (timeline.end - timeline.started))

    def on_mouse_down(self, event: MouseDown) -> None:
        """Go where the click is."""
        self.capture_mouse()
        self._go(event.x)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Go along while the button is down."""
        if event.button:
            self._go(event.x)

    def on_mouse_up(self) -> None:
        """Let go."""
        self.release_mouse()
