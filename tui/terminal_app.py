"""An application that is a good guest of its terminal: whatever ends it, the terminal is as it was;
it can be put into the background, and be drawn anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, ClassVar, Final

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.widgets import Input

from flux.waitstatus import code_of_signal
from tui.typist import Typist, one_line

if TYPE_CHECKING:
    from textual.driver import Driver

    from tui.terminal_input import HangupWatch

SERVED: Final = "FLUX_TOP_SERVED"
"""Set in the environment of a dashboard whose terminal is a browser: no shell is behind it."""
LINE_FEED: Final = "ctrl+j"
LINE_KEYS: Final = {"/": "slash", ":": "colon"}
LINE_ACTIONS: Final = ("command_line", "filter", "search")
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 3.0
"""Seconds that an ending by a signal may take; a terminal that is gone takes no last words."""


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

    _typist: Typist | None = None
    _watch: HangupWatch | None = None

    def on_mount(self) -> None:
        """Heed signals that end the process, and the return from the background."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw(), immediate=True)
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for signum in _ENDING:
                loop.add_signal_handler(signum, self.end_by_signal, signum)
            from tui.terminal_input import HangupWatch

            self._watch = HangupWatch(lambda: self.end_by_signal(signal.SIGHUP))

    async def on_unmount(self) -> None:
        """Leave the terminal alone."""
        if self._watch is not None:
            self._watch.close()

    def get_driver_class(self) -> type[Driver]:
        """Return the driver that sleeps until keys come in place of the one that it is made of."""
        from textual.drivers.linux_driver import LinuxDriver

        from tui.terminal_input import RestingDriver

        chosen = super().get_driver_class()
        return RestingDriver if chosen is LinuxDriver else chosen

    def _fatal_error(self) -> None:
        """End with a sentence instead of pages with the values of all variables, which Textual
        shows; called where the exception is being handled.
        """
        from rich.text import Text

        from tui.fault_report import tell_fault

        error = sys.exc_info()[1]
        if error is None:
            super()._fatal_error()
        else:
            self.panic(Text(tell_fault(error)))

    @property
    def keys_wait(self) -> bool:
        """Whether keys that were typed have not been obeyed yet."""
        return self._typist is not None and self._typist.busy

    async def on_event(self, event: events.Event) -> None:
        """Have keys and pastes wait for their turn, but for the keys that end the dashboard."""
        if (
            not isinstance(event, (events.Key, events.Paste))
            or event.is_forwarded
            or (isinstance(event, events.Key) and self._is_interrupt(event.key))
        ):
            await super().on_event(event)
        else:
            if self._typist is None:
                self._typist = Typist(self, self._obey)
            self._typist.take(event)

    def _is_interrupt(self, key: str) -> bool:
        bound = self._bindings.key_to_bindings.get(key, ())
        return any(binding.action == "quit" and binding.priority for binding in bound)

    async def _obey(self, event: events.Key | events.Paste) -> None:
        """Route a key whose turn it is by the focus; what is pasted, into the line that has it or
        that it opens itself.
        """
        if isinstance(event, events.Key):
            await super().on_event(self._as_meant(event))
        elif isinstance(self.focused, Input):
            await super().on_event(events.Paste(one_line(event.text)))
        else:
            self.pasted(one_line(event.text))

    def _as_meant(self, key: events.Key) -> events.Key:
        """Return Enter for the end of a line, unless somebody has bound that: a terminal that is
        not ours yet makes the one of the other.
        """
        if key.key != LINE_FEED or LINE_FEED in self.screen.active_bindings:
            return key
        return events.Key("enter", "\r")

    def pasted(self, text: str) -> None:
        """Open the line that what was pasted begins with the key of, and put the rest there. What
        is pasted is never obeyed as keys.
        """
        key = LINE_KEYS.get(text[:1], "")
        active = self.screen.active_bindings.get(key)
        opens = active is not None and active.binding.action in LINE_ACTIONS
        if opens and self._typist is not None:
            self._typist.take_first(events.Key(key, text[0]), events.Paste(text[1:]))
        elif text:
            self.notify("what is pasted goes into a line: open it first, by / or :", timeout=4)

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
