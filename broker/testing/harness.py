"""Runs one service without a broker: requests go in, responses and events come out."""

from __future__ import annotations

import asyncio
import errno
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from broker.attributes import Attributes
from broker.configuration import Config
from broker.context import Context
from broker.log import Logger
from broker.service import Service
from flux.aio import AsyncFlux
from flux.wire.errors import errnum_of, error_of, text_of
from flux.wire.message import (
    EVENT,
    NORESPONSE,
    REQUEST,
    ROLE_OWNER,
    ROLE_USER,
    STREAMING,
    Message,
    SharedMessage,
    event,
    request,
    response,
)

if TYPE_CHECKING:
    from flux.logline import Entry
    from flux.wire.json import JsonObject

S = TypeVar("S", bound=Service)
Rpc = Callable[..., object]


class ServiceHarness(Generic[S]):
    """A service with a scripted broker around it.

    ``rpcs`` maps topics to functions of the payload that return a payload (or an awaitable of one)
    or raise OSError; a list returned for a streaming request is sent as its responses, ended by
    ENODATA; return `OPEN` to leave a stream open and answer later with `answer`. Requests the
    service sends are listed in ``sent``, events it publishes in ``events``, log lines in ``logs``.
    """

    OPEN = object()

    def __init__(
        self,
        service: type[S],
        *,
        rank: int = 0,
        size: int = 1,
        rpcs: Mapping[str, Rpc] | None = None,
        attrs: dict[str, str] | None = None,
        owner: int = 0,
        rundir: str = "/nonexistent",
        config: Config | None = None,
    ) -> None:
        self.rpcs = dict(rpcs or {})
        self.sent: list[Message] = []
        self.events: list[Message] = []
        self.logs: list[Entry] = []
        self.owner = owner
        attributes = Attributes()
        for name, value in (attrs or {}).items():
            attributes.define(name, value)
        self.handle = AsyncFlux(self, rank=rank, size=size)
        log = Logger(service.name, self.logs.append, rank, time.time)
        self.ctx = Context(
            service.name,
            rank,
            size,
            self.handle,
            attributes,
            log,
            rundir,
            owner,
            uuid="testuuid",
            config=config or Config(),
        )
        self.service: S = service(self.ctx)
        self._replies: dict[tuple[str, int], list[Message]] = {}
        self._changed = asyncio.Event()
        self._tag = 0

    async def start(self, args: list[str] | None = None) -> None:
        """Start the service, its event handlers subscribed."""
        for prefix, method in self.service.event_handlers():
            await self.handle.on_event(prefix, method)
        await self.service.start(list(args or []))

    async def stop(self) -> None:
        """Stop the service and every task it started."""
        await self.service.stop()
        await self.ctx.cancel_tasks()

    # The broker's side of the service's handle

    def send(self, msg: Message) -> None:
        """Take a message the service sent, as it would leave the process."""
        msg = msg.plain() if isinstance(msg, SharedMessage) else msg
        if msg.type == EVENT:
            self.events.append(msg)
            self._wake()
        elif msg.type == REQUEST:
            self.sent.append(msg)
            self._wake()
            asyncio.get_running_loop().call_soon(self._serve, msg)

    def _serve(self, msg: Message) -> None:
        function = self.rpcs.get(msg.topic or "")
        if function is None:
            if not msg.flags & NORESPONSE:
                self.handle.dispatch(response(msg, errnum=errno.ENOSYS))
            return
        payload = msg.json() if (msg.payload or b"").endswith(b"\0") else msg.payload
        try:
            result = function(payload)
        except OSError as exc:
            self.handle.dispatch(response(msg, text_of(exc), errnum=errnum_of(exc)))
            return
        if inspect.isawaitable(result):
            # A task has begun it even when the service ends at once; else it would be a warning.
            self.ctx.spawn(self._serve_later(msg, asyncio.ensure_future(result)), "scripted rpc")
        else:
            self._answer(msg, result)

    async def _serve_later(self, msg: Message, result: Awaitable[object]) -> None:
        try:
            value = await result
        except OSError as exc:
            self.handle.dispatch(response(msg, text_of(exc), errnum=errnum_of(exc)))
        else:
            self._answer(msg, value)

    def _answer(self, msg: Message, result: object) -> None:
        if result is self.OPEN or msg.flags & NORESPONSE:
            return
        if msg.flags & STREAMING:
            for item in result if isinstance(result, Iterable) else ():
                self.handle.dispatch(response(msg, item))
            self.handle.dispatch(response(msg, errnum=errno.ENODATA))
        else:
            self.handle.dispatch(response(msg, result))

    def answer(self, msg: Message, payload: object = None, *, errnum: int = 0) -> None:
        """Answer a request of ``sent`` by hand."""
        self.handle.dispatch(response(msg, payload, errnum=errnum))

    def subscribe(self, prefix: str) -> asyncio.Future[None]:
        """Accept a subscription."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def unsubscribe(self, prefix: str) -> None:
        """Accept the end of a subscription."""

    async def close(self) -> None:
        """End of the transport."""

    # The client's side

    def submit(
        self,
        topic: str,
        payload: object = None,
        *,
        sender: str = "client",
        userid: int | None = None,
        flags: int = 0,
    ) -> int:
        """Send the service a request without waiting; returns its match tag (see `replies`)."""
        self._tag += 1
        msg = request(topic, payload, matchtag=self._tag, flags=flags)
        msg.userid = self.owner if userid is None else userid
        msg.rolemask = ROLE_OWNER if msg.userid == self.owner else ROLE_USER
        msg.routes = [sender]
        self._replies[sender, self._tag] = []
        self.service.handle(msg, self._reply)
        return self._tag

    def _reply(self, msg: Message) -> None:
        msg = msg.plain() if isinstance(msg, SharedMessage) else msg
        self._replies.setdefault((msg.routes[-1], msg.aux2), []).append(msg)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()

    def replies(self, tag: int, sender: str = "client") -> list[Message]:
        """Return the responses a request has had so far."""
        return self._replies[sender, tag]

    async def until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Wait until ``condition`` holds; raises TimeoutError after ``timeout`` seconds."""
        async with asyncio.timeout(timeout):
            while not condition():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.01):
                        await self._changed.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(0)  # others that the change has woken have their turn

    async def request_message(
        self,
        topic: str,
        payload: object = None,
        *,
        sender: str = "client",
        userid: int | None = None,
        flags: int = 0,
    ) -> Message:
        """Send a request and return its first response; raises OSError for an error response."""
        tag = self.submit(topic, payload, sender=sender, userid=userid, flags=flags)
        replies = self.replies(tag, sender)
        await self.until(lambda: bool(replies))
        if replies[0].errnum:
            raise error_of(replies[0])
        return replies[0]

    async def request(
        self,
        topic: str,
        payload: object = None,
        *,
        sender: str = "client",
        userid: int | None = None,
        flags: int = 0,
    ) -> JsonObject:
        """Send a request and return its response's payload; raises OSError for an error."""
        reply = await self.request_message(
            topic, payload, sender=sender, userid=userid, flags=flags
        )
        data: JsonObject = reply.json() or {}
        return data

    def stream(
        self,
        topic: str,
        payload: object = None,
        *,
        sender: str = "client",
        userid: int | None = None,
    ) -> list[Message]:
        """Send a streaming request and return the list its responses are added to."""
        tag = self.submit(topic, payload, sender=sender, userid=userid, flags=STREAMING)
        return self.replies(tag, sender)

    async def finish(self, replies: list[Message]) -> list[JsonObject]:
        """Wait for the end of a stream; returns its payloads, raises OSError unless it ended with
        ENODATA.
        """
        await self.until(lambda: bool(replies) and replies[-1].errnum != 0)
        if replies[-1].errnum != errno.ENODATA:
            raise error_of(replies[-1])
        return [msg.json() for msg in replies[:-1]]

    def disconnect(self, sender: str = "client") -> None:
        """Tell the service that a client went away."""
        self.submit(f"{self.service.name}.disconnect", sender=sender, flags=NORESPONSE)

    def publish(self, topic: str, payload: object = None, sequence: int = 1) -> None:
        """Deliver an event to the service."""
        msg = event(topic, payload)
        msg.aux1 = sequence
        msg.userid, msg.rolemask = self.owner, ROLE_OWNER
        self.handle.dispatch(msg)
