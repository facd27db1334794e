"""Screens that compose no more of themselves than has changed.

For a few cells that look different, a clock and a duration far below it, Textual composes all
widgets between them, divides their lines at the edges of all others, and draws from the left edge
of each widget on. Here only the cells that changed are taken, from the widgets that are seen there:
each second that is half the work, and a tenth of what would be sent over SSH.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from textual.strip import Strip
    from textual.widget import Widget

Piece = tuple[int, int, "Strip"]
"""Line, first cell and cells of what is to be drawn."""
Spans = list[tuple[int, int]]
"""Parts of a line, each by its first cell and the one after its last."""


class PiecesUpdate(ChopsUpdate):
    """Draws ``pieces``, which are in the order of the screen, and nothing else."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        super().__init__((), [], [])
        self.pieces = list(pieces)

    def render_segments(self, console: Console) -> str:
        """Return what to write to the terminal."""
        written = []
        reached = None
        for y, x, strip in self.pieces:
            if (y, x) != reached:
                written.append(f"\x1b[{y + 1};{x + 1}H")
            written.append(strip.render(console))
            reached = (y, x + strip.cell_length)
        return "".join(written)


class SparingCompositor(Compositor):
    """Composes the cells that changed, each from the first widget that is seen there."""

    def render_partial_update(self) -> PiecesUpdate | None:
        """Return what has changed since it was last asked, None for nothing."""
        missing = self._missing()
        pieces: list[Piece] = []
        for widget, (region, clip) in self.visible_widgets.items():
            if not missing:
                break
            pieces += _taken(missing, widget, region, region.intersection(clip))
        if not pieces:
            return None
        return PiecesUpdate(sorted(pieces, key=lambda piece: piece[:2]))

    def _missing(self) -> dict[int, Spans]:
        """Return the cells to draw, by line from the top, and take them for drawn."""
        screen = self.size.region
        dirty = [region.intersection(screen) for region in self._dirty_regions]
        self._dirty_regions.clear()
        missing: dict[int, Spans] = {}
        for y, first, end in self._regions_to_spans(dirty):
            if first < end:
                missing.setdefault(y, []).append((first, end))
        return missing


def _taken(
    missing: dict[int, Spans], widget: Widget, region: Region, seen: Region
) -> Iterable[Piece]:
    """Take out of the cells that are ``missing`` those that a widget has: it is at ``region`` of
    the screen, of which ``seen`` can be seen.
    """
    left, right = seen.column_span
    lines = [
        y
        for y, spans in missing.items()
        if seen.y <= y < seen.bottom and any(a < right and left < b for a, b in spans)
    ]
    if not lines:
        return
    top = lines[0]
    crop = Region(left - region.x, top - region.y, seen.width, lines[-1] + 1 - top)
    strips = widget.render_lines(crop)
    for y in lines:
        rest: Spans = []
        for first, end in missing[y]:
            begin, stop = max(first, left), min(end, right)
            if begin < stop:
                yield y, begin, strips[y - top].crop(begin - left, stop - left)
            around = (first, min(end, left)), (max(first, right), end)
            rest += [span for span in around if span[0] < span[1]]
        if rest:
            missing[y] = rest
        else:
            del missing[y]


class Sparing:
    """What makes a screen a sparing one. It stands before Textual's class among the bases, which
    takes its styles from the first of them that is a node.
    """

    _compositor: Compositor

    def __init__(self) -> None:
        super().__init__()
        self._compositor = SparingCompositor()
