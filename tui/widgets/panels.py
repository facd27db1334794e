"""The panels above the table: jobs by state, what gets done, cores in use, how long starting takes.
Each has a curve over the span that ``+`` and ``-`` choose, as high as there is room.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.text import Text

from tui.model import format as fmt
from tui.widgets.bars import gauge, load_colour, shares
from tui.widgets.graphs import CORES, DEPTH, LAUNCH, RATES, WAIT, GraphKind, Plot, legend
from tui.widgets.header import count_parts, count_rows, mean_rate, nodes_out
from tui.widgets.painted import Painted
from tui.widgets.palette import AMBER, BRIGHT, DIM, RED, Glyphs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.model.dashboard import Dashboard
    from tui.model.nodestrip import NodeUse
    from tui.widgets.graphs import LayerValue

_IN_USE, _FREE, _DRAINED, _DOWN = range(4)
_WIDEST: Final = 16
"""Cells that the cores of one node may take."""


class Panel(Painted):
    """A panel with a curve of ``kind`` under or above its figures."""

    kind: GraphKind
    title = ""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, id: str) -> None:
        super().__init__(dashboard, glyphs, id=id)
        self.plot = Plot(self.kind, dashboard, glyphs)
        self.border_title = self.title or self.kind.title
        self._steady: tuple[tuple[int, ...], list[Text]] = ((), [])

    def curve(self, width: int, taken: int) -> list[Text]:
        """Return the curve, in the lines that are not ``taken``; none if they all are."""
        height = self.content_size.height - taken
        return self.plot.lines(width, height) if height > 0 and width > 0 else []

    def steady(self, width: int, make: Callable[[int], list[Text]]) -> list[Text]:
        """Return lines that time alone does not change: made again when the model has changed."""
        state = self.dashboard.revision, width, self.content_size.height
        if state != self._steady[0]:
            self._steady = state, make(width)
        return self._steady[1]

    def update(self) -> None:
        """Repaint what changed, the scale in the frame too."""
        super().update()
        scale = self.plot.scale
        if self.border_subtitle != scale:
            self.border_subtitle = scale

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.update()


class StatesPanel(Panel):
    """Jobs by state, with a bar that divides all jobs among them, and the queue's depth."""

    kind = DEPTH
    title = "Jobs"

    def lines(self, width: int) -> list[Text]:
        """Return the bar and two lines of counts, then the curve."""
        counts = self.steady(width, self._counts)
        return [*counts, *self.curve(width, len(counts))]

    def _counts(self, width: int) -> list[Text]:
        bar = shares(count_parts(self.dashboard), width, self.glyphs.progress, self.glyphs.rest)
        return [bar, *count_rows(self.dashboard, self.glyphs, width, 3)]


class ThroughputPanel(Panel):
    """Jobs that ran to an end of their own."""

    kind = RATES
    title = "Jobs done per second"

    def lines(self, width: int) -> list[Text]:
        """Return the curve and the mean rates."""
        return [*self.curve(width, 1), rates(self.dashboard, self.dashboard.moment)]


def rates(dashboard: Dashboard, now: float) -> Text:
    """Return the mean rates over 10 seconds, 1 and 5 minutes."""
    return _rates(*(mean_rate(dashboard, now, window) for window in (10, 60, 300)))


@lru_cache(maxsize=8)
def _rates(short: str, middle: str, long: str) -> Text:
    text = Text()
    for word, rate in (("10s", short), ("1m", middle), ("5m", long)):
        text.append(f"{word} ", DIM).append(f"{rate}   ", f"bold {BRIGHT}")
    return text


