"""Watchers of the reactor: timers, descriptors, signals (flux_timer_watcher_create(3) and its
kin).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.constants import FLUX_POLLERR, FLUX_POLLIN, FLUX_POLLOUT
from flux.wire.text import as_integer, as_seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.interface import ReactorOwner
    from flux.core.reactor import Timer


class Watcher:
    """Something the reactor waits for; it keeps the reactor running while it is started.

    An exception of a callback ends `Flux.reactor_run`, which raises it.
    """

    def __init__(self, flux_handle: ReactorOwner) -> None:
        self.flux_handle = flux_handle
        self.active = False
        self.reactor = flux_handle.reactor
        self._keeps = True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'active' if self.active else 'stopped'}>"

    def start(self) -> None:
        """Begin to watch; no effect on a started watcher.

        Raises OSError for what cannot be watched, and is not started then.
        """
        if not self.active:
            self.active = True
            self.reactor = self.flux_handle.reactor
            self._count(1)
            try:
                self._start()
            except BaseException:
                self.active = False
                self._count(-1)
                raise

    def stop(self) -> None:
        """Stop watching; no effect on a stopped watcher."""
        if self.active:
            self.active = False
            self._count(-1)
            self._stop()

    def unref(self) -> None:
        """Let the reactor end although this is started."""
        if self._keeps and self.active:
            self.reactor.decref()
        self._keeps = False

    def ref(self) -> None:
        """Undo `unref`."""
        if not self._keeps and self.active:
            self.reactor.incref()
        self._keeps = True

    def _count(self, by: int) -> None:
        if self._keeps:
            (self.reactor.incref if by > 0 else self.reactor.decref)()

    def destroy(self) -> None:
        """Stop watching for good."""
        self.stop()

    def next_wakeup(self) -> float:
        """Return when it calls next; raises OSError(EINVAL) unless it is a timer."""
        raise OSError(errno.EINVAL, f"a {type(self).__name__} does not call at a time")

    def _start(self) -> None:
        raise TypeError("Watcher is abstract")

    def _stop(self) -> None:
        raise TypeError("Watcher is abstract")

    def __enter__(self) -> Watcher:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class TimerWatcher(Watcher):
    """Calls ``callback(handle, watcher, 0, args)`` after ``after`` seconds, then every ``repeat``
    seconds if that is not 0.
    """

    def __init__(
        self,
        flux_handle: ReactorOwner,
        after: float,
        callback: Callable[..., object],
        repeat: float = 0.0,
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self.after = as_seconds(after, "after")
        self.repeat = as_seconds(repeat, "repeat")
        if self.after < 0 or self.repeat < 0:
            raise OSError(errno.EINVAL, "the times of a timer must not be negative")
        self._made = self.after, self.repeat
        self._callback = callback
        self._args = args
        self._timer: Timer | None = None
        self._due = 0.0

    def reset(self, after: float | None = None, repeat: float | None = None) -> None:
        """Change the times, None for those that it was made with; a started watcher begins anew
        with them.
        """
        made_after, made_repeat = self._made
        self.after = made_after if after is None else as_seconds(after, "after")
        given = after is not None
        self.repeat = (
            (0.0 if given else made_repeat) if repeat is None else as_seconds(repeat, "repeat")
        )
        if self.active:
            self._stop()
            self._start()

    def next_wakeup(self) -> float:
        """Return when it calls next, as the reactor's `now` counts."""
        return self._due

    def _start(self) -> None:
        reactor = self.reactor
        self._due = reactor.now() + self.after
        self._timer = reactor.call_at(self._due, self._fire)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        reactor = self.reactor
        if self.repeat > 0:
            self._due = max(self._due + self.repeat, reactor.now())
            self._timer = reactor.call_at(self._due, self._fire)
        else:
            self.stop()
        self._callback(self.flux_handle, self, 0, self._args)


def _parameters(callback: Callable[..., object]) -> int:
    """Return how many positional parameters a function or bound method names, 0 for others."""
    function = getattr(callback, "__func__", callback)
    code = getattr(function, "__code__", None)
    return 0 if code is None else code.co_argcount - (function is not callback)


class FDWatcher(Watcher):
    """Calls ``callback(handle, watcher, fd, args)`` while a descriptor is ready; ``events`` are
    FLUX_POLLIN and FLUX_POLLOUT. A callback with five parameters is called as today's flux-core
    does it: ``callback(handle, watcher, fd, revents, args)``.
    """

    def __init__(
        self,
        flux_handle: ReactorOwner,
        fd_int: int,
        events: int | None,
        callback: Callable[..., object],
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self.fd = as_integer(fd_int, "fd_int")
        self.events = FLUX_POLLIN if events is None else as_integer(events, "events")
        self.revents = 0
        self._callback = callback
        self._takes_events = _parameters(callback) >= 5
        self._args = args

    def _start(self) -> None:
        mask = self.events & (FLUX_POLLIN | FLUX_POLLOUT) or FLUX_POLLIN
        self.reactor.add_fd(self.fd, mask, self._fire)

    def _stop(self) -> None:
        self.reactor.remove_fd(self.fd)

    def _fire(self, revents: int) -> None:
        self.revents = revents & (self.events | FLUX_POLLERR)
        told = (self.revents, self._args) if self._takes_events else (self._args,)
        self._callback(self.flux_handle, self, self.fd, *told)


class SignalWatcher(Watcher):
    """Calls ``callback(handle, watcher, signum, args)`` when a signal arrives; only in the main
    thread.
    """

    def __init__(
        self,
        flux_handle: ReactorOwner,
        signal_int: int,
        callback: Callable[..., object],
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self.signum = as_integer(signal_int, "signal_int")
        self._callback = callback
        self._args = args

    def _start(self) -> None:
        self.reactor.add_signal(self.signum, self._fire)

    def _stop(self) -> None:
        self.reactor.remove_signal(self.signum, self._fire)

    def _fire(self, signum: int) -> None:
        self._callback(self.flux_handle, self, signum, self._args)


class _PhaseWatcher(Watcher):
    """Calls ``callback(handle, watcher, revents, args)`` in a phase of each turn of the reactor."""

    phase = ""

    def __init__(
        self,
        flux_handle: ReactorOwner,
        callback: Callable[..., object] | None,
        args: object = None,
    ) -> None:
        super().__init__(flux_handle)
        self._callback = callback
        self._args = args

    def _start(self) -> None:
        self.reactor.add_phase(self.phase, self._fire)

    def _stop(self) -> None:
        self.reactor.remove_phase(self.phase, self._fire)

    def _fire(self) -> None:
        if self._callback is not None and self.active:
            self._callback(self.flux_handle, self, 0, self._args)


class PrepareWatcher(_PhaseWatcher):
    """Calls before the reactor waits (flux_prepare_watcher_create(3))."""

    phase = "prepare"


class CheckWatcher(_PhaseWatcher):
    """Calls after the reactor has waited (flux_check_watcher_create(3))."""

    phase = "check"


class IdleWatcher(_PhaseWatcher):
    """Calls when the reactor has nothing else to do, and keeps it from waiting; ``callback`` may be
    None for that alone (flux_idle_watcher_create(3)).
    """

    phase = "idle"

    def __init__(
        self,
        flux_handle: ReactorOwner,
        callback: Callable[..., object] | None = None,
        args: object = None,
    ) -> None:
        super().__init__(flux_handle, callback, args)
