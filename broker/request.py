"""A request as a handler sees it, and the set of those that are answered more than once."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, overload

from flux.wire.errors import errnum_of, os_error, text_of
from flux.wire.message import MORE, NORESPONSE, ROLE_OWNER, STREAMING, Message, response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flux.wire.json import JsonObject

T = TypeVar("T")
D = TypeVar("D")
Kind: TypeAlias = type[T] | tuple[type[T], ...]
_MISSING: Final = object()


class Request:
    """A request as its handler sees it.

    ``payload`` is the decoded JSON object (empty when there is none), ``raw`` the bytes as sent,
    ``sender`` the identity of the client.
    """

    __slots__ = ("_send", "message", "payload")

    def __init__(
        self, message: Message, payload: JsonObject, send: Callable[[Message], None]
    ) -> None:
        self.message = message
        self.payload = payload
        self._send = send

    def watched(self, answered: Callable[[], object]) -> Request:
        """Return the same request, whose last response calls ``answered``."""

        def send(msg: Message) -> None:
            if msg.errnum or not (self.streaming or msg.flags & MORE):
                answered()
            self._send(msg)

        return Request(self.message, self.payload, send)

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

    @overload
    def get(self, key: str, kind: Kind[T]) -> T: ...

    @overload
    def get(self, key: str, kind: Kind[T], default: D) -> T | D: ...

    def get(self, key: str, kind: Kind[T], default: object = _MISSING) -> object:
        """Return a payload member of type ``kind``, or ``default`` if it is missing.

        Raises OSError(EPROTO) if the member is of another type, or missing without a default.
        """
        value = self.payload.get(key, default)
        if value is default and default is not _MISSING:
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise os_error(errno.EPROTO)
        return value

    def respond(self, payload: object = None) -> None:
        """Send a response: an object, text, raw bytes or nothing."""
        if not self.message.flags & NORESPONSE:
            self._send(response(self.message, payload))

    def respond_more(self, payload: object) -> None:
        """Send one of several responses, not the last one, to a request that need not have the
        streaming flag.
        """
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
    """The open streaming requests of a service, by sender and match tag, each with data of the
    service's choice.
    """

    def __init__(self) -> None:
        self._streams: dict[tuple[str, int], tuple[Request, object]] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[tuple[Request, object]]:
        return iter(tuple(self._streams.values()))

    def add(self, req: Request, data: object = None) -> None:
        """Remember a streaming request."""
        self._streams[req.sender, req.matchtag] = (req, data)

    def find(self, sender: str, matchtag: int) -> tuple[Request, object] | None:
        """Return the stream of ``sender`` with ``matchtag`` and its data, None if there is none."""
        return self._streams.get((sender, matchtag))

    def remove(self, req: Request) -> object:
        """Forget a stream; returns its data, None if there is no such stream."""
        entry = self._streams.pop((req.sender, req.matchtag), None)
        return entry[1] if entry else None

    def cancel(self, req: Request) -> object:
        """End, with ENODATA, the stream of the same sender that ``matchtag`` of ``req`` names.

        Returns the stream's data, or its request if it has none; None if there is no such stream.
        """
        entry = self._streams.pop((req.sender, req.get("matchtag", int)), None)
        if entry is None:
            return None
        entry[0].end()
        return entry[1] if entry[1] is not None else entry[0]

    def fail(self, errnum: int, text: str) -> None:
        """End every stream with an error."""
        streams, self._streams = self._streams, {}
        for req, _ in streams.values():
            req.error(errnum, text)

    def drop_sender(self, sender: str) -> list[tuple[Request, object]]:
        """Forget every stream of a client that went away; returns what was forgotten."""
        keys = [key for key in self._streams if key[0] == sender]
        return [self._streams.pop(key) for key in keys]
