"""The first line: which instances there are, where in them one is, what to know of this one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, cast

from rich.cells import cell_len
from rich.text import Text

from tui.model import format as fmt
from tui.widgets import palette
from tui.widgets.painted import Painted, spread
from tui.widgets.palette import ACCENT, AMBER, BRIGHT, DIM, RED, SOFT

if TYPE_CHECKING:
    from textual.events import Click

    from tui.screens.live import Top

NAME: Final = "flux top"
LEAST_ADDRESS: Final = 8
"""Cells of an address that are worth showing."""
TAB: Final = 20
"""Cells that the name of one of several instances may take."""


class TitleBar(Painted):
    """One line: the program or its tabs, the way to this screen, facts of the instance, badges, the
    clock. Where it is too long, the address goes first, then the facts, then the way's beginning.
    """

    _tab_ends: tuple[int, ...] = ()

    @property
    def top(self) -> Top:
        """The application."""
        return cast("Top", self.app)

    def lines(self, width: int) -> list[Text]:
        """Return the line."""
        clock = Text(time.strftime(" %H:%M:%S ", time.localtime(self.dashboard.clock())), SOFT)
        left = self._who()
        badges = self._badges()
        if left.cell_len + clock.cell_len > width:
            clock = Text()
        self._append_way(left, width - badges.cell_len - clock.cell_len - 1)
        room = width - left.cell_len - badges.cell_len - clock.cell_len - 2
        facts = self._facts()
        dot = f" {self.glyphs.separator} "
        while facts and len(dot.join(facts)) > room:
            facts.pop(0)
        room -= len(dot.join(facts)) + 2
        address = self._address(room)
        left.append(f"  {address}" if address else "", DIM)
        right = Text.assemble((dot.join(facts), DIM), " " if facts else "", badges, clock)
        return [spread(left, right, width)]

    def _who(self) -> Text:
        """Return the program's sign and name, or the instances to choose from."""
        text = Text.assemble((f" {self.glyphs.logo} ", ACCENT))
        if len(self.top.tabs) < 2:
            self._tab_ends = ()
            return text.append(NAME, f"bold {BRIGHT}")
        ends = []
        for number, (mode, session) in enumerate(self.top.tabs.items(), 1):
            current = mode == self.app.current_mode
            name = fmt.printable(session.name)[:TAB]
            lost = "" if session.dashboard.link.up else self.glyphs.warning
            text.append(
                f" {number} {name}{lost} ",
                f"bold {BRIGHT} on {palette.CURSOR}" if current else SOFT,
            )
            ends.append(text.cell_len)
        self._tab_ends = tuple(ends)
        return text

    def _append_way(self, line: Text, room: int) -> None:
        """Append the names of the screens on the way to this one, the last ones if not all fit."""
        words = self.way()
        if len(words) == 1 and self._tab_ends:
            return  # the tab says it
        mark = f" {self.glyphs.crumb} "
        before = ""
        room -= line.cell_len
        while len(words) > 1 and cell_len(f"  {before}{mark.join(words)}") > room:
            words.pop(0)
            before = f"{self.glyphs.more}{mark}"
        shown = Text.assemble("  ", (before, DIM))
        for number, word in enumerate(words):
            last = number == len(words) - 1
            shown.append(mark if number else "", DIM)
            shown.append(word, BRIGHT if last else SOFT)
        shown.truncate(max(0, room), overflow="ellipsis")
        line.append_text(shown)

    def way(self) -> list[str]:
        """Return what the screens are called from the tab's first to this one."""
        words = []
        for screen in self.top.live_screens:
            if screen.crumb:
                words.append(fmt.printable(screen.crumb))
            if screen is self.screen:
                break
        return words

    def _badges(self) -> Text:
        """Return what must not be overlooked."""
        text = Text()
        if self.dashboard.stale and len(self.dashboard.table):
            text.append(" old ", f"bold {palette.BACKGROUND} on {RED}")
            text.append(" ")
        if self.dashboard.tape is not None:
            text.append(f"{self.glyphs.dot} rec ", f"bold {RED}")
        if self.dashboard.read_only:
            text.append("read-only ", f"bold {AMBER}")
        elif self.dashboard.guest:
            text.append("guest ", AMBER)
        return text

    def _facts(self) -> list[str]:
        """Return what there is to say of the instance, the most important last."""
        instance = self.dashboard.instance
        facts = []
        if instance.size:
            facts.append(f"{instance.size} broker{'' if instance.size == 1 else 's'}")
        if instance.version:
            facts.append(f"v{instance.version}")
        if instance.started and self.dashboard.link.up:
            up = max(0.0, self.dashboard.moment - instance.started)
            facts.append(f"up {fmt.duration(up)}")
        return facts

    def _address(self, room: int) -> str:
        """Return the instance's address; the path alone of a local one if there is little room, the
        end of it if there is less, nothing if that would say nothing.
        """
        uri = self.dashboard.instance.uri
        uri = uri if len(uri) <= room else uri.removeprefix("local://")
        if len(uri) > room:
            uri = self.glyphs.more + uri[-(room - 1) :] if room > LEAST_ADDRESS else ""
        return uri

    async def on_click(self, event: Click) -> None:
        """A click on an instance goes there."""
        place = next((n for n, end in enumerate(self._tab_ends) if event.x < end), None)
        if place is not None:
            await self.app.run_action(f"go_tab({place})")
