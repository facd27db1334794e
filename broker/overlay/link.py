"""One neighbour in the tree: what waits for it, and what it has asked for."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from broker.overlay.arrears import Arrears
from flux.wire.codec import to_frames
from flux.wire.message import (
    MORE,
    NORESPONSE,
    REQUEST,
    ROUTE,
    TOPIC,
    UPSTREAM,
    Message,
    response,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Route = tuple[str, ...]
_DISCONNECT = ".disconnect"


class Link:
    """One neighbour: an endpoint of the router whose messages go over a socket.

    It remembers the requests that went through it and still wait, to fail them when it breaks, and
    which services the neighbour's clients use, to tell these services then. ``dismissed`` is a
    neighbour that was told to leave.
    """

    def __init__(self, identity: str, rank: int, send: Callable[[list[bytes]], None]) -> None:
        self.id = identity
        self.rank = rank
        self.last_heard = asyncio.get_running_loop().time()
        self.arrears = Arrears(self.last_heard)
        self.too_far_behind: Callable[[Link], None] = lambda link: None
        self.on_sent: Callable[[Message], None] | None = None
        """Called with each message for the neighbour, while somebody traces."""
        self.lost = False
        self.dismissed = False
        self._send = send
        self._waiting: dict[tuple[Route, int], Message] = {}
        self._used: dict[Route, tuple[Message, set[tuple[str, int, int]]]] = {}

    def excuse(self, seconds: float) -> None:
        """Do not count seconds in which the neighbour could not be heard."""
        self.last_heard += seconds
        self.arrears.excuse(seconds)

    def deliver(self, msg: Message) -> None:
        """Send a message to the neighbour; a request that wants a response is remembered until it
        has its last one.
        """
        if msg.type == REQUEST and not msg.flags & NORESPONSE:
            if self.lost:
                return
            self._waiting[tuple(msg.routes), msg.aux2] = msg
        if self.on_sent is not None:
            self.on_sent(msg)
        frames = to_frames(msg)
        if self.arrears.sent(sum(map(len, frames))):
            self.too_far_behind(self)
            return
        self._send(frames)

    def answered(self, msg: Message) -> None:
        """Forget the request that a response belongs to, unless others follow: those of a stream
        end with an error number.
        """
        if msg.aux1 or not (msg.streaming or msg.flags & MORE):
            self._waiting.pop((tuple(msg.routes), msg.aux2), None)

    def asked(self, msg: Message) -> None:
        """Note that a client of the neighbour's uses a service, or, by its message of that, no
        longer does.
        """
        route, name = tuple(msg.routes), (msg.topic or "").rpartition(".")[0] or msg.topic or ""
        service = (name, msg.aux1, msg.flags & UPSTREAM)
        entry = self._used.get(route)
        if msg.flags & NORESPONSE and (msg.topic or "").endswith(_DISCONNECT):
            if entry is not None:
                entry[1].discard(service)
                if not entry[1]:
                    del self._used[route]
        elif entry is None:
            self._used[route] = (msg, {service})
        else:
            entry[1].add(service)

    def fail(self) -> list[Message]:
        """Return EHOSTUNREACH responses for every request that waits through this link."""
        self.lost = True
        waiting, self._waiting = self._waiting, {}
        return [response(msg, errnum=errno.EHOSTUNREACH) for msg in waiting.values()]

    def farewells(self) -> list[Message]:
        """Return, for every client that was reached through this link, what tells the services it
        used that it has gone.
        """
        used, self._used = self._used, {}
        farewells = []
        for route, (asked, services) in used.items():
            for name, nodeid, upstream in services:
                msg = Message(
                    REQUEST,
                    name + _DISCONNECT,
                    flags=TOPIC | ROUTE | NORESPONSE | upstream,
                    aux1=nodeid,
                )
                msg.userid, msg.rolemask, msg.routes = asked.userid, asked.rolemask, list(route)
                farewells.append(msg)
        return farewells

    @property
    def held(self) -> tuple[int, int]:
        """How many requests wait, and how many clients are known."""
        return len(self._waiting), len(self._used)
