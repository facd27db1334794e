"""Has keys obeyed one after the other, however fast they come.

Textual sends a key to the widget that has the focus when the key arrives. What the key before it
does (open a line, close one, show a screen) takes some messages more, so that of keys which come
within milliseconds, pasted or typed over a slow line, some reach a widget that is about to lose the
focus, or one that is about to get it is not there yet. A `Typist` keeps keys until the one before
has done all that it does.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from textual import events
from textual.app import App, ScreenStackError
from textual.widgets import Input

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message_pump import MessagePump

QUIET_ROUNDS: Final = 2
"""Rounds without anything left to do after which a key has done all that it does: in the first, a
widget may still pass something on to one that was asked before it."""
ROUND_SECONDS: Final = 0.5
"""How long a widget may take in a round; one that is being taken away never answers."""
PATIENCE: Final = 5.0
"""Seconds for what a key does, before the next is obeyed all the same."""
BEGINNING: Final = 0.01
"""Seconds between looks for the first screen."""

Typed = events.Key | events.Paste


class Typist:
    """Keys that wait for their turn. ``obey`` has the application route one by its focus."""

    def __init__(self, app: App[None], obey: Callable[[Typed], object]) -> None:
        self._app = app
        self._obey = obey
        self._waiting: deque[Typed] = deque()
        self._task: asyncio.Task[None] | None = None
        self._touched: set[MessagePump] = set()
        self._lettered: Input | None = None

    @property
    def busy(self) -> bool:
        """Whether a key waits for its turn."""
        return self._task is not None and not self._task.done()

    def take(self, event: Typed) -> None:
        """Have a key obeyed, or a paste, after those that came before it."""
        self._waiting.append(event)
        self._begin()

    def take_first(self, *events: Typed) -> None:
        """Have these obeyed before all that wait."""
        self._waiting.extendleft(reversed(events))
        self._begin()

    def _begin(self) -> None:
        if not self.busy:
            self._task = asyncio.create_task(self._work(), name="typist")

    async def _work(self) -> None:
        while self._waiting:
            await self._until_ready(self._waiting[0])
            event = self._waiting.popleft()
            self._touched = self._concerned()
            self._lettered = self._line() if _is_letter(event) else None
            self._app.call_later(self._obey, event)

    async def _until_ready(self, event: Typed) -> None:
        """Wait until the key before has done what it does. Letters for the same line need not wait
        for one another: it takes them in their order.
        """
        line = self._line()
        if line is not None and line is self._lettered and _is_letter(event):
            return
        quiet, deadline = 0, time.monotonic() + PATIENCE
        while quiet < QUIET_ROUNDS and time.monotonic() < deadline:
            concerned = self._concerned()
            if not concerned:
                await asyncio.sleep(BEGINNING)
                continue
            answered = await _all_answer(self._touched | concerned)
            calm = answered and concerned == self._concerned()
            calm = calm and not any(pump.message_queue_size for pump in concerned)
            quiet = quiet + 1 if calm else 0

    def _line(self) -> Input | None:
        try:
            focused = self._app.focused
        except ScreenStackError:
            return None
        return focused if isinstance(focused, Input) else None

    def _concerned(self) -> set[MessagePump]:
        """Return what a key passes: the widget with the focus, all around it, the application. It
        is empty before there is a screen.
        """
        app = self._app
        try:
            screen = app.screen
        except ScreenStackError:
            return set()
        if not screen.is_running:
            return set()
        return {app, *(screen.focused or screen).ancestors_with_self}


def _is_letter(event: Typed) -> bool:
    return isinstance(event, events.Key) and event.is_printable


async def _all_answer(pumps: set[MessagePump]) -> bool:
    """Wait until each has done what it was to do when it was asked; tells whether all have."""
    loop = asyncio.get_running_loop()
    answers: list[asyncio.Future[None]] = []
    for pump in pumps:
        answer = loop.create_future()
        if pump.call_later(_answer, answer):
            answers.append(answer)
    if not answers:
        return True
    _, late = await asyncio.wait(answers, timeout=ROUND_SECONDS)
    return not late


def _answer(answer: asyncio.Future[None]) -> None:
    if not answer.done():
        answer.set_result(None)


def one_line(text: str) -> str:
    """Return what was pasted as a line has it: ends of lines and control characters as spaces."""
    line = " ".join(part.strip() for part in text.splitlines() if part.strip())
    return "".join(letter if letter.isprintable() else " " for letter in line)
