"""The messages of the blocking handle: sending, receiving, and to whom each one goes
(flux_send(3), flux_recv(3), flux_pollevents(3)).
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import sys
from collections import deque
from typing import TYPE_CHECKING, Final, overload

from flux.connect import credentials, default_uri, open_socket, trace
from flux.constants import (
    FLUX_MATCHTAG_NONE,
    FLUX_MSGTYPE_ANY,
    FLUX_O_MATCHDEBUG,
    FLUX_O_NONBLOCK,
    FLUX_O_TRACE,
    FLUX_POLLERR,
    FLUX_POLLIN,
    FLUX_POLLOUT,
)
from flux.core.outgoing import Outgoing, wire_of
from flux.core.reactor import Reactor
from flux.core.reactor_handle import ReactorHandle
from flux.wire import framing
from flux.wire.codec import DecodeError
from flux.wire.errors import os_error
from flux.wire.message import MATCHTAG_NONE, REQUEST, RESPONSE, next_matchtag
from flux.wire.text import Text, as_integer, as_optional_text, as_seconds
from flux.wire.topic import matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.awaiting import LoopDriver
    from flux.core.basics import ModuleBasics
    from flux.core.interface import Awaitee, Fulfillable
    from flux.message import MessageView, MessageWatcher
    from flux.wire.message import Message

LONGEST_POLL: Final = 3600.0
"""Seconds of one wait; the system refuses very long ones."""

OPEN_FLAGS: Final = FLUX_O_TRACE | FLUX_O_NONBLOCK | FLUX_O_MATCHDEBUG


class MessageHandle(ReactorHandle):
    """A connection to a broker, without what is asked of it: see `flux.core.handle.Flux`."""

    def __init__(self, url: Text | None = None, flags: int = 0) -> None:
        if flags & ~OPEN_FLAGS:
            raise OSError(errno.EINVAL, f"unknown flags {flags & ~OPEN_FLAGS:#x} of a handle")
        self.url = os.fsdecode(url) if url else default_uri()
        self.flags = flags
        self._credentials = credentials.from_environment()
        self._trace = trace.from_environment()
        if self._trace is not None:
            self.flags |= FLUX_O_TRACE
        self._sock = open_socket(self.url)
        self._unpacker = framing.Unpacker()
        self._outgoing = Outgoing(self._sock, self._read_aside)
        self._pending: dict[int, Fulfillable] = {}
        self._by_hand: set[int] = set()
        self._tag = 0
        self._inbox: deque[Message] = deque()
        self._on_message: tuple[Callable[[], None], ...] = ()
        self._taking = False
        self._aside: list[Message] = []
        self._watchers: list[MessageWatcher] = []
        self._lost = False
        self._stopping = False
        self._driver: LoopDriver | None = None
        self._basics: ModuleBasics | None = None
        self._poller = selectors.DefaultSelector()
        self._poller.register(self._sock, selectors.EVENT_READ)
        # Last: a handle with a reactor is one that `close` can end.
        super().__init__(Reactor())
        self._home = self.reactor
        self._watch_socket(self.reactor)

    def close(self) -> None:
        """End the connection; no effect on a closed handle."""
        if self._sock.fileno() >= 0:
            if self.flags & FLUX_O_MATCHDEBUG:
                for tag, rpc in self._pending.items():
                    print(f"MATCHDEBUG: leaked matchtag={tag} {rpc!r}", file=sys.stderr)
            self._lost = True
            if self._driver is not None:
                self._driver.stop()
            self.reactor.remove_fd(self._sock.fileno())
            self._home.close()
            self._poller.close()
            self._sock.close()

    def __del__(self) -> None:
        if hasattr(self, "reactor"):
            self.close()

    def set_reactor(self, reactor: Reactor) -> None:
        """Use ``reactor``, which several handles may share, from now on."""
        self.reactor.remove_fd(self._sock.fileno())
        super().set_reactor(reactor)
        self._watch_socket(reactor)

    # Messages out

    def send_wire(self, msg: Message, flags: int = 0) -> None:
        """Send a protocol message.

        Raises OSError: ECONNRESET when the connection is lost; with FLUX_O_NONBLOCK EAGAIN when the
        broker takes no more, and nothing of the message is sent then.
        """
        if self._lost:
            raise os_error(errno.ECONNRESET)
        flags |= self.flags
        if flags & FLUX_O_TRACE:
            self._show(msg)
        if self._credentials is not None:
            self._credentials.stamp(msg)
        data = framing.pack(msg)
        if self._basics is not None:
            self._basics.counters.tx[msg.type] += 1
        try:
            if not self._outgoing.send(data, nonblock=bool(flags & FLUX_O_NONBLOCK)):
                self._watch_socket(self.reactor)  # which sends the rest
        except (BrokenPipeError, ConnectionError):
            self._disconnect()
            raise os_error(errno.ECONNRESET) from None
        if self._aside and not self._taking:
            self._take_all()

    def _show(self, msg: Message) -> None:
        if self._trace is None:
            self._trace = trace.Trace()
        self._trace.show(msg)

    def send(self, message: MessageView, flags: int = 0) -> None:
        """Send a message made before; raises OSError as `send_wire` does.

        What a request that is sent this way is answered is got by `recv`.
        """
        msg = wire_of(message)
        self.send_wire(msg, as_integer(flags, "flags"))
        if msg.type == REQUEST and not msg.noresponse and msg.matchtag not in self._pending:
            self._by_hand.add(msg.matchtag)

    def new_matchtag(self, rpc: Fulfillable) -> int:
        """Return a match tag whose responses go to ``rpc``."""
        self._tag = next_matchtag(self._tag)
        while self._tag in self._by_hand or self._tag in self._pending:
            self._tag = next_matchtag(self._tag)
        self._pending[self._tag] = rpc
        return self._tag

    def free_matchtag(self, matchtag: int) -> None:
        """Drop what still comes for a match tag."""
        self._pending.pop(matchtag, None)

    # Messages in

    def _watch_socket(self, reactor: Reactor) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing.waiting else 0)
        reactor.add_fd(self._sock.fileno(), events, self._readable)

    def _readable(self, events: int) -> None:
        if events & selectors.EVENT_WRITE and self._outgoing.flush():
            self._watch_socket(self.reactor)
        if not events & selectors.EVENT_READ:
            return
        self._receive()
        if self._lost:
            self.reactor.call_soon(lambda: self.reactor.stop(error=not self._stopping))

    def _receive(self, *, wait: bool = False) -> None:
        """Take what the socket holds; if it holds nothing, ``wait`` or do nothing."""
        if self._outgoing.waiting:
            self._outgoing.flush()
        self._aside += self._arrived(wait=wait)
        self._take_all()

    def _arrived(self, *, wait: bool = False) -> list[Message]:
        """Return what the socket holds, whole messages of it."""
        # What was readable a moment ago may have been read since, by a callback that sends.
        try:
            data = self._sock.recv(1 << 18, 0 if wait else socket.MSG_DONTWAIT)
        except ConnectionError:
            data = b""
        except (BlockingIOError, InterruptedError):
            return []
        if not data:
            self._disconnect()
            return []
        try:
            messages = self._unpacker.feed(data)
        except DecodeError:
            self._disconnect()
            raise os_error(errno.EPROTO) from None
        if self._basics is not None:
            self._basics.received(messages)
        return messages

    def _read_aside(self) -> None:
        """Keep what arrives while a message is being sent: it is taken once that is done."""
        self._aside += self._arrived()
        if self._lost:
            raise os_error(errno.ECONNRESET)

    def _take_all(self) -> None:
        self._taking = True
        try:
            while self._aside:
                messages, self._aside = self._aside, []
                for msg in messages:
                    self._take(msg)
        finally:
            self._taking = False

    def _take(self, msg: Message) -> None:
        if self.flags & FLUX_O_TRACE:
            self._show(msg)
        if msg.type == RESPONSE:
            rpc = self._pending.get(msg.aux2)
            if rpc is not None:
                rpc.fulfill(msg)
                return
        watchers = [watcher for watcher in self._watchers if watcher.wants(msg)]
        # Events are for all who want them, others for one.
        for watcher in watchers if msg.type not in (REQUEST, RESPONSE) else watchers[:1]:
            self._give(watcher, msg)
        if watchers or (msg.type == REQUEST and self._answers(msg)):
            return
        if msg.type == RESPONSE:
            if msg.aux2 not in self._by_hand:
                return  # of an RPC that was given up
            if msg.aux2 != MATCHTAG_NONE and (msg.aux1 or not msg.streaming):
                self._by_hand.discard(msg.aux2)
        self._inbox.append(msg)
        for callback in self._on_message:
            callback()

    def _answers(self, msg: Message) -> bool:
        """Answer a request that nobody watches for; returns whether it was one to answer."""
        return False

    def _disconnect(self) -> None:
        if self._lost:
            return
        self._lost = True
        self.reactor.remove_fd(self._sock.fileno())
        for rpc in tuple(self._pending.values()):
            rpc.fulfill_error(errno.ECONNRESET)
        for callback in self._on_message:
            callback()

    def poll(self) -> None:
        """Take what has arrived, without waiting."""
        while not self._lost and not self._taking and self._poller.select(0):
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
            if deadline is None and not self._outgoing.waiting:
                self._receive(wait=True)
                continue
            left = LONGEST_POLL if deadline is None else deadline - self.reactor.now()
            if left <= 0:
                return False
            if self._readable_within(min(left, LONGEST_POLL)):
                self._receive()
        return True

    def _readable_within(self, seconds: float) -> bool:
        if not self._outgoing.waiting:
            return bool(self._poller.select(seconds))
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            for _key, events in selector.select(seconds):
                if events & selectors.EVENT_WRITE:
                    self._outgoing.flush()
                return bool(events & selectors.EVENT_READ)
        return False

    def run_apart(
        self, start: Callable[[], object], condition: Callable[[], bool], timeout: float = -1.0
    ) -> bool:
        """Call ``start``, then run a reactor that has only what was begun in there until
        ``condition`` holds or ``timeout`` seconds pass (negative: no limit).

        Raises OSError(ECONNRESET) when the connection is lost first.
        """
        usual, apart = self.reactor, Reactor()
        if not self._lost:
            self._watch_socket(apart)
        self.reactor = apart
        try:
            start()
            apart.run_until(lambda: condition() or self._lost, timeout)
        finally:
            self.reactor = usual
            apart.close()
        if self._lost:
            usual.remove_fd(self._sock.fileno())
            if not condition():
                raise os_error(errno.ECONNRESET)
        return condition()

    async def wait_async(self, future: Awaitee) -> None:
        """Wait in an asyncio program until ``future`` is ready; raises OSError(ECONNRESET) when the
        connection is lost.
        """
        import asyncio

        from flux.core.awaiting import LoopDriver

        loop = asyncio.get_running_loop()
        driver = self._driver
        if driver is None or driver.loop is not loop or driver.reactor is not self.reactor:
            driver = self._driver = LoopDriver(self.reactor, loop, lambda: self._lost)
        await driver.wait(future)

    @overload
    def recv(
        self,
        type_mask: int = FLUX_MSGTYPE_ANY,
        match_tag: int = FLUX_MATCHTAG_NONE,
        topic_glob: Text | None = None,
        *,
        timeout: float = -1.0,
    ) -> MessageView: ...
    @overload
    def recv(
        self,
        type_mask: int = FLUX_MSGTYPE_ANY,
        match_tag: int = FLUX_MATCHTAG_NONE,
        topic_glob: Text | None = None,
        flags: int = 0,
        timeout: float = -1.0,
    ) -> MessageView | None: ...
    def recv(
        self,
        type_mask: int = FLUX_MSGTYPE_ANY,
        match_tag: int = FLUX_MATCHTAG_NONE,
        topic_glob: Text | None = None,
        flags: int = 0,
        timeout: float = -1.0,
    ) -> MessageView | None:
        """Wait for a message that matches and return it; others stay for later calls.

        It is a request, an event, or the response to a request that `send` has sent. With
        FLUX_O_NONBLOCK it is None if there is none now. Raises OSError(ETIMEDOUT) after ``timeout``
        seconds, unless that is negative.
        """
        from flux.message import MessageView

        glob = as_optional_text(topic_glob, "the topic")
        for number, what in ((type_mask, "type_mask"), (match_tag, "match_tag"), (flags, "flags")):
            as_integer(number, what)
        timeout = as_seconds(timeout, "timeout")
        found: list[Message] = []

        def look() -> bool:
            for msg in self._inbox:
                if (
                    (msg.type & type_mask or not type_mask)
                    and matches(glob, msg.topic)
                    and match_tag in (FLUX_MATCHTAG_NONE, msg.matchtag)
                ):
                    found.append(msg)
                    return True
            return False

        if self._basics is not None:
            self._basics.running()
        if (flags | self.flags) & FLUX_O_NONBLOCK:
            self.poll()
            if not look():
                return None
        elif not self.wait_until(look, timeout):
            raise OSError(errno.ETIMEDOUT, f"no message within {timeout:g} s")
        self._inbox.remove(found[0])
        return MessageView(handle=found[0])

    def fileno(self) -> int:
        """Return the descriptor of the connection, -1 when it is closed.

        It is readable when something has arrived, so that a handle can stand in a ``select`` of the
        program's own: see `pollevents` (flux_pollfd in flux_pollevents(3)).
        """
        return self._sock.fileno()

    def pollevents(self) -> int:
        """Take what has arrived and return what the handle is ready for: FLUX_POLLIN if `recv` has
        a message, FLUX_POLLOUT if `send` would not wait, FLUX_POLLERR if the connection is lost.
        """
        if self._lost:
            return FLUX_POLLERR | (FLUX_POLLIN if self._inbox else 0)
        self.poll()
        events = FLUX_POLLIN if self._inbox else 0
        if self._lost:
            return events | FLUX_POLLERR
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_WRITE)
            if self._outgoing.flush() and selector.select(0):
                events |= FLUX_POLLOUT
        return events

    # Watchers of messages

    def add_message_watcher(self, watcher: MessageWatcher) -> None:
        """Give messages that ``watcher`` wants to it, also those that wait already."""
        self._watchers.append(watcher)
        for msg in tuple(self._inbox):
            if watcher.wants(msg):
                self._inbox.remove(msg)
                self._give(watcher, msg)

    def _give(self, watcher: MessageWatcher, msg: Message) -> None:
        """Have a watcher called in the next turn of its reactor, unless it was stopped by then."""
        if watcher.direct:
            watcher.call(msg)
            return
        watcher.reactor.call_soon(lambda: watcher.call(msg) if watcher.active else None)

    def watchers(self) -> tuple[MessageWatcher, ...]:
        """Return the watchers that get messages now."""
        return tuple(self._watchers)

    def remove_message_watcher(self, watcher: MessageWatcher) -> None:
        """Undo `add_message_watcher`."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)
