"""Services of several ranks wired together in one loop: real messages between them, no broker and
no sockets.
"""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, Any

from broker.attributes import Attributes
from broker.context import Context
from broker.log import Logger
from flux.aio import AsyncFlux
from flux.wire.message import (
    EVENT,
    NODEID_ANY,
    NORESPONSE,
    REQUEST,
    ROLE_OWNER,
    ROLE_USER,
    UPSTREAM,
    Message,
    event,
    response,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.service import Service
    from flux.logline import Entry

OWNER = 1000


class _Rank:
    def __init__(self, wired: Wired, rank: int) -> None:
        self.wired = wired
        self.rank = rank
        self.attrs = Attributes()
        self.services: dict[str, Service] = {}


class _Client:
    """The transport of one handle: a service's, or a test's."""

    def __init__(self, node: _Rank, name: str, userid: int = OWNER) -> None:
        self.node = node
        self.name = name
        self.userid = userid
        self.handle = AsyncFlux(self, rank=node.rank, size=len(node.wired.ranks))
        self.prefixes: list[str] = []
        node.wired.clients.append(self)

    def send(self, msg: Message) -> None:
        msg.userid, msg.rolemask = self.userid, ROLE_OWNER if self.userid == OWNER else ROLE_USER
        self.node.wired.later(self.node.wired.route, msg, self)

    def subscribe(self, prefix: str) -> asyncio.Future[None]:
        self.prefixes.append(prefix)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def unsubscribe(self, prefix: str) -> None:
        self.prefixes.remove(prefix)

    async def close(self) -> None:
        return None


class Wired:
    """``size`` ranks in a chain, each with the services a test adds. ``seen`` lists every message
    by topic.
    """

    def __init__(self, size: int = 1, rundir: str = "/nonexistent") -> None:
        self.ranks = [_Rank(self, 0)]
        self.ranks += [_Rank(self, rank) for rank in range(1, size)]
        self.clients: list[_Client] = []
        self.seen: list[str] = []
        self.logs: list[Entry] = []
        self.rundir = rundir
        self._sequence = 0
        self._running: list[Service] = []

    def later(self, function: Callable[..., None], *args: Any) -> None:
        asyncio.get_running_loop().call_soon(function, *args)

    async def add(self, kind: type[Service], rank: int = 0, args: list[str] | None = None) -> Any:
        """Load a service on a rank."""
        node = self.ranks[rank]
        client = _Client(node, f"{kind.name}-{rank}")
        log = Logger(kind.name, self.logs.append, rank, time.time)
        ctx = Context(
            kind.name,
            rank,
            len(self.ranks),
            client.handle,
            node.attrs,
            log,
            self.rundir,
            OWNER,
            uuid=client.name,
        )
        service = kind(ctx)
        for name in (kind.name, *kind.also):
            node.services[name] = service
        for prefix, method in service.event_handlers():
            await client.handle.on_event(prefix, method)
        await service.start(args or [])
        self._running.append(service)
        return service

    def client(self, rank: int = 0, userid: int = OWNER) -> AsyncFlux:
        """Return a handle of a user connected to a rank."""
        return _Client(self.ranks[rank], f"client{len(self.clients)}", userid).handle

    async def close(self) -> None:
        """Stop every service, the last one first."""
        while self._running:
            await self.remove(self._running[-1])

    async def remove(self, service: Service) -> None:
        """Stop and unload one service."""
        self._running.remove(service)
        await service.stop()
        await service.ctx.cancel_tasks()
        node = self.ranks[service.ctx.rank]
        node.services = {
            name: other for name, other in node.services.items() if other is not service
        }

    def disconnect(self, handle: AsyncFlux) -> None:
        """Tell the services of its rank that a client went away."""
        client = next(client for client in self.clients if client.handle is handle)
        for service in set(client.node.services.values()):
            service.streams.drop_sender(client.name)
            service.on_disconnect(client.name)

    def route(self, msg: Message, source: _Client) -> None:
        """Deliver a message the way brokers would."""
        self.seen.append(msg.topic or "")
        if msg.type == EVENT:
            self._sequence += 1
            msg.aux1 = self._sequence
            for client in tuple(self.clients):
                if any((msg.topic or "").startswith(prefix) for prefix in client.prefixes):
                    self.later(client.handle.dispatch, msg)
            return
        assert msg.type == REQUEST
        rank = source.node.rank
        if msg.flags & UPSTREAM:
            candidates = list(range(rank - 1, -1, -1))
        else:
            candidates = list(range(rank, -1, -1)) if msg.aux1 == NODEID_ANY else [msg.aux1]
        name = (msg.topic or "").rpartition(".")[0]
        msg.routes = [source.name]

        def reply(answer: Message) -> None:
            self.later(source.handle.dispatch, answer)

        for candidate in candidates:
            service = self.ranks[candidate].services.get(name) or self.ranks[
                candidate
            ].services.get(name.split(".")[0])
            if service is not None:
                service.handle(msg, reply)
                return
        if not msg.flags & NORESPONSE:
            reply(response(msg, errnum=errno.ENOSYS))

    def publish(self, topic: str, payload: Any = None) -> None:
        """Publish an event to every rank."""
        self.route(event(topic, payload), self.clients[0])
