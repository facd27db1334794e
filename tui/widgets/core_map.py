"""A map of all cores: each node with a cell for every core, coloured by the job that has it.

Nodes stand side by side as far as there is room. Only those in sight are looked at, so the map of
10,000 nodes of 128 cores costs as much as one of forty.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.model.nodes import DOWN, DRAINED, DRAINING, EXCLUDED
from tui.widgets import palette
from tui.widgets.job_table import cell
from tui.widgets.palette import job_colour, style
from tui.widgets.strips import changed_span

if TYPE_CHECKING:
    from textual.events import Click, Resize

    from tui.model.listing import Listing
    from tui.model.nodes import NodeRow, Occupants
    from tui.widgets.palette import Glyphs

GAP: Final = 2
LEAST_CELLS: Final = 8
"""Cores of a node that are side by side at least."""

STATE_COLOUR: Final = {
    DOWN: palette.RED,
    DRAINED: palette.AMBER,
    DRAINING: palette.AMBER,
    EXCLUDED: palette.DIM,
}
"""Colours of states that are worth one."""


class CoreMap(ScrollView, can_focus=True, inherit_bindings=False):
    """The nodes of ``listing``, in its order; `at` is the one under the cursor."""

    class Picked(Message):
        """A node was clicked; the second click opens it."""

        def __init__(self, index: int, twice: bool) -> None:
            super().__init__()
            self.index = index
            self.twice = twice

    def __init__(
        self, listing: Listing[NodeRow], occupants: Occupants, glyphs: Glyphs, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self.listing = listing
        self.occupants = occupants
        self.glyphs = glyphs
        self.at = 0
        self.empty = ""
        self._label = 0
        self._rank = 0
        self._host = 0
        self._cells = 1
        self._tall = 1
        self.across = 1
        """Nodes side by side."""
        self._shown: dict[int, Strip] = {}

    # Layout

    def _lay_out(self) -> None:
        """Choose how nodes are placed: with their hosts as long as all are in sight so."""
        nodes = self.listing.shown
        width = max(12, self.scrollable_content_region.width - 1)
        cores = max((node.ncores for node in nodes), default=1) or 1
        self._rank = max((len(str(node.rank)) for node in nodes), default=1)
        host = min(16, max((len(node.host) for node in nodes), default=0))
        for self._host in (host, 0):
            self._label = 1 + self._rank + 1 + (self._host + 1 if self._host else 0)
            room = width - self._label
            if room < LEAST_CELLS and self._host:
                continue
            self._cells = max(1, min(cores, room))
            self._tall = -(-cores // self._cells)
            self.across = max(1, (width + GAP) // (self._label + self._cells + GAP))
            if self._height <= max(1, self.size.height):
                break
        size = Size(self.size.width, self._height)
        if self.virtual_size != size:
            self.virtual_size = size

    @property
    def _height(self) -> int:
        return -(-len(self.listing) // self.across) * self._tall

    @property
    def page(self) -> int:
        """How many nodes are in sight."""
        return max(1, self.size.height // self._tall) * self.across

    def on_resize(self, event: Resize) -> None:
        """Place the nodes anew."""
        self.update()

    def update(self) -> None:
        """Follow the list and have those cells painted that look different by now."""
        self._lay_out()
        for y in range(self.size.height):
            old, new = self._shown.get(y), self._line(y)
            span = (0, new.cell_length) if old is None else changed_span(old, new)
            if span is not None:
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def go_to(self, index: int) -> None:
        """Put the cursor on a node and bring it into sight."""
        self.at = index
        region = Region(0, index // self.across * self._tall, 1, self._tall)
        self.scroll_to_region(region, animate=False, force=True, immediate=True)
        self.update()

    # Drawing

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        self._shown[y] = line = self._line(y)
        return line

    def _line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        plain = style(palette.TEXT)
        nodes = self.listing.shown
        if not nodes:
            text = f"  {self.empty}" if y == 1 else ""
            more = self.glyphs.more
            return Strip([Segment(cell(text, width, False, more), style(palette.DIM))], width)
        row, part = divmod(y + self.scroll_offset.y, self._tall)
        segments: list[Segment] = []
        for index in range(row * self.across, min(len(nodes), (row + 1) * self.across)):
            segments.extend(self._node(nodes[index], part, index == self.at))
            segments.append(Segment(" " * GAP, plain))
        return Strip(segments).adjust_cell_length(width, plain)

    def _node(self, node: NodeRow, part: int, at_cursor: bool) -> list[Segment]:
        ground = palette.CURSOR if at_cursor else palette.BACKGROUND
        marked = node.rank in self.listing.marks
        colour = STATE_COLOUR.get(node.state, palette.BRIGHT if at_cursor else palette.SOFT)
        label = ""
        if part == 0:
            host = " " + cell(node.host, self._host, False, self.glyphs.more) if self._host else ""
            label = f"{node.rank:>{self._rank}}{host}"
        sign = self.glyphs.mark if marked else self.glyphs.cursor if at_cursor else " "
        segments = [
            Segment(
                sign if part == 0 else " ",
                style(palette.AMBER if marked else palette.ACCENT, ground, bold=True),
            ),
            Segment(f"{label:<{self._label - 2}} ", style(colour, ground)),
        ]
        cells = self._looks(node)[part * self._cells : (part + 1) * self._cells]
        for look, group in groupby(cells):
            sign, colour = look
            segments.append(Segment(sign * len(list(group)), style(colour, ground)))
        missing = self._cells - len(cells)
        if missing:
            segments.append(Segment(" " * missing, style(palette.TEXT, ground)))
        return segments

    def _looks(self, node: NodeRow) -> list[tuple[str, str]]:
        return looks(node, self.occupants, self.glyphs)

    def on_click(self, event: Click) -> None:
        """Put the cursor on the clicked node."""
        row = (event.y + self.scroll_offset.y) // self._tall
        column = event.x // (self._label + self._cells + GAP)
        index = row * self.across + column
        if column < self.across and index < len(self.listing):
            self.post_message(self.Picked(index, event.chain == 2))


def looks(node: NodeRow, occupants: Occupants, glyphs: Glyphs) -> list[tuple[str, str]]:
    """Return sign and colour of each core of a node."""
    if node.state == DOWN:
        return [(glyphs.lost, palette.RED)] * node.ncores
    free = {
        DRAINED: (glyphs.drained, palette.AMBER),
        DRAINING: (glyphs.drained, palette.AMBER),
        EXCLUDED: (glyphs.excluded, palette.DIM),
    }.get(node.state, (glyphs.free, palette.DIM))
    busy = glyphs.draining if node.drained else glyphs.busy
    found = []
    for job in occupants.cells(node):
        if job:
            found.append((busy, job_colour(job) if job > 0 else palette.SOFT))
        else:
            found.append(free)
    return found
