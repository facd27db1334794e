"""The preview of the job under the cursor, at the right of a wide jobs screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.binding import Binding, BindingType
from textual.css.query import NoMatches

from tui.model.example import example
from tui.model.lines import SetLine
from tui.screens.helping import helping_keys
from tui.screens.marking import MarkingScreen
from tui.widgets.pane_divider import PaneDivider
from tui.widgets.preview import PreviewPane

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.widget import Widget

    from flux.job.why import Remedy
    from tui.model.table import JobTable

WIDE: Final = 140
"""Columns from which there is room for a preview."""
LEAST: Final = 30
"""Columns that table and preview keep."""
STEP: Final = 4


class PreviewingScreen(MarkingScreen):
    """A screen with the job table and room beside it."""

    PREVIEW_BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "p", "preview", "Show or hide the job under the cursor", show=False, id="preview.toggle"
        ),
        Binding(
            "less_than_sign",
            f"split({STEP})",
            "More room for the preview",
            key_display="<",
            show=False,
            id="preview.wider",
        ),
        Binding(
            "greater_than_sign",
            f"split(-{STEP})",
            "More room for the table",
            key_display=">",
            show=False,
            id="preview.narrower",
        ),
    ]

    _wanted = True
    _share = 1 / 3
    _example: tuple[tuple[JobTable, int, int], int, str] | None = None

    def make_preview(self) -> Iterator[Widget]:
        """Make the preview, and the line at its left."""
        yield PaneDivider(self.glyphs, id="splitter")
        yield PreviewPane(self.dashboard, self.glyphs, self.feed, self._keys, id="preview")

    def _keys(self) -> dict[Remedy, tuple[str, str]]:
        """Return the keys that help the job under the cursor: while jobs are marked, they are for
        those, and on a set for all of it.
        """
        others = self.dashboard.marks or isinstance(self.table.cursor_line, SetLine)
        return {} if others else helping_keys(self)

    @property
    def preview(self) -> PreviewPane | None:
        """The preview, None while the screen is not laid out or the preview is hidden."""
        try:
            pane = self.query_one(PreviewPane)
        except NoMatches:
            return None
        return pane if pane.display else None

    def fit_preview(self, width: int) -> None:
        """Show the preview if the screen is that wide and it is wanted."""
        try:
            pane = self.query_one(PreviewPane)
        except NoMatches:
            return
        shown = self._wanted and width >= WIDE
        pane.display = self.query_one(PaneDivider).display = shown
        if shown:
            pane.styles.width = max(LEAST, min(width - LEAST, round(width * self._share)))
            self.update_preview()
        else:
            pane.stop()

    def update_preview(self) -> None:
        """Bring the preview to the job under the cursor, and up to date."""
        pane = self.preview
        if pane is None or not self.composed:
            return
        pane.show(*self._at_cursor())

    def _at_cursor(self) -> tuple[int | None, str]:
        """Return the id of the job under the cursor; of a set one that is worth a look, and what
        to say of the others.
        """
        line, table = self.table.cursor_line, self.dashboard.table
        if not isinstance(line, SetLine):
            self._example = None
            row = self.table.cursor_row
            return None if row is None else table.ids[row], ""
        # A set may hold 100,000 jobs: they are looked through once a second, and when jobs were
        # dropped, which numbers sets and rows anew.
        key = table, line.number, int(self.dashboard.clock())
        if self._example is None or self._example[0] != key:
            rows = self.table.cursor_rows
            self._example = None
            if rows:
                row, note = example(table, rows)
                self._example = key, table.ids[row], note
        return self._example[1:] if self._example is not None else (None, "")

    def on_job_table_view_moved(self) -> None:
        """The cursor was moved."""
        self.update_preview()

    def on_screen_suspend(self) -> None:
        """Another screen is on top: it follows what it shows, and this one nothing."""
        pane = self.preview
        if pane is not None:
            pane.stop()

    def action_preview(self) -> None:
        """Show or hide the preview."""
        width = self.app.size.width
        if width < WIDE:
            self.notify(f"the preview needs {WIDE} columns, here are {width}", timeout=4)
            return
        self._wanted = not self._wanted
        self.fit_preview(width)

    def action_split(self, columns: int) -> None:
        """Give the preview that many columns more."""
        pane = self.preview
        if pane is not None:
            self._give(pane.outer_size.width + columns)

    def on_pane_divider_dragged(self, event: PaneDivider.Dragged) -> None:
        """The mouse moved the line."""
        self._give(self.app.size.width - event.column - 1)

    def _give(self, columns: int) -> None:
        width = self.app.size.width
        self._share = max(LEAST, min(width - LEAST, columns)) / width
        self.fit_preview(width)
