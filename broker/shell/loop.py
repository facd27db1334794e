"""The shell's event loop: descriptors, timers and child signals on poll(2), without asyncio's
import cost.
"""

from __future__ import annotations

import heapq
import os
import select
import signal
import time
from collections.abc import Callable
from itertools import count

Callback = Callable[[], None]
Guest = Callable[[], float | None]
"""Another loop inside this one: does what it can and returns the seconds that it may be left alone,
None for as long as its descriptor is not readable.
"""
_READ = select.POLLIN | select.POLLHUP | select.POLLERR


class LoopTimer:
    """A scheduled call; `cancel` it before it happens."""

    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Do not call it any more."""
        self.cancelled = True


class Loop:
    """Waits for descriptors, timers and signals and calls back; exceptions of callbacks end
    `run_until`.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._readers: dict[int, Callback] = {}
        self._writers: dict[int, Callback] = {}
        self._timers: list[tuple[float, int, LoopTimer]] = []
        self._order = count()
        self.before_wait: list[Callback] = []
        self.guests: list[Guest] = []

    def add_reader(self, fd: int, callback: Callback) -> None:
        """Call ``callback`` while ``fd`` is readable or at its end."""
        self._readers[fd] = callback
        self._register(fd)

    def remove_reader(self, fd: int) -> None:
        """Stop watching ``fd`` for reading."""
        if self._readers.pop(fd, None) is not None:
            self._register(fd)

    def add_writer(self, fd: int, callback: Callback) -> None:
        """Call ``callback`` while ``fd`` is writable."""
        self._writers[fd] = callback
        self._register(fd)

    def remove_writer(self, fd: int) -> None:
        """Stop watching ``fd`` for writing."""
        if self._writers.pop(fd, None) is not None:
            self._register(fd)

    def _register(self, fd: int) -> None:
        mask = (_READ if fd in self._readers else 0) | (
            select.POLLOUT if fd in self._writers else 0
        )
        if mask:
            self._poll.register(fd, mask)
        else:
            self._poll.unregister(fd)

    def call_later(self, delay: float, callback: Callback) -> LoopTimer:
        """Call ``callback`` once after ``delay`` seconds."""
        timer = LoopTimer(callback)
        heapq.heappush(self._timers, (time.monotonic() + delay, next(self._order), timer))
        return timer

    def _guests_turn(self) -> float | None:
        if not self.guests:
            return None
        waits = [wait for guest in self.guests if (wait := guest()) is not None]
        return min(waits, default=None)

    def _timeout(self, patience: float | None) -> float | None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if self._timers:
            due = max(0.0, self._timers[0][0] - time.monotonic())
            patience = due if patience is None else min(patience, due)
        return None if patience is None else patience * 1000 + 0.5

    def turn(self) -> None:
        """Wait for something to happen and call back for it."""
        self._wait(self._guests_turn())

    def _wait(self, patience: float | None) -> None:
        for callback in self.before_wait:
            callback()
        for fd, events in self._poll.poll(self._timeout(patience)):
            if events & _READ and (reader := self._readers.get(fd)):
                reader()
            if events & (select.POLLOUT | select.POLLERR) and (writer := self._writers.get(fd)):
                writer()
        now = time.monotonic()
        while self._timers and (self._timers[0][0] <= now or self._timers[0][2].cancelled):
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Take turns until ``done`` returns True."""
        while not done():
            patience = self._guests_turn()
            if self.guests and done():  # it was a guest that brought what is waited for
                return
            self._wait(patience)


class SignalPipe:
    """Delivers signals as loop callbacks."""

    def __init__(
        self, loop: Loop, numbers: tuple[int, ...], callback: Callable[[int], None]
    ) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._callback = callback
        for number in numbers:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        loop.add_reader(self._read, self._ready)

    def _ready(self) -> None:
        try:
            numbers = set(os.read(self._read, 4096))
        except BlockingIOError:
            return
        for number in sorted(numbers):
            self._callback(number)

    def close(self) -> None:
        """Stop delivering."""
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)
