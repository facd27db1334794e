"""Cursor and marks of the job table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.query import Query, QueryError
from tui.model.question import jobs
from tui.model.selection import targets
from tui.screens.changing import ChangingScreen
from tui.widgets.footing import MarksLine
from tui.widgets.job_table import JobTableView

if TYPE_CHECKING:
    from tui.model.selection import Targets


class MarkingScreen(ChangingScreen):
    """A screen with the job table, whose jobs can be marked."""

    MARK_BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space",
            "mark",
            "Mark",
            tooltip="Mark or unmark the job, go to the next",
            id="jobs.mark",
        ),
    ]
    MOVE_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("M", "mark_query", "Mark jobs by a query", show=False, id="jobs.mark_query"),
        Binding("a", "mark_all", "Mark all jobs the filter shows", show=False, id="jobs.mark_all"),
        Binding("u", "unmark", "Unmark all", show=False, id="jobs.unmark"),
        Binding("y", "copy", "Copy the job id", show=False, id="jobs.copy"),
        Binding("down,j", "move(1)", "Down", show=False, id="jobs.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="jobs.up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="jobs.pagedown"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="jobs.pageup"),
        Binding("home,g", "go(0)", "First job", show=False, id="jobs.home"),
        Binding("end,G", "go(-1)", "Last job", show=False, id="jobs.end"),
    ]

    @property
    def table(self) -> JobTableView:
        """The table widget."""
        return self.query_one(JobTableView)

    def show_marks(self) -> None:
        """Say how many jobs are marked."""
        line = self.query_one(MarksLine)
        before = line.display
        line.in_sight = self.table.marks_in_sight if self.dashboard.marks else 0
        line.update()
        if line.display != before:  # the table has a line more or less, once it is laid out
            self.call_after_refresh(self.show_marks)

    def on_job_table_view_marked(self) -> None:
        """The mouse marked jobs."""
        self.table.update()
        self.show_marks()

    def on_job_table_view_scrolled(self) -> None:
        """Other marks are in sight."""
        self.show_marks()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.table.move_by(lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by a screenful."""
        self.table.move_by(pages * self.table.page)

    def action_go(self, line: int) -> None:
        """Move the cursor to a line, -1 for the last."""
        self.table.move_to(line if line >= 0 else len(self.dashboard.lines) - 1)

    def targets(self) -> Targets:
        """Return the marked jobs, otherwise those under the cursor: one, or all of a set."""
        return targets(self.dashboard, self.table.cursor_rows)

    def action_mark(self) -> None:
        """Mark the job under the cursor, or all jobs of a set, and go on; unmark them if all are
        marked.
        """
        if self.table.cursor_rows:
            self.table.mark_lines(self.table.cursor, self.table.cursor, toggle=True)
            self.table.move_by(1)
            self.show_marks()

    def action_mark_all(self) -> None:
        """Mark every job the filter shows."""
        ids = self.dashboard.table.ids
        self.dashboard.marks.update(ids[row] for row in self.dashboard.view.rows())
        self.notify(f"{fmt.count(len(self.dashboard.marks))} jobs marked", timeout=3)
        self.live_update()

    def action_mark_query(self) -> None:
        """Mark every job that a query finds, whatever the filter shows."""

        def check(text: str) -> str:
            try:
                Query.parse(text)
            except QueryError as error:
                return str(error)
            return "" if text.strip() else "no query is typed"

        def answered(text: str | None) -> None:
            if text is not None:
                self.mark(Query.parse(text))

        note = "state:failed user:alice t>5m; marks stay on what is marked already"
        from tui.screens.prompt import PromptScreen

        self.app.push_screen(PromptScreen("Mark which jobs?", note, check=check), answered)

    def mark(self, query: Query) -> None:
        """Mark every job that ``query`` finds."""
        table, now = self.dashboard.table, self.dashboard.moment
        matches = query.compile(table, now)
        rows = range(len(table)) if matches is None else filter(matches, range(len(table)))
        found = {table.ids[row] for row in rows}
        self.dashboard.marks |= found
        self.notify(f"{jobs(len(found))} found, {fmt.count(len(self.dashboard.marks))} marked")
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
