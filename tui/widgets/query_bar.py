"""One line to type a filter or a search into, with what it found at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from tui.widgets import palette

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tui.model.history import TypedLines


class QueryBar(Horizontal):
    """Hidden until opened; Enter keeps what was typed, Escape takes it back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "take_back", "Clear", tooltip="Undo what was typed", id="query.back"),
        Binding(
            "tab", "mend", "Mend", tooltip="Take what is suggested", show=False, id="query.mend"
        ),
        Binding("up", "older", "What was typed before", show=False, id="query.older"),
        Binding("down", "newer", "What was typed after it", show=False, id="query.newer"),
    ]

    class Mended(Message):
        """What is suggested was taken."""

    class Typed(Message):
        """The text changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Closed(Message):
        """Typing ended; ``kept`` is false after Escape."""

        def __init__(self, kept: bool) -> None:
            super().__init__()
            self.kept = kept

    def __init__(self, prompt: str, placeholder: str, id: str | None = None) -> None:
        super().__init__(id=id)
        self._prompt = prompt
        self._placeholder = placeholder

    history: TypedLines | None = None
    """What was typed before, for the arrow keys; they are the screen's without it."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the arrow keys to the screen where there is no history."""
        return not (action in ("older", "newer") and self.history is None)

    def compose(self) -> ComposeResult:
        """Lay out prompt, input and answer."""
        yield Label(f" {self._prompt} ", classes="prompt")
        yield Input(placeholder=self._placeholder, compact=True)
        yield Label("", classes="answer")

    @property
    def input(self) -> Input:
        """Where the text is typed."""
        return self.query_one(Input)

    @property
    def text(self) -> str:
        """What is typed now."""
        return self.input.value

    def open(self) -> None:
        """Show the line and type into it."""
        self.display = True
        # Not focus(), which waits for its turn behind keys that were typed meanwhile.
        self.screen.set_focus(self.input)

    def set_text(self, text: str) -> None:
        """Put ``text`` into the line without telling anyone."""
        with self.input.prevent(Input.Changed):
            self.input.value = text

    @property
    def caret(self) -> int:
        """Where the next letter goes."""
        return self.input.cursor_position

    def put_caret(self, place: int) -> None:
        """Put the caret there."""
        self.input.cursor_position = place

    def action_mend(self) -> None:
        """Tab takes what is suggested."""
        self.post_message(self.Mended())

    def action_older(self) -> None:
        """Show the line before."""
        if self.history is not None:
            self._recall(self.history.older(self.text))

    def action_newer(self) -> None:
        """Show the line after."""
        if self.history is not None:
            self._recall(self.history.newer())

    def _recall(self, line: str | None) -> None:
        if line is not None and line != self.text:
            with self.input.prevent(Input.Changed):
                self.input.value = line
            self.put_caret(len(line))
            self.post_message(self.Typed(line))

    def answer(self, text: str, bad: bool = False) -> None:
        """Show ``text`` at the right, in red if ``bad``."""
        self.query_one(".answer", Label).update(
            Text(f" {text} ", palette.RED if bad else palette.SOFT)
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        """Pass on every change."""
        event.stop()
        if self.history is not None:
            self.history.start()
        self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter keeps the text."""
        event.stop()
        if self.history is not None:
            self.history.add(event.value)
        self.post_message(self.Closed(kept=True))

    def action_take_back(self) -> None:
        """Escape takes it back."""
        self.post_message(self.Closed(kept=False))
