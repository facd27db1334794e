"""The application: owns the model and the feed, repaints the screen on top ten times a second at
most.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import App
from textual.binding import Binding, BindingType

from tui.model import format as fmt
from tui.model.dashboard import Dashboard
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.screens.live import LiveScreen
from tui.widgets import palette
from tui.widgets.cropping import cropped
from tui.widgets.footing import Remark

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from textual.notifications import SeverityLevel
    from textual.screen import Screen

    from tui.feed.base import Feed
    from tui.widgets.palette import Glyphs

REPAINT_SECONDS: Final = 0.1
DEFAULT_SECONDS: Final = 5.0
"""How long something is told, unless said otherwise."""
_ASCII_KEYS: Final = {"\u23ce": "cr"}


class TopApp(App[None]):
    """``flux top``."""

    CSS_PATH = "app.tcss"
    TITLE = "flux top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit", tooltip="Quit", id="app.quit"),
        Binding("ctrl+c,ctrl+q", "quit", "Quit", show=False, priority=True, id="app.interrupt"),
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
    ) -> None:
        super().__init__()
        self.feed = feed
        self.message = Remark()
        self.glyphs = glyphs or palette.terminal_glyphs()
        self.dashboard = Dashboard(clock)
        self.dashboard.read_only = read_only
        self.dashboard.view.set_sort(sort, reverse, clock())
        self.dashboard.set_query(query)
        self._jobid = jobid
        self._seen = -1
        self._second = 0
        self._following: asyncio.Task[None] | None = None

    def on_mount(self) -> None:
        """Show the jobs and begin to follow the instance."""
        self.register_theme(palette.theme())
        self.theme = "flux"
        self.set_class(self.glyphs is palette.ASCII, "ascii")
        self.push_screen(JobsScreen())
        if self._jobid is not None:
            self.push_screen(JobScreen(self._jobid))
        self._following = asyncio.create_task(self.feed.run(self.dashboard), name="feed")
        self._following.add_done_callback(self._feed_ended)
        self.set_interval(REPAINT_SECONDS, self.repaint)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the colours of the style sheet for themes that do not have them."""
        return palette.roles()

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

    def _feed_ended(self, task: asyncio.Task[None]) -> None:
        """A feed never ends by itself; if it does, it is our fault, and the program must say so."""
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            self.dashboard.set_link(False, f"internal error: {error!r}")

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Write an update of the screen, no more of it than has changed."""
        super()._display(screen, cropped(renderable))

    def repaint(self) -> None:
        """Bring the model up to date and repaint if anything changed.

        Clocks and running times are repainted once a second.
        """
        if not self.is_running:
            return  # ending: the screens lose their widgets one by one
        # First: settling may be what changes the revision.
        self.dashboard.settle()
        second = int(self.dashboard.clock())
        if self.dashboard.revision == self._seen and second == self._second:
            return
        screen = next((s for s in reversed(self.screen_stack) if isinstance(s, LiveScreen)), None)
        if screen is not None and screen.is_mounted and screen.composed:
            self._seen, self._second = self.dashboard.revision, second
            screen.live_update()

    async def on_unmount(self) -> None:
        """End the connection."""
        # The feed first: it would take our closing for a lost connection and connect again.
        if self._following is not None:
            self._following.cancel()
        await self.feed.close()
