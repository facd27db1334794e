"""The tree of brokers on ZeroMQ: one link to the parent, one to each child, all encrypted and
authenticated by CURVE.

A child introduces itself with ``overlay.hello``; the parent answers when its own services are
ready, and from then on both exchange RFC 3 messages as ZeroMQ multipart messages. A link that ends,
or is silent too long, fails every RPC that waits through it.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING

import zmq

from broker.overlay.hello import hello, introduction, refusal
from broker.overlay.keys import Authenticator, KeyPair
from broker.overlay.link import Link
from broker.overlay.refusals import Refusals
from broker.overlay.sockets import (
    Tuning,
    WatchedSocket,
    children_socket,
    monitor,
    parent_socket,
)
from flux.wire.codec import DecodeError, from_frames, to_frames
from flux.wire.message import CONTROL, REQUEST, RESPONSE, Message, control, response

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.log import Logger
    from broker.router import Router
    from broker.tracing import Way

KEEPALIVE, GOODBYE, DISCONNECT = 0, 1, 2
KEEPALIVE_PERIOD = 2.0
#: Milliseconds that queued messages get at the end.
LINGER = 500


class Overlay:
    """This broker's links.

    ``child_joined``, ``child_left`` (rank, whether it said goodbye) and ``parent_lost`` are called
    as they happen. ``timeout`` is how many seconds a neighbour may be silent;
    with ``trace``, set before `bind` and `connect`, the events of the sockets are logged.
    """

    def __init__(
        self,
        router: Router,
        identity: str,
        keys: KeyPair,
        log: Logger,
        tuning: Tuning | None = None,
    ) -> None:
        self.router = router
        self.id = identity
        self.keys = keys
        self.log = log
        self.tuning = tuning or Tuning()
        self.timeout = 30.0
        self.trace = False
        self.child_joined: Callable[[int], None] = lambda rank: None
        self.child_left: Callable[[int, bool], None] = lambda rank, orderly: None
        self.parent_lost: Callable[[], None] = lambda: None
        self.auth = Authenticator()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._zap: WatchedSocket | None = None
        self._down: WatchedSocket | None = None
        self._up: WatchedSocket | None = None
        self._monitors: list[WatchedSocket] = []
        self._links: dict[bytes, Link] = {}
        self._parent: Link | None = None
        self._on_passing: Callable[[Way, Message, int], None] | None = None
        self._hellos: list[Message] = []
        self._ready = False
        self._hello_reply: asyncio.Future[Message] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._refusals = Refusals()

    # Wire-up

    def bind(self, endpoint: str) -> str:
        """Listen for children at ``endpoint`` (``ipc://`` path, or ``tcp://host:*``); returns the
        endpoint in force.
        """
        zap = self._context.socket(zmq.REP)
        zap.bind("inproc://zeromq.zap.01")
        self._zap = WatchedSocket(zap, self._authenticate)
        socket = children_socket(self._context, self.keys, self.tuning)
        self._down = WatchedSocket(socket, self._from_child)
        trace = self._traced("child")
        self._monitors.append(monitor(socket, self._probe_soon, self._child_refused, trace))
        before = os.umask(0o077)  # for an ipc:// endpoint, which is a file
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as exc:
            raise OSError(exc.errno, f"cannot listen at {endpoint}: {exc.strerror}") from None
        finally:
            os.umask(before)
        return bytes(socket.getsockopt(zmq.LAST_ENDPOINT)).rstrip(b"\0").decode()

    def connect(self, endpoint: str, public_key: str) -> None:
        """Connect to the parent at ``endpoint``, which must hold ``public_key``; if nobody listens
        there yet, that is tried again and again.
        """
        self.router.offline = True
        socket = parent_socket(self._context, self.keys, self.id, public_key, self.tuning)
        self._up = WatchedSocket(socket, self._from_parent)
        trace = self._traced("parent")
        self._monitors.append(
            monitor(socket, self._parent_disconnected, self._refused_by_parent, trace)
        )
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as exc:
            raise OSError(exc.errno, f"cannot connect to {endpoint}: {exc.strerror}") from None

    def _traced(self, side: str) -> Callable[[str], None] | None:
        return (lambda line: self.log.debug(f"{side} {line}")) if self.trace else None

    def start(self) -> None:
        """Begin to receive on the running loop."""
        for socket in (self._zap, self._down, self._up, *self._monitors):
            if socket is not None:
                socket.watch()
        self._tasks.append(
            asyncio.get_running_loop().create_task(self._keepalive(), name="overlay keepalive")
        )

    async def join(self, version: str) -> None:
        """Introduce this broker to its parent and wait until the parent is ready; raises OSError if
        it refuses.
        """
        self._hello_reply = asyncio.get_running_loop().create_future()
        self._send_up(to_frames(hello(self.router.rank, self.id, version)))
        reply = await self._hello_reply
        if reply.errnum:
            raise OSError(reply.errnum, reply.text())
        self._parent = Link(
            str(reply.json()["uuid"]), self.router.topology.parent or 0, self._send_up
        )
        self._parent.too_far_behind = self._give_up_soon
        self._watch(self._parent)
        self.router.parent = self._parent
        self.router.attach(self._parent)
        self.router.offline = False

    def set_ready(self) -> None:
        """Answer the children that said hello: this broker's services can be used."""
        self._ready = True
        for msg in self._hellos:
            self._welcome(msg)
        self._hellos.clear()

    def _welcome(self, msg: Message) -> None:
        rank, identity = int(msg.json()["rank"]), msg.routes[0]
        reply = response(msg, {"uuid": self.id})
        reply.routes = []
        frames = [identity.encode(), *to_frames(reply)]
        try:
            self._send_down(frames)
        except zmq.ZMQError:
            self.child_left(rank, False)
            return
        link = Link(identity, rank, lambda parts: self._to_child(identity.encode(), parts))
        link.too_far_behind = self._give_up_soon
        self._watch(link)
        self._links[identity.encode()] = link
        self.router.attach(link)
        self.router.children[rank] = link
        self.child_joined(rank)

    # Traffic

    def _authenticate(self, frames: list[bytes]) -> None:
        reply, name = self.auth.decide(frames)
        if self._zap is not None:
            self._zap.send(reply)
        if name is None:
            self._log_refusal("connection with an unknown key refused")
        else:
            self.log.info(f"overlay auth {name} OK")

    def _log_refusal(self, kind: str) -> None:
        line = self._refusals.line(kind, asyncio.get_running_loop().time())
        if line is not None:
            self.log.err(line)

    def _child_refused(self, event: int) -> None:
        if event != zmq.EVENT_HANDSHAKE_FAILED_AUTH:  # that one `_authenticate` has seen
            self._log_refusal("connection without encryption, or for another server key, refused")

    def _refused_by_parent(self, event: int) -> None:
        self._log_refusal("the parent's endpoint refused the connection, or has another key")

    def _from_child(self, frames: list[bytes]) -> None:
        identity = frames[0]
        link = self._links.get(identity)
        try:
            msg = from_frames(frames[1:])
        except DecodeError as exc:
            self._log_refusal(f"malformed message from {_name(link)}: {exc}")
            self._reject(identity)
            if link is not None:
                self._drop(link, False)
            return
        if link is None:
            self._greet(identity, msg)
            return
        link.last_heard = asyncio.get_running_loop().time()
        if msg.type == CONTROL:
            if msg.aux1 == GOODBYE:
                self._drop(link, True)
            elif msg.aux1 == KEEPALIVE:
                link.arrears.acknowledged(msg.aux2, link.last_heard)
            return
        if link.arrears.received(sum(map(len, frames)) - len(identity)):
            self._to_child(identity, to_frames(control(KEEPALIVE, link.arrears.word())))
        if msg.type == RESPONSE:
            link.answered(msg)
        elif msg.type == REQUEST:
            link.asked(msg)
        if self._on_passing is not None:
            self._on_passing("rx", msg, link.rank)
        self.router.submit(msg, link)

    def _greet(self, identity: bytes, msg: Message) -> None:
        if msg.type == CONTROL and msg.aux1 == GOODBYE:
            return
        if msg.type != REQUEST or msg.topic != "overlay.hello":
            self._log_refusal("message from a broker that has not said hello")
            self._reject(identity)
            return
        try:
            rank, uuid = introduction(msg)
            name = identity.decode()
        except ValueError as exc:
            self._log_refusal(f"hello rejected: {exc}")
            self._reject(identity)
            return
        if rank not in self.router.topology.children:
            self._log_refusal(f"hello from rank {rank} rejected")
            self._reject(identity)
            return
        self._supersede(rank, identity)
        status = "partial" if self.router.topology.subtree(rank) != [rank] else "full"
        self.log.info(f"hello from rank {rank} uuid {uuid} status {status}")
        msg.routes = [name]
        if self._ready:
            self._welcome(msg)
        else:
            self._hellos.append(msg)

    def _supersede(self, rank: int, newcomer: bytes) -> None:
        """A broker of ``rank`` is there: one before it has ended, even if nothing told so yet.

        The host of a broker that comes back may have lost its power without a last word.
        """
        for msg in tuple(self._hellos):
            before = msg.routes[0].encode()
            if int(msg.json()["rank"]) == rank and before != newcomer:
                self._hellos.remove(msg)
                self._reject(before, errno.EHOSTUNREACH)
        for link in tuple(self._links.values()):
            if link.rank == rank:
                self._log_refusal(f"rank {rank} is replaced by another broker of that rank")
                self._reject(link.id.encode(), errno.EHOSTUNREACH)
                self._drop(link, False)

    def _reject(self, identity: bytes, number: int = errno.EPERM) -> None:
        try:
            self._send_down([identity, *to_frames(control(DISCONNECT, number))])
        except zmq.ZMQError:
            return

    def _from_parent(self, frames: list[bytes]) -> None:
        try:
            msg = from_frames(frames)
        except DecodeError as exc:
            self.log.err(f"overlay: malformed message from the parent: {exc}")
            return
        parent = self._parent
        if parent is None:
            if self._hello_reply is not None and not self._hello_reply.done():
                if msg.type == CONTROL:
                    msg = refusal(msg.aux2, "the parent broker refused this broker, or is ending")
                self._hello_reply.set_result(msg)
            return
        parent.last_heard = asyncio.get_running_loop().time()
        if msg.type == CONTROL:
            if msg.aux1 == DISCONNECT:
                self._lose_parent()
            elif msg.aux1 == KEEPALIVE:
                parent.arrears.acknowledged(msg.aux2, parent.last_heard)
            return
        if parent.arrears.received(sum(map(len, frames))):
            self._send_up(to_frames(control(KEEPALIVE, parent.arrears.word())))
        if msg.type == RESPONSE:
            parent.answered(msg)
        if self._on_passing is not None:
            self._on_passing("rx", msg, parent.rank)
        self.router.submit(msg, parent)

    def _send_up(self, frames: list[bytes]) -> None:
        if self._up is not None and not self._up.socket.closed:
            self._up.send(frames)

    def _send_down(self, frames: list[bytes]) -> None:
        if self._down is not None and not self._down.socket.closed:
            self._down.send(frames)

    def _to_child(self, identity: bytes, frames: list[bytes]) -> None:
        try:
            self._send_down([identity, *frames])
        except zmq.ZMQError:
            link = self._links.get(identity)
            if link is not None:
                asyncio.get_running_loop().call_soon(self._unreachable, link)

    def _unreachable(self, link: Link) -> None:
        """A child's connection has ended; what it sent before, perhaps its goodbye, comes first."""
        if self._down is not None:
            self._down.take()
        self._drop(link, False)

    # Liveness

    async def _keepalive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            period = min(KEEPALIVE_PERIOD, self.timeout / 3)
            due = loop.time() + period
            await asyncio.sleep(period)
            try:
                self._excuse(loop.time() - due)
                self._check_links(loop.time())
            except Exception as exc:  # the next round must come
                self.log.exception(f"overlay keepalive: {type(exc).__name__}: {exc}", exc)

    def _excuse(self, late: float) -> None:
        """Take no silence amiss that lasted while this broker did not run: stopped, or on a machine
        that was, it could not hear its neighbours, nor they speak if they were as well.
        """
        for link in (self._parent, *self._links.values()):
            if link is not None:
                link.excuse(late)

    def _check_links(self, now: float) -> None:
        self._probe()
        if self._parent is not None and not self._parent.lost:
            self._send_up(to_frames(control(KEEPALIVE, self._parent.arrears.word())))
            if now - self._parent.last_heard > self.timeout:
                self._lose_parent()
            elif self._parent.arrears.hopeless(now):
                self._give_up(self._parent)
        for link in tuple(self._links.values()):
            if now - link.last_heard > self.timeout:
                self._drop(link, False)
            elif link.arrears.hopeless(now):
                self._give_up(link)

    def _give_up_soon(self, link: Link) -> None:
        """A neighbour is too far behind; what is being routed to it now is lost with it."""
        asyncio.get_running_loop().call_soon(self._give_up, link)

    def _give_up(self, link: Link) -> None:
        """Treat a neighbour that takes nothing as lost, so that what it does not take ends to pile
        up.
        """
        if link.lost:
            return
        self.log.err(
            f"overlay: rank {link.rank} is {link.arrears.behind >> 20} MiB behind and is given up"
        )
        if link is self._parent:
            self._lose_parent()
        else:
            self._drop(link, False)

    def _probe(self) -> None:
        """Send each child a keepalive; one whose connection has ended is noticed by that."""
        for identity, link in tuple(self._links.items()):
            self._to_child(identity, to_frames(control(KEEPALIVE, link.arrears.word())))

    def _probe_soon(self) -> None:
        """A connection has ended, and ZeroMQ does not say whose: a message to each child finds out.

        The router socket may forget a peer some time after it reports the end, hence the later
        rounds. What they miss, the next keepalive finds.
        """
        loop = asyncio.get_running_loop()
        for delay in (0.0, 0.05, 0.5):
            loop.call_later(delay, self._probe)

    def _parent_disconnected(self) -> None:
        if self._parent is not None:
            self._lose_parent()
        elif self._hello_reply is not None and not self._hello_reply.done():
            self._hello_reply.set_result(
                refusal(errno.EHOSTUNREACH, "the parent broker ended before this broker had joined")
            )

    def dismiss_children(self) -> None:
        """Tell every child, those that wait to be welcomed included, that this broker leaves: they
        end, and theirs with them.
        """
        for link in tuple(self._links.values()):
            link.dismissed = True
            self._to_child(link.id.encode(), to_frames(control(DISCONNECT)))
        for msg in self._hellos:
            self._reject(msg.routes[0].encode(), errno.EHOSTUNREACH)
        self._hellos.clear()

    def _lose_parent(self) -> None:
        parent = self._parent
        if parent is None or parent.lost:
            return
        for msg in parent.fail():
            self.router.route(msg, parent)
        self.router.parent = None
        self.router.detach(parent)
        self.parent_lost()

    def _drop(self, link: Link, orderly: bool) -> None:
        if self._links.pop(link.id.encode(), None) is None:
            return
        self.router.children.pop(link.rank, None)
        self.router.detach(link)
        for msg in link.fail():
            self.router.route(msg, link)
        for farewell in link.farewells():
            self.router.route(farewell, link)
        self.child_left(link.rank, orderly or link.dismissed)

    def disconnect(self, rank: int) -> None:
        """End the link to the child of ``rank``, which ends then, and what is below it.

        Raises OSError(ENOENT) if no such child is connected.
        """
        link = next((link for link in self._links.values() if link.rank == rank), None)
        if link is None:
            raise OSError(errno.ENOENT, f"rank {rank} is no child that is connected")
        self.log.err(f"rank {rank} disconnected by request")
        self._reject(link.id.encode(), errno.EHOSTUNREACH)
        self._drop(link, False)

    @property
    def online_children(self) -> list[int]:
        """Ranks of the children that are connected."""
        return sorted(self.router.children)

    def watch_messages(self, on_passing: Callable[[Way, Message, int], None] | None) -> None:
        """Call ``on_passing`` with each message from or to a neighbour, and its rank; None for
        nothing any more.
        """
        self._on_passing = on_passing
        for link in (*self._links.values(), *((self._parent,) if self._parent else ())):
            self._watch(link)

    def _watch(self, link: Link) -> None:
        told, rank = self._on_passing, link.rank
        link.on_sent = None if told is None else lambda msg: told("tx", msg, rank)

    def counts(self) -> dict[str, int]:
        """Return how many links there may be and are, and how many requests wait for an answer
        through them.
        """
        up = self._parent if self._parent is not None and not self._parent.lost else None
        return {
            "child-count": len(self.router.topology.children),
            "child-connected": len(self.router.children),
            "parent-count": int(up is not None),
            "parent-rpc": up.held[0] if up is not None else 0,
            "child-rpc": sum(link.held[0] for link in self._links.values()),
        }

    async def close(self, linger: int = LINGER) -> None:
        """Say goodbye to the parent and close every link; what is queued gets ``linger``
        milliseconds.
        """
        for task in self._tasks:
            task.cancel()
        if self._parent is not None and not self._parent.lost:
            self._send_up(to_frames(control(GOODBYE)))
        for socket in (*self._monitors, self._zap, self._down, self._up):
            if socket is not None:
                socket.close(linger)
        await asyncio.get_running_loop().run_in_executor(None, self._context.term)


def _name(link: Link | None) -> str:
    return "a broker that has not said hello" if link is None else f"rank {link.rank}"
