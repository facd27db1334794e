"""All keys of the screen below, with what they do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Label, Static

from tui.widgets import palette

if TYPE_CHECKING:
    from textual.app import ComposeResult

_FILTER_HELP = (
    ("state:running", "also pending, failed, done, R, CD, a,b"),
    ("user:alice  name:sim*", "shell wildcards, * and ?"),
    ("-name:test*", "- turns a term round"),
    ("t>5m  wait>1h  age<2d", "ran, waited, since submission"),
    ("ntasks>=4  nnodes:2", "also priority, urgency, status"),
    ("ranks:3  node:n1*  id:\u0192abc", "where it runs, which job it is"),
    ("trnpy", "free letters in order: train.py"),
)


class HelpScreen(ModalScreen[None]):
    """Lists the bindings of ``about``, and the filter language where it applies."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss_help", "Close", id="help.close"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="help.up"),
        Binding("pagedown,space", "scroll(12)", "Page down", show=False, id="help.pagedown"),
        Binding("pageup", "scroll(-12)", "Page up", show=False, id="help.pageup"),
    ]

    def __init__(self, about: Screen[None], filters: bool = False) -> None:
        super().__init__()
        self._about = about
        self._filters = filters

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="dialog wide"):
            yield Label("Keys", classes="dialog-title")
            with VerticalScroll(id="help-body"):
                yield Static(self._text())
            yield Label(Text("Esc closes this, arrows scroll", palette.DIM), classes="dialog-line")

    def _text(self) -> Text:
        text = Text()
        for key, meaning in self.rows():
            text.append(f"{key:<22}", f"bold {palette.ACCENT}")
            text.append(f"{meaning}\n", palette.TEXT)
        if self._filters:
            text.append("\nFilter language\n", f"bold {palette.BRIGHT}")
            for sample, meaning in _FILTER_HELP:
                text.append(f"{sample:<27}", palette.AMBER)
                text.append(f"{meaning}\n", palette.SOFT)
        text.rstrip()
        return text

    def rows(self) -> list[tuple[str, str]]:
        """Return the keys of each binding, as people read them, and its meaning; one row for each
        action.
        """
        keys: dict[tuple[str, str], list[str]] = {}
        for owner in (self._about, self.app):
            for _, binding in owner._bindings:  # noqa: SLF001 - Textual lists active ones only
                if binding.id and binding.description:
                    shown = self.app.get_key_display(binding)
                    keys.setdefault(
                        (binding.action, binding.tooltip or binding.description), []
                    ).append(shown)
        return [(" ".join(dict.fromkeys(names)), meaning) for (_, meaning), names in keys.items()]

    def action_scroll(self, lines: int) -> None:
        """Scroll the list."""
        self.query_one("#help-body", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_dismiss_help(self) -> None:
        """Close."""
        self.dismiss()
