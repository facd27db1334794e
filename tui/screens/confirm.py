"""Asking before anything is done to a job. The safe answer has the focus."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList
from textual.widgets.option_list import Option

from tui.widgets import palette

if TYPE_CHECKING:
    from textual.app import ComposeResult

TYPE_NUMBER_ABOVE: Final = 20
"""From more jobs than this on, the number has to be typed."""

SIGNALS: Final = (
    (signal.SIGTERM, "ask to end"),
    (signal.SIGKILL, "end at once"),
    (signal.SIGINT, "interrupt, as Ctrl+C"),
    (signal.SIGHUP, "hang up"),
    (signal.SIGUSR1, "user signal 1"),
    (signal.SIGUSR2, "user signal 2"),
    (signal.SIGSTOP, "pause"),
    (signal.SIGCONT, "go on after a pause"),
)


class ConfirmScreen(ModalScreen[bool]):
    """Says what will happen to how many jobs; gives True only if the second button is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "refuse", "Back", id="confirm.back"),
        Binding("left", "app.focus_previous", "Previous", show=False, id="confirm.previous"),
        Binding("right", "app.focus_next", "Next", show=False, id="confirm.next"),
    ]

    def __init__(self, title: str, lines: list[str], action: str, number: int) -> None:
        super().__init__()
        self._title = title
        self._lines = lines
        self._action = action
        self._number = number

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog"):
            yield Label(self._title, classes="dialog-title")
            for line in self._lines:
                yield Label(Text(line, no_wrap=True, overflow="ellipsis"), classes="dialog-line")
            if self._number > TYPE_NUMBER_ABOVE:
                yield Label(f"Type {self._number} to go on:", classes="dialog-line")
                yield Input(id="number", compact=True, restrict=r"[0-9]*")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Back", id="refuse", compact=True)
                accept = Button(self._action, id="accept", variant="error", compact=True)
                accept.disabled = self._number > TYPE_NUMBER_ABOVE
                yield accept

    def on_mount(self) -> None:
        """Give the safe answer the focus."""
        self.query_one("#refuse", Button).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Allow the action once the number is right."""
        self.query_one("#accept", Button).disabled = event.value != str(self._number)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "accept")

    def action_refuse(self) -> None:
        """Do nothing."""
        self.dismiss(False)


class SignalScreen(ModalScreen[int]):
    """Chooses a signal; gives 0 if none."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "refuse", "Back", id="signal.back")]

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="dialog"):
            yield Label("Which signal?", classes="dialog-title")
            options = OptionList(compact=True)
            for number, meaning in SIGNALS:
                row = Text.assemble(
                    (f"{number.name:<9}", palette.BRIGHT),
                    (f"{int(number):>3}   {meaning}", palette.SOFT),
                )
                options.add_option(Option(row, id=str(int(number))))
            yield options

    def on_mount(self) -> None:
        """Begin at the mildest."""
        self.query_one(OptionList).highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer with the signal's number."""
        self.dismiss(int(event.option.id or 0))

    def action_refuse(self) -> None:
        """Choose none."""
        self.dismiss(0)
