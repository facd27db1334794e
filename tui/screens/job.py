"""One job: what it is, why it waits or failed, its eventlogs and its output as they grow."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer

from flux.job.follow import EXEC, MAIN, OUTPUT, Entries
from tui.model import format as fmt
from tui.model import reasons
from tui.model.jobid import f58
from tui.model.logs import Line, OutputLog, event_line
from tui.model.states import DONE, PENDING, STATUS, Status
from tui.model.users import user_name
from tui.screens.actions import ActingScreen
from tui.screens.searching import SearchingScreen
from tui.widgets import palette
from tui.widgets.header import Banner, Painted, TitleBar
from tui.widgets.log_view import LogView
from tui.widgets.palette import BRIGHT, DIM, LINE_COLOUR, SOFT, TEXT, Glyphs, status_colour
from tui.widgets.query_bar import QueryBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import DescendantFocus, Resize

    from flux.wire.json import JsonMapping, JsonObject
    from tui.model.dashboard import Dashboard

WIDE: Final = 120


class JobSummary(Painted):
    """The facts of one job."""

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, jobid: int) -> None:
        super().__init__(dashboard, glyphs, id="summary")
        self.jobid = jobid
        self.stored: JsonObject = {}

    def lines(self, width: int) -> list[Text]:
        """Return status and name, the reason, the facts in columns, the command."""
        row = self.dashboard.table.row_of.get(self.jobid)
        if row is None:
            return [
                Text(f" job {f58(self.jobid)} is not in the list of this instance", palette.RED)
            ]
        return [self._heading(row), *self._why(row), *self._facts(row, width), self._command()]

    def _heading(self, row: int) -> Text:
        table = self.dashboard.table
        status = table.status[row]
        jobid = f58(self.jobid, self.glyphs is palette.ASCII)
        return Text.assemble(
            (f"{self.glyphs.dot} {STATUS[status].word.upper()}", f"bold {status_colour(status)}"),
            (f"  {table.name[row]}", f"bold {BRIGHT}"),
            (f"  {jobid}", palette.ACCENT),
            (f"  {self.jobid}", DIM),
        )

    def _why(self, row: int) -> list[Text]:
        table = self.dashboard.table
        status = Status(table.status[row])
        if status in PENDING:
            return [
                Text.assemble(
                    ("why pending  ", DIM), (reasons.why_pending(table, row), status_colour(status))
                )
            ]
        if status in DONE and status != Status.COMPLETED:
            return [
                Text.assemble(
                    ("why failed   ", DIM), (reasons.why_failed(table, row), status_colour(status))
                )
            ]
        where = table.where[row] or table.ranks[row]
        return [Text.assemble(("resources    ", DIM), (where or "-", SOFT))]

    def _facts(self, row: int, width: int) -> list[Text]:
        table, now = self.dashboard.table, self.dashboard.clock()
        limit = table.expiration[row]
        active = table.status[row] not in DONE and table.t_run[row]
        facts = [
            ("user", user_name(table.userid[row])),
            ("submitted", fmt.clock(table.t_submit[row], now)),
            ("waited", fmt.duration(table.waited(row, now))),
            ("ran", fmt.duration(table.runtime(row, now))),
            ("tasks", str(table.ntasks[row] or "-")),
            ("nodes", str(table.nnodes[row] or "-")),
            ("ranks", table.ranks[row] or "-"),
            ("hosts", table.nodelist[row] or "-"),
            ("urgency", str(table.urgency[row])),
            ("priority", str(table.priority[row]) if table.priority[row] >= 0 else "-"),
            (
                "time left",
                fmt.duration(max(0.0, limit - now))
                if limit and active
                else "no limit"
                if not limit
                else "-",
            ),
            (
                "status",
                fmt.wait_status(table.waitstatus[row]) if table.waitstatus[row] >= 0 else "-",
            ),
        ]
        across = 4
        column = max(16, width // across)
        lines = []
        for first in range(0, len(facts), across):
            line = Text()
            for name, value in facts[first : first + across]:
                cell = Text.assemble((f"{name} ", DIM), (value, TEXT))
                cell.truncate(column - 1, overflow="ellipsis", pad=True)
                line.append_text(cell).append(" ")
            lines.append(line)
        return lines

    def _command(self) -> Text:
        jobspec: JsonMapping = self.stored.get("jobspec") or {}
        tasks = jobspec.get("tasks") or [{}]
        command = tasks[0].get("command") or []
        words = command if isinstance(command, str) else shlex.join(map(str, command))
        cwd = ((jobspec.get("attributes") or {}).get("system") or {}).get("cwd") or ""
        text = Text.assemble(
            ("command  ", DIM), (fmt.printable(words.replace("\n", " ")) or "-", TEXT)
        )
        return text.append(fmt.printable(f"   in {cwd}"), DIM) if cwd else text


class JobScreen(SearchingScreen, ActingScreen):
    """Summary, eventlog and output of one job."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Back to the jobs", id="job.back"),
        Binding("tab", "switch", "Pane", tooltip="Go to the other pane", id="job.switch"),
        *SearchingScreen.SEARCH_BINDINGS,
        Binding(
            "w", "write", "Write", tooltip="Write this pane to a file", show=False, id="job.write"
        ),
        Binding("c", "cancel_jobs", "Cancel", tooltip="Cancel the job", id="job.cancel"),
        Binding("k", "kill_jobs", "Kill", tooltip="Send a signal to the job", id="job.kill"),
        Binding("y", "copy", "Copy the job id", show=False, id="job.copy"),
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="job.help"
        ),
    ]

    def __init__(self, jobid: int) -> None:
        super().__init__()
        self.jobid = jobid
        self._output = OutputLog()
        self._fresh: list[Entries] = []
        self._events: list[tuple[float, Line]] = []
        self._t0 = 0.0
        self._ended = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield TitleBar(self.dashboard, self.glyphs, id="title")
        yield Banner(self.dashboard, self.glyphs, id="banner")
        yield JobSummary(self.dashboard, self.glyphs, self.jobid)
        with Horizontal(id="panes"):
            yield LogView("Eventlog", self.glyphs, LINE_COLOUR, empty="no event yet", id="eventlog")
            yield LogView("Output", self.glyphs, LINE_COLOUR, empty="no output yet", id="output")
        yield QueryBar("/", "text to find", id="search")
        yield Footer(show_command_palette=False)

    @property
    def finished(self) -> bool:
        """Whether everything there is of the job has been read."""
        return self._ended

    @property
    def summary(self) -> JobSummary:
        """The facts above the panes."""
        return self.query_one(JobSummary)

    @property
    def pane(self) -> LogView:
        """The pane with the focus, the output if none has it."""
        events = self.query_one("#eventlog", LogView)
        return events if events.has_class("current") else self.query_one("#output", LogView)

    def on_mount(self) -> None:
        """Begin to follow the job."""
        self.composed = True
        self.query_one("#output", LogView).add_class("current").focus()
        self.run_worker(self._follow(), exit_on_error=False)
        self.run_worker(self._look_up(), exit_on_error=False)
        self.live_update()

    def on_resize(self, event: Resize) -> None:
        """Both panes on a wide terminal, one at a time on a narrow one."""
        self.set_class(event.size.width >= WIDE, "roomy")

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """The focused pane is the current one."""
        if isinstance(event.widget, LogView):
            for pane in self.query(LogView):
                pane.set_class(pane is event.widget, "current")

    async def _look_up(self) -> None:
        try:
            self.summary.stored = await self.top.feed.lookup(self.jobid)
            self.dashboard.revision += 1
        except OSError as error:
            self.notify(f"job info: {error.strerror or error}", severity="warning", markup=False)

    async def _follow(self) -> None:
        """Read the eventlogs; after a lost connection read them again from their start."""
        while not self._ended:
            error = ""
            try:
                async for item in self.top.feed.job_entries(self.jobid):
                    if isinstance(item, Entries):
                        self._fresh.append(item)
                        self.dashboard.revision += 1
                    elif item.path == MAIN:
                        error = str(item.error.strerror or item.error)
            except OSError as failure:
                error = str(failure.strerror or failure)
            if not error:
                self._ended = True
                self.dashboard.revision += 1
                return
            self.query_one("#eventlog", LogView).empty = error
            await asyncio.sleep(1.0)
            while not self.dashboard.link.up:
                await asyncio.sleep(0.2)
            self._restart()

    def _restart(self) -> None:
        self._fresh.clear()
        self._events.clear()
        self._output = OutputLog()
        for pane in self.query(LogView):
            pane.replace(())

    def live_update(self) -> None:
        """Show what arrived."""
        for kind in (TitleBar, Banner, JobSummary):
            self.query_one(kind).update()
        fresh, self._fresh = self._fresh, []
        lines: list[Line] = []
        for item in fresh:
            if item.path == OUTPUT:
                for entry in item.entries:
                    lines.extend(self._output.feed(entry))
            else:
                self._add_events(item)
        if self._ended:
            lines.extend(self._output.flush())
            self.query_one("#output", LogView).empty = "no output"
        self.query_one("#output", LogView).extend(lines)

    def _add_events(self, item: Entries) -> None:
        """Add entries to the eventlog pane in the order of their time; the two eventlogs arrive one
        after the other.
        """
        if not self._t0 and item.entries:
            self._t0 = float(item.entries[0].get("timestamp", 0.0))
        kind = "exec" if item.path == EXEC else "event"
        prefix = "exec." if kind == "exec" else ""
        last = self._events[-1][0] if self._events else 0.0
        for entry in item.entries:
            named = {**entry, "name": prefix + str(entry.get("name", ""))}
            self._events.append(
                (float(entry.get("timestamp", 0.0)), event_line(named, self._t0, kind))
            )
        added = self._events[-len(item.entries) :] if item.entries else []
        pane = self.query_one("#eventlog", LogView)
        if any(stamp < last for stamp, _ in added):
            self._events.sort(key=lambda pair: pair[0])
            pane.replace(line for _, line in self._events)
        else:
            pane.extend(line for _, line in added)

    # keys

    def targets(self) -> list[int]:
        """Return this job."""
        return [self.jobid] if self.jobid in self.dashboard.table.row_of else []

    def action_switch(self) -> None:
        """Go to the other pane."""
        current = self.pane
        for pane in self.query(LogView):
            if pane is not current:
                pane.add_class("current")
                pane.focus()
        current.remove_class("current")

    def action_write(self) -> None:
        """Write the current pane's lines to a file in the working directory."""
        pane = self.pane
        path = Path(f"{f58(self.jobid, True)}.{pane.id}.txt")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.writelines(
                    f"{line.label + ' ' if line.label else ''}{line.text}\n"
                    for line in pane.content
                )
        except OSError as error:
            self.notify(f"{path}: {error.strerror}", severity="error", markup=False)
        else:
            self.notify(f"{len(pane.content):,} lines written to {path}", timeout=4, markup=False)

    def action_copy(self) -> None:
        """Copy the job id to the clipboard."""
        self.app.copy_to_clipboard(f58(self.jobid))
        self.notify(f"copied {f58(self.jobid)}", timeout=3)
