"""RFC 3 messages as Python objects.

A message has a type, flags, the sender's credentials, two type-dependent words, and optionally a
route stack, a topic and a payload. The route stack lists the identities the message passed, newest
first; a response unwinds it.
"""

from __future__ import annotations

import errno
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any, Final, Self

from flux.b64 import b64encode
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NODEID_ANY: Final = 0xFFFFFFFF
NODEID_UPSTREAM: Final = 0xFFFFFFFE
USERID_UNKNOWN: Final = 0xFFFFFFFF
USERID_UNKNOWN_JSON: Final = -1
"""`USERID_UNKNOWN` in the payload of a request, where numbers have a sign."""

MATCHTAG_NONE: Final = 0
MATCHTAG_MAX: Final = 0xFFFFFFFE
ROLE_NONE: Final = 0
ROLE_OWNER: Final = 1
ROLE_USER: Final = 2
ROLE_LOCAL: Final = 4


class MsgType(IntEnum):
    """Message types of RFC 3."""

    REQUEST = 1
    RESPONSE = 2
    EVENT = 4
    CONTROL = 8


class Flag(IntFlag):
    """Message flags of RFC 3."""

    TOPIC = 0x01
    PAYLOAD = 0x02
    NORESPONSE = 0x04
    ROUTE = 0x08
    UPSTREAM = 0x10
    PRIVATE = 0x20
    STREAMING = 0x40


REQUEST, RESPONSE, EVENT, CONTROL = (int(kind) for kind in MsgType)
TOPIC, PAYLOAD, NORESPONSE, ROUTE, UPSTREAM, PRIVATE, STREAMING = (int(flag) for flag in Flag)

PUBLISH_RAW: Final = 1
"""Flag of an ``event.pub`` request: its payload is base64 of raw bytes."""

PUBLISH_PRIVATE: Final = 2
"""Flag of an ``event.pub`` request: the event is private."""

MORE: Final = 0x80
"""Set between brokers on a response that is not the last one of its request, when the request had
not the streaming flag.

A link that breaks has to fail exactly the requests that still wait; RFC 3 tells the last response
only for streams. The flag is taken off before the response reaches a client.
"""


def next_matchtag(tag: int) -> int:
    """Return the match tag to use after ``tag``: they go round, and leave `MATCHTAG_NONE` out."""
    return tag % MATCHTAG_MAX + 1


def encode_payload(payload: object) -> bytes | None:
    """Return ``payload`` as it travels: bytes as they are, text and JSON values ended by a NUL
    byte.

    Undecodable bytes in text (PEP 383) are sent as they were, other lone surrogates as "?". Raises
    UnwritablePayload for a value that is not JSON or beyond the bounds of `flux.wire.json`.
    """
    if payload is None or isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return encode_text(payload) + b"\0"
    try:
        return json.dumps(payload) + b"\0"
    except json.JSONEncodeError as exc:
        text = f"the payload cannot be written as JSON: {exc}"
        raise UnwritablePayload(errno.EINVAL, text) from None


class UnwritablePayload(OSError, TypeError):
    """A value that JSON cannot express: EINVAL to who looks at numbers, TypeError as in flux-core's
    bindings to who looks at types.
    """


class Raw(bytes):
    """A payload that travels as it is."""


def ended(payload: object) -> object:
    """Return ``payload`` for a message that programs in C will read as a string: bytes that are not
    `Raw` get the NUL that `encode_payload` gives text.
    """
    if isinstance(payload, bytes) and not isinstance(payload, Raw) and payload[-1:] != b"\0":
        return payload + b"\0"
    return payload


class Shared:
    """A payload that need not become text for who is in the same process: receivers get ``content``
    itself, others what ``encode`` makes of it when the message leaves.

    Neither the sender nor a receiver may change it any more.
    """

    __slots__ = ("content", "encode")

    def __init__(
        self, content: object, encode: Callable[[object], bytes | None] | None = None
    ) -> None:
        self.content = content
        self.encode = encode or encode_payload


