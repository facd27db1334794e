"""Many blobs in one message payload, for the batched store requests between the services of one
instance.

Each blob is preceded by a header: a byte of flags, a byte with the length of its blobref, and four
bytes in network order, its own length.
"""

from __future__ import annotations

import errno
from struct import Struct
from typing import TYPE_CHECKING, Final, cast

from flux.wire.message import Shared

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flux.wire.message import Message

Blob = tuple[str, bytes, int]
"""Blobref, data and flags."""

PINNED: Final = 1
"""A user stored it: it is kept for ever, whether the key-value store refers to it or not."""
HELD: Final = 2
"""A directory that may be superseded at once: it stays in memory until it is settled or released.
"""

_HEADER = Struct("!BBI")


def pack(blobs: Iterable[Blob]) -> bytes:
    """Return ``blobs`` as one byte string."""
    parts: list[bytes] = []
    for ref, data, flags in blobs:
        name = ref.encode("ascii")
        parts += (_HEADER.pack(flags, len(name), len(data)), name, data)
    return b"".join(parts)


def unpack(payload: bytes) -> list[Blob]:
    """Return the blobs in ``payload``; raises OSError(EPROTO) if it is cut short."""
    found: list[Blob] = []
    offset, end, size = 0, len(payload), _HEADER.size
    while offset < end:
        if offset + size > end:
            raise OSError(errno.EPROTO, "truncated batch of blobs")
        flags, name_length, data_length = _HEADER.unpack_from(payload, offset)
        data_start = offset + size + name_length
        stop = data_start + data_length
        if stop > end:
            raise OSError(errno.EPROTO, "truncated batch of blobs")
        name = payload[offset + size : data_start].decode("ascii", "replace")
        found.append((name, payload[data_start:stop], flags))
        offset = stop
    return found


def shared(blobs: Sequence[Blob]) -> Shared:
    """Return the payload with ``blobs`` for services of the sender's broker, which take them as
    they are; elsewhere they arrive packed.
    """
    return Shared(blobs, lambda _: pack(blobs))


def blobs_of(msg: Message) -> Sequence[Blob]:
    """Return the blobs in a message, shared or packed; raises OSError(EPROTO) if it is cut
    short.
    """
    content = msg.content()
    return unpack(msg.payload or b"") if content is None else cast("Sequence[Blob]", content)
