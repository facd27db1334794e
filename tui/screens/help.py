"""All keys of the screen below, with what they do."""

from __future__ import annotations

from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Label, Static

from tui.screens.dialog import Dialog
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.dom import DOMNode
    from textual.screen import Screen

    from tui.widgets.palette import Glyphs

_FILTER_HELP = (
    ("state:running", "also pending, failed, done, R, CD, a,b"),
    ("user:alice  name:sim*", "shell wildcards, * and ?"),
    ("-name:test*", "- turns a term round"),
    ("t>5m  wait>1h  age<2d", "ran, waited, since submission"),
    ("ntasks>=4  nnodes:2", "also priority, urgency, status"),
    ("ranks:3  node:n1*  id:\u0192abc", "where it runs, which job it is"),
    ("trnpy", "free letters in order: train.py"),
)


COLUMN: Final = 46
"""Cells that a column needs."""
GAP: Final = 3
JOBS, LOOK, MOVE, EVERYWHERE = TITLES = ("Jobs", "Look", "Move", "Everywhere")
WINDING: Final = "wind_"
"""How the names of actions begin that wind a recording."""
_MOVING: Final = ("move(", "page(", "go(", "shift(", "app.focus")
_ON_JOBS: Final = frozenset(
    {"mark", "mark_all", "unmark", "mark_query", "job_menu", "copy", "open", "enter_instance"}
)


