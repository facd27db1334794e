"""The blocking Flux handle (flux_open(3)): what scripts and the command line use, without
asyncio.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections import deque
from typing import TYPE_CHECKING

from flux.connect import open_socket
from flux.connect.credentials import from_environment
from flux.constants import FLUX_MATCHTAG_NONE, FLUX_MSGTYPE_ANY
from flux.core.reactor import Reactor
from flux.core.reactor_handle import ReactorHandle
from flux.wire import framing
from flux.wire import message as wire
from flux.wire.codec import DecodeError
from flux.wire.errors import os_error
from flux.wire.message import EVENT, NODEID_ANY, REQUEST, RESPONSE, next_matchtag
from flux.wire.topic import SUBSCRIBE, UNSUBSCRIBE, matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.basics import ModuleBasics
    from flux.core.interface import Fulfillable
    from flux.future import Future
    from flux.message import MessageView, MessageWatcher
    from flux.rpc import RPC

LONGEST_POLL = 3600.0
"""Seconds of one wait; the system refuses very long ones."""


class Flux(ReactorHandle):
    """A connection to the Flux instance at ``url`` (default: the environment's FLUX_URI).

    A handle belongs to one thread. Its messages carry the credentials that the environment names
    (`flux.connect.credentials`). Raises OSError if there is no broker or it refuses; every RPC
    fails with ECONNRESET once the connection is lost.
    """

    def __init__(self, url: str | None = None, flags: int = 0) -> None:
        self.url = url
        self._credentials = from_environment()
        self._sock = open_socket(url)
        self._unpacker = framing.Unpacker()
        self._pending: dict[int, Fulfillable] = {}
        self._tag = 0
        self._inbox: deque[wire.Message] = deque()
        self._watchers: list[MessageWatcher] = []
        self._attributes: dict[str, str] = {}
        self._lost = False
        self._stopping = False
        self._basics: ModuleBasics | None = None
        self.log_name = "python"
        self._poller = selectors.DefaultSelector()
        self._poller.register(self._sock, selectors.EVENT_READ)
        # Last: a handle with a reactor is one that `close` can end.
        super().__init__(Reactor())
        self.reactor.add_fd(self._sock.fileno(), selectors.EVENT_READ, self._readable)

    def __enter__(self) -> Flux:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; no effect on a closed handle."""
        if self._sock.fileno() >= 0:
            self.reactor.close()
            self._poller.close()
            self._sock.close()
            self._lost = True

    def __del__(self) -> None:
        if hasattr(self, "reactor"):
            self.close()

    # Messages out

    def send_wire(self, msg: wire.Message) -> None:
        """Send a protocol message; raises OSError(ECONNRESET) when the connection is lost."""
        if self._lost:
            raise os_error(errno.ECONNRESET)
        if self._credentials is not None:
            self._credentials.stamp(msg)
        if self._basics is not None:
            self._basics.counters.tx[msg.type] += 1
        try:
            self._sock.sendall(framing.pack(msg))
        except (BrokenPipeError, ConnectionError):
            self._disconnect()
            raise os_error(errno.ECONNRESET) from None

    def send(self, message: MessageView, flags: int = 0) -> None:
        """Send a message made before."""
        self.send_wire(message.wire)

    def rpc(
        self, topic: str | bytes, payload: object = None, nodeid: int = NODEID_ANY, flags: int = 0
    ) -> RPC:
        """Send a request; its response is the returned future's result."""
        from flux.rpc import RPC

        return RPC(self, topic, payload, nodeid, flags)

    def respond(self, message: MessageView, payload: object = None) -> None:
        """Answer a request."""
        self.send_wire(wire.response(message.wire, payload))

    def respond_error(self, message: MessageView, errnum: int, text: str | None = None) -> None:
        """Answer a request with an error."""
        self.send_wire(wire.response(message.wire, text, errnum=errnum))

    def new_matchtag(self, rpc: Fulfillable) -> int:
        """Return a match tag whose responses go to ``rpc``."""
        self._tag = next_matchtag(self._tag)
        self._pending[self._tag] = rpc
        return self._tag

    def free_matchtag(self, matchtag: int) -> None:
        """Drop what still comes for a match tag."""
        self._pending.pop(matchtag, None)

    # Messages in

    def _readable(self, events: int) -> None:
        self._receive()
        if self._lost:
            self.reactor.call_soon(lambda: self.reactor.stop(error=not self._stopping))

    def _receive(self) -> None:
        """Take what the socket holds; waits if it holds nothing."""
        try:
            data = self._sock.recv(1 << 18)
        except ConnectionError:
            data = b""
        except (BlockingIOError, InterruptedError):
            return
        if not data:
            self._disconnect()
            return
        try:
            messages = self._unpacker.feed(data)
        except DecodeError:
            self._disconnect()
            raise os_error(errno.EPROTO) from None
        if self._basics is not None:
            self._basics.received(messages)
        for msg in messages:
            self._take(msg)

    def _take(self, msg: wire.Message) -> None:
        if msg.type == RESPONSE:
            rpc = self._pending.get(msg.aux2)
            if rpc is not None:
                rpc.fulfill(msg)
                return
        for watcher in tuple(self._watchers):
            if watcher.wants(msg):
                self._give(watcher, msg)
                return
        if (
            msg.type == REQUEST
            and self._basics is not None
            and self._answer_basics(self._basics, msg)
        ):
            return
        if msg.type != RESPONSE:
            self._inbox.append(msg)

    def _disconnect(self) -> None:
        if self._lost:
            return
        self._lost = True
        self.reactor.remove_fd(self._sock.fileno())
        for rpc in tuple(self._pending.values()):
            rpc.fulfill_error(errno.ECONNRESET)

    def poll(self) -> None:
        """Take what has arrived, without waiting."""
        while not self._lost and self._poller.select(0):
            self._receive()

    def wait_until(self, condition: Callable[[], bool], timeout: float = -1.0) -> bool:
        """Take messages until ``condition`` holds or ``timeout`` seconds pass (negative: no limit);
        returns whether it holds.

        Raises OSError(ECONNRESET) when the connection is lost first.
        """
        deadline = None if timeout < 0 else self.reactor.now() + timeout
        while not condition():
            if self._lost:
                raise os_error(errno.ECONNRESET)
            if deadline is None:
                self._receive()
                continue
            left = deadline - self.reactor.now()
            if left <= 0:
                return False
            if self._poller.select(min(left, LONGEST_POLL)):
                self._receive()
        return True

    def recv(
        self,
        type_mask: int = FLUX_MSGTYPE_ANY,
        match_tag: int = FLUX_MATCHTAG_NONE,
        topic_glob: str | None = None,
        flags: int = 0,
    ) -> MessageView:
        """Wait for a request or event that matches and return it; others stay for later calls."""
        from flux.message import MessageView

        found: list[wire.Message] = []

        def look() -> bool:
            for msg in self._inbox:
                if (
                    msg.type & type_mask
                    and matches(topic_glob, msg.topic)
                    and match_tag in (0, msg.matchtag)
                ):
                    found.append(msg)
                    return True
            return False

        if self._basics is not None:
            self._basics.running()
        self.wait_until(look)
        self._inbox.remove(found[0])
        return MessageView(handle=found[0])

    def add_message_watcher(self, watcher: MessageWatcher) -> None:
        """Give messages that ``watcher`` wants to it, also those that wait already."""
        self._watchers.append(watcher)
        for msg in tuple(self._inbox):
            if watcher.wants(msg):
                self._inbox.remove(msg)
                self._give(watcher, msg)

    def _give(self, watcher: MessageWatcher, msg: wire.Message) -> None:
        """Have a watcher called in the next turn of the reactor, unless it was stopped by then."""
        self.reactor.call_soon(lambda: watcher.call(msg) if watcher.active else None)

    def remove_message_watcher(self, watcher: MessageWatcher) -> None:
        """Undo `add_message_watcher`."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)

    def msg_watcher_create(
        self,
        callback: Callable[..., object],
        type_mask: int = FLUX_MSGTYPE_ANY,
        topic_glob: str = "*",
        args: object = None,
        match_tag: int = FLUX_MATCHTAG_NONE,
    ) -> MessageWatcher:
        """Return a watcher that calls for each message that matches."""
        from flux.message import MessageWatcher

        return MessageWatcher(self, type_mask, callback, topic_glob, match_tag, args)

    # Events

    def event_subscribe(self, topic: str) -> None:
        """Receive events whose topic starts with ``topic``; raises OSError(EINVAL) for None,
        TypeError for another type.
        """
        self._subscription(SUBSCRIBE, topic)

    def event_unsubscribe(self, topic: str) -> None:
        """Undo one `event_subscribe`."""
        self._subscription(UNSUBSCRIBE, topic)

    def _subscription(self, services: tuple[str, ...], topic: str | bytes | None) -> None:
        if topic is None:
            raise os_error(errno.EINVAL)
        if not isinstance(topic, str | bytes):
            raise TypeError(f"topic must be a string, not {type(topic).__name__}")
        name = topic.decode() if isinstance(topic, bytes) else topic
        for service in services:
            try:
                self.rpc(service, {"topic": name}).get()
                return
            except OSError as exc:
                if exc.errno != errno.ENOSYS or service == services[-1]:
                    raise

    def event_create(self, topic: str, payload: object = None) -> MessageView:
        """Return an unpublished event; a string payload is used unmodified, another is made
        JSON.
        """
        from flux.message import MessageView

        return MessageView.from_event_encode(topic, payload)

    def event_send(self, topic: str, payload: object = None) -> None:
        """Publish an event."""
        self.send_wire(wire.event(topic, payload))

    def event_recv(self, topic: str | None = None) -> MessageView:
        """Wait for an event whose topic matches the glob ``topic`` and return it."""
        return self.recv(type_mask=EVENT, topic_glob=topic)

    # Services

    def service_register(self, name: str) -> RPC:
        """Have requests for ``name.*`` sent to this handle."""
        return self.rpc("service.add", {"service": name})

    def service_unregister(self, name: str) -> RPC:
        """Undo `service_register`."""
        return self.rpc("service.remove", {"service": name})

    def module_basics(
        self, name: str, hops: tuple[str, ...] = (), running: Callable[[], object] = bool
    ) -> None:
        """Be the module ``name``: answer what every module answers, and keep the reactor running
        until its end is asked for.

        ``hops`` are the last ones of the route that ``flux ping`` shows; ``running`` is called when
        the module has begun to wait for messages.
        """
        from flux.core.basics import ModuleBasics

        self._basics = ModuleBasics(name, hops, running)
        self.log_name = name
        self.reactor.incref()

    def debug_test(self, mask: int, *, clear: bool = False) -> bool:
        """Return whether debug flags of ``mask`` are set, which ``flux module debug`` changes;
        ``clear`` clears them.

        No flag is set on a handle that is not a module's.
        """
        return self._basics is not None and self._basics.debug_test(mask, clear=clear)

    def _answer_basics(self, basics: ModuleBasics, msg: wire.Message) -> bool:
        if msg.topic == f"{basics.name}.shutdown":
            self._stopping = True
            self.reactor.stop()
        elif not basics.answer(self, msg):
            if not self.reactor.running and not any(
                watcher.type_mask & REQUEST for watcher in self._watchers
            ):
                return False
            if not msg.noresponse:
                self.send_wire(wire.response(msg, "Unknown service method", errnum=errno.ENOSYS))
        return True

    def request_stop(self) -> None:
        """Make the reactor return; may be called from another thread."""
        self._stopping = True
        self._sock.shutdown(socket.SHUT_RDWR)

    # Facts

    def attr_get(self, attr_name: str) -> str | None:
        """Return a broker attribute, None if it is not set."""
        try:
            return str(self.rpc("attr.get", {"name": attr_name}).get()["value"])
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                return None
            raise

    def _fact(self, name: str) -> str:
        if name not in self._attributes:
            self._attributes[name] = self.attr_get(name) or "0"
        return self._attributes[name]

    def get_rank(self) -> int:
        """Return the rank of the broker this handle is connected to."""
        return int(self._fact("rank"))

    def get_size(self) -> int:
        """Return how many brokers the instance has."""
        return int(self._fact("size"))

    def log(self, level: int, fstring: str) -> None:
        """Log a line with a syslog level (see module syslog) to the broker's log."""
        import time
        from datetime import UTC, datetime

        stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        line = (
            f"<{level << 3}>1 {stamp} {self.get_rank()} {self.log_name} {os.getpid()} - - {fstring}"
        )
        self.rpc("log.append", line.encode("utf-8", "replace"), flags=1)

    def barrier(self, name: str, nprocs: int) -> Future:
        """Enter a barrier of ``nprocs`` processes; the future is fulfilled when all are in."""
        return self.rpc(
            "barrier.enter", {"name": name, "count": 1, "nprocs": nprocs, "internal": False}
        )

    def reactor_run(self, reactor: Reactor | None = None, flags: int = 0) -> int:
        """Run the reactor as `ReactorHandle.reactor_run` does; raises OSError(ECONNRESET) if the
        loss of the connection ended it.
        """
        if self._basics is not None:
            self._basics.running()
        left = super().reactor_run(reactor, flags)
        if left < 0 and self._lost:
            raise os_error(errno.ECONNRESET)
        return left
