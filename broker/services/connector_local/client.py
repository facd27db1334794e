"""One connection of a local client: an endpoint of the router on a Unix socket."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, cast

from broker.endpoint import new_id
from broker.event_rights import MAX_TOPIC, is_topic, may_publish
from broker.services.connector_local.answered_hashes import TOPICS, AnsweredHashes
from broker.services.connector_local.backlog import CHUNK, Backlog
from broker.services.connector_local.limits import HALF_STALL, STALL, MiB, Share
from broker.services.connector_local.unanswered import Unanswered
from flux.wire import framing
from flux.wire.codec import DecodeError
from flux.wire.message import (
    EVENT,
    NORESPONSE,
    REQUEST,
    RESPONSE,
    ROLE_NONE,
    ROLE_OWNER,
    ROLE_USER,
    ROUTE,
    STREAMING,
    TOPIC,
    UPSTREAM,
    USERID_UNKNOWN,
    Message,
    response,
)

if TYPE_CHECKING:
    from broker.services.connector_local.interface import ConnectionHost

_OWN_TOPICS = {
    "local.sub": True,
    "local.unsub": False,
    "event.subscribe": True,
    "event.unsubscribe": False,
}
# Why a client is not read: others have their turn, or it does not read its answers.
_TURN, _ANSWERS = 1, 2
OFFLINE = "Upstream Flux broker is offline. Try again later."
SLICE = 500
"""Messages that are taken from one client before others have their turn, at most."""
FIRST_SLICE = 8
"""The same for a client whose answers may be large: nobody knows yet."""

_CREDENTIALS = struct.Struct("3i")


def peer_of(sock: socket.socket) -> tuple[int, int]:
    """Return the process id and the user id that the kernel names for the peer of a Unix socket."""
    pid, userid, _ = _CREDENTIALS.unpack(
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    )
    return pid, userid


class Client(asyncio.Protocol):
    """One connection.

    The broker's verdict on the user is the first byte the peer gets: 0, or the error number it is
    refused with.
    """

    def __init__(self, service: ConnectionHost) -> None:
        self.id = new_id()
        self.userid = -1
        self.share: Share
        self.backlog: Backlog
        self._service = service
        self._router = service.router
        self._rolemask = 0
        self._unpacker: framing.Unpacker
        self._flush_due = False
        self._write_paused = False
        self._used: set[tuple[str, int, int]] = set()
        self._owed: dict[tuple[str, ...], Message] = {}
        self._subscribed: set[str] = set()
        self._pending: Unanswered
        self._hashes: AnsweredHashes
        self._half = 0
        self._half_since = 0.0
        self._taken = 0
        self._taken_since = 0.0
        self._given = 0
        self._held = 0
        self._slice = FIRST_SLICE
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._attached = False
        self._closing = False
        self._ended = False

    # The connection's beginning and end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        service = self._service
        self._transport = cast("asyncio.Transport", transport)
        pid, self.userid = peer_of(transport.get_extra_info("socket"))
        self._hashes = AnsweredHashes(pid)
        verdict = service.verdict(self.userid)
        self._transport.write(bytes((verdict,)))
        if verdict:
            service.refuse(self.userid, verdict)
            self._transport.close()
            return
        self._rolemask = ROLE_OWNER if service.is_owner(self.userid) else ROLE_USER
        self.share = service.share(self.userid)
        self.share.connections += 1
        self.backlog = Backlog(self.share)
        self._pending = Unanswered(self.share)
        self._unpacker = framing.Unpacker(self.share.limits.message)
        # Below what `_flush` stops at: a transport that holds so much is one that says when it has
        # room again.
        self._transport.set_write_buffer_limits(CHUNK - 1, CHUNK // 2)
        service.accepted += 1
        service.clients.add(self)
        self._attached = True
        self._router.attach(self, self.userid)

    @property
    def _is_guest(self) -> bool:
        return not self._rolemask & ROLE_OWNER

    @property
    def is_closing(self) -> bool:
        """Whether the connection has ended or is about to."""
        return self._ended or self._closing

    def close(self) -> None:
        """End the connection when what waits has been sent; nothing more is taken."""
        self._closing = True
        if not self._attached or self._ended:
            self._transport.close()
            return
        self._service.watch()
        self._flush()

    def cut(self, reason: str) -> None:
        """End the connection at once and say why in the log; the client finds it closed."""
        if self._ended:
            return
        self._ended = True
        waits = self.backlog.size
        self.backlog.clear()
        self._service.cut_count += 1
        self._service.complain(
            self.userid,
            f"client {self.id} of user {self.userid} {reason} ({waits} bytes wait for it),"
            " connection closed",
        )
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._attached:
            return
        if not self._ended and not self._closing:
            self._take_in(b"", None)
        self._attached = False
        self._ended = True
        if self._unpacker.pending:
            self._service.complain(self.userid, f"client {self.id}: ended within a message")
        self._give_back()
        self._service.clients.discard(self)
        for name, nodeid, upstream in self._used:
            msg = Message(
                REQUEST,
                f"{name}.disconnect",
                flags=TOPIC | ROUTE | NORESPONSE | upstream,
                aux1=nodeid,
            )
            msg.userid, msg.rolemask = self.userid, self._rolemask
            self._router.route(msg, self)
        self._router.detach(self)
        for asked in self._owed.values():
            self._router.submit(
                response(asked, "the client that served this has gone", errnum=errno.EHOSTUNREACH),
                self,
            )
        self._owed.clear()

    def _give_back(self) -> None:
        """Take this connection out of what its user holds."""
        share = self.share
        self.backlog.clear()
        share.connections -= 1
        share.half -= self._half
        self._half = 0
        self._pending.clear()
        self._unpacker = framing.Unpacker(0)
        self._service.dropped(share)

    # From the client

    def data_received(self, data: bytes) -> None:
        if not self._attached or self.is_closing:
            return
        self._take_in(data, self._next_slice())

    def take_turn(self) -> bool:
        """Take the next slice of what the client has sent; returns whether there may be more."""
        if self._ended or self._closing or not self._take_in(b"", self._next_slice()):
            self._release(_TURN)
            return False
        return True

    def _next_slice(self) -> int:
        """Return how many messages to take next: fewer after large answers wait, more while none
        do.

        How large an answer is shows only when it is there, so a client begins with few requests.
        """
        if self.backlog.answers > CHUNK:
            self._slice = max(FIRST_SLICE, self._slice // 4)
        else:
            self._slice = min(SLICE, self._slice * 2)
        return self._slice

    def _take_in(self, data: bytes, most: int | None) -> bool:
        """Receive ``data`` and up to ``most`` messages; while there are more the client is not
        read, others have their turn.
        """
        try:
            messages = self._unpacker.feed(data, most)
        except DecodeError as exc:
            self._service.complain(self.userid, f"client {self.id}: {exc}, connection closed")
            self.close()
            return False
        if self._half or self._unpacker.pending:
            self._count_half()
        self._receive_all(messages)
        more = len(messages) == most
        if more and not self._held & _TURN:
            self._hold(_TURN)
            self._service.wait_turn(self)
        return more

    def _hold(self, reason: int) -> None:
        """Stop reading from the client for a reason."""
        if not self._held and not self._transport.is_closing():
            self._transport.pause_reading()
        self._held |= reason

    def _release(self, reason: int) -> None:
        """A reason not to read is gone."""
        if self._held == reason and not self._transport.is_closing():
            self._transport.resume_reading()
        self._held &= ~reason

    @property
    def is_behind(self) -> bool:
        """Whether so many answers wait for the client that its requests have to wait too."""
        return bool(self._held & _ANSWERS)

    def _receive_all(self, messages: list[Message]) -> None:
        for msg in messages:
            try:
                self._receive(msg)
            except Exception as exc:
                self._router.on_fault(msg, self.id, exc)

    def _count_half(self) -> None:
        """Count what is there of a message that is not complete."""
        pending = self._unpacker.pending
        self.share.half += pending - self._half
        self._half = pending
        self._half_since = self._loop.time()
        if pending > MiB:
            self._service.watch()
        if self.share.half > self.share.limits.half:
            self.cut(
                f"has {self.share.half} bytes of half-sent messages with its user's other clients"
            )

    def _set_credentials(self, msg: Message) -> None:
        """Say who a message is from. The owner may act as somebody else: what its messages carry is
        kept.
        """
        if self._is_guest or msg.userid == USERID_UNKNOWN:
            msg.userid = self.userid
        if self._is_guest or msg.rolemask == ROLE_NONE:
            msg.rolemask = self._rolemask

    def _receive(self, msg: Message) -> None:
        kind = msg.type
        self._service.ctx.counters.tx[kind] += 1
        self._set_credentials(msg)
        topic = msg.topic
        if kind == RESPONSE:
            if self._owes(msg) or not self._is_guest:
                self._router.submit(msg, self)
            return
        if self._is_guest:
            msg.routes = []
        if not topic or not msg.flags & TOPIC:
            return
        if kind == REQUEST:
            self._request(msg, topic)
        elif (
            kind == EVENT and is_topic(topic) and (msg.rolemask & ROLE_OWNER or may_publish(topic))
        ):
            self._router.submit(msg, self)

    def _request(self, msg: Message, topic: str) -> None:
        if len(topic) > MAX_TOPIC:
            self._refuse(msg, errno.EINVAL, f"a topic has at most {MAX_TOPIC} characters")
            return
        if msg.flags & NORESPONSE and msg.flags & STREAMING:
            return  # nobody could be told the end of that stream (RFC 3)
        if self._router.offline:
            self._refuse(msg, errno.EAGAIN, OFFLINE)
            return
        msg.flags |= ROUTE
        if topic in _OWN_TOPICS:
            self._subscription(msg)
            return
        if self._is_guest and not self._pending.admit(msg):
            self._refuse(msg, errno.EAGAIN, "too many requests of this user wait for their answers")
            return
        self._used.add((topic.rpartition(".")[0] or topic, msg.aux1, msg.flags & UPSTREAM))
        self._limit_names(len(self._used))
        if topic in TOPICS:
            self._hashes.asked(msg)
        self._router.submit(msg, self)

    def _refuse(self, msg: Message, errnum: int, text: str) -> None:
        if not msg.flags & NORESPONSE:
            self._send(response(msg, text, errnum=errnum))

    def _owes(self, msg: Message) -> bool:
        """Tell whether a response answers a request that this client got."""
        key = (str(msg.aux2), *msg.routes)
        asked = self._owed.get(key)
        if asked is None:
            return False
        if not asked.streaming or msg.errnum:
            del self._owed[key]
        return True

    def _limit_names(self, count: int) -> None:
        """Close the connection of a client that makes the broker remember too many names."""
        most = self.share.limits.names
        if most is not None and count > most and not self.is_closing:
            self._service.complain(
                self.userid,
                f"client {self.id}: user {self.userid} uses too many names, connection closed",
            )
            self.close()

    def _subscription(self, msg: Message) -> None:
        try:
            prefix = msg.json()["topic"]
        except (ValueError, KeyError, TypeError):
            prefix = None
        if not isinstance(prefix, str):
            self._refuse(msg, errno.EPROTO, os.strerror(errno.EPROTO))
            return
        if len(prefix) > MAX_TOPIC:
            self._refuse(msg, errno.EINVAL, f"a topic has at most {MAX_TOPIC} characters")
            return
        if _OWN_TOPICS[msg.topic or ""]:
            self._router.subscribe(prefix, self)
            self._subscribed.add(prefix)
            self._limit_names(len(self._subscribed))
        else:
            self._router.unsubscribe(prefix, self)
            self._subscribed.discard(prefix)
        if not msg.flags & NORESPONSE:
            self._send(response(msg))

    # To the client

    def deliver(self, msg: Message) -> None:
        """Send a message to the client, together with the others of this loop turn."""
        if self._ended or self._closing:
            return
        kind = msg.type
        self._service.ctx.counters.rx[kind] += 1
        if kind == REQUEST:
            if not msg.flags & NORESPONSE:
                self._owed[str(msg.aux2), *msg.routes] = msg
        elif kind == RESPONSE and self._pending:
            self._pending.answered(msg)
        if kind == RESPONSE and self._hashes:
            msg = self._hashes.answered(msg)
        self._send(msg)

    def _send(self, msg: Message) -> None:
        backlog, pushed = self.backlog, msg.type != RESPONSE
        frame = self._service.encoded(msg)
        backlog.push(frame, pushed)
        limits, share = self.share.limits, self.share
        if (
            backlog.events + backlog.answers > limits.backlog
            or share.answers > 2 * limits.backlog
            or share.too_much
        ):
            self._fell_behind(len(frame) if pushed else 0)
        elif not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _fell_behind(self, pushed: int) -> None:
        """More waits than may: events beyond the bound end the connection, answers stop the reading
        of requests.

        ``pushed`` is the size of the newest message if it was not asked for; a message alone may be
        larger than the bound.
        """
        self._flush()
        limits = self.share.limits
        if self.backlog.events - pushed > limits.backlog:
            self.cut("does not read its messages")
            return
        much = self.backlog.answers > limits.backlog or self.share.answers > 2 * limits.backlog
        if much and self.backlog.answers and not self._held & _ANSWERS:
            self._hold(_ANSWERS)
            self._service.watch()
        if self.share.too_much:
            self._service.relieve(self.share)

    def _flush(self) -> None:
        self._flush_due = False
        transport = self._transport
        if self._ended or transport.is_closing():
            return
        backlog = self.backlog
        while backlog and transport.get_write_buffer_size() < CHUNK:
            piece = backlog.take()
            self._given += len(piece)
            transport.write(piece)
        limits, share = self.share.limits, self.share
        if backlog and not self._write_paused and not self._flush_due:
            # Some loops, uvloop's for one, look at the turn's end whether the transport is full:
            # if it is not by then, nobody says that there is room.
            self._flush_due = True
            self._loop.call_soon(self._flush)
        few = backlog.answers <= limits.backlog // 2 and share.answers <= 2 * limits.backlog
        if self._held & _ANSWERS and (few or not backlog.answers):
            self._release(_ANSWERS)
            if self._held & _TURN:
                self._service.wait_turn(self)
        if self._closing and not backlog:
            transport.close()

    def pause_writing(self) -> None:
        """The transport is full."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._write_paused = False
        if self._attached:
            self._flush()

    def excuse(self, seconds: float) -> None:
        """Do not count seconds in which the broker neither read nor wrote."""
        self._taken_since += seconds
        self._half_since += seconds

    def check(self, now: float) -> bool:
        """Cut a client that has stood still for too long; returns whether it has to be looked at
        again.
        """
        if self._ended:
            return False
        taken = self._given - self._transport.get_write_buffer_size()
        waits = bool(self._closing or self._held & _ANSWERS)
        if taken != self._taken or not waits:
            self._taken, self._taken_since = taken, now
        elif now - self._taken_since > STALL:
            self.cut(f"has not read its answers for {STALL:g} seconds")
            return False
        if self._half > MiB and now - self._half_since > HALF_STALL:
            self.cut(f"has stopped within a message for {HALF_STALL:g} seconds")
            return False
        return waits or self._half > MiB
