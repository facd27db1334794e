"""Filtering and sorting the job table."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.binding import Binding, BindingType

from flux.job.query.completion import complete
from tui import history_file
from tui.model import format as fmt
from tui.model.query import QueryError
from tui.screens.live import LiveScreen
from tui.widgets.job_table import JobTableHeading, JobTableView
from tui.widgets.query_bar import QueryBar

CHOICES: Final = 8
"""How many of the words that may be meant are shown."""
QUICK: Final = ("", "state:running", "state:pending", "state:failed,timeout", "state:done")


class FilteringScreen(LiveScreen):
    """A screen with the job table and a line to filter it by."""

    has_filter = True

    FILTER_BINDINGS: ClassVar[list[BindingType]] = [
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
        Binding("1", "quick(0)", "Show all jobs", show=False, id="jobs.all"),
        Binding("2", "quick(1)", "Show running jobs", show=False, id="jobs.running"),
        Binding("3", "quick(2)", "Show pending jobs", show=False, id="jobs.pending"),
        Binding("4", "quick(3)", "Show failed jobs", show=False, id="jobs.failed"),
        Binding("5", "quick(4)", "Show jobs that are over", show=False, id="jobs.done"),
    ]

    _filter_error: QueryError | None = None
    _filter_before = ""
    _answered = ""

    @property
    def table(self) -> JobTableView:
        """The table widget."""
        return self.query_one(JobTableView)

    @property
    def bar(self) -> QueryBar:
        """The filter line."""
        return self.query_one(QueryBar)

    def show_filter(self) -> None:
        """Show the filter that holds, in its line; there is no line without one."""
        text = self.dashboard.view.query.text
        self.bar.set_text(text)
        self.bar.display = bool(text)

    def show_matches(self) -> None:
        """Say how many jobs the filter shows."""
        if self.bar.display and self._filter_error is None:
            counts = self.dashboard.counts
            text = f"{fmt.count(len(self.dashboard.view))} of {fmt.count(counts.read)}"
            if not counts.complete:
                text += f" so far, {fmt.count(counts.total)} in all"
            if text != self._answered:
                self._answered = text
                self.bar.answer(text)

    def action_filter(self) -> None:
        """Type a filter."""
        self._filter_before = self.dashboard.view.query.text
        if self.bar.history is None:
            self.bar.history = history_file.history(history_file.QUERIES)
        self.bar.open()
        self.show_matches()

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
            self.set_filter(self._filter_before)
        self.bar.display = bool(self.bar.text)
        self.set_focus(self.table)

    def set_filter(self, text: str) -> None:
        """Filter by a query, which is shown as if it had been typed; raises QueryError."""
        self.dashboard.set_query(text)
        self._filter_error = None
        self._answered = ""
        self.bar.set_text(text)
        self.bar.display = bool(text)
        self.live_update()

    def action_quick(self, number: int) -> None:
        """Show one group of states."""
        self.set_filter(QUICK[number])

    # Sorting

    def action_sort(self, step: int) -> None:
        """Sort by the next or previous of the columns that are shown."""
        names = self.table.shown_columns
        now = self.dashboard.view.column.name
        place = names.index(now) if now in names else -1 if step > 0 else 0
        self.sort_by(names[(place + step) % len(names)], False)

    def action_reverse(self) -> None:
        """Turn the order round."""
        view = self.dashboard.view
        self.sort_by(view.column.name, not view.reverse)

    def on_job_table_heading_sort(self, event: JobTableHeading.Sort) -> None:
        """Sort by the clicked column, or turn it round."""
        view = self.dashboard.view
        self.sort_by(event.column, event.column == view.column.name and not view.reverse)

    def sort_by(self, column: str, reverse: bool) -> None:
        """Sort by a column, with ``reverse`` in the other order."""
        self.dashboard.set_sort(column, reverse)
        self.query_one(JobTableHeading).update()
        self.table.update()


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
