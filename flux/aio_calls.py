"""What the asyncio handle asks of a broker, by the names that `flux.core.handle.Flux` has for the
same.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Protocol

from flux.logline import client_line
from flux.wire import message as wire
from flux.wire.errors import may_be_unknown
from flux.wire.message import NODEID_ANY
from flux.wire.text import Text, as_optional_text, as_text

if TYPE_CHECKING:
    from flux.aio_streams import Subscription
    from flux.wire.json import JsonObject
    from flux.wire.message import Message


class AsyncCaller(Protocol):
    """What the calls need of the handle that makes them."""

    rank: int
    size: int

    async def rpc(
        self, topic: Text, payload: object = None, *, nodeid: int = NODEID_ANY
    ) -> JsonObject:
        """Send a request and return its response's payload."""

    def send(self, topic: str, payload: object = None, *, nodeid: int = NODEID_ANY) -> None:
        """Send a request that gets no response."""

    def send_message(self, msg: Message) -> None:
        """Send a message as it is."""

    async def subscribe(self, prefix: str) -> Subscription:
        """Return the events whose topic starts with ``prefix``, from now on."""


class AsyncCalls:
    """The calls; where the blocking handle returns a future, these are awaited."""

    def get_rank(self: AsyncCaller) -> int:
        """Return the rank of the broker this handle is connected to."""
        return self.rank

    def get_size(self: AsyncCaller) -> int:
        """Return how many brokers the instance has."""
        return self.size

    async def attr_get(self: AsyncCaller, name: Text) -> str:
        """Return a broker attribute; raises OSError: ENOENT if it is not set, EINVAL for a name of
        None.
        """
        answer = await self.rpc("attr.get", {"name": as_text(name, "the name of an attribute")})
        return str(answer["value"])

    async def attr_set(self: AsyncCaller, name: Text, value: Text | None) -> None:
        """Set a broker attribute, or unset it if ``value`` is None; raises OSError(EPERM) if it may
        not be changed.
        """
        body = {"name": as_text(name, "the name of an attribute")}
        if value is None:
            await self.rpc("attr.rm", body)
        else:
            body["value"] = as_text(value, "the value of an attribute")
            await self.rpc("attr.set", body)

    async def event_subscribe(self: AsyncCaller, topic: Text) -> Subscription:
        """Return the events whose topic starts with ``topic``, from now on: an async iterator with
        ``close()``.
        """
        return await self.subscribe(as_text(topic, "the topic"))

    def event_send(
        self: AsyncCaller, topic: Text, payload: object = None, *, private: bool = False
    ) -> None:
        """Publish an event without waiting until the instance has it."""
        name = as_text(topic, "the topic")
        self.send_message(wire.event(name, wire.ended(payload), private=private))

    async def event_publish(
        self: AsyncCaller, topic: Text, payload: object = None, *, private: bool = False
    ) -> int:
        """Publish an event and return its sequence number."""
        body = wire.publish_request(as_text(topic, "the topic"), payload, private)
        try:
            answer = await self.rpc("event.pub", body, nodeid=0)
        except OSError as refusal:
            if not may_be_unknown(refusal.errno):
                raise
            today = wire.todays_publish_request(body)
            try:
                answer = await self.rpc("event.publish", today, nodeid=0)
            except OSError as error:
                raise (refusal if error.errno == errno.ENOSYS else error) from None
        return int(answer["seq"])

    async def service_register(self: AsyncCaller, name: Text) -> None:
        """Have requests for ``name.*`` sent to this handle, which gives them to ``on_request``."""
        await self.rpc("service.add", {"service": as_text(name, "the name of a service")})

    async def service_unregister(self: AsyncCaller, name: Text) -> None:
        """Undo `service_register`."""
        await self.rpc("service.remove", {"service": as_text(name, "the name of a service")})

    def respond(self: AsyncCaller, message: Message, payload: object = None) -> None:
        """Answer a request."""
        self.send_message(wire.response(message, wire.ended(payload)))

    def respond_error(
        self: AsyncCaller, message: Message, errnum: int, text: Text | None = None
    ) -> None:
        """Answer a request with an error."""
        sentence = as_optional_text(text, "the sentence of an error")
        self.send_message(wire.response(message, sentence, errnum=errnum))

    async def barrier(self: AsyncCaller, name: Text, nprocs: int) -> None:
        """Enter a barrier of ``nprocs`` processes and wait until all are in."""
        text = as_text(name, "the name of a barrier")
        await self.rpc(
            "barrier.enter", {"name": text, "count": 1, "nprocs": nprocs, "internal": False}
        )

    def log(self: AsyncCaller, level: int, fstring: Text) -> None:
        """Log a line with a syslog level to the broker's log; raises OSError(EINVAL) for another
        level.
        """
        text = as_text(fstring, "a log message")
        self.send("log.append", client_line(level, self.rank, "python", str(os.getpid()), text))
