"""What is drawn over time: queue depth, rates, cores in use and delays, each with its unit, the top
of its axis and its span.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.text import Text

from tui.model import format as fmt
from tui.model.states import Status
from tui.model.trends import SPANS, Moment, TrendWindow
from tui.widgets import palette
from tui.widgets.chart import Area, Stack, nice_top
from tui.widgets.palette import BRIGHT, DIM, SOFT, Glyphs, status_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tui.model.dashboard import Dashboard


LayerValue = tuple[str, str, str]
"""Name of a layer, its value as it is written, its colour."""


class GraphKind(NamedTuple):
    """One thing to draw: the ``layers`` that are stacked, from below, by name and colour; ``read``
    takes their heights out of a moment and ``write`` writes one with its unit.
    """

    name: str
    title: str
    layers: tuple[tuple[str, str], ...]
    read: Callable[[Moment], Stack | None]
    write: Callable[[float], str]
    top: float | None = None
    sums: bool = False
    """Whether what is written of a layer is what it reaches, not what it adds."""


def jobs(number: float) -> str:
    """Return a number of jobs that may be a mean."""
    return fmt.count(round(number)) if number >= 10 or number == int(number) else f"{number:.1f}"


def per_second(rate: float) -> str:
    """Return a rate."""
    return f"{fmt.rate(rate)}/s" if rate >= 0.095 or not rate else f"{rate * 60:.1f}/min"


def delay(seconds: float) -> str:
    """Return how long something took: what is less than a tenth of a second in milliseconds."""
    if not 0 < seconds < 0.0995:
        return fmt.duration(seconds)
    milliseconds = seconds * 1000
    return f"{milliseconds:.0f}ms" if milliseconds >= 9.95 else f"{milliseconds:.1f}ms"


def _share(fraction: float) -> str:
    return f"{fraction * 100:.0f}%"


DEPTH: Final = GraphKind(
    "depth",
    "Queue depth",
    (
        ("running", status_colour(Status.RUN)),
        ("queued", status_colour(Status.SCHED)),
        ("not ready", status_colour(Status.DEPEND)),
    ),
    lambda m: None if m.depth is None else (m.depth.running, m.depth.queued, m.depth.blocked),
    jobs,
)
RATES: Final = GraphKind(
    "rates",
    "Jobs done",
    (("completed", palette.GREEN), ("failed", palette.RED)),
    lambda m: None if m.rate is None else tuple(m.rate),
    per_second,
)
CORES: Final = GraphKind(
    "cores",
    "Cores in use",
    (("in use", palette.ACCENT),),
    lambda m: None if m.cores is None else (m.cores,),
    _share,
    top=1.0,
)
WAIT: Final = GraphKind(
    "wait",
    "Submit to run",
    (("p50", status_colour(Status.SCHED)), ("p95", palette.SOFT)),
    lambda m: None if m.wait is None else (m.wait.median, m.wait.most - m.wait.median),
    delay,
    sums=True,
)
LAUNCH: Final = GraphKind(
    "launch",
    "Alloc to start",
    (("p50", status_colour(Status.CLEANUP)), ("p95", palette.SOFT)),
    lambda m: None if m.launch is None else (m.launch.median, m.launch.most - m.launch.median),
    delay,
    sums=True,
)
GRAPHS: Final = (DEPTH, RATES, CORES, WAIT, LAUNCH)


def span_name(dashboard: Dashboard, window: TrendWindow | None = None) -> str:
    """Return how long what is shown is: ``10 min``; for all there is, how much that is."""
    name, seconds = SPANS[dashboard.zoom]
    if seconds is None and window is not None:
        return f"all: {fmt.age(window.seconds)}"
    return name


class Plot:
    """Draws one kind of graph, again only when what it shows has changed."""

    def __init__(self, kind: GraphKind, dashboard: Dashboard, glyphs: Glyphs) -> None:
        self.kind, self.dashboard, self.glyphs = kind, dashboard, glyphs
        self.top = 1.0
        self.window = TrendWindow(0.0, 1, ())
        self._drawn: tuple[object, list[Text]] = (None, [])
        self._seen: tuple[object, ...] = ()

    def lines(self, width: int, height: int, cursor: float | None = None) -> list[Text]:
        """Return the picture; the column of the time ``cursor`` is marked."""
        dashboard = self.dashboard
        now = dashboard.moment
        state = (
            width, height, cursor, dashboard.zoom, int(now), id(dashboard.trends),
            dashboard.trends.revision,
        )  # fmt: skip
        if state != self._drawn[0]:
            self._drawn = state, self._draw(width, height, now, cursor)
        return self._drawn[1]

    def _draw(self, width: int, height: int, now: float, cursor: float | None) -> list[Text]:
        area = Area([colour for _, colour in self.kind.layers], width, height, self.glyphs)
        span = SPANS[self.dashboard.zoom][1]
        window = self.dashboard.trends.window(now, span, area.points)
        seen = (width, height, cursor, window)
        if seen == self._seen:
            return self._drawn[1]
        self._seen, self.window = seen, window
        stacks = [self.kind.read(moment) for moment in window.moments]
        peak = max((sum(stack) for stack in stacks if stack is not None), default=0.0)
        self.top = self.kind.top or nice_top(peak)
        column = None
        if cursor is not None and stacks:
            column = area.column(self.place_of(cursor), len(stacks))
        faint = [moment.rebuilt for moment in window.moments]
        return area.lines(stacks, self.top, faint, column)

    def place_of(self, moment: float) -> int:
        """Return the number of the step of the window that a time is in, the nearest if none is."""
        window = self.window
        last = max(0, len(window.moments) - 1)
        return min(last, max(0, int((moment - window.start) // window.step)))

    def time_at(self, column: int, width: int) -> float:
        """Return the time that a column of ``width`` shows."""
        number = len(self.window.moments)
        area = Area((), width, 1, self.glyphs)
        return self.window.start + self.window.step * (area.place(column, number) if number else 0)

    def values(self, cursor: float | None) -> list[LayerValue]:
        """Return names, values and colours of the layers at a time: of the newest that is known for
        None.
        """
        moments = self.window.moments
        if cursor is not None and moments:
            stack = self.kind.read(moments[self.place_of(cursor)])
        else:
            known = (self.kind.read(moment) for moment in reversed(moments))
            stack = next((found for found in known if found is not None), None)
        found = []
        reached = 0.0
        for place, (name, colour) in enumerate(self.kind.layers):
            if stack is None:
                text = "-"
            else:
                reached += stack[place]
                text = self.kind.write(reached if self.kind.sums else stack[place])
            found.append((name, text, colour))
        return found

    @property
    def scale(self) -> str:
        """The span and the top of the axis, in a few words."""
        separator = f" {self.glyphs.separator} "
        return separator.join(
            (span_name(self.dashboard, self.window), f"top {self.kind.write(self.top)}")
        )


def legend(values: Sequence[LayerValue], glyphs: Glyphs, width: int) -> Text:
    """Return the layers with their values, as many as fit."""
    text = Text()
    for name, value, colour in values:
        part = Text.assemble(
            (f"{glyphs.dot} ", colour), (f"{name} ", SOFT), (value, f"bold {BRIGHT}"), "  "
        )
        if text.cell_len + part.cell_len - 2 > width:
            break
        text.append_text(part)
    text.rstrip()
    return text


def gutter(lines: list[Text], plot: Plot, width: int) -> list[Text]:
    """Return the lines with the axis at their left: its top, its middle and its foot, in ``width``
    cells.
    """
    last = len(lines) - 1
    marks = {last: "0", 0: plot.kind.write(plot.top)}
    if last >= 4 and not last % 2:
        marks[last // 2] = plot.kind.write(plot.top / 2)
    return [
        Text.assemble((f"{marks.get(row, ''):>{width - 2}} ", DIM), (plot.glyphs.ruler, DIM), line)
        for row, line in enumerate(lines)
    ]


def time_axis(window: TrendWindow, width: int, now: float) -> Text:
    """Return the times under a chart: as many as there is room for, by the clock."""
    if not window.moments:
        return Text(" " * width)
    seconds = window.seconds
    form = "%H:%M" if 600 < seconds <= 86400 or width < 40 else "%H:%M:%S"
    form = form if seconds <= 86400 else "%b%d %H:%M"
    length = len(time.strftime(form, time.localtime(now)))
    number = max(1, min(6, width // (length + 4)))
    line = [" "] * width
    for place in range(number):
        left = round(place * (width - length) / max(1, number - 1)) if number > 1 else 0
        where = 0.0 if number == 1 else place / (number - 1)
        mark = time.strftime(form, time.localtime(min(now, window.start + where * seconds)))
        line[left : left + length] = mark
    return Text("".join(line)[:width], DIM)
