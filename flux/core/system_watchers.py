"""Watchers of the wall clock, of files, of child processes and of a handle's own messages
(flux_periodic_watcher_create(3), flux_stat_watcher_create(3), flux_child_watcher_create(3),
flux_handle_watcher_create(3)).
"""

from __future__ import annotations

import errno
import math
import os
import selectors
import signal
import time
from typing import TYPE_CHECKING, Final, Protocol

from flux.core.interface import ReactorOwner
from flux.core.watchers import Watcher
from flux.wire.text import as_integer, as_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.reactor import Timer

LONGEST_SLEEP: Final = 5.0
"""Seconds after which a periodic watcher looks whether the wall clock was set."""

STAT_INTERVAL: Final = 5.0
"""Seconds between looks at a file when no other interval is given."""


class PeriodicWatcher(Watcher):
    """Calls ``callback(handle, watcher, 0, args)`` at times of the wall clock.

    They are ``offset``, in seconds since the epoch, and every ``interval`` seconds from there, or
    with an interval of 0 ``offset`` only. ``reschedule(watcher, now)`` takes their place if it is
    given: it returns the next time, and one that is past stops the watcher. A clock that is set is
    noticed within 5 s.
    """

    def __init__(
        self,
        flux_handle: ReactorOwner,
        offset: float,
        interval: float,
        callback: Callable[..., object],
        reschedule: Callable[[PeriodicWatcher, float], float] | None = None,
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self.offset = as_seconds(offset, "offset")
        self.interval = as_seconds(interval, "interval")
        self._reschedule = reschedule
        self._callback = callback
        self._args = args
        self._timer: Timer | None = None
        self._due = 0.0

    def reset(self, offset: float, interval: float) -> None:
        """Change the times; a started watcher goes on with the new ones."""
        self.offset, self.interval = float(offset), float(interval)
        if self.active:
            self._stop()
            self._start()

    def next_wakeup(self) -> float:
        """Return when it calls next, in seconds since the epoch."""
        return self._due

    def _next(self, now: float) -> float:
        if self._reschedule is not None:
            return self._reschedule(self, now)
        if self.interval <= 0:
            return self.offset
        periods = math.floor((now - self.offset) / self.interval) + 1
        return self.offset + periods * self.interval

    def _start(self) -> None:
        now = time.time()
        self._due = self._next(now)
        if self._reschedule is not None and self._due < now:
            self.stop()
            return
        self._sleep()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sleep(self) -> None:
        left = min(max(0.0, self._due - time.time()), LONGEST_SLEEP)
        self._timer = self.reactor.call_at(self.reactor.now() + left, self._look)

    def _look(self) -> None:
        if time.time() < self._due:
            self._sleep()
            return
        if self.interval > 0 or self._reschedule is not None:
            self._start()
        else:
            self.stop()
        self._callback(self.flux_handle, self, 0, self._args)


class StatWatcher(Watcher):
    """Calls ``callback(handle, watcher, 0, args)`` when the status of ``path`` has changed, its
    coming and going included.

    It looks every ``interval`` seconds, 5 for 0. ``stat`` and ``prev`` are the status now and
    before, None while there is no such file.
    """

    def __init__(
        self,
        flux_handle: ReactorOwner,
        path: str | bytes,
        interval: float,
        callback: Callable[..., object],
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self.path = path
        self.interval = as_seconds(interval, "interval") or STAT_INTERVAL
        self.stat: os.stat_result | None = None
        self.prev: os.stat_result | None = None
        self._callback = callback
        self._args = args
        self._timer: Timer | None = None

    def _status(self) -> os.stat_result | None:
        try:
            return os.lstat(self.path)
        except OSError:
            return None

    def _start(self) -> None:
        self.stat = self.prev = self._status()
        self._sleep()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sleep(self) -> None:
        self._timer = self.reactor.call_at(self.reactor.now() + self.interval, self._look)

    def _look(self) -> None:
        self._sleep()
        found = self._status()
        if _facts(found) != _facts(self.stat):
            self.prev, self.stat = self.stat, found
            self._callback(self.flux_handle, self, 0, self._args)


def _facts(status: os.stat_result | None) -> tuple[int, ...] | None:
    if status is None:
        return None
    kept = (status.st_dev, status.st_ino, status.st_mode, status.st_nlink, status.st_size)
    return (*kept, status.st_uid, status.st_gid, status.st_mtime_ns, status.st_ctime_ns)


class ChildWatcher(Watcher):
    """Calls ``callback(handle, watcher, 0, args)`` when the child process ``pid`` has ended, which
    takes its status.

    ``rpid`` is its process id and ``rstatus`` its status as of waitpid(2). Raises OSError(ECHILD)
    at the start if there is no such child.
    """

    def __init__(
        self,
        flux_handle: ReactorOwner,
        pid: int,
        callback: Callable[..., object],
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self.rpid = as_integer(pid, "pid")
        self.rstatus = 0
        self._callback = callback
        self._args = args
        self._pidfd = -1

    def start(self) -> None:
        """Begin to watch; raises OSError(ECHILD) if there is no such child."""
        if not self.active:
            try:
                os.waitid(os.P_PID, self.rpid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                self._pidfd = os.pidfd_open(self.rpid)
            except (ChildProcessError, ProcessLookupError):
                raise OSError(errno.ECHILD, f"{self.rpid} is not a child process") from None
        super().start()

    def _start(self) -> None:
        self.reactor.add_fd(self._pidfd, selectors.EVENT_READ, self._ended)

    def _stop(self) -> None:
        self.reactor.remove_fd(self._pidfd)
        os.close(self._pidfd)

    def _ended(self, events: int) -> None:
        pid, self.rstatus = os.waitpid(self.rpid, os.WNOHANG)
        if pid:
            self.stop()
            self._callback(self.flux_handle, self, 0, self._args)

    def kill(self, signum: int = signal.SIGTERM) -> None:
        """Send a signal to the process while it is watched."""
        if self.active:
            signal.pidfd_send_signal(self._pidfd, signum)


class Pollable(ReactorOwner, Protocol):
    """A handle that tells what it is ready for."""

    def pollevents(self) -> int:
        """Return what the handle is ready for."""

    def on_message(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when `pollevents` may have changed."""

    def off_message(self, callback: Callable[[], None]) -> None:
        """Undo one `on_message`."""


class HandleWatcher(Watcher):
    """Calls ``callback(handle, watcher, revents, args)`` as long as the handle is ready for what
    ``events`` asks, FLUX_POLLIN or FLUX_POLLOUT, or in error.
    """

    def __init__(
        self,
        flux_handle: Pollable,
        events: int,
        callback: Callable[..., object],
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self.events = as_integer(events, "events")
        self._handle = flux_handle
        self._callback = callback
        self._args = args
        self._due = False

    def _start(self) -> None:
        self._handle.on_message(self._wake)
        self._wake()

    def _stop(self) -> None:
        self._handle.off_message(self._wake)

    def _wake(self) -> None:
        if not self._due:
            self._due = True
            self.reactor.call_soon(self._look)

    def _look(self) -> None:
        from flux.constants import FLUX_POLLERR

        self._due = False
        if not self.active:
            return
        ready = self._handle.pollevents() & (self.events | FLUX_POLLERR)
        if ready:
            self._wake()
            self._callback(self.flux_handle, self, ready, self._args)
