"""Asking before a node, a queue, a module or a key is changed. The safe answer has the focus,
unless a text has to be typed first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Label

from tui.screens.dialog import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tui.model.intent import Intent


class IntentScreen(Dialog[str | None]):
    """Says what will be done to what; gives the text that was typed, empty if none was asked for,
    and None if it is not to be done.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "refuse", "Back", id="intent.back"),
        Binding("left", "app.focus_previous", "Previous", show=False, id="intent.previous"),
        Binding("right", "app.focus_next", "Next", show=False, id="intent.next"),
    ]

    def __init__(self, intent: Intent) -> None:
        super().__init__()
        self.intent = intent

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        intent = self.intent
        with Vertical(classes="dialog wide"):
            yield Label(intent.title, id="question", classes="dialog-title", markup=False)
            if intent.listing():
                listing = Text("\n".join(intent.listing()), no_wrap=True, overflow="ellipsis")
                yield Label(listing, classes="dialog-line")
            if intent.notes:
                yield Label("\n".join(intent.notes), classes="dialog-note", markup=False)
            if intent.prompt:
                yield Label(f"{intent.prompt}:", classes="dialog-line asked", markup=False)
                yield Input(intent.given, id="text", compact=True)
            if intent.typing:
                asked = f"Type {len(intent.names)} and press Enter to go on:"
                yield Label(asked, classes="dialog-line asked")
                yield Input(id="number", compact=True, restrict=r"[0-9]*")
            yield Label("", id="wrong", classes="dialog-line wrong", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Back", id="refuse", compact=True)
                yield Button(Text(intent.action), id="accept", variant="error", compact=True)

    def on_mount(self) -> None:
        """Give the focus to what is to be typed, else to the safe answer."""
        intent = self.intent
        first = "#text" if intent.prompt else "#number" if intent.typing else "#refuse"
        self.query_one(first).focus()
        self.query_one("#wrong").display = False
        self._show()

    def _typed(self, name: str) -> str:
        found = self.query(f"#{name}").results(Input)
        return next((field.value for field in found), "")

    def _lacks(self) -> str:
        return self.intent.lacks(self._typed("text"), self._typed("number"))

    def _show(self) -> None:
        self.query_one("#accept", Button).disabled = bool(self._lacks())

    def on_input_changed(self) -> None:
        """Allow the action once nothing is missing."""
        self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes on, to the number if that is still to be typed, and says what is missing."""
        lacks = self._lacks()
        if not lacks:
            self.dismiss(self._typed("text"))
            return
        if event.input.id == "text" and self.intent.typing and event.value.strip():
            self.query_one("#number").focus()
            return
        wrong = self.query_one("#wrong", Label)
        wrong.update(lacks)
        wrong.display = True

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(self._typed("text") if event.button.id == "accept" else None)

    def key_q(self) -> None:
        """Go back, as Escape does, unless q is being typed."""
        if not isinstance(self.focused, Input):
            self.action_refuse()

    def action_refuse(self) -> None:
        """Do nothing."""
        self.dismiss(None)
