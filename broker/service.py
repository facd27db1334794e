"""The shape of a service: handlers registered by decorator, answered by return value.

A handler takes a `Request` and returns the payload of its response, raises OSError for an error response, or returns `NO_REPLY` and
answers later. Handlers may be plain or async methods; plain ones cost less and suit everything that does not wait.
"""

from __future__ import annotations

import asyncio
import errno
import inspect
import resource as rusage
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

from broker.context import Context
from flux.wire import json
from flux.wire.errors import errnum_of, text_of
from flux.wire.message import MORE, NORESPONSE, ROLE_OWNER, STREAMING, Message, response


class _NoReply:
    """The type of `NO_REPLY`."""


NO_REPLY: Final = _NoReply()
#: What a client is told of an error that no handler foresaw; the log has the rest.
FAILED_TEXT: Final = "the request could not be carried out; the broker's log says why"
T = TypeVar("T")
_MISSING: Final = object()


class Request:
    """A request as its handler sees it.

    ``payload`` is the decoded JSON object (empty when there is none), ``raw`` the bytes as sent, ``sender`` the identity of the client.
    """

    __slots__ = ("_send", "message", "payload")

    def __init__(
        self, message: Message, payload: dict[str, Any], send: Callable[[Message], None]
    ) -> None:
        self.message = message
        self.payload = payload
        self._send = send

    @property
    def topic(self) -> str:
        """The topic asked for."""
        return self.message.topic or ""

    @property
    def raw(self) -> bytes | None:
        """The payload bytes as sent, None without payload."""
        return self.message.payload

    @property
    def userid(self) -> int:
        """The user who sent it, as the broker verified."""
        return self.message.userid

    @property
    def rolemask(self) -> int:
        """The sender's roles (RFC 12)."""
        return self.message.rolemask

    @property
    def is_owner(self) -> bool:
        """Whether the sender owns the instance."""
        return bool(self.message.rolemask & ROLE_OWNER)

    @property
    def sender(self) -> str:
        """The identity of the client, the oldest hop of the route."""
        routes = self.message.routes
        return routes[-1] if routes else ""

    @property
    def matchtag(self) -> int:
        """The client's number for this request."""
        return self.message.aux2

    @property
    def streaming(self) -> bool:
        """Whether the client expects a stream of responses."""
        return bool(self.message.flags & STREAMING)

    @property
    def noresponse(self) -> bool:
        """Whether the client wants no response."""
        return bool(self.message.flags & NORESPONSE)

    def get(self, key: str, kind: type[T], default: Any = _MISSING) -> T:
        """Return a payload member of type ``kind``; raises OSError(EPROTO) if it is missing or of another type."""
        value = self.payload.get(key, default)
        if value is default and default is not _MISSING:
            return default  # type: ignore[no-any-return]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise OSError(errno.EPROTO, "Protocol error")
        return value

    def respond(self, payload: Any = None) -> None:
        """Send a response: an object, text, raw bytes or nothing."""
        if not self.message.flags & NORESPONSE:
            self._send(response(self.message, payload))

    def respond_more(self, payload: Any) -> None:
        """Send one of several responses, not the last one, to a request that need not have the streaming flag."""
        if not self.message.flags & NORESPONSE:
            answer = response(self.message, payload)
            answer.flags |= MORE
            self._send(answer)

    def error(self, errnum: int, text: str | None = None) -> None:
        """Send an error response, which ends a stream."""
        if not self.message.flags & NORESPONSE:
            self._send(response(self.message, text, errnum=errnum))

    def fail(self, exc: OSError) -> None:
        """Send ``exc`` as the error response."""
        self.error(errnum_of(exc), text_of(exc))

    def end(self) -> None:
        """End a stream (ENODATA)."""
        self.error(errno.ENODATA)


