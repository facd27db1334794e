"""The entries of cron: when they run, how it went, what they wrote; stopping, starting and deleting
them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.feed import cron as requests
from tui.model import format as fmt
from tui.model.cron import CronLog, CronRow, about, cron_listing
from tui.model.intent import Intent, many
from tui.model.logs import Line, parse_log
from tui.screens.asking import each
from tui.screens.listing import ListingScreen, Part
from tui.widgets import palette
from tui.widgets.listing import Painter, Piece
from tui.widgets.palette import LINE_COLOUR
from tui.widgets.steady_log import SteadyLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from textual.widget import Widget

    from tui.feed.base import Feed
    from tui.model.dashboard import Dashboard
    from tui.model.listing import Listing
    from tui.widgets.palette import Glyphs


class CronPainter(Painter[CronRow]):
    """Entries in the list."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs) -> None:
        self.dashboard = dashboard
        self.glyphs = glyphs

    def quiet(self, row: CronRow) -> bool:
        """What was read before the connection was lost is dim."""
        return self.dashboard.stale

    def colour(self, row: CronRow, column: str) -> str:
        """Return the colour of a cell's text."""
        if column == "state":
            return palette.DIM if row.stopped else palette.GREEN
        if column == "status":
            last = row.last
            if last is None:
                return palette.DIM
            return palette.RED if last.bad else palette.GREEN
        if column == "failures":
            return palette.RED if row.failures else palette.DIM
        return palette.BRIGHT if column in ("id", "name") else palette.SOFT

    def pieces(self, row: CronRow, column: str, width: int) -> Sequence[Piece] | None:
        """Draw what depends on the time."""
        now = self.dashboard.moment
        if column == "next":
            text = f"in {_until(row.next_run - now)}" if row.next_run else "-"
        elif column == "last":
            text = f"{_ago(now - row.last_run)} ago" if row.last_run else "never"
        elif column == "state":
            word = "stopped" if row.stopped else "active"
            return [(f"{self.glyphs.dot} {word}", self.colour(row, column))]
        else:
            return None
        return [(f"{text:>{width}}", palette.SOFT if row.next_run else palette.DIM)]


def _until(seconds: float) -> str:
    return fmt.age(seconds) if seconds >= 60 else f"{max(0, int(seconds))}s"


def _ago(seconds: float) -> str:
    return fmt.age(seconds) if seconds >= 60 else f"{max(0, int(seconds))}s"


