"""The line for commands, over whatever screen there is, with what it may become above it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import set_cell_size
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from tui.flux_words import FluxWord
from tui.model import format as fmt
from tui.model.commands import VERBS
from tui.screens.sparing import Sparing
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.app import ComposeResult

    from tui.model.history import TypedLines

    Known = Callable[[str], tuple[int, list[FluxWord]] | None]
    Asked = Callable[[str], Awaitable[tuple[int, list[FluxWord]]]]

SHOWN: Final = 8
"""Choices in sight at a time."""
PAUSE: Final = 0.12
"""Seconds without a key after which a sub-command is asked what its words may become."""


class CommandBar(Sparing, ModalScreen[str | None]):
    """Gives the line that was typed, or None if it was taken back.

    ``known`` says at once where the last word of a line begins and what it may become, None if only
    ``asked`` can find out, which takes its time.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "refuse", "Back", id="command.back"),
        Binding("tab", "choose(1)", "Complete", show=False, id="command.complete"),
        Binding("shift+tab", "choose(-1)", "Previous choice", show=False, id="command.previous"),
        Binding("up", "older", "Older line", show=False, id="command.older"),
        Binding("down", "newer", "Newer line", show=False, id="command.newer"),
    ]

    def __init__(self, history: TypedLines, known: Known, asked: Asked, text: str = "") -> None:
        super().__init__()
        self._history = history
        self._known, self._asked = known, asked
        self._first = text
        self._start = 0
        self._choices: list[FluxWord] = []
        self._chosen: int | None = None
        self._typed = ""

    def compose(self) -> ComposeResult:
        """Lay out the line, at the bottom."""
        with Vertical(id="command"):
            yield Static("", id="choices", markup=False)
            with Horizontal(id="command-line"):
                yield Label(" : ", classes="prompt")
                yield Input(self._first, compact=True, select_on_focus=False)

    @property
    def input(self) -> Input:
        """Where the line is typed."""
        return self.query_one(Input)

    def on_mount(self) -> None:
        """Type at once."""
        self.input.focus()
        self.input.cursor_position = len(self._first)
        self._look(self._first)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Another line may become other things."""
        event.stop()
        self._history.start()
        self._look(event.value)

    def _look(self, text: str) -> None:
        self._typed, self._chosen = text, None
        found = self._known(text)
        if found is None:
            self.run_worker(self._ask(text), group="words", exit_on_error=False)
        else:
            self._start, self._choices = found
        self._show()

    async def _ask(self, text: str) -> None:
        """Find out what a word may become, unless more is typed meanwhile."""
        self._choices = []
        await asyncio.sleep(PAUSE)
        if self._typed != text or self._chosen is not None:
            return
        found = await self._asked(text)
        if self._typed == text and self._chosen is None:
            self._start, self._choices = found
            self._show()

    def _show(self) -> None:
        """Show the choices, those about the chosen one if there are many."""
        listing = self.query_one("#choices", Static)
        listing.display = bool(self._choices)
        if not self._choices:
            return
        first = max(0, min((self._chosen or 0) - SHOWN // 2, len(self._choices) - SHOWN))
        shown = self._choices[first : first + SHOWN]
        room = min(32, max(len(choice.word) for choice in shown)) + 2
        lines = []
        for place, choice in enumerate(shown, first):
            at = place == self._chosen
            ground = palette.CURSOR if at else palette.PANEL
            word = set_cell_size(fmt.printable(choice.word), room)
            line = Text(f" {word}", f"{'bold ' if at else ''}{palette.BRIGHT} on {ground}")
            more = f"{fmt.printable(choice.help)} "
            line.append(more.ljust(self.app.size.width), f"{palette.SOFT} on {ground}")
            line.truncate(self.app.size.width)
            lines.append(line)
        left = len(self._choices) - len(shown)
        if left > 0:
            lines.append(Text(f" {fmt.count(left)} more", palette.DIM))
        listing.update(Text("\n").join(lines))

    def action_choose(self, step: int) -> None:
        """Complete to what all choices begin with, then go from choice to choice."""
        if not self._choices:
            return
        if self._chosen is None and step > 0:
            word = _common(self._choices)
            if len(self._choices) == 1:
                word += "" if word.endswith((":", "/", "=", ".")) else " "
            if len(word) > len(self._typed) - self._start:
                self._put(self._typed[: self._start] + word)
                return
        last = len(self._choices)
        now = -1 if self._chosen is None and step > 0 else self._chosen or 0
        self._chosen = (now + step) % last
        with self.input.prevent(Input.Changed):
            self._put(self._typed[: self._start] + self._choices[self._chosen].word)
        self._show()

    def _put(self, text: str) -> None:
        self.input.value = text
        self.input.cursor_position = len(text)

    def action_older(self) -> None:
        """Show the line before."""
        self._recall(self._history.older(self._typed))

    def action_newer(self) -> None:
        """Show the line after."""
        self._recall(self._history.newer())

    def _recall(self, line: str | None) -> None:
        if line is not None:
            with self.input.prevent(Input.Changed):
                self._put(line)
            self._choices = []
            self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the line."""
        event.stop()
        self.dismiss(event.value.strip() or None)

    def action_refuse(self) -> None:
        """Give nothing."""
        self.dismiss(None)


def described(words: list[str], more: dict[str, str]) -> list[FluxWord]:
    """Return words with what there is to say of commands among them."""
    found = []
    for word in words:
        verb = VERBS.get(word)
        summary = more.get(word, "")
        if verb is not None:
            summary = f"{verb.argument}  {verb.summary}".strip()
        found.append(FluxWord(word, summary))
    return found


def _common(choices: list[FluxWord]) -> str:
    """Return the letters that all choices begin with."""
    least, most = min(choice.word for choice in choices), max(choice.word for choice in choices)
    same = 0
    while same < min(len(least), len(most)) and least[same] == most[same]:
        same += 1
    return least[:same]
