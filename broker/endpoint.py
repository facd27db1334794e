"""Endpoints inside the broker process: a service and its handle, and the message plumbing between
them and the router."""

from __future__ import annotations

import asyncio
import errno
import time
import uuid
from typing import TYPE_CHECKING

from broker.configuration import Config
from broker.context import Context
from broker.log import Logger, LogRing
from broker.service import Service, refuse
from flux.aio import AsyncFlux
from flux.wire.counters import MessageCounters
from flux.wire.message import (
    EVENT,
    NORESPONSE,
    REQUEST,
    RESPONSE,
    ROLE_OWNER,
    ROUTE,
    TOPIC,
    Message,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.attributes import Attributes
    from broker.router import Router
    from broker.tracing import Way


def new_id() -> str:
    """Return an identity for routes, unique in the instance."""
    return uuid.uuid4().hex[:8]


class InProcess:
    """An endpoint whose handle lives in this process; also the handle's transport."""

    def __init__(self, router: Router, owner: int) -> None:
        self.id = new_id()
        self.owner = owner
        self.last_active = time.monotonic()
        self.router = router
        self.counters = MessageCounters()
        self.handle = AsyncFlux(self, rank=router.rank, size=router.size)
        self.handle.on_fault = lambda msg, exc: router.on_fault(msg, self.id, exc)
        self.on_request: Callable[[Message], None] | None = None
        self.on_passing: Callable[[Way, Message], None] | None = None
        """Called with each message that is received or sent, while somebody traces."""
        router.attach(self)

    def deliver(self, msg: Message) -> None:
        """Take a message from the router; services act on the instance owner's events only, whoever
        may publish.
        """
        if msg.type == EVENT and not msg.rolemask & ROLE_OWNER:
            return
        self.counters.rx[msg.type] += 1
        if self.on_passing is not None:
            self.on_passing("rx", msg)
        if msg.type == REQUEST and self.on_request is not None:
            self.last_active = time.monotonic()
            self.on_request(msg)
        else:
            self.handle.dispatch(msg)

    def send(self, msg: Message) -> None:
        """Give the router a message of this endpoint, with the instance owner's credentials unless
        it answers one.
        """
        if msg.type != RESPONSE:
            msg.userid = self.owner
            msg.rolemask = ROLE_OWNER
        self.counters.tx[msg.type] += 1
        if self.on_passing is not None:
            self.on_passing("tx", msg)
        self.router.submit(msg, self)

    def subscribe(self, prefix: str) -> asyncio.Future[None]:
        """Subscribe at once."""
        self.router.subscribe(prefix, self)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def unsubscribe(self, prefix: str) -> None:
        """Unsubscribe at once."""
        self.router.unsubscribe(prefix, self)

    async def close(self) -> None:
        """Leave the router."""
        self.router.detach(self)


class EndpointNames:
    """The names that an endpoint serves besides its own, at once and without messages."""

    def __init__(self, router: Router, endpoint: InProcess) -> None:
        self._router = router
        self._endpoint = endpoint

    def add(self, name: str) -> None:
        """Have requests for ``name.*`` delivered to the endpoint; raises OSError(EEXIST)."""
        self._router.add_service(name, self._endpoint)

    def remove(self, name: str) -> None:
        """Undo `add`; raises OSError(ENOENT)."""
        self._router.remove_service(name, self._endpoint)


class ServiceHost:
    """Makes contexts and connects services to one broker's router.

    ``config`` is what services that are made from now on begin with.
    """

    def __init__(
        self,
        router: Router,
        attrs: Attributes,
        ring: LogRing,
        owner: int,
        broker_uuid: str = "",
        config: Config | None = None,
    ) -> None:
        self.config = config or Config()
        self._mounted: set[str] = set()
        self.broker_uuid = broker_uuid or new_id()
        self.router = router
        self.attrs = attrs
        self.ring = ring
        self.owner = owner

    def context(self, name: str) -> tuple[Context, InProcess]:
        """Return a context for a service called ``name`` and the endpoint of its handle."""
        endpoint = InProcess(self.router, self.owner)
        ctx = Context(
            name,
            self.router.rank,
            self.router.size,
            endpoint.handle,
            self.attrs,
            Logger(name, self.ring.append, self.router.rank, time.time),
            self.attrs.get("rundir") or "",
            self.owner,
            uuid=self.broker_uuid if name == "broker" else endpoint.id,
            broker_uuid=self.broker_uuid,
            config=self.config,
            counters=endpoint.counters,
            names=EndpointNames(self.router, endpoint),
        )
        return ctx, endpoint

    async def mount(self, service: Service, endpoint: InProcess, args: list[str]) -> None:
        """Register a service's names, subscribe its events and start it.

        The names exist before the service has started, because others may look for them while it
        does; requests that come so early wait, and are answered ENOSYS if it fails to start.
        Raises OSError: EEXIST if a name is taken, or what the service raised.
        """
        early: list[Message] = []
        endpoint.on_request = early.append
        try:
            for name in (service.name, *service.also, *service.unlisted):
                self.router.add_service(name, endpoint)
            for prefix, method in service.event_handlers():
                await endpoint.handle.on_event(prefix, method)
            await service.start(args)
        except BaseException:
            endpoint.on_request = lambda msg: refuse(msg, endpoint.send, errno.ENOSYS)
            for msg in early:
                endpoint.on_request(msg)
            raise
        endpoint.on_request = lambda msg: service.handle(msg, endpoint.send)
        self._mounted.add(service.name)
        for msg in early:
            service.handle(msg, endpoint.send)

    async def unmount(self, service: Service, endpoint: InProcess) -> None:
        """Stop a service and undo everything `mount` did, even if stopping it raises.

        The others of this broker hear that it has gone, as they hear of a client: what they keep
        for it, they forget.
        """
        try:
            await service.stop()
        finally:
            await service.ctx.cancel_tasks()
            self._mounted.discard(service.name)
            for name in sorted(self._mounted):
                topic, flags = f"{name}.disconnect", TOPIC | ROUTE | NORESPONSE
                endpoint.send(Message(REQUEST, topic, flags=flags, aux1=self.router.rank))
            await endpoint.handle.close()
