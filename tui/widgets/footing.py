"""The lines between the table and the keys: which jobs are marked, what was just done."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual.content import Content
from textual.strip import Strip
from textual.widget import Widget

from tui.model import format as fmt
from tui.widgets import palette
from tui.widgets.painted import Painted
from tui.widgets.palette import ACCENT, AMBER, CURSOR, DIM, SOFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.events import MouseDown, MouseMove
    from textual.screen import Screen

    from tui.model.dashboard import Dashboard
    from tui.widgets.palette import Glyphs

MOST_LINES: Final = 3
"""Lines that a message may take from the table."""
_COLOUR: Final = {"information": palette.ACCENT, "warning": AMBER, "error": palette.RED}


@dataclass(slots=True)
class Remark:
    """Something to tell for a while: ``until`` is a time of the monotonic clock."""

    text: str = ""
    severity: str = "information"
    until: float = 0.0

    @property
    def current(self) -> bool:
        """Whether it is still to be shown."""
        return bool(self.text) and time.monotonic() < self.until


class MessageLine(Painted):
    """What was just done or refused. It has lines of its own while there is something to tell, so
    that it hides nothing.
    """

    def __init__(self, dashboard: Dashboard, glyphs: Glyphs, message: Callable[[], Remark]) -> None:
        super().__init__(dashboard, glyphs, id="message")
        self._message = message

    def lines(self, width: int) -> list[Text]:
        """Return the message, wrapped."""
        message = self._message()
        if not message.current:
            return [Text("")]
        sign = f" {self.glyphs.dot} "
        room = max(8, width - len(sign) - 1)
        found = textwrap.wrap(
            message.text, room, max_lines=MOST_LINES, placeholder=f" {self.glyphs.more}"
        )
        colour = _COLOUR.get(message.severity, palette.ACCENT)
        return [
            Text.assemble((" " * len(sign) if number else sign, colour), (line, palette.TEXT))
            for number, line in enumerate(found)
        ]

    def update(self) -> None:
        """Show only while there is a message."""
        self.display = self._message().current
        if self.display:
            super().update()


class MarksLine(Painted):
    """How many jobs are marked and which of them are not in sight, as long as any is."""

    in_sight = 0
    """Marked jobs among the lines of the table that are on the screen."""

    def lines(self, width: int) -> list[Text]:
        """Return the line."""
        dashboard = self.dashboard
        marked = len(dashboard.marks)
        hidden = dashboard.hidden_marks() if marked else 0
        away = max(0, marked - hidden - self.in_sight)
        where = []
        if hidden:
            where.append(f"{fmt.count(hidden)} hidden by the filter")
        if away:
            where.append(f"{fmt.count(away)} off the screen")
        line = Text.assemble(
            (f" {self.glyphs.mark} {fmt.count(marked)} marked", f"bold {AMBER}"),
            (f": {', '.join(where)}" if where else "", AMBER),
        )
        keys = "u unmarks them" if dashboard.read_only else "u unmarks, c cancels, K signals them"
        if line.cell_len + len(keys) + 4 <= width:
            line.append(f"   {keys}", DIM)
        return [line]

    def update(self) -> None:
        """Show only while jobs are marked."""
        self.display = bool(self.dashboard.marks)
        if self.display:
            super().update()


ALWAYS: Final = ("help", "leave", "back", "quit")
"""Actions whose keys are shown however little room there is."""


class ShownKey(NamedTuple):
    """A key of the footer: what is written, what it does, and what it is good for."""

    key: str
    display: str
    description: str
    action: str
    enabled: bool
    tooltip: str

    @property
    def width(self) -> int:
        """Cells that it takes, with those around it."""
        return cell_len(self.display) + cell_len(self.description) + 3


class KeysFooter(Widget):
    """The keys that fit; a sign stands for those that do not. Help and the way out are always
    there. A click does what the key does.

    One line drawn at once: Textual's own footer makes a widget of each key, which costs a fifth of
    the time to the first screen and is done anew whenever the keys change.
    """

    ALLOW_SELECT = False

    def __init__(self, more: str) -> None:
        super().__init__()
        self._more = more
        self._placed: list[tuple[int, ShownKey]] = []
        self._pointed: ShownKey | None = None
        self._line = Strip([])

    def on_mount(self) -> None:
        """Follow the keys as they change."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if self.app.app_focus and self.is_attached and screen is self.screen:
            self._lay_out()

    def on_resize(self) -> None:
        """Choose anew."""
        self._lay_out()

    def _lay_out(self) -> None:
        line = self._drawn()
        if line != self._line:
            self._line = line
            self.refresh()

    def keys(self) -> list[ShownKey]:
        """Return the keys there are now, in the order in which they are bound; what has several
        keys is shown with the first.
        """
        found: dict[str, ShownKey] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and binding.action not in found:
                found[binding.action] = ShownKey(
                    binding.key,
                    self.app.get_key_display(binding),
                    binding.description,
                    binding.action,
                    active.enabled,
                    active.tooltip,
                )
        return list(found.values())

    def _fitting(self, keys: list[ShownKey]) -> list[ShownKey]:
        """Return those of ``keys`` that fit, each as it is written."""
        width = self.size.width
        if sum(key.width for key in keys) <= width:
            return keys
        room = width - len(self._more) - 2
        chosen = []
        kept = [key for key in keys if _action(key) in ALWAYS]
        for group in (kept, [key for key in keys if key not in kept]):
            for key in group:
                if key.width > room:
                    break  # those after it are used less
                room -= key.width
                chosen.append(key)
        return [key for key in keys if key in chosen]

    def _drawn(self) -> Strip:
        """Return the line, and note where its keys are."""
        keys = self.keys()
        shown = self._fitting(keys)
        first = next((key for key in keys if key not in shown), None)
        text = Text(end="")
        self._placed = []
        for key in keys:
            if key is first:
                text.append(f" {self._more} ", SOFT)
            if key not in shown:
                continue
            self._placed.append((text.cell_len, key))
            under = f" on {CURSOR}" if key == self._pointed else ""
            faint = "" if key.enabled else "dim "
            text.append(f" {key.display} ", f"{faint}bold {ACCENT}{under}")
            text.append(f"{key.description} ", f"{faint}{SOFT}{under}")
        return Strip(text.render(self.app.console))

    def render_line(self, y: int) -> Strip:
        """Draw it."""
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        return self._line.apply_style(self.rich_style).extend_cell_length(width, self.rich_style)

    def _key_at(self, x: int) -> ShownKey | None:
        return next((key for at, key in self._placed if at <= x < at + key.width), None)

    def on_mouse_move(self, event: MouseMove) -> None:
        """Mark the key under the pointer, and say what it is good for."""
        self._point(self._key_at(event.x))

    def on_leave(self) -> None:
        """The pointer is elsewhere."""
        self._point(None)

    def _point(self, key: ShownKey | None) -> None:
        if key != self._pointed:
            self._pointed = key
            self.tooltip = Content(key.tooltip) if key and key.tooltip else None
            self._lay_out()

    def on_mouse_down(self, event: MouseDown) -> None:
        """Do what the key does."""
        key = self._key_at(event.x)
        if key is None:
            return
        if key.enabled:
            self.app.simulate_key(key.key)
        else:
            self.app.bell()


def _action(key: ShownKey) -> str:
    return key.action.rpartition(".")[2].partition("(")[0]
