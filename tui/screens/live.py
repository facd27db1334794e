"""What all screens share: access to the application's model and feed, and being repainted by its
timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from textual.screen import Screen

from tui.widgets.footing import MessageLine

if TYPE_CHECKING:
    from tui.feed.base import Feed
    from tui.model.dashboard import Dashboard
    from tui.widgets.footing import Remark
    from tui.widgets.palette import Glyphs


class Top(Protocol):
    """What screens know of the application."""

    feed: Feed
    dashboard: Dashboard
    glyphs: Glyphs
    message: Remark


class LiveScreen(Screen[None]):
    """A screen that draws from the model."""

    @property
    def top(self) -> Top:
        """The application."""
        return cast("Top", self.app)

    @property
    def dashboard(self) -> Dashboard:
        """The model."""
        return self.top.dashboard

    @property
    def glyphs(self) -> Glyphs:
        """The signs the terminal can show."""
        return self.top.glyphs

    has_filter = False
    """Whether the filter language applies here."""

    composed = False
    """Whether the parts of the screen are there, so that it can be repainted.

    Textual calls a screen mounted before its parts are, and the repaint timer runs meanwhile.
    """

    def live_update(self) -> None:
        """Repaint what changed; called at most ten times a second."""

    def message_line(self) -> MessageLine:
        """Return the line for what was just done."""
        return MessageLine(self.dashboard, self.glyphs, lambda: self.top.message)

    def on_screen_resume(self) -> None:
        """Show at once what happened while another screen was on top."""
        if self.composed:
            self.live_update()

    def action_back(self) -> None:
        """Go back to the screen before."""
        self.app.pop_screen()

    def action_help(self) -> None:
        """List all keys."""
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self, self.has_filter))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Take away the actions on jobs from a read-only dashboard."""
        return not (action in ("cancel_jobs", "kill_jobs") and self.dashboard.read_only)