class CoresPanel(Panel):
    """Cores in use: now as a bar and node by node, over time as a curve."""

    kind = CORES
    title = "Cores"

    def lines(self, width: int) -> list[Text]:
        """Return the bar, the nodes, the curve and the figures."""
        *top, figures = self.steady(width, self._now)
        return [*top, *self.curve(width, len(top) + 1), figures]

    def _now(self, width: int) -> list[Text]:
        use = self.dashboard.utilisation
        percent = f" {fmt.percent(use.allocated, use.total)}" if use.known else ""
        bar = gauge(
            use.fraction, max(1, width - len(percent)), load_colour(use.fraction), self.glyphs
        )
        top = [Text.assemble(bar, (percent, f"bold {BRIGHT}"))]
        if self.content_size.height >= len(top) + 3:
            strip = node_strip(use.uses, use.nodes, width, self.glyphs)
            top += [strip] if strip else []
        return [*top, cores_text(self.dashboard)]


class LatencyPanel(Panel):
    """How long it takes from a job's resources to its start, and from its submission to them."""

    kind = LAUNCH
    title = "Alloc to start"

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, id: str) -> None:
        super().__init__(dashboard, glyphs, id)
        self._waits = Plot(WAIT, dashboard, glyphs)

    def lines(self, width: int) -> list[Text]:
        """Return the curve, its figures and those of the wait before it."""
        curve = self.curve(width, 2)
        self._waits.lines(width, 1)
        found = [curve] if curve else []
        return [
            *(line for lines in found for line in lines),
            _figures("start", tuple(self.plot.values(None)), width, self.glyphs),
            _figures("wait", tuple(self._waits.values(None)), width, self.glyphs),
        ]


@lru_cache(maxsize=16)
def _figures(name: str, values: tuple[LayerValue, ...], width: int, glyphs: Glyphs) -> Text:
    return Text.assemble((f"{name:<6}", DIM), legend(values, glyphs, width - 6))


def cores_text(dashboard: Dashboard) -> Text:
    """Return cores in use, cores, nodes and what is down."""
    use = dashboard.utilisation
    if not use.known:
        return Text("resources not known yet", DIM)
    text = Text.assemble(
        (fmt.count(use.allocated), f"bold {BRIGHT}"),
        (f" of {fmt.count(use.total)} cores  ", DIM),
        (fmt.count(use.nodes), f"bold {BRIGHT}"),
        (f" node{'' if use.nodes == 1 else 's'}", DIM),
    )
    return text.append_text(nodes_out(use))


def node_strip(uses: tuple[NodeUse, ...], nodes: int, width: int, glyphs: Glyphs) -> Text | None:
    """Return the nodes in one line, ``r0 ##. r1 ...``: one cell for each core where that fits, else
    each node's share in fewer; as many nodes as there is room for. None if there is none.
    """
    if not uses or width < 8:
        return None
    cells = min(_WIDEST, max(use.cores for use in uses))
    room = width - 2
    while cells > 1 and sum(_length(use, cells) for use in uses) > room:
        cells -= 1
    text = Text()
    shown = 0
    for use in uses:
        if text.cell_len + _length(use, cells) - 1 > (width if shown == nodes - 1 else room):
            break
        text.append_text(_node(use, cells, glyphs))
        shown += 1
    if shown < nodes:
        text.append(glyphs.more, DIM)
    text.rstrip()
    return text


def _length(use: NodeUse, cells: int) -> int:
    return len(f"r{use.rank} ") + min(cells, use.cores) + 1


def _node(use: NodeUse, cells: int, glyphs: Glyphs) -> Text:
    width = min(cells, use.cores)
    text = Text(f"r{use.rank} ", DIM)
    if use.drained or use.down:
        sign, colour = (_DRAINED, AMBER) if use.drained else (_DOWN, RED)
        text.append(glyphs.cores[sign] * width, colour)
        return text.append(" ")
    full = round(use.used / use.cores * width) if use.cores else 0
    full = min(max(full, 1), width - (use.used < use.cores and width > 1)) if use.used else 0
    text.append(glyphs.cores[_IN_USE] * full, load_colour(use.used / max(1, use.cores)))
    text.append(glyphs.cores[_FREE] * (width - full), DIM)
    return text.append(" ")
