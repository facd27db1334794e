"""Screens that change something after they have asked, and tell what came of it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from tui.model.question import SMALLEST
from tui.model.unexpected import UNEXPECTED
from tui.screens.intent import IntentScreen
from tui.screens.reading import ReadingScreen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tui.model.intent import Intent

Row = TypeVar("Row")
AT_ONCE: Final = 64
"""Requests under way at a time: enough to be fast, few enough to leave the broker to others."""


class AskingScreen(ReadingScreen):
    """Asks before it acts."""

    noun = "row"
    """What one of the things that it acts on is called."""

    def acted(self) -> None:
        """Take in that what was asked for has been done."""

    def warn(self, text: str) -> None:
        """Say why something is not done."""
        self.notify(text, severity="warning", timeout=4)

    def ask(self, intent: Intent, act: Callable[[str], Awaitable[str]]) -> None:
        """Ask, do it with the text that was typed, and tell the sentence it returns; then read the
        list again.
        """
        if not intent.names:
            self.warn(f"no {self.noun} is chosen")
            return
        size = self.app.size
        if size.width < SMALLEST[0] or size.height < SMALLEST[1]:
            self.warn("the terminal is too small to ask")
            return

        def answered(text: str | None) -> None:
            if text is not None:
                self.start(partial(self.act, act, text), "actions")

        self.app.push_screen(IntentScreen(intent), answered)

    async def act(self, work: Callable[[str], Awaitable[str]], text: str) -> None:
        """Do it and tell what came of it."""
        try:
            told = await work(text)
        except OSError as error:
            self.app.notify(str(error.strerror or error), severity="error", timeout=8)
        except UNEXPECTED as error:
            text = f"the broker sent something unexpected: {error!r}"
            self.app.notify(text, severity="error", timeout=8)
        else:
            self.acted()
            self.app.notify(told, timeout=4)
        self._again.set()


async def each(
    rows: Sequence[Row], act: Callable[[Row], Awaitable[object]], name: Callable[[Row], str]
) -> None:
    """Do something to each row, several at once; raises OSError for the first that is refused,
    which says how many others were.
    """
    limit = asyncio.Semaphore(AT_ONCE)
    refused: list[tuple[Row, OSError]] = []

    async def one(row: Row) -> None:
        async with limit:
            try:
                await act(row)
            except OSError as error:
                refused.append((row, error))

    await asyncio.gather(*map(one, rows))
    if refused:
        row, error = refused[0]
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        done = len(rows) - len(refused)
        text = f"{name(row)}: {error.strerror or error}{more}"
        raise OSError(error.errno, text + (f"; done: {done}" if done else ""))
