"""Asking before anything is done to a job. The safe answer has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label

from tui.model.intent import TYPE_ABOVE
from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tui.model.question import Question

REFRESH_SECONDS: Final = 0.5


class ConfirmScreen(Dialog[bool]):
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
        self._typing = question.asked > TYPE_ABOVE

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
        left = question.jobids()
        title = question.title().rstrip("?")
        if left and str(accept.label) != title:
            accept.label = title
            accept.refresh(layout=True)  # its width is that of its words
        if not left and accept.display:
            self.query_one("#refuse").focus()
            for name in ("#accept", "#number", "#prompt"):
                self.query(name).set(display=False)
        accept.disabled = not left or (
            self._typing and not question.typed_right(self.query_one("#number", Input).value)
        )

    def _tell(self, where: str, text: str | Text) -> None:
        label = self.query_one(where, Label)
        label.display = bool(text)
        if label.content != text:
            label.update(text)
            self.call_after_refresh(self.show_focus)

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
