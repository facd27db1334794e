"""Where in a recording the dashboard is: a line to read and to click."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.message import Message

from flux.time_text import time_text
from tui.model import format as fmt
from tui.widgets.painted import Painted
from tui.widgets.palette import ACCENT, AMBER, BRIGHT, LINE, RED, SOFT, Glyphs

if TYPE_CHECKING:
    from textual.events import MouseDown, MouseMove

    from tui.feed.base import Playback
    from tui.model.dashboard import Dashboard

PERIOD: Final = 0.1
SHORTEST: Final = 8
"""Cells that the line is worth drawing with."""


class Slider(Painted):
    """Speed, time, a line with a knob and the failures, how much of how much, what there is to say
    of the recording. A click or a drag on the line goes there.
    """

    class WoundBack(Message):
        """What is shown of later times has not happened yet."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, playback: Playback) -> None:
        super().__init__(dashboard, glyphs, id="slider")
        self.playback = playback
        self._turned = playback.turned_back
        self._bar = (0, 1)
        """The first cell of the line, and how many it has."""

    def on_mount(self) -> None:
        """Follow the play."""
        self.set_interval(PERIOD, self.update)

    def update(self) -> None:
        """Repaint what changed; tell the screen when the play has gone back."""
        super().update()
        if self._turned != self.playback.turned_back and self.screen.is_current:
            self._turned = self.playback.turned_back
            self.post_message(self.WoundBack())

    def lines(self, width: int) -> list[Text]:
        """Return the line; what there is to say goes before the figures do."""
        playback = self.playback
        sign = self.glyphs.paused if playback.paused else self.glyphs.playing
        stamp = time_text(playback.position, "%b%d %H:%M:%S")
        left = Text.assemble(
            (f" {sign} ", f"bold {AMBER if playback.paused else ACCENT}"),
            (f"{playback.speed:g}x ", SOFT),
            (f" {stamp}  ", f"bold {BRIGHT}"),
        )
        passed = fmt.duration(round(playback.position - playback.started))
        right = Text(f"  {passed} of {fmt.duration(round(playback.end - playback.started))} ", SOFT)
        remark = fmt.printable(playback.remark)
        room = width - left.cell_len - right.cell_len
        if remark and room - len(remark) - 2 >= SHORTEST:
            right.append(f" {remark} ", AMBER)
        elif room < SHORTEST:
            right = Text(" ")
        room = max(1, width - left.cell_len - right.cell_len)
        self._bar = (left.cell_len, room)
        return [Text.assemble(left, self._line(room), right)]

    def _line(self, width: int) -> Text:
        playback = self.playback
        knob = self._cell(playback.position, width)
        failed = {self._cell(moment, width) for moment in playback.failures}
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
        playback = self.playback
        length = playback.end - playback.started
        share = (moment - playback.started) / length if length > 0 else 0.0
        return min(width - 1, max(0, int(share * width)))

    def _go(self, x: int) -> None:
        first, width = self._bar
        playback = self.playback
        share = min(1.0, max(0.0, (x - first) / max(1, width - 1)))
        playback.seek(playback.started + share * (playback.end - playback.started))

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
