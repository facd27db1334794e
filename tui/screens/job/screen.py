"""One job: what it is, why it waits or failed, its life as a bar, its eventlogs and its output as
they grow, and everything that is stored of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from flux.idset import IDset
from tui.background import in_background
from tui.feed.job import JobFollowing
from tui.model.job_pages import Stored
from tui.model.jobid import f58
from tui.model.selection import Targets
from tui.model.states import DONE
from tui.model.why_card import why_card
from tui.outside import AND_WAIT, run_outside
from tui.processes import environment, flux_program
from tui.screens.helping import helping_keys
from tui.screens.job.pages import EVENTS, EXEC, OUTPUT, TABS, PagesScreen
from tui.screens.listing import ListingScreen
from tui.views import BY_NAME
from tui.widgets import palette
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.header import Banner
from tui.widgets.job_summary import JobSummary
from tui.widgets.job_table import JobTableView
from tui.widgets.life_bar import LifeBar
from tui.widgets.query_bar import QueryBar
from tui.widgets.tab_line import TabLine
from tui.widgets.title import TitleBar
from tui.widgets.why_panel import WhyPanel

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Resize
    from textual.geometry import Size

    from tui.model.job_logs import Fresh
    from tui.widgets.log_view import LogView

WIDE: Final = 120
TALL: Final = 32


class JobScreen(PagesScreen):
    """One job; ``page`` is the pane to begin with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "back", "Back", tooltip="Back to the jobs", id="job.back"),
        *PagesScreen.PAGE_BINDINGS,
        *PagesScreen.SEARCH_BINDINGS,
        Binding("c", "cancel_jobs", "Cancel", tooltip="Cancel the job", id="job.cancel"),
        Binding("K", "kill_jobs", "Kill", tooltip="Send a signal to the job", id="job.kill"),
        *PagesScreen.CHANGE_BINDINGS,
        Binding(
            "right_square_bracket",
            "neighbour(1)",
            "Next job",
            tooltip="The next job in the order of the table",
            key_display="]",
            show=False,
            id="job.next",
        ),
        Binding(
            "left_square_bracket",
            "neighbour(-1)",
            "Previous job",
            tooltip="The job before in the order of the table",
            key_display="[",
            show=False,
            id="job.previous",
        ),
        Binding("o", "open_parent", "Open the job this one waits for", show=False, id="job.parent"),
        Binding("M", "nodes", "Show its nodes", show=False, id="job.nodes"),
        Binding("a", "attach", "Attach to the job (flux job attach)", show=False, id="job.attach"),
        Binding(
            "y", "copy", "Copy what the mouse selected, or the job id", show=False, id="job.copy"
        ),
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="job.help"
        ),
    ]

    def __init__(self, jobid: int, page: str = OUTPUT) -> None:
        super().__init__()
        self.jobid = jobid
        self._current = page
        self._looking = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        self.take_shape()
        model, glyphs = self.dashboard, self.glyphs
        self.following = JobFollowing(self.feed, model, self.jobid)
        yield TitleBar(model, glyphs, id="title")
        yield Banner(model, glyphs, id="banner")
        with Horizontal(id="head", classes="around"):
            yield JobSummary(model, glyphs, self.jobid, id="summary")
            yield WhyPanel(model, glyphs, lambda: helping_keys(self), id="why")
        yield LifeBar(model, glyphs, id="timeline", classes="around")
        yield TabLine(model, glyphs, TABS, self._current, id="tabs")
        with Horizontal(id="panes"):
            yield from self.make_panes()
        yield QueryBar("/", "text or regular expression to find", id="search")
        yield self.message_line()
        yield KeysFooter(glyphs.more)

    @property
    def crumb(self) -> str:
        """The id of the job."""
        return f"job {f58(self.jobid, self.glyphs is palette.ASCII)}"

    @property
    def finished(self) -> bool:
        """Whether everything there is of the job has been read."""
        return self.following.ended

    @property
    def summary(self) -> JobSummary:
        """The facts above the panes."""
        return self.query_one(JobSummary)

    def on_mount(self) -> None:
        """Begin to follow the job."""
        self.composed = True
        self.show_page(self._current)
        in_background(self, self.following.run)
        self.live_update()

    def on_slider_wound_back(self) -> None:
        """Begin anew: what was read of later times has not happened yet."""
        self.app.switch_screen(JobScreen(self.jobid, self._current).bind(self.session))

    def shape(self, size: Size) -> dict[str, bool]:
        """Two panes and a card on a wide terminal; fewer facts on a low one."""
        return {"roomy": size.width >= WIDE, "tall": size.height >= TALL}

    def on_resize(self, event: Resize) -> None:
        """Use the room."""
        shape = self.shape(event.size)
        self.summary.rows = 3 if shape["tall"] else 2
        self.query_one(WhyPanel).bordered = any(shape.values())
        self.live_update()

    # What is shown

    def live_update(self) -> None:
        """Show what arrived."""
        if not self.composed:
            return
        self._look_up_once()
        self._show_logs(self.following.take())
        logs = self.following.lines
        for kind in (TitleBar, Banner, JobSummary):
            self.query_one(kind).update()
        self.query_one(LifeBar).show(self.jobid, logs.story)
        if self.jobid in self.dashboard.table.row_of:  # else as it was: why is still to be read
            self.query_one(WhyPanel).show(
                why_card(self.dashboard, self.jobid, logs.story.raised, logs.last_errors)
            )
        self.fill_page()
        self.grow_files()
        self.query_one(MessageLine).update()

    def _show_logs(self, found: Fresh) -> None:
        events, execution = self.view_of(EVENTS), self.view_of(EXEC)
        self.view_of(OUTPUT).extend(found.output)
        if found.reordered:
            events.replace(self.following.lines.events)
        else:
            events.extend(found.events)
        execution.extend(found.execution)
        ended, error = self.following.ended, self.following.error
        remark = "ended" if ended else "not connected" if error else ""
        for name, nothing in ((EVENTS, "no event"), (EXEC, "no event"), (OUTPUT, self._no_output)):
            self.view_of(name).set_source(remark, self._nothing(nothing), live=not remark)

    @property
    def _no_output(self) -> str:
        files = self.following.lines.files
        return f"the output goes to {', '.join(files)}" if files else "no output"

    def _nothing(self, what: str) -> str:
        """Return what an empty pane says: that there is nothing is known only after reading."""
        if self.following.error:
            return self.following.error
        if self.following.ended:
            return what
        row = self.dashboard.table.row_of.get(self.jobid)
        active = row is not None and self.dashboard.table.status[row] not in DONE
        received = self.following.lines.received
        return f"{what} yet" if received and active else f"reading{self.glyphs.more}"

    def _look_up_once(self) -> None:
        """Look up jobspec and R, and R once more when the job has got resources."""
        row = self.dashboard.table.row_of.get(self.jobid)
        started = row is not None and bool(self.dashboard.table.t_run[row])
        known = self.stored is not None and ("R" in self.stored or not started)
        if not known and not self._looking:
            self._looking = True
            in_background(self, self._look_up, started)

    async def _look_up(self, started: bool) -> None:
        try:
            self.stored = await self.feed.lookup(self.jobid)
        except OSError as error:
            self.stored = self.stored or {}
            self.notify(f"job info: {error.strerror or error}", severity="warning")
        # Of a job that has started there is no more to come.
        self._looking = started
        jobspec, resources = self.stored.get("jobspec"), self.stored.get("R")
        self.summary.stored = Stored(
            jobspec if isinstance(jobspec, dict) else None,
            resources if isinstance(resources, dict) else None,
        )
        self._shown_at = -1
        self.dashboard.revision += 1

    # Keys

    def file_name(self, pane: LogView) -> str:
        """Return how a file with a pane of this job is called."""
        return f"{f58(self.jobid, True)}.{pane.id}.txt"

    def targets(self) -> Targets:
        """Return this job, whatever is marked."""
        return Targets(self.dashboard, (self.jobid,), False)

    def action_neighbour(self, step: int) -> None:
        """Show the next or previous job of the table instead, with the same pane."""
        view, table = self.dashboard.view, self.dashboard.table
        row = table.row_of.get(self.jobid)
        if row is None or row not in view:
            self.notify("the table does not show this job", severity="warning", timeout=3)
            return
        rows = view.rows()
        index = rows.index(row) + step
        if not 0 <= index < len(rows):
            self.notify("this is the last job" if step > 0 else "this is the first job", timeout=2)
        else:
            self._move_cursor(rows[index])
            jobid = table.ids[rows[index]]
            self.app.switch_screen(JobScreen(jobid, self._current).bind(self.session))

    def _move_cursor(self, row: int) -> None:
        """Put the cursor of the table below on the job that is shown next, or on its set."""
        index = self.dashboard.lines.index_of(row)
        for screen in self.top.live_screens:
            if index is not None and screen.session is self.session:
                for table in screen.query(JobTableView):
                    table.move_to(index)

    def action_open_parent(self) -> None:
        """Open the job that this one waits for."""
        card = self.query_one(WhyPanel).card
        if card is None or card.parent is None:
            self.notify("this job waits for no other", timeout=3)
        else:
            self.app.push_screen(JobScreen(card.parent).bind(self.session))

    def on_why_panel_link_clicked(self) -> None:
        """Its line in the card was clicked."""
        self.action_open_parent()

    def action_nodes(self) -> None:
        """Show the nodes, those of the job marked."""
        table = self.dashboard.table
        ranks = "".join(table.ranks[row] for row in table.rows([self.jobid]))
        self.top.show_view("nodes")
        screen = self.app.screen
        if isinstance(screen, ListingScreen) and ranks:
            screen.choose(IDset(ranks))
        elif not ranks:
            self.app.notify("the job has no nodes", timeout=4)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Take away what there is not: views, actions of a read-only dashboard."""
        if action == "nodes":
            return "nodes" in BY_NAME
        return super().check_action(action, parameters)

    def action_attach(self) -> None:
        """Give the terminal to ``flux job attach`` until it ends."""
        in_background(self.app, self._attached)

    async def _attached(self) -> None:
        command = [*AND_WAIT, flux_program(), "job", "attach", f58(self.jobid, True)]
        try:
            await run_outside(self.top, command, environment(self.dashboard.instance.uri))
        except OSError as error:
            self.notify(str(error.strerror or error), severity="error")

    def action_copy(self) -> None:
        """Copy what the mouse selected, the job id if it selected nothing."""
        selected = self.get_selected_text()
        self.app.copy_to_clipboard(selected or f58(self.jobid))
        what = f"{len(selected.splitlines())} selected lines" if selected else f58(self.jobid)
        self.notify(f"copied {what}", timeout=3)
