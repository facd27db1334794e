"""The lines between the table and the keys: which jobs are marked, what was just done."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.widgets import Footer
from textual.widgets._footer import FooterKey, FooterLabel

from tui.model import format as fmt
from tui.widgets import palette
from tui.widgets.painted import Painted
from tui.widgets.palette import AMBER, DIM

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

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


class KeysFooter(Footer):
    """The keys that fit; a sign stands for those that do not. Help and the way out are always
    there.
    """

    def __init__(self, more: str) -> None:
        super().__init__(show_command_palette=False)
        self._more = more

    def compose(self) -> ComposeResult:
        """Lay out the keys."""
        keys = [key for key in super().compose() if isinstance(key, FooterKey)]
        shown = self._fitting(keys, self.app.size.width)
        if len(shown) == len(keys):
            yield from keys
            return
        first = next((key for key in keys if key not in shown), None)
        for key in keys:
            if key is first:
                yield FooterLabel(f" {self._more}")
            if key in shown:
                yield key

    def _fitting(self, keys: list[FooterKey], width: int) -> list[FooterKey]:
        """Return those of ``keys`` that fit, each as it is written."""
        widths = {key: len(key.key_display) + len(key.description) + 3 for key in keys}
        if sum(widths.values()) <= width:
            return keys
        room = width - len(self._more) - 1
        chosen = []
        kept = [key for key in keys if _action(key) in ALWAYS]
        for group in (kept, [key for key in keys if key not in kept]):
            for key in group:
                if widths[key] > room:
                    break  # those after it are used less
                room -= widths[key]
                chosen.append(key)
        return chosen

    def on_resize(self) -> None:
        """Choose anew."""
        self.call_after_refresh(self.recompose)


def _action(key: FooterKey) -> str:
    return key.action.rpartition(".")[2].partition("(")[0]
