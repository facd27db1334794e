"""The application: owns the sessions, repaints the screen on top when something has changed, ten
times a second at most, and with each second for the clocks.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType
from textual.events import Load

from tui.feed.base import Playback
from tui.model import format as fmt
from tui.model.dashboard import Dashboard
from tui.notifying import NotifyingApp
from tui.quick_start import SETTLED_SECONDS, resume_garbage
from tui.screens.jobs import JobsScreen
from tui.screens.live import LiveScreen
from tui.session import Session
from tui.taping import RecordingApp
from tui.terminal_app import TerminalApp
from tui.views import BY_NAME, JOBS, VIEWS
from tui.widgets import palette
from tui.widgets.footing import Remark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from rich.console import RenderableType
    from textual.notifications import SeverityLevel
    from textual.screen import Screen
    from textual.timer import Timer

    from tui.feed.base import Feed
    from tui.model.settings import TopSettings
    from tui.widgets.palette import Glyphs

REPAINT_SECONDS: Final = 0.1
BEGINNING_SECONDS: Final = 0.005
BEGINNINGS: Final = 200
"""How often, and how many times, it is looked for the first jobs."""
IDLE_TURNS: Final = 2
"""Times that nothing has changed, after which it is not looked for changes."""
AHEAD_SECONDS: Final = 0.05
"""How long the first picture waits for them."""
DEFAULT_SECONDS: Final = 5.0
"""How long something is told, unless said otherwise."""
TABS: Final = 9
"""Instances side by side: as many as there are keys for them."""
_ASCII_KEYS: Final = {"\u23ce": "cr"}


class TopApp(NotifyingApp, RecordingApp, TerminalApp):
    """``flux top``. ``connect`` makes the feed of another instance, by its URI; without it only
    the one of ``feed`` can be shown. ``others`` are instances to show beside the first, each a URI
    and a name.
    """

    CSS_PATH = "app.tcss"
    TITLE = "flux top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *NotifyingApp.COMMAND_BINDINGS,
        Binding("q", "leave", "Quit", tooltip="Quit", id="app.quit"),
        Binding("ctrl+c,ctrl+q", "quit", "Quit", show=False, priority=True, id="app.interrupt"),
        *NotifyingApp.VIEW_BINDINGS,
        *NotifyingApp.EXPORT_BINDINGS,
        *NotifyingApp.NOTIFY_BINDINGS,
        *NotifyingApp.SETTINGS_BINDINGS,
        *(
            Binding(
                view.key,
                f"show_view('{view.name}')",
                view.title,
                tooltip=view.summary,
                show=False,
                id=f"view.{view.name}",
            )
            for view in VIEWS
        ),
        Binding("ctrl+right", "turn_tab(1)", "Next instance", show=False, id="tab.next"),
        Binding("ctrl+left", "turn_tab(-1)", "Previous instance", show=False, id="tab.previous"),
        Binding("ctrl+w", "close_tab", "Close this instance", show=False, id="tab.close"),
        *(
            Binding(f"alt+{number}", f"go_tab({number - 1})", show=False, id=f"tab.{number}")
            for number in range(1, TABS + 1)
        ),
    ]

    def __init__(
        self,
        feed: Feed,
        *,
        read_only: bool = False,
        query: str = "",
        sort: str = "state",
        reverse: bool = False,
        jobid: int | None = None,
        clock: Callable[[], float] = time.time,
        glyphs: Glyphs | None = None,
        connect: Callable[[str], Feed] | None = None,
        others: Sequence[tuple[str, str]] = (),
        settings: TopSettings | None = None,
        settings_path: Path | None = None,
        problems: Sequence[str] = (),
    ) -> None:
        super().__init__(settings, settings_path, problems)
        self.message = Remark()
        self.glyphs = glyphs or self.fitting_glyphs()
        self.connect = connect
        self._read_only = read_only
        self._clock = clock
        self._jobid = jobid
        self._others = list(others)
        self._made = 0
        self._painting: Timer | None = None
        self._idle_turns = 0
        self.tabs: dict[str, Session] = {}
        """The instances side by side, by the modes of their screens."""
        self._first = self._new_session(feed)
        self._first.dashboard.view.set_sort(sort, reverse, clock())
        self._first.dashboard.set_query(query)

    def _new_session(self, feed: Feed, name: str = "", parent: Session | None = None) -> Session:
        dashboard = Dashboard(self._clock)
        dashboard.read_only = self._read_only
        dashboard.on_change = self._wake
        dashboard.show_format(self.settings.columns)
        return Session(feed, dashboard, name, parent)

    @on(Load)
    async def start_ahead(self) -> None:
        """Ask the instance before there is a screen, and give it a moment to answer: a picture
        without jobs takes longer to make than most instances take to tell theirs.
        """
        self._first.start()
        latest = time.monotonic() + AHEAD_SECONDS
        while not self._first.dashboard.link.up and time.monotonic() < latest:
            await asyncio.sleep(BEGINNING_SECONDS)

    def on_mount(self) -> None:
        """Show the jobs and begin to follow the instances."""
        self.set_class(self.glyphs is palette.ASCII, "ascii")
        self._add_tab(self._first)
        for uri, name in self._others:
            self.open_instance(uri, name)
        self.action_go_tab(0)
        if self._jobid is not None:
            from tui.screens.job import JobScreen

            self.push_screen(JobScreen(self._jobid))
        self.start_settings()
        interval = max(REPAINT_SECONDS, self.settings.refresh)
        self._painting = self.set_interval(interval, self._paint)
        self.set_interval(max(1.0, interval), self._tick)
        self.set_timer(SETTLED_SECONDS, resume_garbage)
        self._beginning = self.set_interval(BEGINNING_SECONDS, self._begin, repeat=BEGINNINGS)

    def _begin(self) -> None:
        """Show the jobs as soon as they are there, not only when the screen is painted next."""
        if self.dashboard.link.up:
            self._beginning.stop()
            self.repaint()

    # Instances

    @property
    def live_screens(self) -> list[LiveScreen]:
        """The screens of this tab that draw from a model, the one on top last."""
        return [screen for screen in self.screen_stack if isinstance(screen, LiveScreen)]

    @property
    def session(self) -> Session:
        """The instance on the screen."""
        if self.current_mode not in self.tabs:
            return self._first
        bound = (screen.bound for screen in reversed(self.live_screens))
        return next((session for session in bound if session), self.tabs[self.current_mode])

    @property
    def dashboard(self) -> Dashboard:
        """The model of the instance on the screen."""
        return self.session.dashboard

    @property
    def feed(self) -> Feed:
        """The feed of the instance on the screen."""
        return self.session.feed

    def _jobs_of(self, session: Session) -> JobsScreen:
        screen = JobsScreen()
        screen.bind(session)
        return screen

    def _add_tab(self, session: Session) -> None:
        self._made += 1
        mode = f"tab-{self._made}"
        self.tabs[mode] = session
        self.add_mode(mode, lambda: self._jobs_of(session))
        session.start()
        self.switch_mode(mode)

    def open_instance(self, uri: str, name: str = "") -> None:
        """Show one more instance, in a tab of its own."""
        if self.connect is None or len(self.tabs) >= TABS:
            why = "no more tabs" if self.connect else "no other instance can be opened here"
            self.notify(why, severity="warning")
            return
        self._add_tab(self._new_session(self.connect(uri), name))

    def enter_instance(self, uri: str, name: str) -> None:
        """Show the instance inside a job of this one as if it were the top, until it is left."""
        if self.connect is None:
            self.notify("no other instance can be opened here", severity="warning")
            return
        inner = self._new_session(self.connect(uri), name, self.session)
        inner.dashboard.read_only = self.dashboard.read_only
        inner.start()
        self.push_screen(self._jobs_of(inner))

    async def leave_instance(self, session: Session) -> None:
        """End an inner instance's session after its screens."""
        await session.close()

    def action_turn_tab(self, step: int) -> None:
        """Go to the next or previous instance."""
        modes = list(self.tabs)
        self.switch_mode(modes[(modes.index(self.current_mode) + step) % len(modes)])

    def action_go_tab(self, number: int) -> None:
        """Go to an instance by its number, from 0."""
        modes = list(self.tabs)
        if number < len(modes):
            self.switch_mode(modes[number])

    async def action_close_tab(self) -> None:
        """Close the tab, and what was entered in it; the last one stays."""
        if len(self.tabs) == 1:
            self.notify("this is the last instance: q quits", severity="warning")
            return
        mode = self.current_mode
        sessions = {id(screen.session): screen.session for screen in self.live_screens}
        self.action_turn_tab(-1)
        del self.tabs[mode]
        await self.remove_mode(mode)
        for session in sessions.values():
            await session.close()

    async def action_leave(self) -> None:
        """Leave an inner instance; quit from the outermost one."""
        screen = self.screen
        if isinstance(screen, JobsScreen) and screen.session.parent is not None:
            screen.action_leave_instance()
        else:
            await self.action_quit()

    # Views

    def action_show_view(self, name: str) -> None:
        """Show one of the views of this instance."""
        self.show_view(name)

    def show_view(self, name: str) -> None:
        """Go to a view of the instance on the screen: back to it where it is under others already,
        else on top. Raises KeyError if there is none of that name.
        """
        view = BY_NAME[name]
        while not isinstance(self.screen, LiveScreen) and len(self.screen_stack) > 1:
            self.pop_screen()  # a question or a menu
        if name == JOBS:
            while not isinstance(self.screen, JobsScreen) and len(self.screen_stack) > 1:
                self.pop_screen()
            return
        made = view.make()
        for place, screen in enumerate(self.screen_stack):
            if type(screen) is type(made) and screen.session is self.session:
                for _ in self.screen_stack[place + 1 :]:
                    self.pop_screen()
                return
        self.push_screen(made.bind(self.session))

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Tell something for ``timeout`` seconds, in a line of its own above the keys.

        It is never read as markup: names and errors that others wrote are in it.
        """
        seconds = DEFAULT_SECONDS if timeout is None else timeout
        text = fmt.printable(f"{title}: {message}" if title else message)
        self.message = Remark(text, severity, time.monotonic() + seconds)
        self.dashboard.revision += 1

    def get_key_display(self, binding: Binding) -> str:
        """Return a key as people read it, in ASCII where the terminal knows nothing else."""
        shown = super().get_key_display(binding)
        if self.glyphs is palette.ASCII:
            return _ASCII_KEYS.get(shown, shown if shown.isascii() else binding.key)
        return shown

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Write an update of the screen, unless that is somebody else's now."""
        if not self.away:
            super()._display(screen, renderable)

    # Painting

    def sessions(self) -> list[Session]:
        """Return all sessions, those of the tabs first."""
        found = {id(session): session for session in self.tabs.values()}
        for stack in self._screen_stacks.values():
            for screen in stack:
                if isinstance(screen, LiveScreen) and screen.bound is not None:
                    found.setdefault(id(screen.bound), screen.bound)
        return list(found.values())

    def _wake(self) -> None:
        """Have the screen painted: at once if nothing has changed for a while."""
        if self._idle_turns >= IDLE_TURNS and self._painting is not None:
            self._painting.resume()
        self._idle_turns = 0

    def _paint(self) -> None:
        """Repaint, and rest until something changes if nothing has for some turns: a dashboard that
        nobody touches should cost nothing.
        """
        self._idle_turns += 1
        self.repaint()
        sessions = self.sessions()
        for session in sessions:
            if session.dashboard.rebuild_some() or isinstance(session.feed, Playback):
                self._idle_turns = 0
        if self._idle_turns >= IDLE_TURNS and self._painting is not None:
            self._painting.pause()

    def _tick(self) -> None:
        """Paint the clocks, where nothing else is painted."""
        if self._idle_turns >= IDLE_TURNS:
            self.repaint()

    def repaint(self) -> None:
        """Bring the models up to date and repaint if anything changed on the screen.

        Clocks and running times are repainted once a second.
        """
        if not self.is_running:
            return  # ending: the screens lose their widgets one by one
        # First: settling may be what changes the revision.
        for session in self.sessions():
            self.look_for_ends(session.dashboard, session.dashboard.settle())
        screens = self.live_screens
        if not screens or not (screens[-1].is_mounted and screens[-1].composed):
            return
        session = screens[-1].session
        now = (session.dashboard.revision, int(session.dashboard.clock()))
        if now != session.painted:
            session.painted = now
            screens[-1].live_update()

    async def on_unmount(self) -> None:
        """End the connections."""
        for session in self.sessions() or [self._first]:
            await session.close()
