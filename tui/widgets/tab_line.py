"""One line of tabs: the number that shows each, its name, the current one marked; a click goes
there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text
from textual.message import Message

from tui.widgets.painted import Painted
from tui.widgets.palette import ACCENT, BRIGHT, DIM, SOFT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click

    from tui.model.dashboard import Dashboard
    from tui.widgets.palette import Glyphs


class Tab(NamedTuple):
    """One tab: what it is called in the program, and by people."""

    name: str
    title: str


class TabLine(Painted):
    """Tabs by their numbers from 1; ``current`` is the name of the one that is shown, ``notes`` has
    for names what is told beside them.
    """

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(
        self, dashboard: Dashboard, glyphs: Glyphs, tabs: Sequence[Tab], current: str, id: str
    ) -> None:
        super().__init__(dashboard, glyphs, id)
        self.tabs = tuple(tabs)
        self.current = current
        self.notes: dict[str, str] = {}

    def lines(self, width: int) -> list[Text]:
        """Return the line."""
        text = Text()
        for number, tab in enumerate(self.tabs, 1):
            text.append_text(self._tab(number, tab))
        return [text]

    def _tab(self, number: int, tab: Tab) -> Text:
        chosen = tab.name == self.current
        note = self.notes.get(tab.name, "")
        return Text.assemble(
            (f" {number}", f"bold {ACCENT}"),
            " ",
            (tab.title, f"bold underline {BRIGHT}" if chosen else SOFT),
            (f" {note}" if note else "", DIM),
            " ",
        )

    def on_click(self, event: Click) -> None:
        """Tell which tab was clicked."""
        left = 0
        for number, tab in enumerate(self.tabs, 1):
            left += self._tab(number, tab).cell_len
            if event.x < left:
                self.post_message(self.Chosen(tab.name))
                return