def encode_text(text: str) -> bytes:
    """Return ``text`` in UTF-8; lone surrogates that stand for no byte become "?"."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


class Message:
    """One RFC 3 message.

    ``aux1`` and ``aux2`` hold the node id and match tag of a request, the error number and match
    tag of a response, the sequence of an event, the type and status of a control message.
    ``payload`` is the raw bytes, a final NUL included.
    """

    __slots__ = (
        "aux1",
        "aux2",
        "flags",
        "payload",
        "rolemask",
        "routes",
        "topic",
        "type",
        "userid",
    )

    def __init__(
        self,
        type: int,
        topic: str | None = None,
        payload: bytes | None = None,
        *,
        flags: int = 0,
        userid: int = USERID_UNKNOWN,
        rolemask: int = ROLE_NONE,
        aux1: int = 0,
        aux2: int = 0,
        routes: list[str] | None = None,
    ) -> None:
        self.type = type
        self.topic = topic
        self.payload = payload
        self.flags = flags
        self.userid = userid
        self.rolemask = rolemask
        self.aux1 = aux1
        self.aux2 = aux2
        self.routes: list[str] = routes if routes is not None else []

    @property
    def nodeid(self) -> int:
        """The rank a request is for, or NODEID_ANY."""
        return self.aux1

    @property
    def matchtag(self) -> int:
        """The number that pairs a response with its request; 0 for none."""
        return self.aux2

    @property
    def errnum(self) -> int:
        """The error number of a response; 0 for success."""
        return self.aux1

    @property
    def sequence(self) -> int:
        """The sequence number of an event; 0 before it is published."""
        return self.aux1

    @property
    def streaming(self) -> bool:
        """Whether the sender asked for, or sends, a stream of responses."""
        return bool(self.flags & STREAMING)

    @property
    def noresponse(self) -> bool:
        """Whether the sender of a request wants no response."""
        return bool(self.flags & NORESPONSE)

    def json(self) -> Any:
        """The payload as a JSON value, None without payload.

        Raises `flux.wire.json.JSONDecodeError`, a ValueError, if it is not JSON.
        """
        payload = self.payload
        if payload is None:
            return None
        return json.loads(payload[:-1] if payload.endswith(b"\0") else payload)

    def content(self) -> object:
        """What the sender shares with receivers in its process (`Shared`); None if only the payload
        came.
        """
        return None

    def text(self) -> str:
        """The payload as text without its final NUL; the empty string without payload."""
        return (self.payload or b"").removesuffix(b"\0").decode("utf-8", "replace")

    def __repr__(self) -> str:
        kind = MsgType(self.type).name.lower()
        return f"<{kind} {self.topic} {self.aux1}/{self.aux2} {self.payload!r}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Message.__slots__)


class SharedMessage(Message):
    """A message with a `Shared` payload, which is encoded at the first look at its bytes."""

    __slots__ = ("_data", "_shared")

    _data: bytes | None
    _shared: Shared | None

    def share(self, payload: Shared) -> Self:
        """Give the message its payload; returns it."""
        self._shared = payload
        return self

    @property
    def payload(self) -> bytes | None:
        """The raw bytes; raises OSError(EINVAL) if the content cannot be written."""
        if self._data is None and self._shared is not None:
            self._data = self._shared.encode(self._shared.content)
        return self._data

    @payload.setter
    def payload(self, data: bytes | None) -> None:
        self._shared, self._data = None, data

    def content(self) -> object:
        return None if self._shared is None else self._shared.content

    def plain(self) -> Message:
        """Return the message as it leaves the process: with bytes for a payload."""
        words = {name: getattr(self, name) for name in Message.__slots__}
        return Message(words.pop("type"), **words)

    def json(self) -> object:
        return super().json() if self._shared is None else self._shared.content


def request(
    topic: str,
    payload: object = None,
    *,
    nodeid: int = NODEID_ANY,
    matchtag: int = MATCHTAG_NONE,
    flags: int = 0,
) -> Message:
    """Return a request for ``topic``; ``flags`` may hold STREAMING, NORESPONSE, UPSTREAM."""
    if isinstance(payload, Shared):
        flags |= TOPIC | ROUTE | PAYLOAD
        shared = SharedMessage(REQUEST, topic, flags=flags, aux1=nodeid, aux2=matchtag)
        return shared.share(payload)
    data = encode_payload(payload)
    flags |= TOPIC | ROUTE | (PAYLOAD if data is not None else 0)
    return Message(REQUEST, topic, data, flags=flags, aux1=nodeid, aux2=matchtag)


def response(to: Message, payload: object = None, *, errnum: int = 0) -> Message:
    """Return the response to the request ``to``, travelling back along its routes."""
    shared = payload if isinstance(payload, Shared) else None
    data = encode_payload(payload) if shared is None else None
    carries = data is not None or shared is not None
    flags = (to.flags & (STREAMING | UPSTREAM)) | TOPIC | ROUTE | (PAYLOAD if carries else 0)
    msg = (Message if shared is None else SharedMessage)(
        RESPONSE,
        to.topic,
        data,
        flags=flags,
        userid=to.userid,
        rolemask=to.rolemask,
        aux1=errnum,
        aux2=to.aux2,
        routes=list(to.routes),
    )
    return msg.share(shared) if shared is not None and isinstance(msg, SharedMessage) else msg


def event(topic: str, payload: object = None, *, private: bool = False) -> Message:
    """Return an event that has not been published yet."""
    data = encode_payload(payload)
    flags = TOPIC | ROUTE | (PAYLOAD if data is not None else 0) | (PRIVATE if private else 0)
    return Message(EVENT, topic, data, flags=flags)


def publish_request(topic: str, payload: object, private: bool) -> dict[str, object]:
    """Return the payload of ``event.pub`` for an event; bytes are the text of its payload, `Raw`
    ones are it.
    """
    flags = PUBLISH_PRIVATE if private else 0
    if payload is None:
        return {"topic": topic, "flags": flags}
    if isinstance(payload, Raw):
        return {"topic": topic, "flags": flags | PUBLISH_RAW, "payload": b64encode(payload)}
    text = payload.decode("utf-8", "surrogateescape") if isinstance(payload, bytes) else payload
    return {"topic": topic, "flags": flags, "payload": text}


def todays_publish_request(body: Mapping[str, object]) -> dict[str, object]:
    """Return a request for ``event.pub`` as today's flux-core has it, for ``event.publish``: the
    payload is base64 of what travels, and a private event is marked as messages are.
    """
    flags = body["flags"] if isinstance(body["flags"], int) else 0
    asked = {"topic": body["topic"], "flags": PRIVATE if flags & PUBLISH_PRIVATE else 0}
    payload = body.get("payload")
    if flags & PUBLISH_RAW:
        return {**asked, "payload": payload}
    data = encode_payload(payload)
    return asked if data is None else {**asked, "payload": b64encode(data)}


def control(kind: int, status: int = 0) -> Message:
    """Return a control message, exchanged between neighbouring brokers only."""
    return Message(CONTROL, aux1=kind, aux2=status)
