"""Searching, following and scrolling in a pane of lines: shared by the job and the log screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.dom import DOMNode

from tui.widgets.query_bar import QueryBar

if TYPE_CHECKING:
    from tui.widgets.log_view import LogView


class SearchingScreen(DOMNode):
    """Mixin for a screen with a ``QueryBar`` and at least one ``LogView``."""

    SEARCH_BINDINGS: ClassVar[list[Binding]] = [
        Binding(
            "slash",
            "search",
            "Search",
            tooltip="Search in the lines",
            key_display="/",
            id="lines.search",
        ),
        Binding("n", "hit(-1)", "Next hit, further up", show=False, id="lines.next"),
        Binding("N", "hit(1)", "Previous hit, further down", show=False, id="lines.previous"),
        Binding("f", "follow", "Follow", tooltip="Follow the end, or pause", id="lines.follow"),
        Binding("down,j", "move(1)", "Down", show=False, id="lines.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="lines.up"),
        Binding("right", "shift(8)", "Right", show=False, id="lines.right"),
        Binding("left", "shift(-8)", "Left", show=False, id="lines.left"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="lines.pagedown"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="lines.pageup"),
        Binding("home,g", "go(0)", "First line", show=False, id="lines.home"),
        Binding("end,G", "go(1000000000)", "Last line", show=False, id="lines.end"),
    ]

    @property
    def pane(self) -> LogView:
        """The pane that keys act on."""
        raise NotImplementedError

    def action_search(self) -> None:
        """Type what to find."""
        self.query_one(QueryBar).open()

    def on_query_bar_typed(self, event: QueryBar.Typed) -> None:
        """Search while typing."""
        hits = self.pane.search(event.text)
        self.query_one(QueryBar).answer(
            f"{hits:,} hit{'' if hits == 1 else 's'}" if event.text else ""
        )

    def on_query_bar_closed(self, event: QueryBar.Closed) -> None:
        """Back to the pane; Escape ends the search."""
        bar = self.query_one(QueryBar)
        if not event.kept:
            bar.set_text("")
            self.pane.search("")
        bar.display = bool(bar.text)
        self.pane.focus()

    def action_hit(self, step: int) -> None:
        """Go to another hit."""
        self.pane.go_to_hit(self.pane.hit + step)

    def action_follow(self) -> None:
        """Follow the end, or pause."""
        self.pane.set_following(not self.pane.following)

    def action_move(self, lines: int) -> None:
        """Scroll."""
        self.pane.move_by(lines)

    def action_page(self, pages: int) -> None:
        """Scroll by a paneful."""
        self.pane.move_by(pages * max(1, self.pane.size.height - 1))

    def action_go(self, line: int) -> None:
        """Scroll to a line."""
        self.pane.move_to(line)

    def action_shift(self, cells: int) -> None:
        """Scroll sideways, for long lines."""
        self.pane.scroll_to(
            x=self.pane.scroll_offset.x + cells, animate=False, force=True, immediate=True
        )
