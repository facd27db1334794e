"""Sets of like jobs in the table: folding and unfolding them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.model.lines import SetLine
from tui.screens.live import LiveScreen
from tui.widgets.job_table import JobTableView


class FoldingScreen(LiveScreen):
    """A screen with the job table, in which sets are one line until they are unfolded."""

    FOLD_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "unfold", "Unfold the set", show=False, id="jobs.unfold"),
        Binding("left,h", "fold", "Fold the set", show=False, id="jobs.fold"),
        Binding("z", "fold_all", "Fold all sets, or unfold them", show=False, id="jobs.fold_all"),
        Binding(
            "Z", "grouping", "Show sets as one line, or every job", show=False, id="jobs.grouping"
        ),
    ]

    @property
    def table(self) -> JobTableView:
        """The table widget."""
        return self.query_one(JobTableView)

    def toggle_set(self) -> bool:
        """Fold or unfold the set whose line the cursor is on; false if it is on none."""
        line = self.table.cursor_line
        if not isinstance(line, SetLine):
            return False
        if line.number in self.dashboard.lines.unfolded:
            self.action_fold()
        else:
            self.action_unfold()
        return True

    def action_unfold(self) -> None:
        """Show the jobs of the set under the cursor."""
        line = self.table.cursor_line
        if isinstance(line, SetLine):
            self.dashboard.lines.unfold(line.number)
            self.table.update()

    def action_fold(self) -> None:
        """Show the set that the cursor is in as one line, and put the cursor there."""
        number, lines = self.table.cursor_set, self.dashboard.lines
        if number is not None:
            lines.fold(number)
            index = lines.index_of_set(number)
            if index is not None:
                self.table.move_to(index)
            self.table.update()

    def action_fold_all(self) -> None:
        """Fold all sets if one is unfolded, else unfold all."""
        lines, number = self.dashboard.lines, self.table.cursor_set
        if not self.dashboard.view.members:
            self.notify("there are no sets of like jobs", timeout=3)
        elif lines.unfolded & self.dashboard.view.members.keys():
            lines.fold_all()
            index = None if number is None else lines.index_of_set(number)
            if index is not None:
                self.table.move_to(index)
        else:
            lines.unfold_all()
        self.table.update()

    def action_grouping(self) -> None:
        """Show each set as one line, or every job by itself."""
        on = not self.dashboard.grouping
        self.dashboard.set_grouping(on)
        self.notify("sets of like jobs are one line" if on else "every job has its line", timeout=3)
        self.live_update()
