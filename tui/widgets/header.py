"""The lines above the table: which instance this is, how many jobs are in which state, how fast
they end, how busy the cores are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text
from textual.widget import Widget

from tui.model import format as fmt
from tui.model.states import ACTIVE, PENDING, RUNNING, Status
from tui.widgets import palette
from tui.widgets.bars import gauge, shares, sparkline
from tui.widgets.palette import AMBER, BRIGHT, DIM, GREEN, RED, SOFT, Glyphs, status_colour

if TYPE_CHECKING:
    from tui.model.dashboard import Dashboard

ENOUGH_TO_ESTIMATE = 10
"""With fewer jobs waiting, the length of the last ones decides when all is done, and the rate says
nothing about it.
"""


class Painted(Widget):
    """A widget that draws itself from the dashboard and repaints only when what it draws has
    changed.
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
        self._painted: list[Text] = []

    def lines(self, width: int) -> list[Text]:
        """Return what to draw in ``width`` cells."""
        raise NotImplementedError

    def render(self) -> RenderableType:
        """Draw the lines."""
        self._painted = self.lines(self.content_size.width)
        for line in self._painted:
            line.no_wrap, line.overflow = True, "crop"
        return Group(*self._painted)

    def update(self) -> None:
        """Repaint if anything changed."""
        if self.lines(self.content_size.width) != self._painted:
            self.refresh()


def spread(left: Text, right: Text, width: int) -> Text:
    """Return ``left`` and ``right`` at the ends of ``width`` cells; the left one is cut if both do
    not fit.
    """
    room = width - right.cell_len
    if left.cell_len > room - 1:
        left.truncate(max(0, room - 1), overflow="ellipsis")
    return Text.assemble(left, " " * max(0, room - left.cell_len), right)


class TitleBar(Painted):
    """One line: program, instance, version, uptime, clock."""

    def lines(self, width: int) -> list[Text]:
        """Return the line."""
        instance, now = self.dashboard.instance, self.dashboard.clock()
        dot = f" {self.glyphs.separator} "
        left = Text.assemble(
            (f" {self.glyphs.logo} ", palette.ACCENT), ("flux top", f"bold {BRIGHT}"), "  "
        )
        facts = (
            [f"{instance.size} broker{'' if instance.size == 1 else 's'}"] if instance.size else []
        )
        if instance.version:
            facts.append(f"v{instance.version}")
        if instance.started:
            facts.append(f"up {fmt.duration(max(0.0, now - instance.started))}")
        if self.dashboard.read_only:
            facts.append("read-only")
        room = width - left.cell_len - len(dot.join(facts)) - 14
        uri = instance.uri if len(instance.uri) <= room else instance.uri.rpartition("//")[2]
        uri = uri if len(uri) <= room else self.glyphs.more + uri[-max(0, room - 1) :]
        left.append(uri, SOFT)
        right = Text.assemble(
            (dot.join(facts), DIM),
            "  ",
            (time.strftime("%H:%M:%S", time.localtime(now)), SOFT),
            " ",
        )
        return [spread(left, right, width)]


class Banner(Painted):
    """One line, only while the connection is down."""

    def lines(self, width: int) -> list[Text]:
        """Return what is wrong and when it is tried again."""
        link, now = self.dashboard.link, self.dashboard.clock()
        if link.up:
            return [Text("")]
        wait = max(0.0, link.retry_at - now)
        again = f", trying again in {wait:.0f}s" if link.retry_at else self.glyphs.more
        times = f" (attempt {link.attempts})" if link.attempts > 1 else ""
        return [
            Text(
                f" {self.glyphs.warning} {fmt.printable(link.text)}{again}{times}",
                f"bold {palette.BACKGROUND}",
            )
        ]

    def update(self) -> None:
        """Show only while the connection is down."""
        self.display = not self.dashboard.link.up
        super().update()


def _count(glyphs: Glyphs, number: int, word: str, colour: str) -> Text:
    faint = not number
    return Text.assemble(
        (glyphs.dot, DIM if faint else colour),
        (f" {fmt.count(number)}", DIM if faint else f"bold {BRIGHT}"),
        (f" {word}", DIM if faint else SOFT),
    )


