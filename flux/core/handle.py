"""The blocking Flux handle (flux_open(3)): what scripts and the command line use, without
asyncio.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_MATCHTAG_NONE, FLUX_MSGTYPE_ANY, FLUX_RPC_NORESPONSE
from flux.core.attributes import attribute_of
from flux.core.message_handle import OPEN_FLAGS, MessageHandle
from flux.core.outgoing import wire_of
from flux.wire import message as wire
from flux.wire.errors import os_error
from flux.wire.message import EVENT, NODEID_ANY, REQUEST
from flux.wire.text import Text, as_integer, as_optional_text, as_text
from flux.wire.topic import SUBSCRIBE, UNSUBSCRIBE

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from flux.core.basics import ModuleBasics
    from flux.core.reactor import Reactor
    from flux.core.system_watchers import HandleWatcher
    from flux.event_future import PublishFuture, SyncFuture
    from flux.future import Future
    from flux.message import MessageView, MessageWatcher
    from flux.rpc import RPC
    from flux.wire.json import JsonMapping


INTERNAL: Final = frozenset(
    {
        *("add_message_watcher", "free_matchtag", "module_basics", "new_matchtag", "off_message"),
        *("on_message", "poll", "remove_message_watcher", "request_stop", "run_apart"),
        *("send_wire", "tls", "wait_async", "wait_until", "watchers"),
    }
)
"""What futures, watchers and the host of modules need of a handle (`flux.core.interface`), and
programs do not: it is left out of ``dir()`` and of completion, and may change.
"""


class Flux(MessageHandle):
    """A connection to the Flux instance at ``url`` (default: the environment's FLUX_URI).

    ``flags`` are FLUX_O_TRACE (messages are shown on stderr), FLUX_O_NONBLOCK (`send` and `recv`
    never wait) and FLUX_O_MATCHDEBUG (`close` tells of responses that were never got). A handle
    belongs to one thread. Raises OSError if there is no broker or it refuses; every RPC fails with
    ECONNRESET once the connection is lost. Topics, names and payloads may be text or bytes.
    Messages carry the credentials that the environment names (`flux.connect.credentials`).
    """

    def __init__(self, url: Text | None = None, flags: int = 0) -> None:
        self._attributes: dict[str, str] = {}
        self._configuration: JsonMapping | None = None
        self.log_name = "python"
        self.log_procid = str(os.getpid())
        super().__init__(url, flags)

    def __repr__(self) -> str:
        state = "" if self.fileno() >= 0 else " closed"
        return f"<Flux {self.url}{state}>"

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if name not in INTERNAL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # Flags

    def flags_set(self, flags: int) -> None:
        """Set flags FLUX_O_TRACE, FLUX_O_NONBLOCK or FLUX_O_MATCHDEBUG (flux_flags_set(3))."""
        self.flags |= as_integer(flags, "flags") & OPEN_FLAGS

    def flags_unset(self, flags: int) -> None:
        """Clear flags that `flags_set` sets."""
        self.flags &= ~as_integer(flags, "flags")

    def flags_get(self) -> int:
        """Return the flags that are set."""
        return self.flags

    # RPCs and services

    def rpc(
        self, topic: Text, payload: object = None, nodeid: int = NODEID_ANY, flags: int = 0
    ) -> RPC:
        """Send a request; its response is the returned future's result."""
        from flux.rpc import RPC

        return RPC(self, topic, payload, nodeid, flags)

    def rpc_raw(
        self, topic: Text, data: bytes | None, nodeid: int = NODEID_ANY, flags: int = 0
    ) -> RPC:
        """Send a request whose payload is ``data`` as it is (flux_rpc_raw(3)); the response's is
        ``payload`` of the future's `message`.
        """
        from flux.rpc import RPC

        return RPC(self, topic, wire.Raw(data) if data else None, nodeid, flags)

    def rpc_message(self, message: MessageView, flags: int = 0) -> RPC:
        """Send a request made before; its response is the returned future's result."""
        msg = wire_of(message)
        payload = None if msg.payload is None else wire.Raw(msg.payload)
        from flux.rpc import RPC

        return RPC(self, msg.topic or "", payload, msg.nodeid, flags)

    def respond(self, message: MessageView, payload: object = None) -> None:
        """Answer a request."""
        self.send_wire(wire.response(wire_of(message), wire.ended(payload)))

    def respond_raw(self, message: MessageView, data: bytes | None) -> None:
        """Answer a request with ``data`` as it is."""
        self.send_wire(wire.response(wire_of(message), data))

    def respond_error(self, message: MessageView, errnum: int, text: Text | None = None) -> None:
        """Answer a request with an error."""
        sentence = as_optional_text(text, "the sentence of an error")
        as_integer(errnum, "errnum")
        self.send_wire(wire.response(wire_of(message), sentence, errnum=errnum))

    def msg_watcher_create(
        self,
        callback: Callable[..., object],
        type_mask: int = FLUX_MSGTYPE_ANY,
        topic_glob: Text = "*",
        args: object = None,
        match_tag: int = FLUX_MATCHTAG_NONE,
        rolemask: int | None = None,
    ) -> MessageWatcher:
        """Return a watcher that calls for each message that matches; with a ``rolemask``, requests
        of users without any of these roles are refused.
        """
        from flux.message import MessageWatcher

        glob = as_text(topic_glob, "the topic")
        mask, tag = as_integer(type_mask, "type_mask"), as_integer(match_tag, "match_tag")
        roles = None if rolemask is None else as_integer(rolemask, "a rolemask")
        return MessageWatcher(self, mask, callback, glob, tag, args, roles)

    def handle_watcher_create(
        self, events: int, callback: Callable[..., object], args: object = None
    ) -> HandleWatcher:
        """Return a watcher that calls as long as this handle is ready for ``events``, FLUX_POLLIN
        or FLUX_POLLOUT.
        """
        from flux.core.system_watchers import HandleWatcher

        return HandleWatcher(self, events, callback, args)

    def on_message(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called when a message is there for `recv`, or the connection is
        lost.
        """
        self._on_message = (*self._on_message, callback)

    def off_message(self, callback: Callable[[], None]) -> None:
        """Undo one `on_message`."""
        self._on_message = tuple(one for one in self._on_message if one != callback)

    # Events

    def event_subscribe(self, topic: Text) -> None:
        """Receive events whose topic starts with ``topic``; raises OSError(EINVAL) for None,
        TypeError for another type.
        """
        self._subscription(SUBSCRIBE, topic)

    def event_unsubscribe(self, topic: Text) -> None:
        """Undo one `event_subscribe`."""
        self._subscription(UNSUBSCRIBE, topic)

    def _subscription(self, services: tuple[str, ...], topic: Text) -> None:
        name = as_text(topic, "the topic")
        for service in services:
            try:
                self.rpc(service, {"topic": name}).get()
                return
            except OSError as exc:
                if exc.errno != errno.ENOSYS or service == services[-1]:
                    raise

    def event_create(self, topic: Text, payload: object = None) -> MessageView:
        """Return an unpublished event; a string payload is used unmodified, another is made
        JSON.
        """
        from flux.message import MessageView

        return MessageView.from_event_encode(topic, payload)

    def event_send(self, topic: Text, payload: object = None, *, private: bool = False) -> None:
        """Publish an event, a ``private`` one for the instance owner and this user only, without
        waiting until the instance has it.
        """
        name = as_text(topic, "the topic")
        self.send_wire(wire.event(name, wire.ended(payload), private=private))

    def event_publish(
        self, topic: Text, payload: object = None, *, private: bool = False
    ) -> PublishFuture:
        """Publish an event; the returned future is fulfilled when it has its sequence number, which
        is ``get_seq()`` (flux_event_publish(3)).
        """
        from flux.event_future import PublishFuture

        return PublishFuture(self, as_text(topic, "the topic"), payload, private)

    def event_recv(
        self, topic: Text | None = None, flags: int = 0, timeout: float = -1.0
    ) -> MessageView:
        """Wait for an event whose topic matches the glob ``topic`` and return it.

        Raises OSError: ETIMEDOUT after ``timeout`` seconds unless that is negative, EAGAIN if there
        is none and FLUX_O_NONBLOCK is set.
        """
        message = self.recv(EVENT, topic_glob=topic, flags=flags, timeout=timeout)
        if message is None:
            raise OSError(errno.EAGAIN, "no event is there")
        return message

    def sync_create(self, minimum: float = 0.0) -> SyncFuture:
        """Return a future that is fulfilled by each heartbeat of the instance, at most once in
        ``minimum`` seconds (flux_sync_create(3)).
        """
        from flux.event_future import SyncFuture

        return SyncFuture(self, minimum)

    # Services

    def service_register(self, name: Text) -> RPC:
        """Have requests for ``name.*`` sent to this handle."""
        return self.rpc("service.add", {"service": as_text(name, "the name of a service")})

    def service_unregister(self, name: Text) -> RPC:
        """Undo `service_register`."""
        return self.rpc("service.remove", {"service": as_text(name, "the name of a service")})

    def module_basics(
        self, name: str, hops: tuple[str, ...] = (), running: Callable[[], object] = bool
    ) -> None:
        """Be the module ``name``: answer what every module answers, and keep the reactor running
        until its end is asked for.

        ``hops`` are the last ones of the route that ``flux ping`` shows; ``running`` is called when
        the module has begun to wait for messages.
        """
        from flux.core.basics import ModuleBasics

        self._basics = ModuleBasics(as_text(name, "name"), hops, running)
        self.log_name = name
        self.reactor.incref()

    def module_set_running(self) -> None:
        """Let the loader of the module go on, as if it waited for messages."""
        if self._basics is not None:
            self._basics.running()

    def debug_test(self, mask: int, *, clear: bool = False) -> bool:
        """Return whether debug flags of ``mask`` are set, which ``flux module debug`` changes;
        ``clear`` clears them.

        No flag is set on a handle that is not a module's.
        """
        flags = as_integer(mask, "mask")
        return self._basics is not None and self._basics.debug_test(flags, clear=clear)

    def _answers(self, msg: wire.Message) -> bool:
        return self._basics is not None and self._answer_basics(self._basics, msg)

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

    def attr_get(self, attr_name: Text) -> str:
        """Return a broker attribute; raises OSError: ENOENT if it is not set, EINVAL for a name of
        None.
        """
        name = as_text(attr_name, "the name of an attribute")
        return str(self.rpc("attr.get", {"name": name}).get()["value"])

    def attr_set(self, attr: Text, value: Text | None) -> None:
        """Set a broker attribute, or unset it if ``value`` is None; raises OSError(EPERM) if it may
        not be changed.
        """
        name = as_text(attr, "the name of an attribute")
        if value is None:
            self.rpc("attr.rm", {"name": name}).get()
        else:
            text = as_text(value, "the value of an attribute")
            self.rpc("attr.set", {"name": name, "value": text}).get()

    def attr_remove(self, attr: Text) -> None:
        """Unset a broker attribute; raises OSError: ENOENT if it is not set, EPERM if it may not be
        changed.
        """
        self.rpc("attr.rm", {"name": as_text(attr, "the name of an attribute")}).get()

    def conf_get(
        self, key: Text | None = None, default: object = None, update: bool = False
    ) -> object:
        """Return a value of the instance's configuration, by a key whose periods separate levels,
        or the whole object without one; ``default`` if it is not set.

        The configuration is asked for once; ``update`` asks anew. Raises OSError.
        """
        names = as_text(key, "a key").split(".") if key is not None else ()
        if self._configuration is None or update:
            self._configuration = self.rpc("config.get").get() or {}
        value: object = self._configuration
        for name in names:
            if not isinstance(value, Mapping) or name not in value:
                return default
            value = value[name]
        return value

    def _fact(self, name: str) -> str:
        if name not in self._attributes:
            self._attributes[name] = attribute_of(self, name) or "0"
        return self._attributes[name]

    def get_rank(self) -> int:
        """Return the rank of the broker this handle is connected to."""
        return int(self._fact("rank"))

    def get_size(self) -> int:
        """Return how many brokers the instance has."""
        return int(self._fact("size"))

    def log_set_appname(self, name: Text) -> None:
        """Set the name that `log` gives the program, of which it shows 48 characters."""
        self.log_name = as_text(name, "the name of a program")

    def log_set_procid(self, procid: Text) -> None:
        """Set the process id that `log` shows, by default that of this process."""
        self.log_procid = as_text(procid, "a process id")

    def log(self, level: int, fstring: Text) -> None:
        """Log a line with a syslog level (see module syslog) to the broker's log; raises
        OSError(EINVAL) for another level.
        """
        from flux.logline import client_line

        text = as_text(fstring, "a log message")
        as_integer(level, "level")
        line = client_line(level, self.get_rank(), self.log_name, self.log_procid, text)
        self.rpc_raw("log.append", line, flags=FLUX_RPC_NORESPONSE)

    def barrier(self, name: Text, nprocs: int) -> Future:
        """Enter a barrier of ``nprocs`` processes; the future is fulfilled when all are in."""
        text = as_text(name, "the name of a barrier")
        body = {"name": text, "count": 1, "nprocs": as_integer(nprocs, "nprocs")}
        return self.rpc("barrier.enter", {**body, "internal": False})

    def reactor_run(self, reactor: Reactor | None = None, flags: int = 0) -> int:
        """Run the reactor as `ReactorHandle.reactor_run` does; raises OSError(ECONNRESET) if the
        loss of the connection ended it.
        """
        as_integer(flags, "flags")
        if self._basics is not None:
            self._basics.running()
        left = super().reactor_run(reactor, flags)
        if left < 0 and self._lost:
            raise os_error(errno.ECONNRESET)
        return left
