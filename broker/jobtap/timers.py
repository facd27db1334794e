"""Timers of jobtap plugins, on the event loop of the broker."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_TIMER: Final = 86400.0
"""Seconds of the longest step: the clock may be set meanwhile, and loops refuse far times."""


class PluginTimer:
    """Calls a function later; ``cancel`` keeps it from being called.

    ``active`` are the timers of one plugin that are still to call, ``now`` returns seconds since
    the epoch.
    """

    def __init__(
        self, active: set[PluginTimer], function: Callable[[], object], now: Callable[[], float]
    ) -> None:
        self._active = active
        self._function = function
        self._now = now
        self._timer: asyncio.TimerHandle | None = None

    def at(self, when: float) -> None:
        """Call at ``when``, seconds since the epoch, however the clock is set meanwhile."""
        self._start(when - self._now(), self._due, partial(self.at, when))

    def after(self, seconds: float) -> None:
        """Call after ``seconds``."""
        self._until(asyncio.get_running_loop().time() + seconds)

    def _until(self, due: float) -> None:
        delay = due - asyncio.get_running_loop().time()
        self._start(delay, self._due, partial(self._until, due))

    def every(self, seconds: float) -> None:
        """Call every ``seconds``; calls that were missed are made up for by one."""
        self._every(seconds, asyncio.get_running_loop().time() + seconds)

    def _every(self, seconds: float, due: float) -> None:
        time = asyncio.get_running_loop().time

        def call() -> None:
            self._every(seconds, max(due + seconds, time()))
            self._function()

        self._start(due - time(), call, partial(self._every, seconds, due))

    def _start(self, delay: float, call: Callable[[], object], go_on: Callable[[], object]) -> None:
        """Call after ``delay`` seconds, or go on waiting after the longest step."""
        self._active.add(self)
        step, then = (LONGEST_TIMER, go_on) if delay > LONGEST_TIMER else (max(0.0, delay), call)
        self._timer = asyncio.get_running_loop().call_later(step, then)

    def _due(self) -> None:
        self.cancel()
        self._function()

    def cancel(self) -> None:
        """Do not call."""
        self._active.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def is_active(self) -> bool:
        """Whether the function is still to be called."""
        return self._timer is not None
