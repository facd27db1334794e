"""The visits: one dashboard for each, so many at once, each until it ends, is left, or is idle.

A visit outlives its connection for a while. What its dashboard draws meanwhile is dropped, as no
one sees it; whoever comes back has everything drawn anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol

from tui.serve.door import Allowance, new_secret
from tui.serve.terminal import ServedTerminal

if TYPE_CHECKING:
    from collections.abc import Callable

ABSENCE: Final = 60.0
"""Seconds that a visit waits for one whose connection was cut."""
LOOK: Final = 5.0
"""Seconds between two looks for idle visits."""
REDRAW: Final = b"\x0c"
"""Ctrl+L, which has the dashboard draw everything."""
RESET: Final = b"\x18\x1b[?2026l"
"""Cancels a control sequence that was cut in its middle, and a frame that never ended."""
LARGEST: Final = (1000, 500)
"""Columns and rows of the largest terminal."""


class Ending(IntEnum):
    """Why a connection is closed for good, as the code of the WebSocket; the page says so and does
    not come back by itself.
    """

    OVER = 4000
    IDLE = 4001
    FULL = 4002
    STOPPED = 4003
    TAKEN = 4004
    BROKEN = 4005


REASONS: Final = {
    Ending.OVER: "The dashboard has ended.",
    Ending.IDLE: "The dashboard was not used for a long time and has ended.",
    Ending.FULL: "No more dashboards are served at once (--serve-sessions).",
    Ending.STOPPED: "flux top --serve has ended.",
    Ending.BROKEN: "The dashboard cannot be started: see the terminal of flux top --serve.",
    Ending.TAKEN: "This dashboard is shown elsewhere now.",
}


class PageLine(Protocol):
    """A connection to a page."""

    async def send(self, data: bytes) -> None:
        """Send what is to be drawn; waits for a page that is slow, raises OSError when it is
        gone.
        """

    async def close(self, ending: Ending) -> None:
        """End the connection for good."""


@dataclass(frozen=True, slots=True)
class ServeTerms:
    """What is served: the command, its environment, so many visits, each ``idle`` seconds without a
    key at most.
    """

    command: list[str]
    environment: dict[str, str]
    sessions: int
    idle: float


class Full(Exception):
    """There are as many visits as there may be, or they come too fast."""


class Visit:
    """A dashboard, and the page that shows it, if any."""

    def __init__(self, name: str, terminal: ServedTerminal, now: float) -> None:
        self.name = name
        self.terminal = terminal
        self.line: PageLine | None = None
        self.used = now
        self.left: float | None = None
        """Since when no page shows it."""
        self.ending = Ending.OVER

    async def attach(self, line: PageLine, *, again: bool) -> None:
        """Show the dashboard by ``line`` from now on."""
        former, self.line, self.left = self.line, line, None
        if former is not None:
            await former.close(Ending.TAKEN)
        if again:
            await line.send(RESET)
            await self.terminal.write(REDRAW)

    def detach(self, line: PageLine, now: float) -> None:
        """The page is gone; nothing if another one has come already."""
        if self.line is line:
            self.line, self.left = None, now

    async def type(self, text: str, now: float) -> None:
        """Hand on keys."""
        self.used = now
        await self.terminal.write(text.encode("utf-8", "replace"))

    def resize(self, columns: int, rows: int) -> None:
        """The page has so many cells now."""
        self.terminal.resize(bounded(columns, rows))

    async def pump(self) -> None:
        """Hand on what the dashboard draws, until it has ended."""
        while data := await self.terminal.read():
            line = self.line
            if line is not None:
                try:
                    await line.send(data)
                except OSError:
                    self.detach(line, time.monotonic())

    def is_due(self, now: float, idle: float) -> bool:
        """Whether it is time to end it; says why in ``ending``."""
        if self.left is not None and now - self.left > ABSENCE:
            return True
        if now - self.used > idle:
            self.ending = Ending.IDLE
            return True
        return False


def bounded(columns: int, rows: int) -> tuple[int, int]:
    """Return a size that a terminal can have."""
    return min(max(columns, 1), LARGEST[0]), min(max(rows, 1), LARGEST[1])


class Visits:
    """All visits of a server. ``tell`` is called with a sentence when one begins or ends."""

    def __init__(self, terms: ServeTerms, tell: Callable[[str], None]) -> None:
        self._terms = terms
        self._tell = tell
        self._visits: dict[str, Visit] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting = 0
        self._rate = Allowance(10, 2.0)
        self._number = 0

    def find(self, name: str) -> Visit | None:
        """Return a visit that goes on, by the name that its page was told."""
        return self._visits.get(name)

    async def begin(self, size: tuple[int, int]) -> Visit:
        """Start a dashboard; raises `Full`, and OSError, which is told too, if it cannot be
        started.
        """
        if len(self._visits) + self._starting >= self._terms.sessions:
            raise Full
        if self._rate.take(time.monotonic()):
            raise Full
        self._starting += 1
        try:
            terms = self._terms
            terminal = await ServedTerminal.start(terms.command, terms.environment, bounded(*size))
        except OSError as error:
            self._tell(f"{terms.command[0]}: {error.strerror}")
            raise
        finally:
            self._starting -= 1
        visit = Visit(new_secret(), terminal, time.monotonic())
        self._visits[visit.name] = visit
        self._number += 1
        task = asyncio.create_task(self._live(visit, self._number), name="visit")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return visit

    async def end(self, visit: Visit) -> None:
        """End a visit; returns when its dashboard has ended."""
        await visit.terminal.end()

    async def end_all(self) -> None:
        """End all visits, because the server ends."""
        for visit in self._visits.values():
            visit.ending = Ending.STOPPED
        await asyncio.gather(*map(self.end, list(self._visits.values())))
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def watch(self) -> None:
        """End visits that were left or are idle, until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            now = time.monotonic()
            due = [one for one in self._visits.values() if one.is_due(now, self._terms.idle)]
            await asyncio.gather(*map(self.end, due))

    async def _live(self, visit: Visit, number: int) -> None:
        self._tell(f"visit {number} begins, {len(self._visits)} of {self._terms.sessions}")
        try:
            await visit.pump()
        finally:
            await visit.terminal.end()
            del self._visits[visit.name]
            self._tell(f"visit {number} has ended")
            if visit.line is not None:
                with contextlib.suppress(OSError):
                    await visit.line.close(visit.ending)
