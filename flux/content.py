"""Blobs by their hash (flux_content_load(3), RFC 10)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from flux.constants import FLUX_NODEID_UPSTREAM
from flux.treeobj import hash_of, is_blobref, requested_blobref
from flux.wire.errors import os_error
from flux.wire.message import NODEID_ANY
from flux.wire.text import Text, as_integer, as_text

if TYPE_CHECKING:
    from flux.core.handle import Flux

CONTENT_FLAG_CACHE_BYPASS: Final = 1
CONTENT_FLAG_UPSTREAM: Final = 2


def _address(flags: int, method: str) -> tuple[str, int]:
    if as_integer(flags, "flags") & CONTENT_FLAG_CACHE_BYPASS:
        return f"content-backing.{method}", 0
    return (
        f"content.{method}",
        FLUX_NODEID_UPSTREAM if flags & CONTENT_FLAG_UPSTREAM else NODEID_ANY,
    )


def load(handle: Flux, blobref: Text, flags: int = 0) -> bytes:
    """Return the blob ``blobref``; raises OSError: EINVAL if that is not a blobref, ENOENT if there
    is no such blob.
    """
    blobref = as_text(blobref, "a blobref")
    if not is_blobref(blobref):
        raise os_error(errno.EINVAL)
    topic, nodeid = _address(flags, "load")
    try:
        return handle.rpc_raw(topic, blobref.encode() + b"\0", nodeid).message().payload or b""
    except OSError as exc:
        if exc.errno != errno.EPROTO:
            raise
    # Today's brokers take nothing but the bytes of the hash.
    return handle.rpc_raw(topic, hash_of(blobref), nodeid).message().payload or b""


def store(handle: Flux, data: Text, flags: int = 0) -> str:
    """Store ``data`` and return its blobref; raises OSError(EFBIG) above the blob size limit."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    elif not isinstance(data, bytes):
        raise TypeError(f"data must be bytes or a string, not {type(data).__name__}")
    topic, nodeid = _address(flags, "store")
    return requested_blobref(handle.rpc_raw(topic, data, nodeid).message().payload)
