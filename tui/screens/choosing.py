"""Choosing one of some names."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from tui.model import format as fmt
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult


class ChooseScreen(ModalScreen[str | None]):
    """Lists ``names``; gives the one that was chosen, None if none was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "refuse", "Back", id="choose.back"),
        Binding("j", "move(1)", "Down", show=False, id="choose.down"),
        Binding("k", "move(-1)", "Up", show=False, id="choose.up"),
    ]

    def __init__(self, title: str, names: Sequence[str], current: str) -> None:
        super().__init__()
        self._title = title
        self._names = list(names)
        self._current = current

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title", markup=False)
            options = OptionList(compact=True)
            options.add_options(
                Option(Text(fmt.printable(name), palette.TEXT)) for name in self._names
            )
            yield options

    def on_mount(self) -> None:
        """Begin at the current one."""
        if self._names:
            at = self._names.index(self._current) if self._current in self._names else 0
            self.query_one(OptionList).highlighted = at

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer with the name."""
        self.dismiss(self._names[event.option_index])

    def action_move(self, lines: int) -> None:
        """Go to the next or previous name."""
        options = self.query_one(OptionList)
        options.action_cursor_down() if lines > 0 else options.action_cursor_up()

    def action_refuse(self) -> None:
        """Choose none."""
        self.dismiss(None)
