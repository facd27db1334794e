"""Choosing the columns of the job table."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from tui.model import format as fmt
from tui.model.columns import COLUMNS
from tui.screens.dialog import Dialog
from tui.screens.live import LiveScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tui.model.column import Column
    from tui.widgets.palette import Glyphs

Choice = tuple["Column", ...] | None
"""The columns that were chosen, None for those that tell jobs apart."""


class ChoosingScreen(LiveScreen):
    """A screen with the job table, the columns of which can be chosen."""

    COLUMN_BINDINGS: ClassVar[list[BindingType]] = [
        Binding("C", "columns", "Choose the columns", show=False, id="jobs.columns"),
    ]

    def action_columns(self) -> None:
        """Choose which columns are shown, in which order."""

        def answered(answer: tuple[Choice] | None) -> None:
            if answer is not None:
                self.dashboard.set_columns(answer[0])
                self.live_update()

        self.app.push_screen(ColumnsScreen(self.dashboard.columns, self.glyphs), answered)


class ColumnsScreen(Dialog[tuple[Choice] | None]):
    """Lists all columns, those that are shown first and in their order; gives None if it is taken
    back.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "show_or_hide", "Show or hide", id="columns.toggle"),
        Binding("K,shift+up", "shift(-1)", "Further to the left", id="columns.left"),
        Binding("J,shift+down", "shift(1)", "Further to the right", id="columns.right"),
        Binding("enter", "accept", "Take these", priority=True, id="columns.accept"),
        Binding("d", "usual", "Those that tell jobs apart", id="columns.usual"),
        Binding("escape,q", "refuse", "Back", id="columns.back"),
        Binding("j", "move(1)", "Down", show=False, id="columns.down"),
        Binding("k", "move(-1)", "Up", show=False, id="columns.up"),
    ]

    def __init__(self, shown: Sequence[Column], glyphs: Glyphs) -> None:
        super().__init__()
        self._shown = set(shown)
        self._order = [*shown, *(column for column in COLUMNS if column not in self._shown)]
        self._glyphs = glyphs

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="dialog wide"):
            yield Label("Which columns?", classes="dialog-title")
            yield OptionList(compact=True, markup=False)
            keys = "space shows or hides, K and J move, d goes back to those that tell jobs apart"
            yield Label(Text(keys, palette.DIM), classes="dialog-line")

    def on_mount(self) -> None:
        """Fill the list."""
        self._fill(0)

    @property
    def _options(self) -> OptionList:
        return self.query_one(OptionList)

    def _fill(self, at: int) -> None:
        self._options.clear_options()
        self._options.add_options([Option(self._row(column)) for column in self._order])
        self._options.highlighted = max(0, min(at, len(self._order) - 1))

    def _row(self, column: Column) -> Text:
        shown = column in self._shown
        title = column.title
        if self._glyphs is palette.ASCII:
            title = title.replace(fmt.TIMES, "x")
        return Text.assemble(
            (f"{self._glyphs.mark if shown else ' '} ", palette.AMBER),
            (f"{title[:18]:<19}", palette.BRIGHT if shown else palette.SOFT),
            (column.meaning, palette.SOFT if shown else palette.DIM),
        )

    def action_show_or_hide(self) -> None:
        """Show the column or hide it."""
        at = self._options.highlighted or 0
        self._shown ^= {self._order[at]}
        self._fill(at)

    def action_shift(self, step: int) -> None:
        """Move the column in the order."""
        at = self._options.highlighted or 0
        to = at + step
        if 0 <= to < len(self._order):
            order = self._order
            order[at], order[to] = order[to], order[at]
            self._fill(to)

    def action_move(self, lines: int) -> None:
        """Go to the next or previous column."""
        self._options.action_cursor_down() if lines > 0 else self._options.action_cursor_up()

    def action_accept(self) -> None:
        """Show these; none at all is not taken."""
        chosen = tuple(column for column in self._order if column in self._shown)
        if chosen:
            self.dismiss((chosen,))
        else:
            self.app.bell()

    def action_usual(self) -> None:
        """Show those that tell jobs apart, as at the beginning."""
        self.dismiss((None,))

    def action_refuse(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)