class StreamSet:
    """The open streaming requests of a service, by sender and match tag, each with data of the service's choice."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, int], tuple[Request, Any]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[tuple[Request, Any]]:
        return iter(tuple(self._streams.values()))

    def add(self, req: Request, data: Any = None) -> None:
        """Remember a streaming request."""
        self._streams[req.sender, req.matchtag] = (req, data)

    def find(self, sender: str, matchtag: int) -> tuple[Request, Any] | None:
        """Return the stream of ``sender`` with ``matchtag`` and its data, None if there is none."""
        return self._streams.get((sender, matchtag))

    def remove(self, req: Request) -> Any:
        """Forget a stream; returns its data."""
        entry = self._streams.pop((req.sender, req.matchtag), None)
        return entry[1] if entry else None

    def cancel(self, req: Request) -> Any:
        """End, with ENODATA, the stream that the cancel request ``req`` names in ``matchtag``; returns its data or None."""
        entry = self._streams.pop((req.sender, req.get("matchtag", int)), None)
        if entry is None:
            return None
        entry[0].end()
        return entry[1] if entry[1] is not None else entry[0]

    def drop_sender(self, sender: str) -> list[tuple[Request, Any]]:
        """Forget every stream of a client that went away; returns what was forgotten."""
        keys = [key for key in self._streams if key[0] == sender]
        return [self._streams.pop(key) for key in keys]


Handler = Callable[[Any, Request], Any]
EventHandler = Callable[[Any, Message], None]


@dataclass(frozen=True)
class Route:
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
) -> Callable[[Handler], Handler]:
    """Register a method for requests to ``<service>.<topic>``, or to ``topic`` itself when ``absolute``.

    ``allow`` is "owner" or "guest"; others are answered EPERM. ``streaming`` refuses requests without the streaming flag (EPROTO).
    The payload of a ``raw`` request is arbitrary bytes and is not decoded.
    """

    def mark(method: Handler) -> Handler:
        routes = list(getattr(method, "_request_routes", ()))
        routes.append(Route(topic, absolute, allow == "guest", streaming, raw))
        method._request_routes = routes  # type: ignore[attr-defined]
        return method

    return mark


def event(prefix: str) -> Callable[[EventHandler], EventHandler]:
    """Register a method for events whose topic starts with ``prefix``; subscribed when the service starts."""

    def mark(method: EventHandler) -> EventHandler:
        method._event_prefix = prefix  # type: ignore[attr-defined]
        return method

    return mark


class Service:
    """Base of every service: what it is called, what it is given, what every service answers."""

    name: ClassVar[str]
    also: ClassVar[tuple[str, ...]] = ()
    stop_timeout: ClassVar[float] = 10.0
    """Seconds the service may take to stop when the broker ends."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.streams = StreamSet()
        self.debug_flags = 0
        self._handlers = self._find_handlers()

    def _find_handlers(self) -> dict[str, tuple[Callable[[Request], Any], Route]]:
        return {
            topic: (getattr(self, handler.__name__), route)
            for topic, route, handler in routes_of(type(self))
        }

    def add_handler(
        self, topic: str, handler: Callable[[Request], Any], *, allow: str = "owner"
    ) -> None:
        """Answer requests for ``topic`` with ``handler``, in addition to the methods registered by `request`."""
        self._handlers[topic] = (handler, Route(topic, True, allow == "guest", False, False))

    def event_handlers(self) -> list[tuple[str, Callable[[Message], None]]]:
        """Return the event prefixes this service wants and the methods for them."""
        found = []
        for cls in type(self).__mro__:
            for attribute in vars(cls).values():
                prefix = getattr(attribute, "_event_prefix", None)
                if prefix is not None:
                    found.append((prefix, getattr(self, attribute.__name__)))
        found.append((f"{self.name}.stats.clear", lambda _: self.stats_clear()))
        return found

    # What a service overrides

    async def start(self, args: list[str]) -> None:
        """Begin: called once the service can be reached; ``args`` are the module's arguments."""

    async def stop(self) -> None:
        """End: called before the service is unregistered."""

    def on_disconnect(self, sender: str) -> None:
        """A client that used this service went away; its streams have been dropped already."""

    def stats(self) -> dict[str, Any]:
        """Return what ``flux module stats`` shows."""
        return {"streams": len(self.streams)}

    def stats_clear(self) -> None:
        """Reset the counters that `stats` shows."""

    # Dispatch

    def handle(self, msg: Message, send: Callable[[Message], None]) -> None:
        """Run the handler for a request and send what it answers through ``send``."""
        entry = self._handlers.get(msg.topic or "")
        if entry is None:
            refuse(msg, send, errno.ENOSYS, "Unknown service method")
            return
        method, route = entry
        if not (route.guest or msg.rolemask & ROLE_OWNER):
            refuse(msg, send, errno.EPERM, "Request requires owner credentials")
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

    async def _finish(self, req: Request, work: Awaitable[Any], *, streaming: bool) -> None:
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
        """Answer with what a handler raised; what was not meant for the client is logged and only hinted at."""
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
    def ping(self, req: Request) -> dict[str, Any]:
        """Echo the payload with the route it took and the credentials it arrived with (flux-ping(1))."""
        hops = [*reversed(req.message.routes), self.ctx.broker_uuid, self.ctx.uuid]
        if self.ctx.uuid == self.ctx.broker_uuid:
            hops.pop()
        return {
            **req.payload,
            "route": "!".join(filter(None, hops)),
            "userid": req.userid,
            "rolemask": req.rolemask,
        }

    @request("stats.get", allow="guest")
    def _stats_get(self, req: Request) -> dict[str, Any]:
        """Return the counters of the service (flux-module(1) stats)."""
        return self.stats()

    @request("stats.clear")
    def _stats_clear(self, req: Request) -> None:
        """Reset the counters of the service (flux-module(1) stats --clear)."""
        self.stats_clear()

    @request("rusage", allow="guest")
    def _rusage(self, req: Request) -> dict[str, Any]:
        """Return the broker's resource usage, the members of getrusage(2) without their prefix."""
        usage = rusage.getrusage(rusage.RUSAGE_SELF)
        names = "utime stime maxrss ixrss idrss isrss minflt majflt nswap inblock oublock msgsnd msgrcv nsignals nvcsw nivcsw"
        return {name: getattr(usage, f"ru_{name}") for name in names.split()}

    @request("debug")
    def _debug(self, req: Request) -> dict[str, Any]:
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
            raise OSError(errno.EPROTO, "Protocol error")
        return {"flags": self.debug_flags}

    @request("disconnect", allow="guest")
    def _disconnect(self, req: Request) -> _NoReply:
        """A client that used the service went away: drop its streams. There is no response."""
        self.streams.drop_sender(req.sender)
        self.on_disconnect(req.sender)
        return NO_REPLY


def routes_of(service: type[Service]) -> list[tuple[str, Route, Handler]]:
    """Return the topics that the methods of a service class answer; a derived class's method wins."""
    table: dict[str, tuple[Route, Handler]] = {}
    for cls in reversed(service.__mro__):
        for attribute in vars(cls).values():
            for route in getattr(attribute, "_request_routes", ()):
                topic = route.topic if route.absolute else f"{service.name}.{route.topic}"
                table[topic] = (route, attribute)
    return [(topic, route, handler) for topic, (route, handler) in table.items()]


def refuse(
    msg: Message, send: Callable[[Message], None], errnum: int, text: str | None = None
) -> None:
    """Answer a request with an error, if it wants an answer."""
    if not msg.flags & NORESPONSE:
        send(response(msg, text, errnum=errnum))


def _object_of(msg: Message) -> dict[str, Any] | None:
    """Return the JSON object of a request, empty for none and for raw bytes, None if it is JSON of another kind or broken."""
    payload = msg.payload
    if not payload or not payload.endswith(b"\0"):
        return {}
    try:
        value = json.loads(payload[:-1])
    except ValueError:
        return None if payload[:1] == b"{" else {}
    return value if isinstance(value, dict) else None
