"""The Flux handle for asyncio programs: services, the dashboard, tests.

One class serves both ends of the project: a program connects it to a broker's socket with
`AsyncFlux.connect`; the broker gives each built-in service one whose messages stay in the process.
What carries the messages is a `Transport`.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Protocol, Self

from flux.aio_calls import AsyncCalls
from flux.aio_streams import MessageCallback, Stream, Subscription
from flux.connect import open_stream
from flux.wire.errors import error_of
from flux.wire.message import (
    EVENT,
    NODEID_ANY,
    NORESPONSE,
    REQUEST,
    RESPONSE,
    STREAMING,
    UPSTREAM,
    Message,
    ended,
    next_matchtag,
    request,
)
from flux.wire.text import Text, as_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from flux.wire.json import JsonObject

__all__ = ["AsyncFlux", "Stream", "Subscription", "Transport"]


class Transport(Protocol):
    """What carries a handle's messages to its broker."""

    def send(self, msg: Message) -> None:
        """Queue ``msg`` for the broker."""

    def subscribe(self, prefix: str) -> asyncio.Future[None]:
        """Ask for events whose topic starts with ``prefix``; done when the broker will deliver
        them.
        """

    def unsubscribe(self, prefix: str) -> None:
        """Undo one `subscribe`."""

    async def close(self) -> None:
        """End the connection."""


