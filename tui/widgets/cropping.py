"""Updates of a part of a line that send that part only.

Textual draws a changed region from the left edge of its widget on: a clock at the right of a table
line has the whole line sent again each second, which is tens of kilobytes a second over SSH.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.control import Control
from textual._compositor import ChopsUpdate

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class CroppedUpdate(ChopsUpdate):
    """A partial update of the screen, cropped at both ends."""

    def render_segments(self, console: Console) -> str:
        """Return what to write to the terminal."""
        written: list[str] = []
        for y, first, last in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                left, right = max(x, first), min(end, last)
                if strip is not None and left < right:
                    written.append(Control.move_to(left, y).segment.text)
                    written.append(strip.crop(left - x, right - x).render(console))
        return "".join(written)


def cropped(update: RenderableType | None) -> RenderableType | None:
    """Return a partial update as one that is cropped, anything else as it is."""
    if type(update) is ChopsUpdate:
        return CroppedUpdate(update.chops, update.spans, update.chop_ends)
    return update
