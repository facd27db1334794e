"""Screens of what is asked for every two seconds while they are on top."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from tui.model import format as fmt
from tui.model.refusals import refusal
from tui.model.unexpected import UNEXPECTED
from tui.screens.live import LiveScreen

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from textual.events import ScreenResume
    from textual.worker import Worker

    Work = Callable[[], Coroutine[None, None, None]]

SHARE: Final = 4
"""How many times as long as reading takes is the least pause before it is done again."""
PERIOD: Final = 2.0
"""Seconds between two times that a view is read."""


class ReadingScreen(LiveScreen):
    """Reads what it shows again and again; a subclass says how."""

    period = PERIOD

    def __init__(self) -> None:
        super().__init__()
        self.known = False
        """Whether it has been read."""
        self.trouble = ""
        """Why it could not be read the last time."""
        self.read_at = 0.0
        """When it was read, in seconds since the epoch."""
        self._again = asyncio.Event()

    async def read(self) -> None:
        """Ask for what is shown and keep it; raises OSError."""

    def begin_reading(self) -> None:
        """Read from now on."""
        self.start(self._keep_reading, "reading")

    def start(self, work: Work, group: str, *, exclusive: bool = False) -> Worker[None]:
        """Do something in the background until it is done or the screen is left; ``exclusive`` ends
        what else its group does.
        """
        worker: Worker[None] = self.run_worker(
            work, exit_on_error=False, group=group, exclusive=exclusive
        )
        return worker

    async def _keep_reading(self) -> None:
        """Read again and again while this screen is on top and there is a connection."""
        while True:
            begin = time.monotonic()
            if self.is_current and self.dashboard.link.up:
                await self.read_once()
            spent = time.monotonic() - begin
            pause = max(self.period, SHARE * spent) if self.known or self.trouble else 0.1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._again.wait()
            self._again.clear()

    async def read_once(self) -> None:
        """Read; what goes wrong is told above the list, which stays as it is."""
        try:
            await self.read()
            self.known, self.trouble, self.read_at = True, "", self.dashboard.clock()
        except OSError as error:
            self.trouble = refusal(error, self.dashboard.guest)
        except UNEXPECTED as error:
            self.trouble = fmt.printable(f"the broker sent something unexpected: {error!r}")
        self.dashboard.revision += 1

    def action_again(self) -> None:
        """Read now."""
        self._again.set()

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Read at once when this screen is on top again."""
        # Textual calls the handler of each class by itself.
        self._again.set()
