"""One job: what it is, why it waits or failed, its eventlogs and its output as they grow."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from flux.job.describe import system_text
from flux.job.follow import MAIN, Failed
from flux.job.why import ending
from tui.model import format as fmt
from tui.model import reasons
from tui.model.job_logs import JobLines
from tui.model.jobid import f58
from tui.model.logs import Gap
from tui.model.selection import one
from tui.model.states import DONE, PENDING, STATUS, Status
from tui.model.users import user_name
from tui.screens.changing import ChangingScreen
from tui.screens.searching import SearchingScreen
from tui.widgets import palette
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.header import Banner
from tui.widgets.log_view import LogView
from tui.widgets.painted import Painted
from tui.widgets.palette import BRIGHT, DIM, LINE_COLOUR, SOFT, TEXT, Glyphs, status_colour
from tui.widgets.query_bar import QueryBar
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import DescendantFocus, Resize

    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.base import JobItem
    from tui.model.dashboard import Dashboard
    from tui.model.selection import Targets

WIDE: Final = 120
RETRY_SECONDS: Final = 1.0


_WHY_ENDED: Final = {
    Status.FAILED: "why failed   ",
    Status.CANCELED: "why canceled ",
    Status.TIMEOUT: "why stopped  ",
}


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
                    ("why pending  ", DIM),
                    (reasons.why_pending(table, row, self.dashboard.moment), status_colour(status)),
                )
            ]
        if status in DONE and status != Status.COMPLETED:
            return [
                Text.assemble(
                    (_WHY_ENDED[status], DIM),
                    (reasons.why_failed(table, row), status_colour(status)),
                )
            ]
        where = table.where[row] or table.ranks[row]
        return [Text.assemble(("resources    ", DIM), (where or "-", SOFT))]

    def _facts(self, row: int, width: int) -> list[Text]:
        table, now = self.dashboard.table, self.dashboard.moment
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
                ending(table.waitstatus[row]) if table.waitstatus[row] >= 0 else "-",
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
        cwd = system_text(jobspec, "cwd")
        text = Text.assemble(("command  ", DIM), (fmt.printable(words) or "-", TEXT))
        return text.append(fmt.printable(f"   in {cwd}"), DIM) if cwd else text


class JobScreen(SearchingScreen, ChangingScreen):
    """Summary, eventlog and output of one job."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back to the jobs", id="job.back"),
        Binding("tab", "switch", "Pane", tooltip="Go to the other pane", id="job.switch"),
        *SearchingScreen.SEARCH_BINDINGS,
        Binding(
            "w", "write", "Write", tooltip="Write this pane to a file", show=False, id="job.write"
        ),
        Binding("c", "cancel_jobs", "Cancel", tooltip="Cancel the job", id="job.cancel"),
        Binding("K", "kill_jobs", "Kill", tooltip="Send a signal to the job", id="job.kill"),
        *ChangingScreen.CHANGE_BINDINGS,
        Binding("y", "copy", "Copy the job id", show=False, id="job.copy"),
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="job.help"
        ),
    ]

    def __init__(self, jobid: int) -> None:
        super().__init__()
        self.jobid = jobid
        self._logs = JobLines()
        self._fresh: list[JobItem | Gap] = []
        self._error = ""
        self._ended = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield TitleBar(self.dashboard, self.glyphs, id="title")
        yield Banner(self.dashboard, self.glyphs, id="banner")
        yield JobSummary(self.dashboard, self.glyphs, self.jobid)
        with Horizontal(id="panes"):
            yield LogView("Eventlog", self.glyphs, LINE_COLOUR, id="eventlog")
            yield LogView("Output", self.glyphs, LINE_COLOUR, id="output")
        yield QueryBar("/", "text to find", id="search")
        yield self.message_line()
        yield KeysFooter(self.glyphs.more)

    @property
    def crumb(self) -> str:
        """The id of the job."""
        return f"job {f58(self.jobid, self.glyphs is palette.ASCII)}"

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
            self.summary.stored = await self.feed.lookup(self.jobid)
            self.dashboard.revision += 1
        except OSError as error:
            self.notify(f"job info: {error.strerror or error}", severity="warning")

    async def _follow(self) -> None:
        """Read the eventlogs; after a lost connection read them again, and skip what is known."""
        lost_at = 0.0
        while True:
            error = ""
            try:
                async for item in self.feed.job_entries(self.jobid):
                    if isinstance(item, Failed) and item.path == MAIN:
                        error = str(item.error.strerror or item.error)
                        continue
                    if lost_at:
                        self._fresh.append(Gap(lost_at, self.dashboard.clock()))
                        lost_at = 0.0
                    self._fresh.append(item)
                    self.dashboard.revision += 1
            except OSError as failure:
                error = str(failure.strerror or failure)
            self._error, self._ended = error, not error
            self.dashboard.revision += 1
            if self._ended:
                return
            if self._logs.received or self._fresh:
                lost_at = lost_at or self.dashboard.heard
            await asyncio.sleep(RETRY_SECONDS)
            while not self.dashboard.link.up:
                await asyncio.sleep(0.2)

    def live_update(self) -> None:
        """Show what arrived."""
        for kind in (TitleBar, Banner, JobSummary):
            self.query_one(kind).update()
        fresh, self._fresh = self._fresh, []
        found = self._logs.take(fresh)
        events, output = self.query_one("#eventlog", LogView), self.query_one("#output", LogView)
        output.extend([*found.output, *(self._logs.finish() if self._ended else ())])
        if found.reordered:
            events.replace(self._logs.events)
        else:
            events.extend(found.events)
        remark = "ended" if self._ended else "not connected" if self._error else ""
        for pane, nothing in ((events, "no event"), (output, "no output")):
            pane.set_source(remark, self._nothing(nothing), live=not remark)
        self.query_one(MessageLine).update()

    def _nothing(self, what: str) -> str:
        """Return what an empty pane says: that there is nothing is known only after reading."""
        if self._error:
            return self._error
        if self._ended:
            return what
        row = self.dashboard.table.row_of.get(self.jobid)
        active = row is not None and self.dashboard.table.status[row] not in DONE
        return f"{what} yet" if self._logs.received and active else f"reading{self.glyphs.more}"

    # keys

    def targets(self) -> Targets:
        """Return this job, whatever is marked."""
        row = self.dashboard.table.row_of.get(self.jobid)
        return one(self.dashboard, row)

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
            self.notify(f"{path}: {error.strerror}", severity="error")
        else:
            self.notify(f"{len(pane.content):,} lines written to {path}", timeout=4)

    def action_copy(self) -> None:
        """Copy the job id to the clipboard."""
        self.app.copy_to_clipboard(f58(self.jobid))
        self.notify(f"copied {f58(self.jobid)}", timeout=3)
