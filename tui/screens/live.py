"""What all screens share: access to the application's model and feed, and being repainted by its
timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from textual.screen import Screen

from tui.feed.base import Playback
from tui.outside import HasTerminal
from tui.screens.sparing import Sparing
from tui.widgets.footing import KeysFooter, MessageLine
from tui.widgets.slider import Slider

if TYPE_CHECKING:
    from typing import Self

    from textual.events import Resize, ScreenResume
    from textual.geometry import Size

    from tui.feed.base import Feed
    from tui.model.dashboard import Dashboard
    from tui.session import Session
    from tui.widgets.footing import Remark
    from tui.widgets.palette import Glyphs


CHANGING: Final = frozenset(
    {
        "cancel_jobs",
        "kill_jobs",
        "attach",
        "job_menu",
        "set_urgency",
        "hold_jobs",
        "release_jobs",
        "limit_jobs",
        "annotate_jobs",
        "raise_jobs",
        "run_again",
        "drain_nodes",
        "undrain_nodes",
        "queue_enabled",
        "queue_started",
        "reload_module",
        "remove_module",
        "module_debug",
        "stop_entry",
        "start_entry",
        "delete_entry",
        "cron_sync",
        "put_key",
        "unlink_key",
    }
)
"""Actions that change something, which a read-only dashboard does not have."""
OWNERS: Final = frozenset(
    {
        "drain_nodes",
        "undrain_nodes",
        "queue_enabled",
        "queue_started",
        "reload_module",
        "remove_module",
        "module_debug",
        "stop_entry",
        "start_entry",
        "delete_entry",
        "cron_sync",
    }
)
"""Those that only the owner of an instance may take; guests change their own jobs and keys."""


class Top(HasTerminal, Protocol):
    """What screens know of the application."""

    glyphs: Glyphs
    message: Remark
    tabs: dict[str, Session]

    @property
    def session(self) -> Session:
        """The instance on the screen."""

    @property
    def live_screens(self) -> list[LiveScreen]:
        """The screens of this tab that draw from a model, the one on top last."""

    def show_view(self, name: str) -> None:
        """Show one of the views."""

    def open_instance(self, uri: str, name: str = "") -> None:
        """Show one more instance in a tab."""

    def enter_instance(self, uri: str, name: str) -> None:
        """Show the instance inside a job."""

    async def leave_instance(self, session: Session) -> None:
        """End an inner instance's session."""


class LiveScreen(Sparing, Screen[None]):
    """A screen that draws from the model of one instance: the one on the screen when it opened."""

    _session: Session | None = None

    def bind(self, session: Session) -> Self:
        """Show that instance, whichever is on the screen when this one opens."""
        self._session = session
        return self

    @property
    def session(self) -> Session:
        """The instance it is about."""
        if self._session is None:
            self._session = self.top.session
        return self._session

    @property
    def bound(self) -> Session | None:
        """The instance it is about, None before it has been asked for it."""
        return self._session

    @property
    def top(self) -> Top:
        """The application."""
        return cast("Top", self.app)

    @property
    def dashboard(self) -> Dashboard:
        """The model."""
        return self.session.dashboard

    @property
    def feed(self) -> Feed:
        """Where the model's data come from."""
        return self.session.feed

    @property
    def crumb(self) -> str:
        """What the screen is called in the path at the top."""
        return ""

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

    _was_covered = False

    def shape(self, size: Size) -> dict[str, bool]:
        """Return which classes of the style sheet a screen of that size has."""
        return {}

    def take_shape(self) -> None:
        """Have the classes of the terminal's size before the parts of the screen are there, so
        that they need not be given new styles after it.
        """
        self.update_classes(self.shape(self.app.size), update=False)

    def on_resize(self, event: Resize) -> None:
        """Have the classes of the new size."""
        self.update_classes(self.shape(event.size))

    def on_mount(self) -> None:
        """A recording has its slider above the keys."""
        feed = self.feed
        if isinstance(feed, Playback) and self.query(KeysFooter):
            slider = Slider(self.dashboard, self.glyphs, feed)
            self.mount(slider, before=self.query_one(KeysFooter))

    def live_update(self) -> None:
        """Repaint what changed; called at most ten times a second."""

    def message_line(self) -> MessageLine:
        """Return the line for what was just done."""
        return MessageLine(self.dashboard, self.glyphs, lambda: self.top.message)

    def on_screen_suspend(self) -> None:
        """From now on styles may change without this screen."""
        self._was_covered = True

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Show at once what happened while another screen was on top. Where none has been, the
        parts of this one have the styles already that Textual would work out once more.
        """
        event.refresh_styles = event.refresh_styles and self._was_covered
        if self.composed:
            self.live_update()

    def action_back(self) -> None:
        """Go back to the screen before."""
        self.app.pop_screen()

    def action_help(self) -> None:
        """List all keys."""
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen(self, self.has_filter, CHANGING))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Take away what changes something from a read-only dashboard, and what is the owner's from
        a guest's.
        """
        if self.dashboard.guest and action in OWNERS:
            return False
        return not (action in CHANGING and self.dashboard.read_only)
