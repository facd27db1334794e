"""An application that is a good guest of its terminal: whatever ends it, the terminal is as it was;
it can be put into the background, and be drawn anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import threading
from typing import TYPE_CHECKING, ClassVar, Final
from weakref import WeakKeyDictionary

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.widgets import Input

from flux.waitstatus import code_of_signal

if TYPE_CHECKING:
    from textual.widget import Widget

SERVED: Final = "FLUX_TOP_SERVED"
"""Set in the environment of a dashboard whose terminal is a browser: no shell is behind it."""
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 3.0
"""Seconds that an ending by a signal may take; a terminal that is gone takes no last words."""

HANGUP_SECONDS: Final = 0.5
"""How often is looked whether the terminal is still there."""


def measure_terminal() -> None:
    """Have the size of the terminal asked of the terminal.

    A shell that exports COLUMNS and LINES would fix it, and a window that grows would not be used.
    """
    with contextlib.suppress(OSError):
        if all(os.get_terminal_size(1)):
            os.environ.pop("COLUMNS", None)
            os.environ.pop("LINES", None)


class TerminalApp(App[None]):
    """Redraws on Ctrl+L, suspends on Ctrl+Z, restores the terminal on SIGTERM and SIGHUP."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "ctrl+l",
            "redraw",
            "Draw anew",
            tooltip="Draw the whole screen anew",
            show=False,
            priority=True,
            id="app.redraw",
        ),
        Binding(
            "ctrl+z",
            "suspend_process",
            "Suspend",
            tooltip="Go back to the shell for a while; fg comes back",
            show=False,
            priority=True,
            id="app.suspend",
        ),
    ]

    _aimed: WeakKeyDictionary[events.Key, Widget | None]

    def on_load(self) -> None:
        """Prepare for keys."""
        self._aimed = WeakKeyDictionary()

    def on_mount(self) -> None:
        """Heed signals that end the process, and the return from the background."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw(), immediate=True)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for signum in _ENDING:
                loop.add_signal_handler(signum, self.end_by_signal, signum)
            self.set_interval(HANGUP_SECONDS, self._look_for_the_terminal)

    def _look_for_the_terminal(self) -> None:
        """End with the terminal: one that is not the controlling one goes without a signal, and
        reading it would spin for ever.
        """
        poll = select.poll()
        poll.register(0, 0)
        if any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0)):
            self.end_by_signal(signal.SIGHUP)

    async def on_event(self, event: events.Event) -> None:
        """Note whom a key is for, see `on_key`."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            self._aimed[event] = self.focused
        await super().on_event(event)

    def on_key(self, event: events.Key) -> None:
        """Give a key that was typed ahead to the line that has been opened for it.

        ``/abc`` may arrive at once. All four go to the table then, and come back here when it has
        no use for them; by the time the letters do, the slash has opened the line they are for.
        """
        aimed, focused = self._aimed.pop(event, None), self.focused
        if isinstance(focused, Input) and aimed is not None and aimed is not focused:
            event.prevent_default()
            again = events.Key(event.key, event.character)
            focused._forward_event(again)  # noqa: SLF001 - as an application does with its keys

    def end_by_signal(self, signum: int) -> None:
        """End in order, as shells count it; at once if that does not come to an end."""
        code = code_of_signal(signum)
        last_resort = threading.Timer(_PATIENCE, os._exit, (code,))
        last_resort.daemon = True
        last_resort.start()
        self.exit(return_code=code)

    def action_redraw(self) -> None:
        """Draw the whole screen anew, whatever the terminal shows now."""
        self.refresh(layout=True)
        self.screen.refresh(layout=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Take suspending away where no shell could resume."""
        if action == "suspend_process" and (self.is_headless or os.environ.get(SERVED)):
            return False
        return super().check_action(action, parameters)
