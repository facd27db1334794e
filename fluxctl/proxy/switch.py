"""Many clients over one connection to a broker: which message is whose.

A request gets the client's identity on its route stack, as a broker does it, and its response comes
back with that identity on top. Subscriptions are made once for all clients; services that clients
register, and what must be told when a client goes, are remembered as the broker remembers them for
its own clients.

Where a broker that was lost may come back, requests without an answer are remembered, too: their
clients are told of the loss. Until the broker is back, what clients ask is held; then it is told
of subscriptions and services first.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from flux.wire.message import (
    EVENT,
    NORESPONSE,
    REQUEST,
    RESPONSE,
    ROUTE,
    TOPIC,
    UPSTREAM,
    Message,
    request,
    response,
)
from flux.wire.topic import SUBSCRIBE, UNSUBSCRIBE

if TYPE_CHECKING:
    from typing import TypeAlias

Send: TypeAlias = Callable[[Message], None]

_ADD, _REMOVE = "service.add", "service.remove"
_GONE = "the client that served this has gone"
_LOST = "the connection to the broker was lost"
HELD_MAX = 10_000
HELD_BYTES_MAX = 64 << 20
"""Requests, and bytes of them, that are held while there is no broker; further ones fail."""


class ProxyClient:
    """What is known of one client; ``send`` gives it a message."""

    def __init__(self, identity: str, send: Send) -> None:
        self.identity = identity
        self.send = send
        self.prefixes: Counter[str] = Counter()
        self.services: set[str] = set()
        self.used: set[tuple[str, int, int]] = set()
        self.owed: dict[tuple[str, ...], Message] = {}
        # Requests whose success changes what is known here, by match tag.
        self.changes: dict[int, tuple[str, str]] = {}
        # Requests without their last answer, by match tag and route.
        self.asked: dict[tuple[int, tuple[str, ...]], Message] = {}


class Switch:
    """The clients of a proxy; ``up`` sends a message to the broker, which may come back after it
    was lost if ``recovers``.
    """

    def __init__(self, up: Send, *, recovers: bool = False) -> None:
        self._send_up = up
        self._recovers = recovers
        self._down = False
        self._held: deque[tuple[ProxyClient, Message]] = deque()
        self._held_bytes = 0
        # With which of the topics for it a prefix was subscribed to.
        self._topics: dict[str, str] = {}
        self._clients: dict[str, ProxyClient] = {}
        self._subscribed: Counter[str] = Counter()
        self._services: dict[str, ProxyClient] = {}

    def attach(self, identity: str, send: Send) -> ProxyClient:
        """Add a client."""
        client = self._clients[identity] = ProxyClient(identity, send)
        return client

    def detach(self, client: ProxyClient) -> None:
        """Forget a client that went away, and tell the broker what that means."""
        self._clients.pop(client.identity, None)
        self._held = deque((who, msg) for who, msg in self._held if who is not client)
        self._held_bytes = sum(len(msg.payload or b"") for _, msg in self._held)
        for asked in client.owed.values():
            self._up(response(asked, _GONE, errnum=errno.EHOSTUNREACH))
        for name in client.services:
            self._services.pop(name, None)
            self._up(request(_REMOVE, {"service": name}, flags=NORESPONSE))
        for prefix in list(client.prefixes.elements()):
            self._unsubscribe(client, prefix)
        for name, nodeid, upstream in client.used:
            msg = Message(
                REQUEST,
                f"{name}.disconnect",
                flags=TOPIC | ROUTE | NORESPONSE | upstream,
                aux1=nodeid,
                routes=[client.identity],
            )
            self._up(msg)

    # The broker goes and comes back

    def _up(self, msg: Message) -> None:
        """Send what only a broker that knows of it can use."""
        if not self._down:
            self._send_up(msg)

    def lost(self) -> None:
        """The broker is gone: nobody gets an answer from it."""
        self._down = True
        for client in tuple(self._clients.values()):
            asked, client.asked = client.asked, {}
            client.changes.clear()
            client.used.clear()
            client.owed.clear()
            for msg in asked.values():
                self._refuse(client, msg)

    def found(self) -> None:
        """There is a broker again, which knows nothing of the clients."""
        self._down = False
        for prefix, count in self._subscribed.items():
            if count:
                topic = self._topics.get(prefix, SUBSCRIBE[0])
                self._up(request(topic, {"topic": prefix}, flags=NORESPONSE))
        for name in self._services:
            self._up(request(_ADD, {"service": name}, flags=NORESPONSE))
        self._held_bytes = 0
        while self._held:
            self._ask(*self._held.popleft())

    def _ask(self, client: ProxyClient, msg: Message) -> None:
        """Send a client's request, or hold it until there is a broker."""
        if self._down:
            size = self._held_bytes + len(msg.payload or b"")
            if len(self._held) < HELD_MAX and size <= HELD_BYTES_MAX:
                self._held_bytes = size
                self._held.append((client, msg))
            elif not msg.flags & NORESPONSE:
                self._refuse(client, msg)
            return
        if self._recovers and not msg.flags & NORESPONSE:
            client.asked[msg.aux2, tuple(msg.routes)] = msg
        topic = msg.topic or ""
        client.used.add((topic.rpartition(".")[0] or topic, msg.aux1, msg.flags & UPSTREAM))
        self._up(msg)

    @staticmethod
    def _refuse(client: ProxyClient, msg: Message) -> None:
        answer = response(msg, _LOST, errnum=errno.ECONNRESET)
        answer.routes = answer.routes[1:]
        client.send(answer)

    # From a client

    def from_client(self, client: ProxyClient, msg: Message) -> None:
        """Pass on what a client sends."""
        if msg.type == RESPONSE:
            key = (str(msg.aux2), *msg.routes)
            asked = client.owed.get(key)
            if asked is not None and (not asked.streaming or msg.aux1):
                del client.owed[key]
        elif msg.type == REQUEST:
            topic = msg.topic or ""
            if topic in (*SUBSCRIBE, *UNSUBSCRIBE, _ADD, _REMOVE) and self._answered(client, msg):
                return
            msg.flags |= ROUTE
            msg.routes = [client.identity, *msg.routes]
            self._ask(client, msg)
            return
        self._up(msg)

    def _answered(self, client: ProxyClient, msg: Message) -> bool:
        """Take note of a request that changes what is known here; returns whether it is answered
        already.
        """
        topic = msg.topic or ""
        name = _word(msg, "service" if topic in (_ADD, _REMOVE) else "topic")
        if name is None:
            return False  # the broker says what is wrong
        if topic in SUBSCRIBE and self._subscribed[name]:
            self._subscribe(client, name)
        elif topic in UNSUBSCRIBE and self._subscribed[name] > 1 and client.prefixes[name]:
            self._subscribed[name] -= 1
            client.prefixes[name] -= 1
        else:
            client.changes[msg.aux2] = (topic, name)
            return False
        if not msg.flags & NORESPONSE:
            client.send(response(msg))
        return True

    def _subscribe(self, client: ProxyClient, prefix: str) -> None:
        self._subscribed[prefix] += 1
        client.prefixes[prefix] += 1

    def _unsubscribe(self, client: ProxyClient, prefix: str) -> None:
        """Undo one subscription of a client that went; the last one is undone at the broker."""
        client.prefixes[prefix] -= 1
        self._subscribed[prefix] -= 1
        if not self._subscribed[prefix]:
            for topic in UNSUBSCRIBE:
                self._up(request(topic, {"topic": prefix}, flags=NORESPONSE))

    # From the broker

    def from_broker(self, msg: Message) -> None:
        """Give a message from the broker to the client, or clients, that it is for."""
        if msg.type == RESPONSE:
            client = self._clients.get(msg.routes[0]) if msg.routes else None
            if client is not None:
                if client.asked and (msg.aux1 or not msg.streaming):
                    client.asked.pop((msg.aux2, tuple(msg.routes)), None)
                del msg.routes[0]
                self._changed(client, msg)
                client.send(msg)
        elif msg.type == EVENT:
            topic = msg.topic or ""
            for client in tuple(self._clients.values()):
                if any(n and topic.startswith(prefix) for prefix, n in client.prefixes.items()):
                    client.send(msg)
        elif msg.type == REQUEST:
            self._serve(msg)

    def _changed(self, client: ProxyClient, msg: Message) -> None:
        topic, name = client.changes.pop(msg.aux2, ("", ""))
        if not topic or msg.aux1 or msg.topic != topic:
            return
        if topic in SUBSCRIBE:
            self._topics[name] = topic
            self._subscribe(client, name)
        elif topic in UNSUBSCRIBE and client.prefixes[name]:
            self._subscribed[name] -= 1
            client.prefixes[name] -= 1
        elif topic == _ADD:
            self._services[name] = client
            client.services.add(name)
        elif topic == _REMOVE:
            self._services.pop(name, None)
            client.services.discard(name)

    def _serve(self, msg: Message) -> None:
        """Give a request to the client that has registered its service."""
        topic = msg.topic or ""
        client = self._services.get(topic.rpartition(".")[0])
        if client is None:
            client = self._services.get(topic.partition(".")[0])
        if client is not None:
            if not msg.flags & NORESPONSE:
                client.owed[str(msg.aux2), *msg.routes] = msg
            client.send(msg)
        elif not msg.flags & NORESPONSE:
            self._up(response(msg, "Unknown service method", errnum=errno.ENOSYS))


def _word(msg: Message, key: str) -> str | None:
    try:
        value = msg.json()[key]
    except (ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None
