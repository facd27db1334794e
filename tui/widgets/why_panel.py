"""The card that says why a job waits or was no success, bordered in the colour of its status."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from rich.text import Text
from textual.content import Content
from textual.message import Message

from flux.job.why import Remedy
from tui.model import format as fmt
from tui.model.jobid import f58
from tui.model.why_card import Part
from tui.widgets import palette
from tui.widgets.painted import Painted
from tui.widgets.palette import ACCENT, BRIGHT, DIM, LINE_COLOUR, SOFT, status_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual.events import Click

    from tui.model.dashboard import Dashboard
    from tui.model.why_card import Card
    from tui.widgets.palette import Glyphs

MOST_ROWS: Final = 3
"""Rows that one part of the card may take."""
_LINK: Final = "-> "
_LOOK: Final = {"headline": f"bold {BRIGHT}", "cause": SOFT, "link": ACCENT, **LINE_COLOUR}


class WhyPanel(Painted):
    """Shows a card; ``keys`` has the keys that help, by the remedy, and is asked each time."""

    class LinkClicked(Message):
        """The job that this one waits for was clicked."""

    def __init__(
        self,
        dashboard: Dashboard,
        glyphs: Glyphs,
        keys: Callable[[], Mapping[Remedy, tuple[str, str]]],
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(dashboard, glyphs, id, classes)
        self.card: Card | None = None
        self.bordered = True
        """Whether there is room for a border all round; else one at the left has to do."""
        self._keys = keys
        self._frame: tuple[object, ...] = ()

    def show(self, card: Card | None) -> None:
        """Show a card, nothing for None."""
        self.card = card
        self.display = card is not None
        if card is None:
            return
        frame = (card.status, card.title, self.bordered)
        if frame != self._frame:
            self._frame = frame
            self._put_frame(card)
        self.update()

    def _put_frame(self, card: Card) -> None:
        plain, colour = self.glyphs is palette.ASCII, status_colour(card.status)
        if self.bordered:
            self.styles.border = ("ascii" if plain else "round", colour)
        else:
            self.styles.border = None
            self.styles.border_left = ("ascii" if plain else "outer", colour)
        self.border_title = Content(fmt.printable(card.title))
        self.styles.border_title_color = colour

    def lines(self, width: int) -> list[Text]:
        """Return the card's lines, wrapped, and the keys that help."""
        if self.card is None:
            return []
        parts = self.card.parts
        if not self.bordered and parts:  # whose title has the border otherwise
            parts = [Part("headline", f"{self.card.title}: {parts[0].text}"), *parts[1:]]
        found = [line for part in parts for line in self._part(part, max(8, width))]
        keys = self._help(self.card)
        return [*found, keys] if keys is not None else found

    def _part(self, part: Part, width: int) -> list[Text]:
        lead = "err " if part.kind == "stderr" else _LINK if part.kind == "link" else ""
        look = _LOOK.get(part.kind, SOFT)
        rows = textwrap.wrap(
            fmt.printable(part.text),
            max(4, width - len(lead)),
            max_lines=MOST_ROWS,
            placeholder=self.glyphs.more,
        )
        return [
            Text.assemble((" " * len(lead) if place else lead, DIM), (row, look))
            for place, row in enumerate(rows)
        ]

    def on_click(self, event: Click) -> None:
        """A click on the other job goes there."""
        place = event.get_content_offset(self)
        shown = self.lines(self.content_size.width)
        if place is not None and place.y < len(shown) and shown[place.y].plain.startswith(_LINK):
            self.post_message(self.LinkClicked())

    def _help(self, card: Card) -> Text | None:
        """Return the keys that help this job; None if there are none."""
        keys = self._keys()
        text = Text()
        for remedy in card.helps:
            if remedy not in keys:
                continue
            key, words = keys[remedy]
            if remedy is Remedy.OPEN and card.parent is not None:
                words = f"{words} {f58(card.parent, self.glyphs is palette.ASCII)}"
            text.append("  " if text else "").append(key, f"bold {ACCENT}").append(
                f" {words}", SOFT
            )
        return text if text else None
