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

    from tui.model.question import Question

TYPE_NUMBER_ABOVE: Final = 20
"""From more jobs than this on, the number has to be typed."""

REFRESH_SECONDS: Final = 0.5

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
    """Says what will happen to how many jobs, and stays true while they go on; gives True only if
    that is meant: by the second button, or by the number typed and Enter.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "refuse", "Back", id="confirm.back"),
        Binding("left", "app.focus_previous", "Previous", show=False, id="confirm.previous"),
        Binding("right", "app.focus_next", "Next", show=False, id="confirm.next"),
    ]

    def __init__(self, question: Question, plain: bool) -> None:
        super().__init__()
        self.question = question
        self._plain = plain
        self._typing = question.asked > TYPE_NUMBER_ABOVE

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog wide"):
            yield Label("", id="question", classes="dialog-title", markup=False)
            yield Label("", id="listing", classes="dialog-line", markup=False)
            yield Label("", id="notes", classes="dialog-note", markup=False)
            if self._typing:
                yield Label(
                    f"Type {self.question.asked} and press Enter to go on:",
                    id="prompt",
                    classes="dialog-line",
                )
                yield Input(id="number", compact=True, restrict=r"[0-9]*")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Back", id="refuse", compact=True)
                yield Button("", id="accept", variant="error", compact=True)

    def on_mount(self) -> None:
        """Give the safe answer the focus, or the number that is to be typed."""
        self.query_one("#number" if self._typing else "#refuse").focus()
        self._show()
        self.set_interval(REFRESH_SECONDS, self._show)

    def _show(self) -> None:
        """Say how things are by now."""
        question = self.question
        self._tell("#question", question.title())
        listing = Text("\n".join(question.listing(self._plain)), no_wrap=True, overflow="ellipsis")
        self._tell("#listing", listing)
        self._tell("#notes", "\n".join(question.notes()))
        accept = self.query_one("#accept", Button)
        title = question.title().rstrip("?")
        if str(accept.label) != title:
            accept.label = title
        accept.disabled = not question.jobids() or (
            self._typing and not question.typed_right(self.query_one("#number", Input).value)
        )

    def _tell(self, where: str, text: str | Text) -> None:
        label = self.query_one(where, Label)
        label.display = bool(text)
        if label.content != text:
            label.update(text)

    def on_input_changed(self) -> None:
        """Allow the action once the number is right."""
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on if the number is right, say so if it is not."""
        if self.question.typed_right(event.value) and self.question.jobids():
            self.dismiss(True)
            return
        number = self.question.asked
        self._tell("#prompt", f"That is not {number}: type {number} to go on")
        self.query_one("#prompt", Label).add_class("wrong")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "accept")

    def action_refuse(self) -> None:
        """Do nothing."""
        self.dismiss(False)


class SignalScreen(ModalScreen[int]):
    """Chooses a signal; gives 0 if none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "refuse", "Back", id="signal.back"),
        Binding("j", "move(1)", "Down", show=False, id="signal.down"),
        Binding("k", "move(-1)", "Up", show=False, id="signal.up"),
    ]

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

    def action_move(self, lines: int) -> None:
        """Go to the next or previous signal."""
        options = self.query_one(OptionList)
        options.action_cursor_down() if lines > 0 else options.action_cursor_up()

    def action_refuse(self) -> None:
        """Choose none."""
        self.dismiss(0)
