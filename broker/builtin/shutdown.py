"""``shutdown.start``: how today's flux-core ends an instance (flux-shutdown(1))."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from broker.service import NO_REPLY, Reply, Request, Service, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.log import LogRing
    from flux.logline import Entry

FAREWELL: Final = 1.0
"""Seconds that a client has to go after the end of its stream."""


class ShutdownService(Service):
    """Begins the end of the instance and shows the log of rank 0 meanwhile; ``begin`` tells whether
    it had not begun before.
    """

    name = "shutdown"

    def __init__(self, ctx: Context, ring: LogRing, begin: Callable[[], bool]) -> None:
        super().__init__(ctx)
        self._ring = ring
        self._begin = begin
        self._leaving: set[str] = set()
        self._alone = asyncio.Event()

    async def start(self, args: list[str]) -> None:
        self._ring.followers.append(self._follow)

    async def stop(self) -> None:
        self._ring.followers.remove(self._follow)

    @request("start")
    def shut_down(self, req: Request) -> Reply:
        """End the instance; a streaming request gets what is logged until its end, up to the
        severity ``loglevel``, as {log}. One that is ending already is followed, too.
        """
        level = req.get("loglevel", int)
        if not req.streaming:
            self._begin()
            return None
        self.streams.add(req, level)
        self._begin()
        return NO_REPLY

    def _follow(self, entry: Entry) -> None:
        for req, level in self.streams:
            if isinstance(level, int) and entry.severity <= level:
                # Without the time, which who waits knows.
                req.respond({"log": entry.readable().partition(" ")[2] + "\n"})

    async def finish(self) -> None:
        """End the streams, and wait until those who had one have gone: to be cut off would be an
        error for them.
        """
        self._leaving = {req.sender for req, _ in self.streams}
        self._alone.clear()
        for req, _ in self.streams:
            req.end()
            self.streams.remove(req)
        if self._leaving:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._alone.wait()

    def on_disconnect(self, sender: str) -> None:
        """Note who has gone."""
        self._leaving.discard(sender)
        if not self._leaving:
            self._alone.set()
