"""The event loop of the blocking handle: descriptors, timers, signals and deferred calls, without
asyncio.

A watcher that is started keeps the loop running; the loop returns when nothing keeps it, or when it
is stopped.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from types import FrameType

Callback = Callable[[], None]
SignalHandler = Callable[[int, FrameType | None], object] | int | None
"""What `signal.signal` takes and returns."""


class Timer:
    """One scheduled call; `cancel` forgets it."""

    __slots__ = ("callback", "cancelled", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Do not call."""
        self.cancelled = True


class Reactor:
    """An event loop for one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._ready: deque[Callback] = deque()
        self._refs = 0
        self._running = False
        self._stopped = False
        self._error = False
        self._signals: dict[int, list[Callable[[int], None]]] = {}
        self._previous: dict[int, SignalHandler] = {}
        self._wakeup: tuple[socket.socket, socket.socket] | None = None
        self._caught: deque[int] = deque()

        # What prepare, check and idle watchers have called in each turn.
        self._before_wait: list[Callback] = []
        self._after_wait: list[Callback] = []
        self._when_idle: list[Callback] = []

        self.on_call_soon: Callable[[], object] | None = None
        """Called when there is something to call in the next turn."""

    def __repr__(self) -> str:
        return f"<Reactor: {self._refs} watchers, {'running' if self._running else 'at rest'}>"

    def fileno(self) -> int:
        """Return a descriptor that is readable when a watched one is ready; -1 after `close`."""
        try:
            return self._selector.fileno()
        except ValueError:
            return -1

    def incref(self) -> None:
        """Keep the loop running until the matching `decref`."""
        self._refs += 1

    def decref(self) -> None:
        """Undo one `incref`."""
        self._refs -= 1

    @property
    def running(self) -> bool:
        """Whether `run` is active."""
        return self._running

    def stop(self, *, error: bool = False) -> None:
        """Make `run` return after the current callback; with ``error`` it returns -1."""
        self._stopped = True
        self._error = self._error or error

    def call_soon(self, callback: Callback) -> None:
        """Call ``callback`` in the next turn."""
        self._ready.append(callback)
        if self.on_call_soon is not None:
            self.on_call_soon()

    def call_at(self, when: float, callback: Callback) -> Timer:
        """Call ``callback`` when `now` reaches ``when``."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def now(self) -> float:
        """Return seconds on the monotonic clock, which is the time of the reactor."""
        return time.monotonic()

    def time(self) -> float:
        """Return seconds since the epoch, on the wall clock."""
        return time.time()

    def add_phase(self, phase: str, callback: Callback) -> None:
        """Call ``callback`` in each turn: ``prepare``, before the loop waits; ``check``, after it
        has; ``idle``, when it has nothing else to do, which keeps it from waiting.
        """
        self._phase(phase).append(callback)

    def remove_phase(self, phase: str, callback: Callback) -> None:
        """Undo one `add_phase`."""
        self._phase(phase).remove(callback)

    def _phase(self, phase: str) -> list[Callback]:
        phases = {
            "prepare": self._before_wait,
            "check": self._after_wait,
            "idle": self._when_idle,
        }
        return phases[phase]

    def add_fd(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call ``callback`` with the selector events of ``fd`` when it is readable (1) or writable
        (2), as ``events`` asks; what was asked for the same descriptor before is replaced.
        """
        try:
            self._selector.register(fd, events, callback)
        except KeyError:
            self._selector.modify(fd, events, callback)

    def remove_fd(self, fd: int) -> None:
        """Stop watching a descriptor."""
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError):
            return

    def add_signal(self, signum: int, callback: Callable[[int], None]) -> None:
        """Call ``callback`` from the loop when a signal arrives; only in the main thread."""
        if signum not in self._signals:
            if self._wakeup is None:
                self._wakeup = socket.socketpair()
                for end in self._wakeup:
                    end.setblocking(False)
                self._selector.register(self._wakeup[0], selectors.EVENT_READ, self._drain_signals)
            self._previous[signum] = signal.signal(signum, self._on_signal)
        self._signals.setdefault(signum, []).append(callback)

    def remove_signal(self, signum: int, callback: Callable[[int], None]) -> None:
        """Undo one `add_signal`; the last one restores the signal's former disposition."""
        callbacks = self._signals.get(signum, [])
        if callback in callbacks:
            callbacks.remove(callback)
        if not callbacks and signum in self._signals:
            del self._signals[signum]
            signal.signal(signum, self._previous.pop(signum))

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._caught.append(signum)
        if self._wakeup is not None:
            try:
                self._wakeup[1].send(b"\0")
            except BlockingIOError:
                return

    def _drain_signals(self, events: int) -> None:
        if self._wakeup is not None:
            with contextlib.suppress(BlockingIOError):
                self._wakeup[0].recv(4096)
        while self._caught:
            signum = self._caught.popleft()
            for callback in tuple(self._signals.get(signum, ())):
                callback(signum)

    def run(self, *, once: bool = False, nowait: bool = False) -> int:
        """Run until nothing keeps the loop, or `stop`; returns how many watchers are left, -1 after
        a stop with an error.

        ``once`` returns after one turn that did something; ``nowait`` does not wait for one.
        """
        outer, self._running = self._running, True
        self._stopped = self._error = False
        try:
            while not self._stopped and (self._refs > 0 or self._ready):
                self._turn(nowait)
                if once or nowait:
                    break
        finally:
            self._running = outer
        return -1 if self._error else max(self._refs, 0)

    def run_until(self, condition: Callable[[], bool], timeout: float = -1.0) -> bool:
        """Run until ``condition`` holds, or ``timeout`` seconds pass unless that is negative;
        returns whether it holds. What there is to read by then counts, however late it is looked
        at.
        """
        deadline = None if timeout < 0 else self.call_at(self.now() + timeout, lambda: None)
        outer, self._running = self._running, True
        self._stopped = False
        try:
            while not condition():
                over = deadline is not None and self.now() >= deadline.when
                self._stopped = False
                self._turn(over)
                if over:
                    return condition()
        finally:
            self._running = outer
            if deadline is not None:
                deadline.cancel()
        return True

    def turn(self) -> float | None:
        """Do what can be done without waiting; returns seconds until there is more to do, None if
        only a descriptor can bring it.
        """
        self._stopped = False
        self._turn(True)
        return 0.0 if self._ready or self._when_idle else self._next_timeout()

    def _turn(self, nowait: bool) -> None:
        refs = self._refs
        for callback in tuple(self._before_wait):
            callback()
        # The last watcher may have been stopped just now: then nothing would end the wait.
        busy = nowait or self._ready or self._when_idle or self._stopped or self._refs <= 0 < refs
        found = self._selector.select(0.0 if busy else self._next_timeout())
        for callback in tuple(self._after_wait):
            callback()
        if self._when_idle and not found and not self._ready and self._next_timeout() != 0.0:
            for callback in tuple(self._when_idle):
                callback()
        for key, events in found:
            key.data(events)
            if self._stopped:
                return
        self._run_timers()
        for _ in range(len(self._ready)):
            if self._stopped:
                return
            self._ready.popleft()()

    def _next_timeout(self) -> float | None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - self.now()) if self._timers else None

    def _run_timers(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now and not self._stopped:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()

    def close(self) -> None:
        """Release the loop's descriptors."""
        for signum in list(self._signals):
            for callback in list(self._signals[signum]):
                self.remove_signal(signum, callback)
        self._selector.close()
        for end in self._wakeup or ():
            end.close()
        self._wakeup = None
