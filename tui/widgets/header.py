"""The lines above the table: which instance this is, how many jobs are in which state, how fast
they end, how busy the cores are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from flux.time_text import time_text
from tui.model import format as fmt
from tui.model.states import Status
from tui.widgets import palette
from tui.widgets.bars import gauge, load_colour, shares, sparkline
from tui.widgets.painted import Painted
from tui.widgets.palette import AMBER, BRIGHT, DIM, GREEN, RED, SOFT, Glyphs, status_colour

if TYPE_CHECKING:
    from tui.model.dashboard import Dashboard
    from tui.model.stats import Utilisation

_LEAST: Final = 16
"""Letters of a reason below which nothing is left of it."""
_GAUGE: Final = 16
_CURVE: Final = 24
_SHORTEST: Final = 6
"""Cells of the bar and of the curve in the second line, at most, and of either at least."""
_RATE: Final = "   jobs/s"
_ROOMY: Final = 70
"""Cells from which on the bar at the bottom says what it is of."""


class Banner(Painted):
    """One line, only when there is something to know first: the connection is down, the instance
    does not answer, its jobs are still being read, its queues are closed.
    """

    def lines(self, width: int) -> list[Text]:
        """Return the line, empty if there is nothing."""
        text = self._alarm(width - 3) or self._notice()
        line = Text(f" {self.glyphs.warning} {text}" if text else "")
        line.stylize(f"bold {palette.BACKGROUND}" if self.dashboard.stale else palette.AMBER)
        return [line]

    def _alarm(self, width: int) -> str:
        """Return why what is shown may be old: where there is little room, how often it was tried
        and then the middle of the reason are left out, so that what comes next and what is shown
        are told.
        """
        dashboard = self.dashboard
        link, now = dashboard.link, dashboard.clock()
        as_of = f"; shown is {_wall_clock(dashboard.heard)}" if len(dashboard.table) else ""
        if not link.up:
            wait = round(max(0.0, link.retry_at - now))
            again = f", trying again in {wait}s" if wait else ", trying again now"
            again = again if link.retry_at else self.glyphs.more
            times = f" (attempt {link.attempts})" if link.attempts > 1 else ""
            reason = fmt.printable(link.text)
            if len(reason) + len(again) + len(times) + len(as_of) > width:
                times = ""
            more = f"{again}{times}{as_of}"
            return f"{self._shortened(reason, width - len(more))}{more}"
        if dashboard.silence:
            return f"no answer for {int(dashboard.silence)}s{as_of}"
        return ""

    def _shortened(self, text: str, room: int) -> str:
        """Return a sentence without its middle if it is longer than ``room``."""
        if len(text) <= room or room < _LEAST:
            return text
        kept = room - len(self.glyphs.more)
        return text[: kept // 2] + self.glyphs.more + text[len(text) - (kept - kept // 2) :]

    def _notice(self) -> str:
        """Return what else there is to know."""
        dashboard = self.dashboard
        counts = dashboard.counts
        parts = []
        if dashboard.loading is not None:
            parts.append(
                f"loading: {fmt.count(counts.read)} of {fmt.count(max(counts.total, counts.read))} "
                "jobs are here so far"
            )
        parts += dashboard.notices
        return f" {self.glyphs.separator} ".join(parts)

    def update(self) -> None:
        """Show only while there is something to tell."""
        self.display = bool(self.dashboard.stale or self._notice())
        self.set_class(not self.dashboard.stale, "quiet")
        super().update()


def _wall_clock(timestamp: float) -> str:
    return time_text(timestamp, "%H:%M:%S")


def _count(glyphs: Glyphs, number: int, word: str, colour: str, told: bool) -> Text:
    faint = not number
    return Text.assemble(
        (glyphs.dot, DIM if faint else colour),
        (f" {fmt.count(number) if told else '-'}", DIM if faint else f"bold {BRIGHT}"),
        (f" {word}", DIM if faint else SOFT),
    )


_WORDS: Final = (
    ("running", "pending", "completed", "failed", "canceled", "timed out"),
    ("run", "pend", "compl", "fail", "canc", "time"),
    ("R", "PD", "CD", "F", "CA", "TO"),
)
"""Names of the counts, in as many words as there is room for."""


def count_parts(dashboard: Dashboard) -> list[tuple[int, str]]:
    """Return the counts with their colours, in the order of `_WORDS`."""
    counts = dashboard.counts
    return [
        (counts.running, status_colour(Status.RUN)),
        (counts.pending, status_colour(Status.SCHED)),
        (counts.completed, status_colour(Status.COMPLETED)),
        (counts.failed, status_colour(Status.FAILED)),
        (counts.canceled, status_colour(Status.CANCELED)),
        (counts.timeout, status_colour(Status.TIMEOUT)),
    ]


def count_rows(dashboard: Dashboard, glyphs: Glyphs, width: int, across: int) -> list[Text]:
    """Return the counts as rows of ``across`` columns, with the longest words that fit; a number is
    never cut.
    """
    rows: list[Text] = []
    for words in _WORDS:
        cells = [
            _count(glyphs, number, word, colour, dashboard.told)
            for word, (number, colour) in zip(words, count_parts(dashboard), strict=True)
        ]
        columns = [max(cell.cell_len for cell in cells[i::across]) for i in range(across)]
        spare = width - sum(columns) - 2 * (across - 1)
        gap = 2 + min(max(0, spare) // max(1, across - 1), 4)
        rows = []
        for first in range(0, len(cells), across):
            row = Text()
            for place, cell in enumerate(cells[first : first + across]):
                row.append_text(cell)
                row.append(" " * (columns[place] - cell.cell_len + gap))
            row.rstrip()
            rows.append(row)
        if spare >= 0:
            break
    return rows


class CompactStats(Painted):
    """The three panels in two lines, for a small terminal."""

    def lines(self, width: int) -> list[Text]:
        """Return counts in the first line, cores and rate in the second."""
        counts = count_rows(self.dashboard, self.glyphs, width - 2, 6)[0]
        first = Text(" ").append_text(counts)
        return [first, self._second(width)]

    def _second(self, width: int) -> Text:
        """Return cores and rate: what there is no room for goes from the right, and what is drawn
        before what is written.
        """
        dashboard, now = self.dashboard, self.dashboard.moment
        use = dashboard.utilisation
        cores = Text(f" {use.allocated}/{use.total}" if use.known else " ?", f"bold {BRIGHT}")
        cores.append_text(nodes_out(use))
        line = Text(" cores", DIM)
        bar = min(_GAUGE, width - line.cell_len - 1 - cores.cell_len)
        if bar >= _SHORTEST:
            line.append(" ")
            colour = load_colour(use.fraction)
            line.append_text(gauge(use.fraction, bar, colour, self.glyphs))
        line.append_text(cores)
        lately = f" {mean_rate(dashboard, now, 10)}"
        minute = f"   1m {mean_rate(dashboard, now, 60)}"
        room = width - line.cell_len - len(_RATE) - len(lately)
        if room < 0:
            return line
        line.append(_RATE, DIM)
        curve = min(_CURVE, room - len(minute) - 1 if room >= len(minute) else room - 1)
        if curve >= _SHORTEST:
            line.append(" ")
            series = dashboard.throughput.series(now, curve)
            line.append_text(sparkline(series, GREEN, self.glyphs)[0])
        line.append(lately, f"bold {BRIGHT}")
        if room >= len(minute):
            line.append(minute, DIM)
        return line


def nodes_out(use: Utilisation) -> Text:
    """Return how many nodes get no jobs: drained ones, and those that are down."""
    text = Text()
    if use.drained:
        text.append(f"  {fmt.count(use.drained)} drained", f"bold {AMBER}")
    if use.nodes_down > use.drained:
        text.append(f"  {fmt.count(use.nodes_down - use.drained)} down", f"bold {RED}")
    return text


def mean_rate(dashboard: Dashboard, now: float, window: int) -> str:
    """Return how many jobs were done per second in the last ``window`` seconds, if that is
    known.
    """
    return fmt.rate(dashboard.throughput.per_second(now, window)) if dashboard.told else "-"


class ProgressLine(Painted):
    """The bottom bar: how much of all known work is over, what failed, when all will be done."""

    def lines(self, width: int) -> list[Text]:
        """Return bar and figures in one line."""
        dashboard, counts = self.dashboard, self.dashboard.counts
        if not dashboard.told:
            return [Text(" all jobs: not known yet", DIM)]
        bad = counts.unsuccessful
        figures = Text.assemble((f" {fmt.percent(counts.over, counts.total)}", f"bold {BRIGHT}"))
        figures.append(f"  {fmt.count(counts.over)} of {fmt.count(counts.total)} over", SOFT)
        if bad:
            figures.append(f"  {fmt.count(bad)} failed", RED)
        speed = dashboard.throughput.per_second(dashboard.moment, 10)
        if speed and counts.over < counts.total:
            figures.append(f"  {fmt.rate(speed)} jobs/s", DIM)
        if dashboard.seconds_left is not None and not dashboard.notices:
            figures.append(f"  ~{fmt.age(dashboard.seconds_left)} left", AMBER)
        figures.append(" ")
        label = Text(" all jobs " if width >= _ROOMY else " ", DIM)
        room = max(8, width - figures.cell_len - label.cell_len)
        parts = [
            (counts.completed, GREEN),
            (counts.canceled, status_colour(Status.CANCELED)),
            (bad, RED),
            (counts.running, status_colour(Status.RUN)),
            (counts.pending, palette.LINE),
        ]
        return [
            Text.assemble(
                label, shares(parts, room, self.glyphs.progress, self.glyphs.rest), figures
            )
        ]