class CronScreen(ListingScreen[CronRow]):
    """All entries of the instance's cron service."""

    title_text = "Cron"
    noun = "entry"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back", id="cron.back"),
        *ListingScreen.MARK_BINDINGS,
        Binding(
            "minus",
            "stop_entry",
            "Stop",
            tooltip="Stop the marked entries or this one",
            key_display="-",
            id="cron.stop",
        ),
        Binding(
            "plus,equals_sign",
            "start_entry",
            "Start",
            key_display="+",
            tooltip="Start the marked entries or this one again",
            id="cron.start",
        ),
        Binding(
            "delete,X",
            "delete_entry",
            "Delete",
            tooltip="Delete the marked entries or this one",
            key_display="X",
            id="cron.delete",
        ),
        Binding(
            "e",
            "cron_sync",
            "Sync",
            tooltip="The event that entries wait for before they run",
            id="cron.sync",
        ),
        Binding("J", "scroll(3)", "Scroll the lower pane down", show=False, id="cron.down"),
        Binding("K", "scroll(-3)", "Scroll the lower pane up", show=False, id="cron.up"),
        *ListingScreen.LIST_BINDINGS,
    ]

    def __init__(self) -> None:
        super().__init__()
        self.log_lines = CronLog()
        self._sync = ""
        self._log_error = ""

    def make_listing(self) -> Listing[CronRow]:
        """Return the empty list."""
        return cron_listing()

    def make_painter(self) -> CronPainter:
        """Return what says how entries look."""
        return CronPainter(self.dashboard, self.glyphs)

    def body(self) -> Iterable[Widget]:
        """Return the list, and what there is to know of the entry under the cursor."""
        colours = {**LINE_COLOUR, "fact": palette.SOFT}
        yield from self.split(SteadyLog("Entry", self.glyphs, colours, id="about"))

    @property
    def pane(self) -> SteadyLog:
        """What there is to know of an entry."""
        return self.query_one("#about", SteadyLog)

    # Reading

    def on_mount(self) -> None:
        """Begin to read, the log too: that is where the commands' output goes."""
        self.start(self._follow_log, "log")

    async def _follow_log(self) -> None:
        while True:
            try:
                self.log_lines = CronLog()  # it is read from its oldest entry
                async for lines in self.feed.log():
                    found = (parse_log(line) for line in lines)
                    self.log_lines.take(record for record in found if record is not None)
                    self._log_error = ""
                    self.dashboard.revision += 1
            except OSError as error:
                self._log_error = str(error.strerror or error)
            await asyncio.sleep(1.0)

    async def read(self) -> None:
        """Read the entries, and what they wait for."""
        self.listing.replace(await requests.read_entries(self.feed))
        self._sync = fmt.printable(await requests.read_sync(self.feed))

    def figures(self) -> Sequence[Part]:
        """Return how many there are, and what they wait for."""
        found = self.listing.rows()
        active, failing = (
            sum(not e.stopped for e in found),
            sum(bool(e.last and e.last.bad) for e in found),
        )
        parts: list[Part] = [(f"{fmt.count(active)} active  ", palette.GREEN)]
        if active < len(found):
            parts.append((f"{fmt.count(len(found) - active)} stopped  ", palette.SOFT))
        if failing:
            parts.append((f"{fmt.count(failing)} failed the last time  ", palette.RED))
        wait = f"runs wait for {self._sync}" if self._sync else "runs begin when they are due"
        return [*parts, (wait, palette.DIM)]

    def live_update(self) -> None:
        """Repaint what changed."""
        super().live_update()
        self._show_entry()

    def moved(self) -> None:
        """Show the entry that the cursor is on now."""
        if self.composed:
            self._show_entry()

    def _show_entry(self) -> None:
        entry, pane = self.view.row, self.pane
        if entry is None:
            pane.title = "Entry"
            pane.set_source("", "", live=False)
            pane.show([])
            return
        pane.title = f"{entry.id} {entry.name}"
        written = self.log_lines.of(entry.id)
        if not written:
            text = f"the log: {self._log_error}" if self._log_error else "nothing of it in the log"
            written = [Line("event", "", text)]
        pane.set_source("from the broker's log", "", live=False)
        pane.show([*about(entry, self.dashboard.moment), Line("fact", "", ""), *written])

    def name_of(self, row: CronRow) -> str:
        """Return what copies and questions call it."""
        return f"cron-{row.id}"

    def action_scroll(self, lines: int) -> None:
        """Scroll the lower pane."""
        self.pane.move_by(lines)

    # Acting

    def _do(
        self,
        words: tuple[str, str],
        chosen: list[CronRow],
        act: Callable[[Feed, CronRow], Awaitable[None]],
        notes: tuple[str, ...] = (),
    ) -> None:
        verb, done = words
        names = tuple(f"{entry.id} ({entry.name})" for entry in chosen)

        async def work(_: str) -> str:
            await each(chosen, lambda entry: act(self.feed, entry), self.name_of)
            return f"{done}: {many(len(chosen), self.noun)}"

        self.ask(Intent(verb, self.noun, names, notes=notes), work)

    def action_stop_entry(self) -> None:
        """Stop entries, after asking."""
        chosen = [entry for entry in self.targets() if not entry.stopped]
        self._do(("Stop", "stopped"), chosen, requests.stop)

    def action_start_entry(self) -> None:
        """Start stopped entries, after asking."""
        chosen = [entry for entry in self.targets() if entry.stopped]
        notes = ("counts begin anew",)
        self._do(("Start", "started"), chosen, requests.start, notes)

    def action_delete_entry(self) -> None:
        """Delete entries, after asking."""
        chosen = self.targets()
        running = any(entry.status == "running" for entry in chosen)
        notes = ("a command that runs is ended",) if running else ()
        self._do(("Delete", "deleted"), chosen, requests.delete, notes)

    def action_cron_sync(self) -> None:
        """Ask for the event that entries wait for before they run."""

        async def work(topic: str) -> str:
            await requests.set_sync(self.feed, topic.strip())
            return f"runs wait for {topic.strip()}" if topic.strip() else "runs wait for nothing"

        prompt = "Topic of an event, empty for none"
        intent = Intent("Put off", "runs", ("",), prompt, self._sync, optional=True)
        self.ask(intent, work)
