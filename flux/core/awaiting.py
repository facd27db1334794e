"""Waiting for futures of the blocking handle in asyncio programs: the program's loop turns the
handle's reactor as long as somebody waits.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux.wire.errors import os_error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from flux.core.interface import Awaitee
    from flux.core.reactor import Reactor


class LoopDriver:
    """Turns one reactor from one asyncio loop; ``lost`` tells whether the connection is gone."""

    def __init__(
        self, reactor: Reactor, loop: asyncio.AbstractEventLoop, lost: Callable[[], bool]
    ) -> None:
        self.reactor = reactor
        self.loop = loop
        self._lost = lost
        self._fd = -1
        self._looks: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, future: Awaitee) -> None:
        """Wait until ``future`` is ready; raises OSError(ECONNRESET) when the connection is
        lost.
        """
        done: asyncio.Future[None] = self.loop.create_future()

        def look() -> None:
            if done.done():
                return
            if future.is_ready():
                done.set_result(None)
            elif self._lost():
                done.set_exception(os_error(errno.ECONNRESET))

        future.add_listener(look)
        self._enter(look)
        try:
            await done
        finally:
            future.remove_listener(look)
            self._leave(look)

    def stop(self) -> None:
        """Turn the reactor no more; who still waits learns that the connection is gone."""
        looks, self._looks = self._looks, []
        if looks:
            self._at_rest()
        for look in looks:
            look()

    def _enter(self, look: Callable[[], None]) -> None:
        if not self._looks:
            self._fd = self.reactor.fileno()
            self.loop.add_reader(self._fd, self._turn)
            self.reactor.on_call_soon = self._soon
        self._looks.append(look)
        self._soon()

    def _leave(self, look: Callable[[], None]) -> None:
        if look in self._looks:
            self._looks.remove(look)
            if not self._looks:
                self._at_rest()

    def _at_rest(self) -> None:
        self.loop.remove_reader(self._fd)
        self.reactor.on_call_soon = None
        self._disarm()

    def _soon(self) -> None:
        self._arm(0.0)

    def _arm(self, delay: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(delay, self._turn)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        if not self._looks:
            return
        delay = self.reactor.turn()
        for look in tuple(self._looks):
            look()
        if delay is not None and self._looks:
            self._arm(delay)
