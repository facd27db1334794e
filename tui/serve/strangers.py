"""Connections of those who have not shown that they may come in: few at once, and not for long.

Every user of the machine can connect to the port, and each connection costs a descriptor and some
memory. When there are too many, the one that came first goes: whoever holds many open keeps nobody
out, for the owner's browser comes last and needs a moment only.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable

STRANGERS: Final = 32
"""Connections at once of those who have not signed in. A browser opens six."""
STRANGER_SECONDS: Final = 20.0
"""How long such a connection may last, whatever is said on it."""
BACKLOG: Final = 64
"""Connections that the kernel has wait."""


class Strangers:
    """The connections of those who have not signed in, by age."""

    def __init__(self, most: int = STRANGERS, seconds: float = STRANGER_SECONDS) -> None:
        self._most, self._seconds = most, seconds
        self._ends: dict[asyncio.BaseTransport, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._ends)

    def arrive(self, transport: asyncio.Transport) -> None:
        """Let one in that nobody knows yet; the oldest goes if there are too many."""
        loop = asyncio.get_running_loop()
        self._ends[transport] = loop.call_later(self._seconds, self._expel, transport)
        while len(self._ends) > self._most:
            self._expel(next(iter(self._ends)))

    def admit(self, transport: asyncio.BaseTransport | None) -> None:
        """Count a connection no longer: whoever has it has signed in, or it is gone."""
        if transport is not None and (end := self._ends.pop(transport, None)) is not None:
            end.cancel()

    def _expel(self, transport: asyncio.BaseTransport) -> None:
        self.admit(transport)
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class WatchedConnection(asyncio.Protocol):
    """Hands a connection on to ``inner``, and tells the strangers that it comes and goes."""

    def __init__(self, inner: asyncio.Protocol, strangers: Strangers) -> None:
        self._inner = inner
        self._strangers = strangers
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._inner.connection_made(transport)
        if isinstance(transport, asyncio.Transport):
            self._strangers.arrive(transport)

    def data_received(self, data: bytes) -> None:
        """Hand on what came."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on that no more comes."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand on that the other side is slow."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on that the other side has caught up."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._strangers.admit(self._transport)
        self._inner.connection_lost(exc)


class GuardedSite(web.BaseSite):
    """A port of the loopback address whose connections are counted."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, strangers: Strangers) -> None:
        super().__init__(runner)
        self._host, self._port = host, port
        self._strangers = strangers

    @property
    def name(self) -> str:
        """Its address."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen; raises OSError if the port cannot be had."""
        await super().start()
        make: Callable[[], asyncio.Protocol] | None = self._runner.server
        assert make is not None
        self._server = await asyncio.get_running_loop().create_server(
            lambda: WatchedConnection(make(), self._strangers),
            self._host,
            self._port,
            backlog=BACKLOG,
        )
