"""The shape of a service: handlers registered by decorator, answered by return value.

A handler takes a `Request` and returns the payload of its response, raises OSError for an error
response, or returns `NO_REPLY` and answers later. Handlers may be plain or async methods; plain
ones cost less and suit everything that does not wait.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import resource as rusage
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, Never, TypeAlias, TypeVar

from msgspec import Struct

from broker.configuration import from_payload
from broker.request import Request, StreamSet
from flux.wire import json
from flux.wire.errors import OWNER_ONLY, os_error
from flux.wire.message import NORESPONSE, ROLE_OWNER, STREAMING, Message, response

if TYPE_CHECKING:
    from broker.configuration import Config
    from broker.context import Context

__all__ = [
    "NO_REPLY",
    "Answer",
    "BoundHandler",
    "Handler",
    "NoReply",
    "Reply",
    "Request",
    "Route",
    "Service",
    "StreamSet",
    "event",
    "events_of",
    "refuse",
    "request",
    "routes_of",
]


class NoReply(Enum):
    """The type of `NO_REPLY`."""

    NO_REPLY = "no reply"


#: Returned by a handler that answers later, or never.
NO_REPLY: Final = NoReply.NO_REPLY
Reply: TypeAlias = Mapping[str, object] | list[object] | str | bytes | NoReply | None
"""What a handler may return: the payload of its response (None for none), or `NO_REPLY`."""
Answer: TypeAlias = Reply | Awaitable[Reply]
"""What calling a handler gives: its reply, or the promise of one from an async method."""
#: What a client is told of an error that no handler foresaw; the log has the rest.
FAILED_TEXT: Final = "the request could not be carried out; the broker's log says why"


Handler: TypeAlias = Callable[[Never, Request], object]
"""A handler as the decorator sees it: a method of whatever class, not bound yet."""
BoundHandler: TypeAlias = Callable[[Request], object]
"""A handler that can be called: it returns an `Answer`."""
EventHandler: TypeAlias = Callable[[Never, Message], None]
H = TypeVar("H", bound=Handler)
E = TypeVar("E", bound=EventHandler)
_RUSAGE: Final = (
    *("utime", "stime", "maxrss", "ixrss", "idrss", "isrss", "minflt", "majflt", "nswap"),
    *("inblock", "oublock", "msgsnd", "msgrcv", "nsignals", "nvcsw", "nivcsw"),
)
_RUSAGE_OF: Final = {
    "self": rusage.RUSAGE_SELF,
    "children": rusage.RUSAGE_CHILDREN,
    "thread": rusage.RUSAGE_THREAD,
}
# Where the decorators leave on a method what they were told.
_ROUTES: Final = "_request_routes"
_PREFIX: Final = "_event_prefix"


class Route(Struct, frozen=True):
    """What `request` was told of a handler."""

    topic: str
    absolute: bool
    guest: bool
    streaming: bool
    raw: bool


def request(
    topic: str,
    *,
    allow: str = "owner",
    streaming: bool = False,
    absolute: bool = False,
    raw: bool = False,
) -> Callable[[H], H]:
    """Register a method for requests to ``<service>.<topic>``, or to ``topic`` itself when
    ``absolute``.

    ``allow`` is "owner" or "guest"; others are answered EPERM. ``streaming`` refuses requests
    without the streaming flag (EPROTO). The payload of a ``raw`` request is arbitrary bytes and is
    not decoded.
    """

    def mark(method: H) -> H:
        route = Route(topic, absolute, allow == "guest", streaming, raw)
        setattr(method, _ROUTES, (*getattr(method, _ROUTES, ()), route))
        return method

    return mark


def event(prefix: str) -> Callable[[E], E]:
    """Register a method for events whose topic starts with ``prefix``; subscribed when the service
    starts.
    """

    def mark(method: E) -> E:
        setattr(method, _PREFIX, prefix)
        return method

    return mark


class Service:
    """Base of every service: what it is called, what it is given, what every service answers."""

    name: ClassVar[str]
    also: ClassVar[tuple[str, ...]] = ()
    unlisted: ClassVar[tuple[str, ...]] = ()
    """Further names, for clients of today's flux-core, that ``flux module list`` does not show."""
    part_types: ClassVar[tuple[type, ...]] = ()
    """Classes of the objects that `parts` returns, for those who ask the class for its topics."""
    stop_timeout: ClassVar[float] = 10.0
    """Seconds the service may take to stop when the broker ends."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.prefix = self.name
        """What the topics of its requests begin with, before the dot."""
        self.streams = StreamSet()
        self.debug_flags = 0
        self._added: dict[str, tuple[BoundHandler, Route]] = {}

    def parts(self) -> Sequence[object]:
        """Return the objects that share the service's work, one of each of ``part_types``.

        Their methods may be registered by `request` and `event` as those of the service are; they
        are looked up when the first message arrives, so a subclass may make its parts at any time
        in ``__init__``. On a topic that two of them serve the service itself wins, then the part
        that comes last.
        """
        return ()

    @cached_property
    def _handlers(self) -> dict[str, tuple[BoundHandler, Route]]:
        """The handler of each topic, bound to the part that it is a method of."""
        found: dict[str, tuple[BoundHandler, Route]] = {}
        for part in (*self.parts(), self):
            for topic, route, handler in _routes_of(type(part), self.prefix):
                found[topic] = (getattr(part, handler.__name__), route)
        return found | self._added

    def add_handler(self, topic: str, handler: BoundHandler, *, allow: str = "owner") -> None:
        """Answer requests for ``topic`` with ``handler``, in addition to the methods registered by
        `request`.
        """
        self._added[topic] = (handler, Route(topic, True, allow == "guest", False, False))
        self.__dict__.pop("_handlers", None)

    def answers(self, topic: str) -> bool:
        """Whether requests for ``topic`` have a handler."""
        return topic in self._handlers

    def remove_handler(self, topic: str) -> None:
        """Undo `add_handler`."""
        self._added.pop(topic, None)
        self.__dict__.pop("_handlers", None)

    def event_handlers(self) -> list[tuple[str, Callable[[Message], None]]]:
        """Return the event prefixes this service wants and the methods for them."""
        found = [
            (prefix, getattr(part, name))
            for part in (self, *self.parts())
            for prefix, name in _prefixes_of(type(part))
        ]
        found += [
            (f"{self.name}.{topic}", lambda _: self._clear())
            for topic in ("stats.clear", "stats-clear")
        ]
        return found

    # What a service overrides

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        """Raise OSError(EINVAL) for module arguments that `start` would refuse; asked before a
        module that is loaded makes way for itself with others.
        """

    async def start(self, args: list[str]) -> None:
        """Begin: called once the service can be reached; ``args`` are the module's arguments."""

    async def stop(self) -> None:
        """End: called before the service is unregistered."""

    def configure(self, config: Config) -> None:
        """Take a changed configuration, which is in ``ctx.config`` afterwards.

        Raises OSError to refuse it, with nothing changed.
        """

    async def examine(self, config: Config) -> None:
        """Look at a changed configuration before it is taken, where that takes time.

        Raises OSError to refuse it.
        """

    def on_disconnect(self, sender: str) -> None:
        """A client that used this service went away; its streams have been dropped already."""

    def stats(self) -> Mapping[str, object]:
        """Return what ``flux module stats`` shows: counters of messages, and `facts`."""
        return {**self.ctx.counters.as_object(), **self.facts()}

    def stats_today(self) -> Mapping[str, object]:
        """Return what today's flux-core tells besides, where its clients ask for it."""
        return {}

    def facts(self) -> Mapping[str, object]:
        """Return what `stats` shows beside the counters of messages."""
        return {"streams": len(self.streams)}

    def stats_clear(self) -> None:
        """Reset the counters of the service's own that `stats` shows."""

    # Dispatch

    def handle(self, msg: Message, send: Callable[[Message], None]) -> None:
        """Run the handler for a request and send what it answers through ``send``."""
        entry = self._handlers.get(msg.topic or "")
        if entry is None:
            refuse(msg, send, errno.ENOSYS, "Unknown service method")
            return
        method, route = entry
        if not (route.guest or msg.rolemask & ROLE_OWNER):
            refuse(msg, send, errno.EPERM, OWNER_ONLY)
            return
        if route.streaming and not msg.flags & STREAMING:
            refuse(msg, send, errno.EPROTO)
            return
        payload = {} if route.raw else _object_of(msg)
        if payload is None:
            refuse(msg, send, errno.EPROTO)
            return
        req = Request(msg, payload, send)
        try:
            result = method(req)
            if inspect.iscoroutine(result):
                work = self._finish(req, result, streaming=route.streaming)
                self.ctx.spawn(work, f"{self.name}:{req.topic}")
            elif result is not NO_REPLY and not route.streaming:
                req.respond(result)
        except Exception as exc:
            self._failed(req, exc)

    async def _finish(self, req: Request, work: Awaitable[object], *, streaming: bool) -> None:
        try:
            result = await work
            if result is not NO_REPLY and not streaming:
                req.respond(result)
        except asyncio.CancelledError:
            req.error(errno.ENOSYS, f"service {self.name} is shutting down")
            raise
        except Exception as exc:
            self._failed(req, exc)

    def _failed(self, req: Request, exc: Exception) -> None:
        """Answer with what a handler raised; what was not meant for the client is logged and only
        hinted at.
        """
        stream = self.streams.find(req.sender, req.matchtag)
        if stream is not None and stream[0] is req:
            self.streams.remove(req)
        if isinstance(exc, OSError):
            req.fail(exc)
            return
        self.ctx.log.exception(f"{req.topic} from {req.sender}: {type(exc).__name__}: {exc}", exc)
        req.error(errno.EINVAL, FAILED_TEXT)

    # What every service answers

    @request("ping", allow="guest")
    def ping(self, req: Request) -> Reply:
        """Echo the payload with the route it took, the credentials it arrived with and the rank
        that answers (flux-ping(1)).
        """
        hops = [*reversed(req.message.routes), self.ctx.broker_uuid, self.ctx.uuid]
        if self.ctx.uuid == self.ctx.broker_uuid:
            hops.pop()
        return {
            **req.payload,
            "route": "!".join(filter(None, hops)),
            "userid": req.userid,
            "rolemask": req.rolemask,
            "rank": self.ctx.rank,
        }

    @request("stats.get")
    def _stats_get(self, req: Request) -> Reply:
        """Return the counters of the service (flux-module(1) stats)."""
        return self.stats()

    @request("stats-get")
    def _stats_get_today(self, req: Request) -> Reply:
        """The same as ``stats.get``, under the name that today's flux-core gives it, and the
        counters of messages where the service has statistics of its own.
        """
        return {**self.ctx.counters.as_object(), **self.stats(), **self.stats_today()}

    @request("stats.clear")
    @request("stats-clear")
    def _stats_clear(self, req: Request) -> None:
        """Reset the counters of the service (flux-module(1) stats --clear); today's flux-core asks
        for ``stats-clear``.
        """
        self._clear()

    def _clear(self) -> None:
        self.ctx.counters.clear()
        self.stats_clear()

    @request("rusage", allow="guest")
    def _rusage(self, req: Request) -> Reply:
        """Return the broker's resource usage, the members of getrusage(2) without their prefix;
        with ``who``, that of its ``children`` or of its ``thread`` alone.
        """
        who = req.get("who", str, "self")
        if who not in _RUSAGE_OF:
            raise OSError(errno.EINVAL, f"{who} is unsupported")
        usage = rusage.getrusage(_RUSAGE_OF[who])
        return {name: getattr(usage, f"ru_{name}") for name in _RUSAGE}

    @request("debug")
    def _debug(self, req: Request) -> Reply:
        """Change the debug bits {op, flags} and return them (flux-module(1) debug)."""
        operation, flags = req.get("op", str), req.get("flags", int)
        if operation == "setbit":
            self.debug_flags |= flags
        elif operation == "clrbit":
            self.debug_flags &= ~flags
        elif operation == "set":
            self.debug_flags = flags
        elif operation == "clr":
            self.debug_flags = 0
        else:
            raise os_error(errno.EPROTO)
        return {"flags": self.debug_flags}

    @request("config-reload")
    async def _config_reload(self, req: Request) -> None:
        """Take a changed configuration: its tables, which the broker has checked."""
        config = from_payload(req.raw if req.payload and req.raw else b"{}\0")
        await self.examine(config)
        self.configure(config)
        self.ctx.config = config

    @request("disconnect", allow="guest")
    def _disconnect(self, req: Request) -> NoReply:
        """A client that used the service went away: drop its streams. There is no response."""
        self.streams.drop_sender(req.sender)
        self.on_disconnect(req.sender)
        return NO_REPLY


