"""What comes from the terminal, when it comes: its keys, and its end.

Textual's driver looks ten times a second whether there are keys, which is an eighth of all that a
dashboard costs while nobody touches it. This one sleeps until there are some.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import math
import os
import select
import threading
from typing import TYPE_CHECKING, Final

from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

TERMINAL: Final = 0
"""The descriptor that keys come from."""
_GONE: Final = select.POLLHUP | select.POLLERR
_LAST_WORDS: Final = 100
"""Milliseconds for what a terminal still sends after it was told to send no more."""
_MOST: Final = 4096


class WakingEvent(threading.Event):
    """An event for threads that wait for files: there is something to read at ``descriptor`` as
    long as it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.descriptor, self._other_end = os.pipe()
        os.set_blocking(self.descriptor, False)
        self._closed = False

    def set(self) -> None:
        """Set it, and wake who waits."""
        super().set()
        if not self._closed:
            os.write(self._other_end, b"\0")

    def clear(self) -> None:
        """Take it back."""
        if not self._closed:
            with contextlib.suppress(BlockingIOError):
                os.read(self.descriptor, _MOST)
        super().clear()

    def close(self) -> None:
        """Give the files back: it wakes nobody after that."""
        if not self._closed:
            self._closed = True
            os.close(self.descriptor)
            os.close(self._other_end)


class RestingDriver(LinuxDriver):
    """Textual's driver, with a thread that sleeps until a key comes or a lone escape is old enough
    to be one.
    """

    exit_event: WakingEvent

    def __init__(
        self,
        app: App[object],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.exit_event = WakingEvent()

    def run_input_thread(self) -> None:
        """Pass on what is typed until the driver stops or the terminal is gone."""
        parser = XTermParser(self._debug)
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        waiting = select.poll()
        waiting.register(self.fileno, select.POLLIN)
        waiting.register(self.exit_event.descriptor, select.POLLIN)
        gone = False
        while not (gone or self.exit_event.is_set()):
            ready = dict(waiting.poll(_milliseconds_left(parser)))
            gone = not self._pass_on(ready.get(self.fileno, 0), parser, decode)
            for message in parser.tick():
                self.process_message(message)
        if not gone:
            waiting.unregister(self.exit_event.descriptor)
            self._pass_on(dict(waiting.poll(_LAST_WORDS)).get(self.fileno, 0), parser, decode)

    def _pass_on(self, ready: int, parser: XTermParser, decode: Callable[[bytes], str]) -> bool:
        """Pass on what there is to read; tells whether there can be more."""
        if ready & _GONE:
            return False
        if ready:
            found = os.read(self.fileno, _MOST)
            for message in parser.feed(decode(found)) if found else ():
                self.process_message(message)
            return bool(found)
        return True

    def start_application_mode(self) -> None:
        """Take the terminal; it may be given back, and taken again, many times."""
        self.exit_event.close()
        self.exit_event = WakingEvent()
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """End the threads, and give their files back."""
        super().close()
        self.exit_event.close()


def _milliseconds_left(parser: XTermParser) -> int | None:
    """Return how long to wait for the rest of a sequence, None if none has begun."""
    latest = parser._timeout_time  # noqa: SLF001 - Textual looks at it ten times a second instead
    return None if latest is None else max(0, math.ceil(1000 * (latest - get_time())))


class HangupWatch:
    """Calls ``gone`` once when the terminal has hung up, whoever reads it at that time. A terminal
    that is not the controlling one goes without a signal.
    """

    def __init__(self, gone: Callable[[], object]) -> None:
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        # At its edges: keys that another program is to read must not wake us for ever.
        self._polling = select.epoll()
        self._polling.register(TERMINAL, select.EPOLLIN | select.EPOLLET)
        self._loop.add_reader(self._polling.fileno(), self._look)

    def _look(self) -> None:
        happened = self._polling.poll(0)
        if any(what & (select.EPOLLHUP | select.EPOLLERR) for _, what in happened):
            self.close()
            self._gone()

    def close(self) -> None:
        """Watch no more."""
        if not self._polling.closed:
            self._loop.remove_reader(self._polling.fileno())
            self._polling.close()