class StatesPanel(Painted):
    """Counts by state, with a bar that divides all jobs among them."""

    def _counts(self) -> list[tuple[str, int, str]]:
        dashboard = self.dashboard
        counts = dashboard.table.counts
        return [
            ("running", dashboard.total(RUNNING), status_colour(Status.RUN)),
            ("pending", dashboard.total(PENDING), status_colour(Status.SCHED)),
            ("done", counts[Status.COMPLETED], status_colour(Status.COMPLETED)),
            ("failed", counts[Status.FAILED], status_colour(Status.FAILED)),
            ("canceled", counts[Status.CANCELED], status_colour(Status.CANCELED)),
            ("timeout", counts[Status.TIMEOUT], status_colour(Status.TIMEOUT)),
        ]

    def lines(self, width: int) -> list[Text]:
        """Return the bar and two lines of counts."""
        counts = self._counts()
        cells = [_count(self.glyphs, number, word, colour) for word, number, colour in counts]
        column = max(12, width // 3)
        rows = []
        for first in (0, 3):
            line = Text()
            for text in cells[first : first + 3]:
                text.truncate(column - 1)
                line.append_text(text)
                line.append(" " * (column - text.cell_len))
            rows.append(line)
        parts = [(number, colour) for _, number, colour in counts]
        bar = shares(parts, width, self.glyphs.progress, self.glyphs.rest)
        return [bar, *rows]


class ThroughputPanel(Painted):
    """Jobs that ended, second by second."""

    def lines(self, width: int) -> list[Text]:
        """Return a curve two cells high and the mean rates."""
        throughput, now = self.dashboard.throughput, self.dashboard.clock()
        curve = sparkline(throughput.series(now, max(1, width)), GREEN, self.glyphs, rows=2)
        return [*curve, rates(self.dashboard, now)]


def rates(dashboard: Dashboard, now: float) -> Text:
    """Return the mean rates over 10 seconds, 1 and 5 minutes."""
    throughput = dashboard.throughput
    text = Text()
    for word, window in (("10s", 10), ("1m", 60), ("5m", 300)):
        text.append(f"{word} ", DIM)
        text.append(f"{fmt.rate(throughput.per_second(now, window))}   ", f"bold {BRIGHT}")
    return text


class CoresPanel(Painted):
    """Cores in use: now as a bar, over time as a curve."""

    def lines(self, width: int) -> list[Text]:
        """Return the bar, the curve and the figures."""
        use = self.dashboard.utilisation
        percent = f" {use.fraction:4.0%}"
        bar = gauge(
            use.fraction, max(1, width - len(percent)), load_colour(use.fraction), self.glyphs
        )
        points = list(use.history)[-width:]
        curve = sparkline(
            [0.0] * (width - len(points)) + points, palette.ACCENT, self.glyphs, top=1.0
        )[0]
        return [Text.assemble(bar, (percent, f"bold {BRIGHT}")), curve, cores_text(self.dashboard)]


def load_colour(fraction: float) -> str:
    """Return the colour of a load: calm below half, full at the end."""
    return (
        palette.STATUS_COLOUR[Status.CLEANUP]
        if fraction < 0.5
        else palette.STATUS_COLOUR[Status.RUN]
    )


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
    if use.nodes_down:
        text.append(f"  {use.nodes_down} down", f"bold {RED}")
    return text


class CompactStats(Painted):
    """The three panels in two lines, for a small terminal."""

    def lines(self, width: int) -> list[Text]:
        """Return counts in the first line, cores and rate in the second."""
        dashboard, glyphs, now = self.dashboard, self.glyphs, self.dashboard.clock()
        counts = dashboard.table.counts
        first = Text(" ")
        for word, number, colour in (
            ("run", dashboard.total(RUNNING), status_colour(Status.RUN)),
            ("pend", dashboard.total(PENDING), status_colour(Status.SCHED)),
            ("done", counts[Status.COMPLETED], status_colour(Status.COMPLETED)),
            ("fail", counts[Status.FAILED], status_colour(Status.FAILED)),
            ("canc", counts[Status.CANCELED], status_colour(Status.CANCELED)),
            ("time", counts[Status.TIMEOUT], status_colour(Status.TIMEOUT)),
        ):
            first.append_text(_count(glyphs, number, word, colour))
            first.append("  ")
        use = dashboard.utilisation
        second = Text.assemble(
            (" cores ", DIM), gauge(use.fraction, 16, load_colour(use.fraction), glyphs)
        )
        second.append(f" {use.allocated}/{use.total}", f"bold {BRIGHT}")
        second.append("   jobs/s ", DIM)
        second.append_text(sparkline(dashboard.throughput.series(now, 24), GREEN, glyphs)[0])
        second.append(f" {fmt.rate(dashboard.throughput.per_second(now, 10))}", f"bold {BRIGHT}")
        second.append(f"   1m {fmt.rate(dashboard.throughput.per_second(now, 60))}", DIM)
        return [first, second]


class ProgressLine(Painted):
    """The bottom bar: how much of all known work is over, what failed, when all will be done."""

    def lines(self, width: int) -> list[Text]:
        """Return bar and figures in one line."""
        dashboard, now = self.dashboard, self.dashboard.clock()
        counts, total, done = dashboard.table.counts, len(dashboard.table), dashboard.done
        bad = counts[Status.FAILED] + counts[Status.TIMEOUT]
        figures = Text.assemble((f" {done / total if total else 0:4.0%}", f"bold {BRIGHT}"), "  ")
        figures.append(f"{fmt.count(done)} of {fmt.count(total)}", SOFT)
        if bad:
            figures.append(f"  {fmt.count(bad)} failed", RED)
        left, speed = dashboard.total(ACTIVE), dashboard.throughput.per_second(now, 10)
        if left and speed:
            figures.append(f"  {fmt.rate(speed)} jobs/s", DIM)
        if speed and dashboard.pending >= ENOUGH_TO_ESTIMATE:
            figures.append(f"  ~{fmt.duration(left / speed)} left", AMBER)
        figures.append(" ")
        room = max(8, width - figures.cell_len - 1)
        parts = [
            (done - bad - counts[Status.CANCELED], GREEN),
            (counts[Status.CANCELED], status_colour(Status.CANCELED)),
            (bad, RED),
            (dashboard.total(RUNNING), status_colour(Status.RUN)),
            (dashboard.total(PENDING), palette.LINE),
        ]
        return [
            Text.assemble(" ", shares(parts, room, self.glyphs.progress, self.glyphs.rest), figures)
        ]
