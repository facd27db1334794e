"""The broker's log, live, from a chosen severity up."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Footer

from flux.logline import SEVERITIES
from tui.model.logs import Line, LogRecord, parse_log
from tui.screens.live import LiveScreen
from tui.screens.searching import SearchingScreen
from tui.widgets.header import Banner, TitleBar
from tui.widgets.log_view import LogView
from tui.widgets.palette import SEVERITY_COLOUR
from tui.widgets.query_bar import QueryBar

if TYPE_CHECKING:
    from textual.app import ComposeResult


class DmesgScreen(SearchingScreen, LiveScreen):
    """Log records as they arrive; ``+`` and ``-`` move the severity."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Back to the jobs", id="dmesg.back"),
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
        self.records: list[LogRecord] = []
        self.fresh: list[LogRecord] = []
        self.limit = 7

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield TitleBar(self.dashboard, self.glyphs, id="title")
        yield Banner(self.dashboard, self.glyphs, id="banner")
        yield LogView(
            "", self.glyphs, dict(zip(SEVERITIES, SEVERITY_COLOUR, strict=True)), id="log"
        )
        yield QueryBar("/", "text to find", id="search")
        yield Footer(show_command_palette=False)

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
        """Read the log; after a lost connection read it again from its start."""
        while True:
            try:
                async for lines in self.top.feed.log():
                    self.fresh.extend(
                        record for record in map(parse_log, lines) if record is not None
                    )
                    self.dashboard.revision += 1
            except OSError as error:
                self.pane.empty = str(error.strerror or error)
            while not self.dashboard.link.up:
                await asyncio.sleep(0.2)
            await asyncio.sleep(0.5)
            self.fresh.clear()
            self.records.clear()
            self.pane.replace(())

    def live_update(self) -> None:
        """Show what arrived."""
        self.query_one(TitleBar).update()
        self.query_one(Banner).update()
        if self.fresh:
            fresh, self.fresh = self.fresh, []
            self.records.extend(fresh)
            self.pane.extend(self._lines(fresh))

    def _lines(self, records: list[LogRecord]) -> list[Line]:
        return [_line(record) for record in records if record.severity <= self.limit]

    def action_severity(self, step: int) -> None:
        """Show more or fewer severities."""
        self.limit = max(0, min(7, self.limit + step))
        self._retitle()
        self.pane.replace(self._lines(self.records))

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
