"""Searching, following and scrolling in a pane of lines: shared by the job and the log screen."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding

from tui.screens.saving import SavingScreen
from tui.widgets.query_bar import QueryBar


class SearchingScreen(SavingScreen):
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
        Binding("e", "error(1)", "Error", tooltip="Next line with an error", id="lines.error"),
        Binding(
            "E", "error(-1)", "Previous line with an error", show=False, id="lines.error_previous"
        ),
        Binding("W", "wrap", "Wrap", tooltip="Wrap long lines, or not", id="lines.wrap"),
        Binding(
            "t",
            "stamps",
            "Times",
            tooltip="Times of lines: none, since the start, of the day, with the date",
            show=False,
            id="lines.times",
        ),
        *SavingScreen.SAVE_BINDINGS,
        Binding("down,j", "move(1)", "Down", show=False, id="lines.down"),
        Binding("up,k", "move(-1)", "Up", show=False, id="lines.up"),
        Binding("right", "shift(8)", "Right", show=False, id="lines.right"),
        Binding("left", "shift(-8)", "Left", show=False, id="lines.left"),
        Binding("pagedown,space", "page(1)", "Page down", show=False, id="lines.pagedown"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="lines.pageup"),
        Binding("home,g", "go(0)", "First line", show=False, id="lines.home"),
        Binding("end,G", "go(1000000000)", "Last line", show=False, id="lines.end"),
    ]

    def action_search(self) -> None:
        """Type what to find."""
        self.query_one(QueryBar).open()

    def on_query_bar_typed(self, event: QueryBar.Typed) -> None:
        """Search while typing."""
        wrong = self.pane.search(event.text)
        hits = len(self.pane.hits)
        found = f"{hits:,} hit{'' if hits == 1 else 's'}" if event.text else ""
        told = f"{found} of the text itself: {wrong}" if wrong else found
        self.query_one(QueryBar).answer(told, bad=bool(wrong))

    def on_query_bar_closed(self, event: QueryBar.Closed) -> None:
        """Back to the pane; Escape ends the search."""
        bar = self.query_one(QueryBar)
        if not event.kept:
            bar.set_text("")
            self.pane.search("")
        bar.display = bool(bar.text)
        self.pane.screen.set_focus(self.pane)

    def action_hit(self, step: int) -> None:
        """Go to another hit."""
        self.pane.go_to_hit(self.pane.hit + step)

    def action_error(self, step: int) -> None:
        """Go to another line that tells of something wrong."""
        if not self.pane.go_to_error(step):
            self.app.notify("no line here tells of an error", timeout=3)

    def action_wrap(self) -> None:
        """Wrap long lines, or not."""
        wrapped = self.pane.toggle_wrap()
        self.app.notify("long lines are wrapped" if wrapped else "one row a line", timeout=2)

    def action_stamps(self) -> None:
        """Show the times of lines in another way."""
        self.app.notify(f"before each line: {self.pane.turn_stamps()}", timeout=2)

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
