"""The first screen: the instance's figures, its jobs, the progress of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from flux.job.query.completion import complete
from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.query import QueryError
from tui.model.selection import targets
from tui.screens.actions import ActingScreen
from tui.screens.dmesg import DmesgScreen
from tui.screens.job import JobScreen
from tui.widgets.footing import KeysFooter, MarksLine, MessageLine
from tui.widgets.header import (
    Banner,
    CompactStats,
    CoresPanel,
    ProgressLine,
    StatesPanel,
    ThroughputPanel,
    TitleBar,
)
from tui.widgets.job_table import JobTableHeading, JobTableView
from tui.widgets.query_bar import QueryBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Resize

    from tui.model.selection import Targets

TALL: Final = 34
WIDE: Final = 110
CHOICES: Final = 8
"""How many of the words that may be meant are shown."""
QUICK: Final = ("", "state:running", "state:pending", "state:failed,timeout", "state:done")


class JobsScreen(ActingScreen):
    """Job table with header, filter and progress line."""

    has_filter = True

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "enter",
            "open",
            "Open",
            tooltip="Open the job under the cursor",
            key_display="\u23ce",
            id="jobs.open",
        ),
        Binding(
            "space",
            "mark",
            "Mark",
            tooltip="Mark or unmark the job, go to the next",
            id="jobs.mark",
        ),
        Binding(
            "slash",
            "filter",
            "Filter",
            tooltip="Filter and search",
            key_display="/",
            id="jobs.filter",
        ),
        Binding("s", "sort(1)", "Sort", tooltip="Sort by the next column", id="jobs.sort"),
        Binding(
            "S", "sort(-1)", "Sort by the previous column", show=False, id="jobs.sort_previous"
        ),
        Binding("r", "reverse", "Turn the sort order round", show=False, id="jobs.reverse"),
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
        Binding("d", "dmesg", "Log", tooltip="Log of the broker (dmesg)", id="jobs.dmesg"),
        Binding(
            "question_mark", "help", "Help", tooltip="This list", key_display="?", id="jobs.help"
        ),
        Binding("a", "mark_all", "Mark all jobs the filter shows", show=False, id="jobs.mark_all"),
        Binding("u", "unmark", "Unmark all", show=False, id="jobs.unmark"),
        Binding("y", "copy", "Copy the job id", show=False, id="jobs.copy"),
        Binding("1", "quick(0)", "Show all jobs", show=False, id="jobs.all"),
        Binding("2", "quick(1)", "Show running jobs", show=False, id="jobs.running"),
        Binding("3", "quick(2)", "Show pending jobs", show=False, id="jobs.pending"),
        Binding("4", "quick(3)", "Show failed jobs", show=False, id="jobs.failed"),
        Binding("5", "quick(4)", "Show jobs that are over", show=False, id="jobs.done"),
        Binding("escape", "back", "Clear the filter, then the marks", show=False, id="jobs.back"),
        Binding("down,j", "move(1)", "Down", show=False, id="jobs.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="jobs.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="jobs.pagedown"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="jobs.pageup"),
        Binding("home,g", "go(0)", "First job", show=False, id="jobs.home"),
        Binding("end,G", "go(-1)", "Last job", show=False, id="jobs.end"),
    ]

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        model, glyphs = self.dashboard, self.glyphs
        yield TitleBar(model, glyphs, id="title")
        yield Banner(model, glyphs, id="banner")
        yield CompactStats(model, glyphs, id="compact")
        with Horizontal(id="panels"):
            for panel, title in (
                (StatesPanel(model, glyphs, id="states"), "Jobs"),
                (ThroughputPanel(model, glyphs, id="rates"), "Jobs done per second"),
                (CoresPanel(model, glyphs, id="cores"), "Cores"),
            ):
                panel.border_title = title
                yield panel
        yield QueryBar(
            "/", "state:running user:me -name:test* t>5m, or letters of a name", id="filter"
        )
        yield JobTableHeading(model, glyphs, id="heading")
        yield JobTableView(model, glyphs, id="table")
        yield MarksLine(model, glyphs, id="marks")
        yield self.message_line()
        yield ProgressLine(model, glyphs, id="progress")
        yield KeysFooter(glyphs.more)

    @property
    def table(self) -> JobTableView:
        """The table widget."""
        return self.query_one(JobTableView)

    @property
    def bar(self) -> QueryBar:
        """The filter line."""
        return self.query_one(QueryBar)

    def on_mount(self) -> None:
        """Show what the command line asked for."""
        self.composed = True
        self.table.focus()
        text = self.dashboard.view.query.text
        self.bar.set_text(text)
        self.bar.display = bool(text)
        self.live_update()

    def on_resize(self, event: Resize) -> None:
        """Panels on a large terminal, two lines on a small one."""
        roomy = event.size.height >= TALL and event.size.width >= WIDE
        self.set_class(roomy, "roomy")

    def live_update(self) -> None:
        """Repaint what changed."""
        for kind in (
            TitleBar,
            Banner,
            CompactStats,
            StatesPanel,
            ThroughputPanel,
            CoresPanel,
            ProgressLine,
        ):
            widget = self.query_one(kind)
            # A hidden panel is not worth drawing; the banner hides and shows itself in update().
            if widget.display or kind is Banner:
                widget.update()
        self.table.update()
        self._show_matches()
        self._show_marks()
        self.query_one(MessageLine).update()

    def _show_matches(self) -> None:
        if self.bar.display and self._filter_error is None:
            counts = self.dashboard.counts
            text = f"{fmt.count(len(self.dashboard.view))} of {fmt.count(counts.read)}"
            if not counts.complete:
                text += f" so far, {fmt.count(counts.total)} in all"
            if text != self._answered:
                self._answered = text
                self.bar.answer(text)

    def _show_marks(self) -> None:
        line = self.query_one(MarksLine)
        before = line.display
        line.in_sight = self.table.marks_in_sight if self.dashboard.marks else 0
        line.update()
        if line.display != before:  # the table has a line more or less, once it is laid out
            self.call_after_refresh(self._show_marks)

    def on_job_table_view_scrolled(self) -> None:
        """Other marks are in sight."""
        self._show_marks()

    # Filter

    _filter_error: QueryError | None = None
    _filter_before = ""
    _answered = ""

    def action_filter(self) -> None:
        """Type a filter."""
        self._filter_before = self.dashboard.view.query.text
        self.bar.open()
        self._show_matches()

    def on_query_bar_typed(self, event: QueryBar.Typed) -> None:
        """Filter while typing; while what is typed cannot be read, the filter is the one before."""
        self._answered = ""
        try:
            self.dashboard.set_query(event.text)
            self._filter_error = None
        except QueryError as error:
            self.dashboard.set_query(self._filter_before)
            self._filter_error = error
            take = " (Tab)" if error.replacement else ""
            self.bar.answer(f"{error}{take}", bad=True)
        self.live_update()

    def on_query_bar_mended(self) -> None:
        """Write what is suggested: the right word for a wrong one, or the rest of what is begun."""
        if self._filter_error is not None:
            self.bar.input.value = _mended(self.bar.text, self._filter_error)
            self.bar.put_caret(len(self.bar.text))
            return
        text = self.bar.text
        done = complete(text, self.bar.caret, self.dashboard.values_of)
        word = _common_beginning(done.choices)
        if len(word) > done.end - done.start:
            self.bar.input.value = text[: done.start] + word + text[done.end :]
            self.bar.put_caret(done.start + len(word))
        elif len(done.choices) > 1:
            self.bar.answer(" ".join(done.choices[:CHOICES]))

    def on_query_bar_closed(self, event: QueryBar.Closed) -> None:
        """Back to the table: with the filter or, after Escape, with the one before. One that cannot
        be read stays to be mended.
        """
        if event.kept and self._filter_error is not None:
            self.bar.put_caret(self._filter_error.end)
            return
        if not event.kept:
            self._set_filter(self._filter_before)
        self.bar.display = bool(self.bar.text)
        self.table.focus()

    def _set_filter(self, text: str) -> None:
        self.dashboard.set_query(text)
        self._filter_error = None
        self._answered = ""
        self.bar.set_text(text)
        self.bar.display = bool(text)
        self.live_update()

    def action_quick(self, number: int) -> None:
        """Show one group of states."""
        self._set_filter(QUICK[number])

    # Sorting

    def action_sort(self, step: int) -> None:
        """Sort by the next or previous of the columns that are shown."""
        names = self.table.shown_columns
        now = self.dashboard.view.column.name
        place = names.index(now) if now in names else -1 if step > 0 else 0
        self._sort(names[(place + step) % len(names)], False)

    def action_reverse(self) -> None:
        """Turn the order round."""
        view = self.dashboard.view
        self._sort(view.column.name, not view.reverse)

    def on_job_table_heading_sort(self, event: JobTableHeading.Sort) -> None:
        """Sort by the clicked column, or turn it round."""
        view = self.dashboard.view
        self._sort(event.column, event.column == view.column.name and not view.reverse)

    def _sort(self, column: str, reverse: bool) -> None:
        self.dashboard.view.set_sort(column, reverse, self.dashboard.clock())
        self.query_one(JobTableHeading).refresh()
        self.table.update()

    # Cursor and marks

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.table.move_by(lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a screenful."""
        self.table.move_by(pages * self.table.page)

    def action_go(self, line: int) -> None:
        """Move the cursor to a line, -1 for the last."""
        self.table.move_to(line if line >= 0 else len(self.dashboard.view) - 1)

    def targets(self) -> Targets:
        """Return the marked jobs, otherwise the one under the cursor."""
        return targets(self.dashboard, self.table.cursor_row)

    def action_mark(self) -> None:
        """Mark or unmark the job under the cursor and go on."""
        row = self.table.cursor_row
        if row is not None:
            self.dashboard.marks ^= {self.dashboard.table.ids[row]}
            self.table.move_by(1)
            self._show_marks()

    def action_mark_all(self) -> None:
        """Mark every job the filter shows."""
        ids = self.dashboard.table.ids
        self.dashboard.marks.update(ids[row] for row in self.dashboard.view.rows())
        self.notify(f"{fmt.count(len(self.dashboard.marks))} jobs marked", timeout=3)
        self.live_update()

    def action_unmark(self) -> None:
        """Unmark all."""
        self.dashboard.marks.clear()
        self.live_update()

    def action_copy(self) -> None:
        """Copy the ids to the clipboard."""
        ids = " ".join(map(f58, self.targets().jobids))
        if ids:
            self.app.copy_to_clipboard(ids)
            self.notify(
                f"copied {ids if len(ids) < 60 else 'the ids of all marked jobs'}", timeout=3
            )

    def action_back(self) -> None:
        """Clear the filter if there is one, else the marks."""
        if self.dashboard.view.query.text or self.bar.display:
            self._set_filter("")
        else:
            self.action_unmark()

    # Other screens

    def action_open(self) -> None:
        """Open the job under the cursor."""
        row = self.table.cursor_row
        if row is not None:
            self.app.push_screen(JobScreen(self.dashboard.table.ids[row]))

    def on_job_table_view_opened(self) -> None:
        """A double click opens too."""
        self.action_open()

    def action_dmesg(self) -> None:
        """Open the broker's log."""
        self.app.push_screen(DmesgScreen())


def _mended(text: str, error: QueryError) -> str:
    """Return the filter with what is right in the place of what is wrong, if that is known."""
    if error.replacement is None:
        return text
    return text[: error.start] + error.replacement + text[error.end :]


def _common_beginning(words: list[str]) -> str:
    """Return the letters that all words begin with."""
    least, most = min(words, default=""), max(words, default="")
    same = (place for place, (one, two) in enumerate(zip(least, most, strict=False)) if one != two)
    return least[: next(same, min(len(least), len(most)))]
