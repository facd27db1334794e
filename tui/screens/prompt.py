"""Asking for a line of text, or for one of several things."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from tui.model import format as fmt
from tui.screens.dialog import Dialog
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult


class PromptScreen(Dialog[str | None]):
    """Asks for a line; gives None if it is taken back.

    ``check`` returns what is wrong with a text, an empty string if nothing is: Enter is taken only
    then. ``note`` says what may be typed. ``doubt`` returns what speaks against a text that is
    right: it is taken when Enter is pressed once more.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "refuse", "Back", id="prompt.back"),
    ]

    def __init__(
        self,
        title: str,
        note: str = "",
        value: str = "",
        check: Callable[[str], str] = lambda _text: "",
        doubt: Callable[[str], str] = lambda _text: "",
    ) -> None:
        super().__init__()
        self._title, self._note, self._value = title, note, value
        self._check, self._doubt = check, doubt
        self._doubted: str | None = None

    def compose(self) -> ComposeResult:
        """Lay out the question."""
        with Vertical(classes="dialog wide"):
            yield Label(fmt.printable(self._title), classes="dialog-title", markup=False)
            yield Input(self._value, id="answer", compact=True)
            yield Label(fmt.printable(self._note), id="note", classes="dialog-line", markup=False)

    def on_mount(self) -> None:
        """Type at once, after what is there."""
        self.query_one("#answer", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """What is wrong is told at Enter, and no more once something else is typed."""
        self._doubted = None
        self._tell(self._note, wrong=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the text if it is right, say what is wrong with it if not."""
        wrong = self._check(event.value)
        doubt = "" if wrong or self._doubted == event.value else self._doubt(event.value)
        if wrong:
            self._tell(wrong, wrong=True)
        elif doubt:
            self._doubted = event.value
            self._tell(f"{doubt}; Enter again does it all the same", wrong=True)
        else:
            self.dismiss(event.value)

    def _tell(self, text: str, *, wrong: bool) -> None:
        note = self.query_one("#note", Label)
        note.set_class(wrong, "wrong")
        note.update(Text(fmt.printable(text)))

    def action_refuse(self) -> None:
        """Give nothing."""
        self.dismiss(None)


class MenuScreen(Dialog[str | None]):
    """Asks for one of ``choices``, each a value, what it is called and what there is to say of it,
    beginning at ``current``; gives the value, or None if none is chosen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "refuse", "Back", id="menu.back"),
        Binding("j", "move(1)", "Down", show=False, id="menu.down"),
        Binding("k", "move(-1)", "Up", show=False, id="menu.up"),
    ]

    def __init__(
        self, title: str, choices: Sequence[tuple[str, str, str]], current: str = ""
    ) -> None:
        super().__init__()
        self._title = title
        self._choices = list(choices)
        self._current = current

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        room = max((len(name) for _, name, _ in self._choices), default=0) + 3
        with Vertical(classes="dialog wide"):
            yield Label(fmt.printable(self._title), classes="dialog-title", markup=False)
            options = OptionList(compact=True)
            for number, (_, name, meaning) in enumerate(self._choices):
                row = Text.assemble(
                    (f"{fmt.printable(name):<{room}}", palette.BRIGHT),
                    (fmt.printable(meaning), palette.SOFT),
                )
                options.add_option(Option(row, id=str(number)))
            yield options

    def on_mount(self) -> None:
        """Begin at the current one, else at the first."""
        values = [value for value, _, _ in self._choices]
        if values:
            at = values.index(self._current) if self._current in values else 0
            self.query_one(OptionList).highlighted = at

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer."""
        self.dismiss(self._choices[int(event.option.id or 0)][0])

    def action_move(self, lines: int) -> None:
        """Go to the next or previous choice."""
        options = self.query_one(OptionList)
        options.action_cursor_down() if lines > 0 else options.action_cursor_up()

    def action_refuse(self) -> None:
        """Choose none."""
        self.dismiss(None)
