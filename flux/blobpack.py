"""Many blobs in one message payload, for the batched store requests between the services of one instance.

Each blob is preceded by a header of one byte, the length of its blobref, and four bytes in network order, its own length.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from struct import Struct

_HEADER = Struct("!BI")


def pack(blobs: Iterable[tuple[str, bytes]]) -> bytes:
    """Return ``blobs``, pairs of blobref and data, as one byte string."""
    parts: list[bytes] = []
    for ref, data in blobs:
        name = ref.encode("ascii")
        parts += (_HEADER.pack(len(name), len(data)), name, data)
    return b"".join(parts)


def unpack(payload: bytes) -> list[tuple[str, bytes]]:
    """Return the pairs of blobref and data in ``payload``; raises OSError(EPROTO) if it is cut short."""
    found: list[tuple[str, bytes]] = []
    offset, end, size = 0, len(payload), _HEADER.size
    while offset < end:
        if offset + size > end:
            raise OSError(errno.EPROTO, "truncated batch of blobs")
        name_length, data_length = _HEADER.unpack_from(payload, offset)
        data_start = offset + size + name_length
        stop = data_start + data_length
        if stop > end:
            raise OSError(errno.EPROTO, "truncated batch of blobs")
        found.append((payload[offset + size : data_start].decode("ascii", "replace"), payload[data_start:stop]))
        offset = stop
    return found
