"""``connector-local``: programs of this machine connect to the broker through a Unix socket.

The socket is mode 0700 in a directory of mode 0700. A peer is who the kernel says (SO_PEERCRED); its messages carry the credentials
the broker gives them, whatever they claim. A guest answers only what it was asked, and what it can make the broker keep is bounded.
Bytes that are not RFC 3 end that connection and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import struct
from typing import Any, cast

from broker.context import Context
from broker.endpoint import new_id
from broker.router import Router
from broker.service import Service
from flux.wire import framing
from flux.wire.codec import DecodeError
from flux.wire.message import (
    EVENT,
    NORESPONSE,
    REQUEST,
    RESPONSE,
    ROLE_OWNER,
    ROLE_USER,
    ROUTE,
    TOPIC,
    UPSTREAM,
    Message,
    response,
)

MAX_MESSAGE = 1 << 30
MAX_BACKLOG = 1 << 29
MAX_GUEST_MESSAGE = 1 << 24
MAX_GUEST_NAMES = 10_000  # services used, and event topics subscribed to


class ConnectorLocalService(Service):
    """Accepts local clients and makes each an endpoint of the router."""

    name = "connector-local"

    def __init__(self, ctx: Context, router: Router) -> None:
        super().__init__(ctx)
        self.router = router
        self.clients: set[Client] = set()
        self.accepted = 0
        self.refused = 0
        self._server: asyncio.Server | None = None
        self._path = ""

    async def start(self, args: list[str]) -> None:
        uri = self.ctx.attrs.get("local-uri") or ""
        self._path = uri.partition("://")[2]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self._path)
        os.chmod(self._path, 0o700 if not self._allow_guests else 0o777)
        listener.listen(1024)
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: Client(self), sock=listener)
        self.ctx.log.debug(f"allow-guest-user={str(self._allow_guests).lower()}")
        self.ctx.log.debug("allow-root-owner=false")

    @property
    def _allow_guests(self) -> bool:
        return self.ctx.attrs.get("access.allow-guest-user") in ("true", "1")

    def stop_accepting(self) -> None:
        """Refuse new clients; those connected stay."""
        if self._server is not None:
            self._server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    async def stop(self) -> None:
        self.stop_accepting()
        for client in tuple(self.clients):
            client.close()

    def verdict(self, userid: int) -> int:
        """Return 0 to accept a user, else the error number to refuse with."""
        if userid == self.ctx.owner or self._allow_guests:
            return 0
        return errno.EPERM

    def stats(self) -> dict[str, int]:
        """Return how many clients are connected, were accepted and were refused."""
        return {"clients": len(self.clients), "accepted": self.accepted, "refused": self.refused}

    def stats_clear(self) -> None:
        """Forget how many were accepted and refused."""
        self.accepted = self.refused = 0


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, service: ConnectorLocalService) -> None:
        self.id = new_id()
        self.userid = -1
        self._service = service
        self._router = service.router
        self._rolemask = 0
        self._unpacker = framing.Unpacker(MAX_MESSAGE)
        self._out: list[bytes] = []
        self._used: set[tuple[str, int, int]] = set()
        self._owed: dict[tuple[str, ...], Message] = {}
        self._subscribed: set[str] = set()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._attached = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        service = self._service
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, self.userid, _ = struct.unpack("3i", credentials)
        verdict = service.verdict(self.userid)
        self._transport.write(bytes((verdict,)))
        if verdict:
            service.refused += 1
            service.ctx.log.err(f"connection of user {self.userid} refused: {os.strerror(verdict)}")
            self._transport.close()
            return
        self._rolemask = ROLE_OWNER if self.userid == service.ctx.owner else ROLE_USER
        if self._is_guest:
            self._unpacker = framing.Unpacker(MAX_GUEST_MESSAGE)
        service.accepted += 1
        service.clients.add(self)
        self._attached = True
        self._router.attach(self, self.userid)

    @property
    def _is_guest(self) -> bool:
        return not self._rolemask & ROLE_OWNER

    def data_received(self, data: bytes) -> None:
        if not self._attached:
            return
        try:
            messages = self._unpacker.feed(data)
        except DecodeError as exc:
            self._service.ctx.log.err(f"client {self.id}: {exc}, connection closed")
            self.close()
            return
        for msg in messages:
            try:
                self._receive(msg)
            except Exception as exc:
                self._router.on_fault(msg, self.id, exc)

    def _receive(self, msg: Message) -> None:
        kind = msg.type
        msg.userid = self.userid
        msg.rolemask = self._rolemask
        if kind == RESPONSE:
            if not self._owes(msg) and self._is_guest:
                return
        elif self._is_guest:
            msg.routes = []
        topic = msg.topic
        if kind == REQUEST:
            if not topic:
                return
            msg.flags |= ROUTE
            if topic in _OWN_TOPICS:
                self._subscription(msg)
                return
            used = (topic.rpartition(".")[0] or topic, msg.aux1, msg.flags & UPSTREAM)
            self._used.add(used)
            self._limit(self._used)
        elif kind == EVENT:
            if not topic or not msg.flags & TOPIC:
                return
        elif kind != RESPONSE:
            return
        self._router.submit(msg, self)

    def _owes(self, msg: Message) -> bool:
        """Tell whether a response answers a request that this client got."""
        key = (str(msg.aux2), *msg.routes)
        asked = self._owed.get(key)
        if asked is None:
            return False
        if not asked.streaming or msg.errnum:
            del self._owed[key]
        return True

    def _limit(self, names: set[Any]) -> None:
        """Close the connection of a guest that makes the broker remember too much."""
        closing = self._transport is None or self._transport.is_closing()
        if len(names) > MAX_GUEST_NAMES and self._is_guest and not closing:
            self._service.ctx.log.err(f"client {self.id}: user {self.userid} uses too many names, connection closed")
            self.close()

    def _subscription(self, msg: Message) -> None:
        try:
            prefix = msg.json()["topic"]
        except (ValueError, KeyError, TypeError):
            prefix = None
        if not isinstance(prefix, str):
            answer = response(msg, errnum=errno.EPROTO)
        else:
            if _OWN_TOPICS[msg.topic or ""]:
                self._router.subscribe(prefix, self)
                self._subscribed.add(prefix)
                self._limit(self._subscribed)
            else:
                self._router.unsubscribe(prefix, self)
                self._subscribed.discard(prefix)
            answer = response(msg)
        if not msg.flags & NORESPONSE:
            self.deliver(answer)

    def deliver(self, msg: Message) -> None:
        """Send a message to the client, together with the others of this loop turn."""
        if not self._out:
            self._loop.call_soon(self._flush)
        if msg.type == REQUEST and not msg.flags & NORESPONSE:
            self._owed[str(msg.aux2), *msg.routes] = msg
        self._out.append(framing.pack(msg))

    def _flush(self) -> None:
        out, self._out = self._out, []
        transport = self._transport
        if not out or transport is None or transport.is_closing():
            return
        transport.write(b"".join(out))
        if transport.get_write_buffer_size() > MAX_BACKLOG:
            self._service.ctx.log.err(f"client {self.id} does not read its messages, connection closed")
            transport.abort()

    def close(self) -> None:
        """End the connection after what has been written."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._attached:
            return
        self._attached = False
        if self._unpacker.pending:
            self._service.ctx.log.warning(f"client {self.id}: ended within a message")
        self._service.clients.discard(self)
        for name, nodeid, upstream in self._used:
            msg = Message(REQUEST, f"{name}.disconnect", flags=TOPIC | ROUTE | NORESPONSE | upstream, aux1=nodeid)
            msg.userid, msg.rolemask = self.userid, self._rolemask
            self._router.route(msg, self)
        self._router.detach(self)
        for asked in self._owed.values():
            self._router.submit(
                response(asked, "the client that served this has gone", errnum=errno.EHOSTUNREACH), self
            )
        self._owed.clear()


_OWN_TOPICS = {"local.sub": True, "local.unsub": False, "event.subscribe": True, "event.unsubscribe": False}
