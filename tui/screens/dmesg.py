"""The broker's log, live, from a chosen severity up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from flux.logline import SEVERITIES
from tui.model import format as fmt
from tui.model.logs import Gap, Line, LogRecord, parse_log
from tui.screens.live import LiveScreen
from tui.screens.searching import SearchingScreen
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.header import Banner
from tui.widgets.log_view import LogView
from tui.widgets.palette import LINE_COLOUR, SEVERITY_COLOUR
from tui.widgets.query_bar import QueryBar
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from textual.app import ComposeResult


class DmesgScreen(SearchingScreen, LiveScreen):
    """Log records as they arrive; ``+`` and ``-`` move the severity."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back to the jobs", id="dmesg.back"),
        Binding(
            "plus,equals_sign",
            "severity(1)",
            "More",
            tooltip="Show less severe entries too",
            key_display="+",
            id="dmesg.more",
        ),
        Binding(
            "minus",
            "severity(-1)",
            "Less",
            tooltip="Show only more severe entries",
            key_display="-",
            id="dmesg.less",
        ),
        *SearchingScreen.SEARCH_BINDINGS,
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="dmesg.help"
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.records: list[LogRecord | Gap] = []
        self.fresh: list[LogRecord | Gap] = []
        self.limit = 7
        self._read = False
        self._error = ""

    @property
    def crumb(self) -> str:
        """What it shows."""
        return "log"

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield TitleBar(self.dashboard, self.glyphs, id="title")
        yield Banner(self.dashboard, self.glyphs, id="banner")
        yield LogView(
            "",
            self.glyphs,
            {**LINE_COLOUR, **dict(zip(SEVERITIES, SEVERITY_COLOUR, strict=True))},
            id="log",
        )
        yield QueryBar("/", "text to find", id="search")
        yield self.message_line()
        yield KeysFooter(self.glyphs.more)

    @property
    def pane(self) -> LogView:
        """The pane to search."""
        return self.query_one(LogView)

    def on_mount(self) -> None:
        """Begin to follow the log."""
        self.composed = True
        self._retitle()
        self.pane.focus()
        self.run_worker(self._follow(), exit_on_error=False)

    async def _follow(self) -> None:
        """Read the log; after a lost connection read it again, and skip what is known."""
        lost_at = 0.0
        while True:
            known: set[LogRecord] = set()
            if lost_at:
                known = {record for record in self.records if isinstance(record, LogRecord)}
            try:
                async for lines in self.feed.log():
                    if lost_at and known:
                        self.fresh.append(Gap(lost_at, self.dashboard.clock()))
                    lost_at = 0.0
                    found = [record for record in map(parse_log, lines) if record is not None]
                    self.fresh.extend(record for record in found if record not in known)
                    self._read, self._error = True, ""
                    self.dashboard.revision += 1
            except OSError as error:
                self._error = str(error.strerror or error)
            lost_at = lost_at or self.dashboard.heard
            self._error = self._error or "the log has ended"
            self.dashboard.revision += 1
            await asyncio.sleep(0.5)
            while not self.dashboard.link.up:
                await asyncio.sleep(0.2)
            self.take_fresh()

    def take_fresh(self) -> None:
        """Show what arrived."""
        if self.fresh:
            fresh, self.fresh = self.fresh, []
            self.records.extend(fresh)
            self.pane.extend(self._lines(fresh))

    def live_update(self) -> None:
        """Show what arrived, and how much of it is hidden."""
        self.query_one(TitleBar).update()
        self.query_one(Banner).update()
        self.take_fresh()
        hidden = len(self.records) - len(self.pane.content)
        remarks = [f"{fmt.count(hidden)} hidden"] if hidden else []
        remarks += ["not connected"] if self._error else []
        self.pane.set_source(", ".join(remarks), self._nothing(hidden), live=not self._error)
        self.query_one(MessageLine).update()

    def _nothing(self, hidden: int) -> str:
        """Return what the pane says when it is empty."""
        if hidden:
            many = "line is" if hidden == 1 else "lines are"
            return f"{fmt.count(hidden)} {many} hidden: press + to see more"
        return self._error or ("nothing yet" if self._read else f"reading{self.glyphs.more}")

    def _lines(self, records: list[LogRecord | Gap]) -> list[Line]:
        return [
            record.line() if isinstance(record, Gap) else _line(record)
            for record in records
            if isinstance(record, Gap) or record.severity <= self.limit
        ]

    def action_severity(self, step: int) -> None:
        """Show more or fewer severities."""
        self.limit = max(0, min(7, self.limit + step))
        self._retitle()
        self.pane.replace(self._lines(self.records))
        self.live_update()

    def _retitle(self) -> None:
        words = "all entries" if self.limit == 7 else f"{SEVERITIES[self.limit]} and worse"
        self.pane.title = f"Log of the broker: {words}"
        self.pane.set_following(self.pane.following)


def _line(record: LogRecord) -> Line:
    stamp = (
        time.strftime("%H:%M:%S", time.localtime(record.time))
        + f".{int(record.time % 1 * 1000):03d}"
    )
    name = SEVERITIES[record.severity]
    return Line(name, stamp, f"{name:<8}{record.app}[{record.rank}]: {record.text}")