def routes_of(service: type[Service]) -> list[tuple[str, Route, Handler]]:
    """Return the topics that a service's class and parts answer; a derived class's method wins."""
    table = {
        topic: (topic, route, handler)
        for cls in (*service.part_types, service)
        for topic, route, handler in _routes_of(cls, service.name)
    }
    return list(table.values())


def _routes_of(cls: type, service: str) -> list[tuple[str, Route, Handler]]:
    table: dict[str, tuple[Route, Handler]] = {}
    for base in reversed(cls.__mro__):
        for attribute in vars(base).values():
            for route in getattr(attribute, _ROUTES, ()):
                topic = route.topic if route.absolute else f"{service}.{route.topic}"
                table[topic] = (route, attribute)
    return [(topic, route, handler) for topic, (route, handler) in table.items()]


def events_of(service: type[Service]) -> list[tuple[str, EventHandler]]:
    """Return the event prefixes that a service's class and parts want, with their methods."""
    return [
        (prefix, getattr(cls, name))
        for cls in (service, *service.part_types)
        for prefix, name in _prefixes_of(cls)
    ]


def _prefixes_of(cls: type) -> list[tuple[str, str]]:
    found = {
        (getattr(attribute, _PREFIX), attribute.__name__): None
        for base in cls.__mro__
        for attribute in vars(base).values()
        if hasattr(attribute, _PREFIX)
    }
    return list(found)


def refuse(
    msg: Message, send: Callable[[Message], None], errnum: int, text: str | None = None
) -> None:
    """Answer a request with an error, if it wants an answer."""
    if not msg.flags & NORESPONSE:
        send(response(msg, text, errnum=errnum))


def _object_of(msg: Message) -> json.JsonObject | None:
    """Return the JSON object of a request, empty for none and for raw bytes, None if it is JSON of
    another kind or broken.
    """
    content = msg.content()
    if content is not None:
        return content if isinstance(content, dict) else None
    payload = msg.payload
    if not payload or not payload.endswith(b"\0"):
        return {}
    try:
        value = json.loads(payload[:-1])
    except ValueError:
        return None if payload[:1] == b"{" else {}
    return value if isinstance(value, dict) else None
