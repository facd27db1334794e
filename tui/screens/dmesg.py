"""The broker's log, live, from a chosen severity up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType

from flux.idset import IDset
from flux.logline import SEVERITIES
from tui.background import in_background
from tui.model import format as fmt
from tui.model.logs import Gap, Line, LogRecord, parse_log
from tui.model.refusals import refusal
from tui.model.stamps import Stamps
from tui.screens.live import LiveScreen
from tui.screens.prompt import PromptScreen
from tui.screens.searching import SearchingScreen
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.header import Banner
from tui.widgets.log_view import LogView
from tui.widgets.palette import LINE_COLOUR, SEVERITY_COLOUR
from tui.widgets.query_bar import QueryBar
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from textual.app import ComposeResult

ALL_RANKS: Final = "all"


class DmesgScreen(SearchingScreen, LiveScreen):
    """Log records as they arrive; ``+`` and ``-`` move the severity."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="dmesg.back"),
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
        Binding(
            "R",
            "ranks",
            "Ranks",
            tooltip="Show only entries of some ranks",
            id="dmesg.ranks",
        ),
        *SearchingScreen.SEARCH_BINDINGS,
        Binding("y", "copy", "Copy what the mouse selected", show=False, id="dmesg.copy"),
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="dmesg.help"
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.records: list[LogRecord | Gap] = []
        self.fresh: list[LogRecord | Gap] = []
        self.limit = 7
        self.ranks: IDset | None = None
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
            stamps=Stamps.CLOCK,
            id="log",
        )
        yield QueryBar("/", "text or regular expression to find", id="search")
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
        in_background(self, self._follow)

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
                self._error = refusal(error, self.dashboard.guest)
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
        self.grow_files()
        self.query_one(MessageLine).update()

    def _nothing(self, hidden: int) -> str:
        """Return what the pane says when it is empty."""
        if hidden:
            many = "line is" if hidden == 1 else "lines are"
            how = "+" if self.ranks is None else "+, or R for other ranks,"
            return f"{fmt.count(hidden)} {many} hidden: press {how} to see more"
        return self._error or ("nothing yet" if self._read else f"reading{self.glyphs.more}")

    def _lines(self, records: list[LogRecord | Gap]) -> list[Line]:
        return [
            record.line() if isinstance(record, Gap) else _line(record)
            for record in records
            if isinstance(record, Gap) or self._wanted(record)
        ]

    def _wanted(self, record: LogRecord) -> bool:
        if record.severity > self.limit:
            return False
        rank = record.rank
        return self.ranks is None or (rank.isdecimal() and int(rank) in self.ranks)

    def file_name(self, pane: LogView) -> str:
        """Return how a file with the log is called."""
        return "flux.dmesg.txt"

    def action_severity(self, step: int) -> None:
        """Show more or fewer severities."""
        self.limit = max(0, min(7, self.limit + step))
        self._show_again()

    def action_ranks(self) -> None:
        """Ask for the ranks whose entries are shown."""

        def answered(text: str | None) -> None:
            if text is not None:
                self.ranks = None if text == ALL_RANKS else IDset(text)
                self._show_again()

        value = ALL_RANKS if self.ranks is None else str(self.ranks)
        prompt = PromptScreen(
            "Entries of which ranks?", f"such as 0 or 1,4-7, or {ALL_RANKS}", value, _no_ranks
        )
        self.app.push_screen(prompt, answered)

    def action_copy(self) -> None:
        """Copy what the mouse selected."""
        selected = self.get_selected_text()
        if selected:
            self.app.copy_to_clipboard(selected)
        number = len((selected or "").splitlines())
        self.notify(f"copied {number} lines" if number else "nothing is selected", timeout=3)

    def _show_again(self) -> None:
        self._retitle()
        self.pane.replace(self._lines(self.records))
        self.live_update()

    def _retitle(self) -> None:
        words = "all entries" if self.limit == 7 else f"{SEVERITIES[self.limit]} and worse"
        ranks = "" if self.ranks is None else f", ranks {self.ranks}"
        self.pane.title = f"Log of the broker: {words}{ranks}"


def _no_ranks(text: str) -> str:
    """Return what is wrong with a text for ranks."""
    if text == ALL_RANKS:
        return ""
    try:
        return "" if len(IDset(text)) else "these are no ranks"
    except ValueError:
        return "these are no ranks: write 0 or 1,4-7"


def _line(record: LogRecord) -> Line:
    name = SEVERITIES[record.severity]
    text = f"{record.app}[{record.rank}]: {record.text}"
    return Line(name, name, text, record.time)
