"""The first screen: the instance's figures, its jobs, the progress of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from tui.background import in_background
from tui.screens.changing import ChangingScreen
from tui.screens.columns import ChoosingScreen
from tui.screens.filtering import FilteringScreen
from tui.screens.folding import FoldingScreen
from tui.screens.marking import MarkingScreen
from tui.screens.previewing import PreviewingScreen
from tui.screens.zooming import ZoomingScreen
from tui.widgets.footing import KeysFooter, MarksLine, MessageLine
from tui.widgets.header import Banner, CompactStats, ProgressLine
from tui.widgets.job_table import JobTableHeading, JobTableView
from tui.widgets.panels import CoresPanel, LatencyPanel, Panel, StatesPanel, ThroughputPanel
from tui.widgets.query_bar import QueryBar
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Resize
    from textual.geometry import Size


TALL: Final = 34
TALLER: Final = 40
TALLEST: Final = 56
WIDE: Final = 110
WIDER: Final = 156


class JobsScreen(
    FilteringScreen,
    FoldingScreen,
    ChoosingScreen,
    PreviewingScreen,
    MarkingScreen,
    ZoomingScreen,
):
    """Job table with header, filter and progress line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "open",
            "Open",
            tooltip="Open the job under the cursor",
            key_display="\u23ce",
            id="jobs.open",
        ),
        *MarkingScreen.MARK_BINDINGS,
        *FilteringScreen.FILTER_BINDINGS,
        Binding(
            "c",
            "cancel_jobs",
            "Cancel",
            tooltip="Cancel the marked jobs or this one",
            id="jobs.cancel",
        ),
        Binding(
            "K",
            "kill_jobs",
            "Kill",
            tooltip="Send a signal to the marked jobs or this one",
            id="jobs.kill",
        ),
        *ChangingScreen.CHANGE_BINDINGS,
        Binding("d", "dmesg", "Log", tooltip="Log of the broker (dmesg)", id="jobs.dmesg"),
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="jobs.help"
        ),
        Binding(
            "escape",
            "back",
            "Clear the filter, then the marks, leave an inner instance",
            show=False,
            id="jobs.back",
        ),
        *FoldingScreen.FOLD_BINDINGS,
        *ChoosingScreen.COLUMN_BINDINGS,
        *MarkingScreen.MOVE_BINDINGS,
        *PreviewingScreen.PREVIEW_BINDINGS,
        *ZoomingScreen.ZOOM_BINDINGS,
    ]

    @property
    def crumb(self) -> str:
        """The name of the instance."""
        return self.session.name

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        self.take_shape()
        model, glyphs = self.dashboard, self.glyphs
        yield TitleBar(model, glyphs, id="title")
        yield Banner(model, glyphs, id="banner")
        yield CompactStats(model, glyphs, id="compact")
        with Horizontal(id="panels"):
            yield StatesPanel(model, glyphs, id="states")
            yield ThroughputPanel(model, glyphs, id="rates")
            yield CoresPanel(model, glyphs, id="cores")
            yield LatencyPanel(model, glyphs, id="latency")
        yield QueryBar(
            "/", "state:running user:me -name:test* t>5m, or letters of a name", id="filter"
        )
        with Horizontal(id="body"):
            with Vertical(id="list"):
                yield JobTableHeading(model, glyphs, id="heading")
                yield JobTableView(model, glyphs, id="table")
            yield from self.make_preview()
        yield MarksLine(model, glyphs, id="marks")
        yield self.message_line()
        yield ProgressLine(model, glyphs, id="progress")
        yield KeysFooter(glyphs.more)

    def on_mount(self) -> None:
        """Show what the command line asked for."""
        self.composed = True
        self.table.focus()
        self.show_filter()
        self.live_update()

    def shape(self, size: Size) -> dict[str, bool]:
        """Panels on a large terminal, higher and more of them on a larger one; two lines on a small
        one.
        """
        return {
            "roomy": size.height >= TALL and size.width >= WIDE,
            "taller": size.height >= TALLER,
            "tallest": size.height >= TALLEST,
            "wider": size.width >= WIDER,
        }

    def on_resize(self, event: Resize) -> None:
        """Show the preview where there is room for it."""
        self.fit_preview(event.size.width)

    def live_update(self) -> None:
        """Repaint what changed."""
        for kind in (TitleBar, Banner, CompactStats, ProgressLine):
            widget = self.query_one(kind)
            # A hidden panel is not worth drawing; the banner hides and shows itself in update().
            if widget.display or kind is Banner:
                widget.update()
        if self.has_class("roomy"):
            for panel in self.query_one("#panels").children:
                if isinstance(panel, Panel) and panel.display:
                    panel.update()
        self.query_one(JobTableHeading).update()
        self.table.update()
        self.update_preview()
        self.show_matches()
        self.show_marks()
        self.query_one(MessageLine).update()

    # Back

    def action_back(self) -> None:
        """Clear the filter if there is one, else the marks, else leave an inner instance."""
        if self.dashboard.view.query.text or self.bar.display:
            self.set_filter("")
        elif self.dashboard.marks:
            self.action_unmark()
        elif self.session.parent is not None:
            self.action_leave_instance()

    def action_leave_instance(self) -> None:
        """Go back to the instance around this one, and end the connection to this."""
        self.app.pop_screen()
        in_background(self.app, self.top.leave_instance, self.session)

    # Other screens

    def action_open(self) -> None:
        """Open the job under the cursor, or unfold its set or fold it."""
        row = self.table.cursor_row
        if row is not None and not self.toggle_set():
            from tui.screens.job import JobScreen  # one more hundredth of a second at the start

            self.app.push_screen(JobScreen(self.dashboard.table.ids[row]))

    def on_job_table_view_opened(self) -> None:
        """A double click opens too."""
        self.action_open()

    def action_dmesg(self) -> None:
        """Open the broker's log."""
        from tui.screens.dmesg import DmesgScreen

        self.app.push_screen(DmesgScreen())
