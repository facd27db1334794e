"""What a handle does with its reactor: running it, and watchers of time, descriptors and signals
(flux_reactor_run(3), flux_watcher_start(3)).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flux.constants import FLUX_REACTOR_NOWAIT, FLUX_REACTOR_ONCE
from flux.wire.text import as_integer

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.reactor import Reactor
    from flux.core.system_watchers import ChildWatcher, PeriodicWatcher, StatWatcher
    from flux.core.watchers import (
        CheckWatcher,
        FDWatcher,
        IdleWatcher,
        PrepareWatcher,
        SignalWatcher,
        TimerWatcher,
    )


class ReactorHandle:
    """The part of a handle that knows its reactor and nothing of messages.

    Whether a reactor runs, and the exception that ends it, are facts of the thread: callbacks set
    them without knowing which reactor called.
    """

    tls = threading.local()

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self._kept: list[object] = []

    def add_watcher(self, watcher: object) -> None:
        """Keep a watcher as long as this handle is there; started ones keep themselves."""
        self._kept.append(watcher)

    def del_watcher(self, watcher: object) -> None:
        """Undo `add_watcher`."""
        if watcher in self._kept:
            self._kept.remove(watcher)

    def get_reactor(self) -> Reactor:
        """Return this handle's reactor."""
        return self.reactor

    def set_reactor(self, reactor: Reactor) -> None:
        """Use ``reactor``, which several handles may share, from now on."""
        self.reactor = reactor

    def reactor_run(self, reactor: Reactor | None = None, flags: int = 0) -> int:
        """Run the reactor until nothing keeps it or it is stopped; returns how many watchers are
        left, -1 after an error.

        Ctrl+C ends it with KeyboardInterrupt; an exception set by `set_exception` is raised.
        """
        as_integer(flags, "flags")
        loop = reactor or self.reactor
        previous, self.tls.reactor_running = getattr(self.tls, "reactor_running", False), True
        try:
            left = loop.run(
                once=bool(flags & FLUX_REACTOR_ONCE), nowait=bool(flags & FLUX_REACTOR_NOWAIT)
            )
        finally:
            self.tls.reactor_running = previous
        self.raise_if_exception()
        return left

    def reactor_stop(self, reactor: Reactor | None = None) -> None:
        """Make the reactor return."""
        (reactor or self.reactor).stop()

    def reactor_stop_error(self, reactor: Reactor | None = None) -> None:
        """Make the reactor return -1."""
        (reactor or self.reactor).stop(error=True)

    def reactor_incref(self, reactor: Reactor | None = None) -> None:
        """Keep the reactor running."""
        (reactor or self.reactor).incref()

    def reactor_decref(self, reactor: Reactor | None = None) -> None:
        """Undo one `reactor_incref`."""
        (reactor or self.reactor).decref()

    @classmethod
    def reactor_running(cls) -> bool:
        """Return whether this thread runs a reactor."""
        return bool(getattr(cls.tls, "reactor_running", False))

    def in_reactor(self) -> bool:
        """Return whether this handle's reactor runs."""
        return self.reactor.running

    @classmethod
    def reactor_enter(cls) -> None:
        """Mark this thread as running a reactor."""
        cls.tls.reactor_running = True

    @classmethod
    def reactor_exit(cls) -> None:
        """Undo `reactor_enter`."""
        cls.tls.reactor_running = False

    @classmethod
    def set_exception(cls, exception: BaseException | None) -> BaseException | None:
        """Set the exception this thread's `reactor_run` raises when it returns; returns the one set
        before.
        """
        previous: BaseException | None = getattr(cls.tls, "exception", None)
        cls.tls.exception = exception
        return previous

    @classmethod
    def raise_if_exception(cls) -> None:
        """Raise the exception set for this thread, if any."""
        exception = cls.set_exception(None)
        if exception is not None:
            raise exception from None

    def timer_watcher_create(
        self,
        after: float,
        callback: Callable[..., object],
        repeat: float = 0.0,
        args: object = None,
    ) -> TimerWatcher:
        """Return a watcher that calls after ``after`` seconds, then every ``repeat`` seconds."""
        from flux.core.watchers import TimerWatcher

        return TimerWatcher(self, after, callback, repeat, args)

    def fd_watcher_create(
        self,
        fd_int: int,
        callback: Callable[..., object],
        events: int | None = None,
        args: object = None,
    ) -> FDWatcher:
        """Return a watcher that calls while a descriptor is ready."""
        from flux.core.watchers import FDWatcher

        return FDWatcher(self, fd_int, events, callback, args)

    def periodic_watcher_create(
        self,
        offset: float,
        interval: float,
        callback: Callable[..., object],
        reschedule: Callable[[PeriodicWatcher, float], float] | None = None,
        args: object = None,
    ) -> PeriodicWatcher:
        """Return a watcher that calls at times of the wall clock."""
        from flux.core.system_watchers import PeriodicWatcher

        return PeriodicWatcher(self, offset, interval, callback, reschedule, args)

    def stat_watcher_create(
        self,
        path: str | bytes,
        interval: float,
        callback: Callable[..., object],
        args: object = None,
    ) -> StatWatcher:
        """Return a watcher that calls when the status of a file changes."""
        from flux.core.system_watchers import StatWatcher

        return StatWatcher(self, path, interval, callback, args)

    def child_watcher_create(
        self, pid: int, callback: Callable[..., object], args: object = None
    ) -> ChildWatcher:
        """Return a watcher that calls when a child process has ended."""
        from flux.core.system_watchers import ChildWatcher

        return ChildWatcher(self, pid, callback, args)

    def signal_watcher_create(
        self, signum: int, callback: Callable[..., object], args: object = None
    ) -> SignalWatcher:
        """Return a watcher that calls when a signal arrives."""
        from flux.core.watchers import SignalWatcher

        return SignalWatcher(self, signum, callback, args)

    def prepare_watcher_create(
        self, callback: Callable[..., object], args: object = None
    ) -> PrepareWatcher:
        """Return a watcher that calls before the reactor waits."""
        from flux.core.watchers import PrepareWatcher

        return PrepareWatcher(self, callback, args)

    def check_watcher_create(
        self, callback: Callable[..., object], args: object = None
    ) -> CheckWatcher:
        """Return a watcher that calls after the reactor has waited."""
        from flux.core.watchers import CheckWatcher

        return CheckWatcher(self, callback, args)

    def idle_watcher_create(
        self, callback: Callable[..., object] | None = None, args: object = None
    ) -> IdleWatcher:
        """Return a watcher that calls when the reactor has nothing else to do."""
        from flux.core.watchers import IdleWatcher

        return IdleWatcher(self, callback, args)
