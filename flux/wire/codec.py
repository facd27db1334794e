"""RFC 3 message encoding: a message to its frames, frames to one body, and back."""

from __future__ import annotations

import errno
from struct import Struct
from struct import error as struct_error

from flux.wire.message import PAYLOAD, ROUTE, TOPIC, Message

PROTO_MAGIC = 0x8E
PROTO_VERSION = 1
PROTO_SIZE = 20
_PROTO = Struct(">BBBBIIII")
_LENGTH = Struct(">I")
_TYPES = frozenset((1, 2, 4, 8))


class DecodeError(ValueError):
    """The bytes are not an RFC 3 message."""


def to_frames(msg: Message) -> list[bytes]:
    """Return the frames of ``msg`` in the order of RFC 3: routes, delimiter, topic, payload, PROTO.

    Raises OSError(EINVAL) for a topic or a number that cannot be sent.
    """
    flags = msg.flags
    frames: list[bytes] = []
    if flags & ROUTE:
        frames.extend(route.encode() for route in msg.routes)
        frames.append(b"")
    if flags & TOPIC:
        frames.append(_topic_bytes(msg.topic or ""))
    if flags & PAYLOAD:
        frames.append(msg.payload or b"")
    try:
        frames.append(
            _PROTO.pack(
                PROTO_MAGIC,
                PROTO_VERSION,
                msg.type,
                flags,
                msg.userid,
                msg.rolemask,
                msg.aux1,
                msg.aux2,
            ),
        )
    except struct_error:
        raise OSError(errno.EINVAL, f"a number is out of range: {_numbers(msg)}") from None
    return frames


def _numbers(msg: Message) -> str:
    aux1 = {1: "nodeid", 2: "errnum", 4: "sequence"}.get(msg.type, "type")
    return f"{aux1} {msg.aux1}, matchtag {msg.aux2}, userid {msg.userid}, roles {msg.rolemask}"


def _topic_bytes(topic: str) -> bytes:
    try:
        return topic.encode()
    except UnicodeEncodeError:
        raise OSError(errno.EINVAL, "the topic is not valid UTF-8") from None


def from_frames(frames: list[bytes]) -> Message:
    """Return the message of ``frames``; raises DecodeError when they are not one."""
    if not frames or len(frames[-1]) != PROTO_SIZE:
        raise DecodeError("no PROTO frame")
    magic, version, kind, flags, userid, rolemask, aux1, aux2 = _PROTO.unpack(frames[-1])
    if magic != PROTO_MAGIC or version != PROTO_VERSION or kind not in _TYPES:
        raise DecodeError("bad PROTO frame")
    index, last = 0, len(frames) - 1
    routes: list[str] = []
    try:
        if flags & ROUTE:
            while frames[index] != b"":
                routes.append(frames[index].decode())
                index += 1
            index += 1
        topic = payload = None
        if flags & TOPIC:
            topic = frames[index].decode()
            index += 1
        if flags & PAYLOAD:
            payload = frames[index]
            index += 1
    except (IndexError, UnicodeDecodeError) as exc:
        raise DecodeError("frames do not match the flags") from exc
    if index != last:
        raise DecodeError("frames do not match the flags")
    msg = Message(
        kind, topic, payload, flags=flags, userid=userid, rolemask=rolemask, aux1=aux1, aux2=aux2
    )
    msg.routes = routes
    return msg


def encode(msg: Message) -> bytes:
    """Return ``msg`` as one body: each frame preceded by its length (one byte, or 0xff and
    four).
    """
    parts: list[bytes] = []
    for frame in to_frames(msg):
        size = len(frame)
        parts.append(bytes((size,)) if size < 255 else b"\xff" + _LENGTH.pack(size))
        parts.append(frame)
    return b"".join(parts)


def decode(body: bytes) -> Message:
    """Return the message in ``body``; raises DecodeError when it is not one."""
    frames: list[bytes] = []
    index, end = 0, len(body)
    try:
        while index < end:
            size = body[index]
            index += 1
            if size == 0xFF:
                size = _LENGTH.unpack_from(body, index)[0]
                index += 4
            if index + size > end:
                raise DecodeError("truncated frame")
            frames.append(body[index : index + size])
            index += size
    except struct_error as exc:
        raise DecodeError("truncated frame length") from exc
    return from_frames(frames)