class AsyncFlux(AsyncCalls):
    """A connection to a broker for asyncio programs.

    RPCs raise OSError with the error number and sentence of the response, EPROTO for a response
    that is not JSON, ECONNRESET when the connection ends, TimeoutError when ``timeout`` seconds
    pass. Cancelling a waiting task gives up its RPC; the handle stays usable. What a callback
    raises does not reach the messages after it: it goes to ``on_fault``, the event loop's exception
    handler by default.
    """

    def __init__(self, transport: Transport | None = None, *, rank: int = 0, size: int = 1) -> None:
        self.transport = transport
        self.rank = rank
        self.size = size
        self.closed = False
        self.on_request: Callable[[Message], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self.on_fault: Callable[[Message, Exception], None] = _report
        self._tag = 0
        self._pending: dict[int, tuple[MessageCallback, bool]] = {}
        self._events: list[tuple[str, MessageCallback]] = []

    @classmethod
    async def connect(cls, uri: Text | None = None) -> Self:
        """Connect to the broker at ``uri`` (default: the environment's FLUX_URI) and learn its rank
        and size.

        Raises OSError: ENOENT when there is no broker, EPERM when it refuses this user.
        """
        handle = cls()
        handle.transport = await open_stream(os.fsdecode(uri) if uri else None, handle)
        try:
            handle.rank = int(await handle.attr_get("rank"))
            handle.size = int(await handle.attr_get("size"))
        except BaseException:
            await handle.close()
            raise
        return handle

    def __repr__(self) -> str:
        return f"<AsyncFlux rank {self.rank} of {self.size}{' closed' if self.closed else ''}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    # Sending

    def post(
        self,
        topic: str,
        payload: object,
        callback: MessageCallback,
        *,
        nodeid: int = NODEID_ANY,
        upstream: bool = False,
    ) -> int:
        """Send a request and have its one response given to ``callback``; returns the match tag."""
        if upstream:
            return self._send(
                request(topic, payload, nodeid=self.rank, flags=UPSTREAM), callback, False
            )
        return self._send(request(topic, payload, nodeid=nodeid), callback, False)

    def start_stream(self, msg: Message, callback: MessageCallback) -> int:
        """Send a streaming request; ``callback`` gets every response, the last one with an error
        number.
        """
        return self._send(msg, callback, True)

    def _send(self, msg: Message, callback: MessageCallback, streaming: bool) -> int:
        transport = self.transport
        if self.closed or transport is None:
            raise OSError(errno.ECONNRESET, "the connection to the broker is closed")
        self._tag = tag = next_matchtag(self._tag)
        msg.aux2 = tag
        self._pending[tag] = (callback, streaming)
        try:
            transport.send(msg)
        except BaseException:
            del self._pending[tag]
            raise
        return tag

    def forget(self, matchtag: int) -> None:
        """Drop interest in the responses to ``matchtag``."""
        self._pending.pop(matchtag, None)

    def send(self, topic: str, payload: object = None, *, nodeid: int = NODEID_ANY) -> None:
        """Send a request that gets no response."""
        self.send_message(request(topic, payload, nodeid=nodeid, flags=NORESPONSE))

    def send_message(self, msg: Message) -> None:
        """Send a message as it is; raises OSError(ECONNRESET) on a closed handle."""
        if self.closed or self.transport is None:
            raise OSError(errno.ECONNRESET, "the connection to the broker is closed")
        self.transport.send(msg)

    async def rpc_message(
        self,
        topic: Text,
        payload: object = None,
        *,
        nodeid: int = NODEID_ANY,
        upstream: bool = False,
        timeout: float | None = None,
    ) -> Message:
        """Send a request and return its response message; raises OSError for an error response."""
        topic = as_text(topic, "the topic")
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def done(msg: Message) -> None:
            if not future.done():
                future.set_result(msg)

        tag = self.post(topic, payload, done, nodeid=nodeid, upstream=upstream)
        try:
            async with asyncio.timeout(timeout):
                msg = await future
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, f"{topic}: no response within {timeout:g} s") from None
        finally:
            self._pending.pop(tag, None)
        if msg.errnum:
            raise error_of(msg)
        return msg

    async def rpc(
        self,
        topic: Text,
        payload: object = None,
        *,
        nodeid: int = NODEID_ANY,
        upstream: bool = False,
        timeout: float | None = None,
    ) -> JsonObject:
        """Send a request and return its response's payload, an empty object when there is none."""
        name = as_text(topic, "the topic")
        msg = await self.rpc_message(
            name, ended(payload), nodeid=nodeid, upstream=upstream, timeout=timeout
        )
        try:
            data = msg.json() or {}
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise OSError(errno.EPROTO, f"{name}: the response is not a JSON object")
        return data

    def stream(
        self,
        topic: Text,
        payload: object = None,
        *,
        nodeid: int = NODEID_ANY,
        cancel: str | None = "",
    ) -> Stream:
        """Return a streaming RPC to enter with ``async with``.

        ``cancel`` is the topic that ends it early: ``<topic>-cancel`` by default, None if the
        service has none.
        """
        topic = as_text(topic, "the topic")
        name = f"{topic}-cancel" if cancel == "" else cancel
        return Stream(self, request(topic, ended(payload), nodeid=nodeid, flags=STREAMING), name)

    # Events

    async def publish(self, topic: Text, payload: object = None, *, private: bool = False) -> None:
        """Publish an event; it reaches every subscriber of the instance in the order of its
        sequence number.
        """
        self.event_send(topic, payload, private=private)

    async def publish_seq(
        self, topic: Text, payload: object = None, *, private: bool = False
    ) -> int:
        """Publish an event through rank 0 and return its sequence number."""
        return await self.event_publish(topic, payload, private=private)

    async def subscribe(self, prefix: Text) -> Subscription:
        """Return the events whose topic starts with ``prefix``, from now on."""
        name = as_text(prefix, "the topic")
        sub = Subscription(self, name)
        await self.on_event(name, sub.push)
        return sub

    async def on_event(self, prefix: str, callback: MessageCallback) -> None:
        """Have ``callback`` called with each event whose topic starts with ``prefix``."""
        if self.transport is None:
            raise OSError(errno.ECONNRESET, "the connection to the broker is closed")
        self._events.append((prefix, callback))
        await self.transport.subscribe(prefix)

    def off_event(self, prefix: str, callback: MessageCallback) -> None:
        """Undo one `on_event`."""
        if (prefix, callback) in self._events:
            self._events.remove((prefix, callback))
            if self.transport is not None and not self.closed:
                self.transport.unsubscribe(prefix)

    # Receiving

    def dispatch(self, msg: Message) -> None:
        """Give a message from the broker to whoever waits for it (called by the transport)."""
        kind = msg.type
        if kind == RESPONSE:
            entry = self._pending.get(msg.aux2)
            if entry is not None:
                if not entry[1] or msg.aux1:
                    del self._pending[msg.aux2]
                self._call(entry[0], msg)
        elif kind == EVENT:
            topic = msg.topic or ""
            for prefix, callback in tuple(self._events):
                if topic.startswith(prefix):
                    self._call(callback, msg)
        elif kind == REQUEST and self.on_request is not None:
            self._call(self.on_request, msg)

    def _call(self, callback: Callable[[Message], None], msg: Message) -> None:
        try:
            callback(msg)
        except Exception as exc:
            self.on_fault(msg, exc)

    def disconnected(self) -> None:
        """The transport lost its broker: every waiting RPC fails with ECONNRESET."""
        if self.closed:
            return
        self.closed = True
        pending, self._pending = self._pending, {}
        for tag, (callback, _) in pending.items():
            self._call(callback, Message(RESPONSE, aux1=errno.ECONNRESET, aux2=tag))
        for _, callback in tuple(self._events):
            owner = getattr(callback, "__self__", None)
            if isinstance(owner, Subscription):
                owner.push(None)
        if self.on_close is not None:
            self.on_close()

    # The end

    async def close(self) -> None:
        """Close the connection; waiting RPCs fail with ECONNRESET."""
        self.disconnected()
        if self.transport is not None:
            await self.transport.close()


def _report(msg: Message, exc: Exception) -> None:
    context = {"message": f"callback for {msg.topic} failed", "exception": exc}
    asyncio.get_running_loop().call_exception_handler(context)