class HelpScreen(Dialog[None]):
    """Lists the bindings of ``about``, and the filter language where it applies; ``changing`` are
    actions that change something.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss_help", "Close", id="help.close"),
        Binding("down,j", "scroll(1)", "Down", show=False, id="help.down"),
        Binding("up,k", "scroll(-1)", "Up", show=False, id="help.up"),
        Binding("pagedown,space", "scroll(12)", "Page down", show=False, id="help.pagedown"),
        Binding("pageup", "scroll(-12)", "Page up", show=False, id="help.pageup"),
    ]

    def __init__(
        self, about: Screen[None], filters: bool = False, changing: frozenset[str] = frozenset()
    ) -> None:
        super().__init__()
        self._changing = changing
        self._about = about
        self._filters = filters

    def compose(self) -> ComposeResult:
        """Lay out the list."""
        with Vertical(classes="dialog help"):
            yield Label("Keys", classes="dialog-title")
            with VerticalScroll(id="help-body"):
                yield Static(id="help-text")
            yield Label(Text("Esc closes this, arrows scroll", palette.DIM), classes="dialog-line")

    def on_resize(self) -> None:
        """Use the room there is: two columns, or one."""
        super().on_resize()
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        width = self.query_one("#help-body").content_size.width - 1
        self.query_one("#help-text", Static).update(self._text(width))

    def _text(self, width: int) -> Text:
        """Return all groups in as many columns as have room."""
        columns = 2 if width >= 2 * COLUMN + GAP else 1
        room = (width - GAP) // 2 if columns == 2 else width
        blocks = [_block(title, rows, room) for title, rows in self.groups()]
        if self._filters:
            blocks.append(_block("Signs", signs(self._glyphs), room))
            blocks.append(_block("Filter language", _FILTER_HELP, room, palette.AMBER))
        if columns == 1:
            return Text("\n\n").join(Text("\n").join(block) for block in blocks)
        left, right = _balanced(blocks)
        lines = []
        for one, other in zip_longest(left, right, fillvalue=Text("")):
            line = one.copy()
            line.truncate(room, pad=True)
            lines.append(Text.assemble(line, " " * GAP, other))
        return Text("\n").join(lines)

    @property
    def _glyphs(self) -> Glyphs:
        return palette.ASCII if self.app.has_class("ascii") else palette.UNICODE

    def groups(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the rows in groups: what is done to jobs, how they are looked at, how one moves,
        and what is the same everywhere.
        """
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in TITLES}
        for owner, action, keys, meaning in self._listed():
            found[self._group(owner, action)].append((keys, meaning))
        return [(title, rows) for title, rows in found.items() if rows]

    def _group(self, owner: str, action: str) -> str:
        if owner == "app":
            return EVERYWHERE
        if action.startswith(_MOVING):
            return MOVE
        return JOBS if action in self._changing or action in _ON_JOBS else LOOK

    def rows(self) -> list[tuple[str, str]]:
        """Return the keys of each binding, as people read them, and its meaning; one row for each
        action.
        """
        return [(keys, meaning) for _, _, keys, meaning in self._listed()]

    def _listed(self) -> list[tuple[str, str, str, str]]:
        """Return for each action whose it is (``screen`` or ``app``), the action, its keys, its
        meaning. A key that means something on the screen means nothing else there.
        """
        keys: dict[tuple[str, str, str], list[str]] = {}
        taken: set[str] = set()
        map_of = self.app._keymap  # noqa: SLF001 - Textual does not tell what it was given
        for name, owner in (("screen", self._about), ("app", self.app)):
            bindings = owner._bindings.copy()  # noqa: SLF001 - Textual lists active ones only
            bindings.apply_keymap(map_of)
            for key, binding in bindings:
                meaning = binding.tooltip or binding.description
                shadowed = owner is self.app and key in taken and not binding.priority
                if shadowed or not self._has(owner, binding):
                    continue
                taken.add(key)
                if binding.id and meaning:
                    shown = self.app.get_key_display(binding)
                    keys.setdefault((name, binding.action, meaning), []).append(shown)
        return [
            (name, action, " ".join(dict.fromkeys(names)), meaning)
            for (name, action, meaning), names in keys.items()
        ]

    def _has(self, owner: DOMNode, binding: Binding) -> bool:
        """Tell whether there is such an action: a read-only dashboard lacks some, and one of an
        instance those that wind a recording. What cannot be done just now is listed too.
        """
        name, _, _ = binding.action.partition("(")
        lasting = name not in self._changing and not name.startswith(WINDING)
        return lasting or owner.check_action(name, ()) is not False

    def action_scroll(self, lines: int) -> None:
        """Scroll the list."""
        self.query_one("#help-body", VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_dismiss_help(self) -> None:
        """Close."""
        self.dismiss()


def signs(glyphs: Glyphs) -> list[tuple[str, str]]:
    """Return the signs in the table of jobs and what they stand for."""
    return [
        (glyphs.mark, "A marked job"),
        (glyphs.half_marked, "A set of which some are marked"),
        (f"{glyphs.closed} {glyphs.opened}", "A set of like jobs, folded and unfolded"),
        (glyphs.watched, "You are told when it ends (b)"),
        (glyphs.instance, "An instance of its own (i)"),
    ]


def _block(
    title: str, rows: Sequence[tuple[str, str]], width: int, colour: str = palette.ACCENT
) -> list[Text]:
    """Return a group: its title, and a line for each row, more where the meaning is long."""
    lines = [Text(title, f"bold {palette.BRIGHT}")]
    room = min(max(cell_len(keys) for keys, _ in rows) + 2, width // 2)
    for keys, meaning in rows:
        for number, part in enumerate(wrap(meaning, max(12, width - room)) or [""]):
            shown = "" if number else keys
            gap = " " * max(2 if shown else room, room - cell_len(shown))
            lines.append(Text.assemble((shown, f"bold {colour}"), gap, (part, palette.TEXT)))
    return lines


def _balanced(blocks: list[list[Text]]) -> tuple[list[Text], list[Text]]:
    """Return the groups in their order in two columns, as even in height as that can be."""

    def column(some: list[list[Text]]) -> list[Text]:
        return [line for block in some for line in (*block, Text(""))][:-1]

    choices = [(column(blocks[:place]), column(blocks[place:])) for place in range(len(blocks) + 1)]
    return min(choices, key=lambda both: max(map(len, both)))
