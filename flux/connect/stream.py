"""The ``local://`` transport for asyncio: RFC 3 messages on a Unix stream socket."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Protocol, cast

from flux.connect import credentials, trace
from flux.wire import framing
from flux.wire.codec import DecodeError
from flux.wire.errors import error_of, os_error
from flux.wire.topic import SUBSCRIBE, UNSUBSCRIBE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from flux.wire.message import Message


class Receiver(Protocol):
    """What a transport's messages are for: a handle."""

    def dispatch(self, msg: Message) -> None:
        """Take a message from the broker."""

    def disconnected(self) -> None:
        """Take the end of the connection."""

    def post(self, topic: str, payload: object, callback: Callable[[Message], None]) -> int:
        """Send a request and have its response given to ``callback``."""


class SocketTransport(asyncio.Protocol):
    """The socket of a handle; ``process`` is the program at its other end, if it is one."""

    def __init__(self, handle: Receiver, process: subprocess.Popen[bytes] | None = None) -> None:
        self._handle = handle
        self._process = process
        self._credentials = credentials.from_environment()
        self._trace = trace.from_environment()
        self._unpacker = framing.Unpacker()
        self._out: list[bytes] = []
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    async def accepted(self) -> None:
        """Wait for the broker's verdict; raises OSError with its error number if it refuses."""
        await self._accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._accepted.done():
            verdict, data = data[0], data[1:]
            if verdict:
                self._accepted.set_exception(os_error(verdict))
                return
            self._accepted.set_result(None)
        try:
            messages = self._unpacker.feed(data)
        except DecodeError:
            if self._transport is not None:
                self._transport.abort()
            return
        for msg in messages:
            if self._trace is not None:
                self._trace.show(msg)
            self._handle.dispatch(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._accepted.done():
            self._accepted.set_exception(os_error(errno.ECONNRESET))
        if not self._lost.done():
            self._lost.set_result(None)
        self._handle.disconnected()

    def send(self, msg: Message) -> None:
        if self._trace is not None:
            self._trace.show(msg)
        if self._credentials is not None:
            self._credentials.stamp(msg)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(framing.pack(msg))

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))

    def subscribe(self, prefix: str) -> asyncio.Future[None]:
        done: asyncio.Future[None] = self._loop.create_future()
        self._subscription(SUBSCRIBE, prefix, done)
        return done

    def unsubscribe(self, prefix: str) -> None:
        self._subscription(UNSUBSCRIBE, prefix, None)

    def _subscription(
        self, topics: tuple[str, ...], prefix: str, done: asyncio.Future[None] | None
    ) -> None:
        """Ask for a change of the subscriptions: by the first of ``topics``, by the next if the
        broker does not know it.
        """

        def answered(msg: Message) -> None:
            if msg.errnum == errno.ENOSYS and len(topics) > 1:
                self._subscription(topics[1:], prefix, done)
            elif done is not None and not done.done():
                if msg.errnum:
                    done.set_exception(error_of(msg))
                else:
                    done.set_result(None)

        self._handle.post(topics[0], {"topic": prefix}, answered)

    async def close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()
            await self._lost
        if self._process is not None:
            from flux.connect.ssh import end

            await self._loop.run_in_executor(None, end, self._process)
