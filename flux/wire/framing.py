"""Framing of message bodies on a stream socket (``local://``): magic, length, body."""

from __future__ import annotations

from struct import Struct

from flux.wire.codec import DecodeError, decode, encode
from flux.wire.message import MORE, Message

MAGIC = 0xFFEE0012
HEADER_SIZE = 8
MAX_BODY = 1 << 31
_MAGIC = Struct("=I")
_LENGTH = Struct(">I")
_MAGIC_BYTES = _MAGIC.pack(MAGIC)


def pack(msg: Message) -> bytes:
    """Return ``msg`` with its 8-byte header, ready for the socket."""
    msg.flags &= ~MORE
    body = encode(msg)
    return _MAGIC_BYTES + _LENGTH.pack(len(body)) + body


class Unpacker:
    """Turns a byte stream into messages, in pieces of any size.

    ``limit`` bounds the body length in bytes, so that a bad header cannot make the reader collect
    memory for ever.
    """

    def __init__(self, limit: int = MAX_BODY) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes, most: int | None = None) -> list[Message]:
        """Add ``data`` and return the messages that are complete, at most ``most``; raises
        DecodeError once the stream is not RFC 3.

        After ``most`` messages there may be more, for the next call.
        """
        buffer = self._buffer
        buffer += data
        messages: list[Message] = []
        start, end = 0, len(buffer)
        while end - start >= HEADER_SIZE and (most is None or len(messages) < most):
            if buffer[start : start + 4] != _MAGIC_BYTES:
                raise DecodeError("bad magic")
            size = _LENGTH.unpack_from(buffer, start + 4)[0]
            if size > self._limit:
                raise DecodeError(f"message of {size} bytes exceeds the limit of {self._limit}")
            if end - start - HEADER_SIZE < size:
                break
            begin = start + HEADER_SIZE
            with memoryview(buffer) as view:
                body = bytes(
                    view[begin : begin + size]
                )  # one copy, where a slice of the buffer would make two
            messages.append(decode(body))
            start += HEADER_SIZE + size
        if start:
            del buffer[:start]
        return messages

    @property
    def pending(self) -> int:
        """Bytes of an incomplete message held back."""
        return len(self._buffer)
