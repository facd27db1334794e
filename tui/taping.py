"""The application's part in recordings: the key that begins and ends one, and those that wind."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.actions import SkipAction
from textual.app import App
from textual.binding import Binding, BindingType
from textual.widgets import Input

from tui.feed.base import Playback
from tui.screens.jobs import JobsScreen
from tui.screens.live import LiveScreen

if TYPE_CHECKING:
    from tui.session import Session


def _wind(key: str, action: str, tooltip: str, name: str, shown: str = "") -> Binding:
    """Return a binding that a recording has before all others."""
    return Binding(
        key,
        f"wind_{action}",
        shown or tooltip,
        tooltip=tooltip,
        show=bool(shown),
        priority=True,
        id=f"replay.{name}",
    )


class RecordingApp(App[None]):
    """What `TopApp` has of recordings.

    The keys that wind are there while a recording is on the screen, and nobody types. But for the
    table of jobs, screens that have use for some of them keep those; Space, comma and full stop
    wind everywhere.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "record", "Record, or end the recording", show=False, id="app.record"),
        _wind("space", "pause", "Pause the recording, or play on", "pause", "Pause"),
        _wind("left", "arrow(-10)", "Ten seconds back", "left"),
        _wind("right", "arrow(10)", "Ten seconds on", "right"),
        _wind("comma", "skip(-10)", "Ten seconds back, on every screen", "back"),
        _wind("full_stop", "skip(10)", "Ten seconds on, on every screen", "on"),
        _wind("less_than_sign", "speed(-1)", "Play slower", "slower"),
        _wind("greater_than_sign", "speed(1)", "Play faster", "faster"),
        _wind("home", "home", "To the recording's beginning", "home"),
        _wind("end", "end", "To the recording's end", "end"),
        _wind("right_square_bracket", "failure(1)", "To the next failure", "next"),
        _wind("left_square_bracket", "failure(-1)", "To the failure before", "previous"),
    ]

    _OF_SCREENS: ClassVar = {
        "arrow": "left",
        "home": "home",
        "end": "end",
        "speed": "less_than_sign",
        "failure": "right_square_bracket",
    }
    """Actions whose keys a screen may have use for, with one of them."""

    @property
    def session(self) -> Session:
        """The instance on the screen."""
        raise NotImplementedError

    @property
    def playback(self) -> Playback | None:
        """The recording on the screen, None for an instance."""
        feed = self.session.feed
        return feed if isinstance(feed, Playback) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Have the keys that wind only where there is something to wind."""
        if action.startswith("wind_"):
            return self.playback is not None
        if action == "record" and self._screen_stacks and self.screen_stack:
            # A screen's own R does not become this one where it can do nothing.
            screen = self.screen
            return not (isinstance(screen, LiveScreen) and _binds(screen, "R"))
        return super().check_action(action, parameters)

    def _wound(self, action: str) -> Playback:
        """Return what is to be wound. Raises SkipAction if the key is another's: of a question, of
        a line that is typed, of the screen.
        """
        playback, screen = self.playback, self.screen
        key = self._OF_SCREENS.get(action)
        if (
            playback is None
            or not isinstance(screen, LiveScreen)
            or isinstance(self.focused, Input)
            or (_binds(screen, key) and not isinstance(screen, JobsScreen))
        ):
            raise SkipAction
        return playback

    def action_wind_pause(self) -> None:
        """Pause, or play on; from the end that is from the beginning."""
        playback = self._wound("pause")
        if playback.position >= playback.end:
            playback.seek(playback.started)
            playback.paused = False
        else:
            playback.paused = not playback.paused

    def action_wind_skip(self, seconds: int) -> None:
        """Go on, or back."""
        self._wound("skip").skip(seconds)

    def action_wind_arrow(self, seconds: int) -> None:
        """Go on, or back."""
        self._wound("arrow").skip(seconds)

    def action_wind_speed(self, step: int) -> None:
        """Play faster or slower."""
        self._wound("speed").faster(step)

    def action_wind_home(self) -> None:
        """Go to the beginning."""
        playback = self._wound("home")
        playback.seek(playback.started)

    def action_wind_end(self) -> None:
        """Go to the end."""
        playback = self._wound("end")
        playback.seek(playback.end)

    def action_wind_failure(self, step: int) -> None:
        """Go to the next failure, or the one before."""
        if not self._wound("failure").next_failure(step):
            self.notify(f"no job failed {'after' if step > 0 else 'before'} this", timeout=3)

    def action_record(self) -> None:
        """Begin to record the instance on the screen; end it if it is being recorded."""
        from tui import recordings

        session = self.session
        if self.playback is not None:
            self.notify("this is a recording already", severity="warning")
            return
        ended = recordings.end(session)
        if ended is not None:
            self.notify(f"recorded in {ended}")
            return
        path = recordings.new_path(session.name, session.dashboard.clock())
        try:
            recordings.begin(session, path, self.tell_failure)
        except OSError as error:
            self.tell_failure(f"{path}: {error.strerror or error}")
        else:
            self.notify(f"recording to {path}: R ends it")

    def tell_failure(self, text: str) -> None:
        """Tell why something ended by itself."""
        self.notify(text, severity="error", timeout=20)


def _binds(screen: LiveScreen, key: str | None) -> bool:
    """Tell whether a screen has a binding for a key, active or not."""
    return key in screen._bindings.key_to_bindings  # noqa: SLF001 - Textual lists active ones only
