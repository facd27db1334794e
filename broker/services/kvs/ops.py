"""The operations of a transaction, checked."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.services.kvs.lookup import components
from flux import treeobj
from flux.kvs_limits import VALUE_BYTES, check_key, check_value
from flux.kvs_txn import APPEND, normalize
from flux.kvs_types import KvsPut
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.treeobj import TreeObj

# A value whose base64 text is not longer than a blobref could be stays in its directory (RFC 11:
# short values SHOULD be a val).
INLINE_MAX: Final = 72
#: So many bytes have a base64 text of that length.
INLINE_BYTES: Final = INLINE_MAX // 4 * 3
#: Stands for a value whose bytes are in ``data``.
_VALUE: Final = treeobj.val(b"")


class Op(Struct):
    """One checked operation; ``dirent`` None unlinks, ``data`` holds the decoded bytes of a value
    that needs them.
    """

    key: str
    path: list[str]
    dirent: TreeObj | None
    append: bool
    data: bytes | None


def parse_ops(ops: Sequence[object], limit: int = VALUE_BYTES) -> list[Op]:
    """Return the operations of a request, checked; ``limit`` is the largest value in bytes.

    Raises OSError: EPROTO, EINVAL, ENAMETOOLONG for a key beyond the bounds, EFBIG for a value
    beyond ``limit``.
    """
    return [_parse_op(op, limit) for op in ops]


def _parse_put(put: KvsPut, limit: int) -> Op:
    """Return the operation of a service of this broker, whose keys are in order."""
    data, append = put.data, bool(put.flags & APPEND)
    if len(data) > limit:
        check_value(len(data), limit)
    inline = not append and len(data) <= INLINE_BYTES
    dirent = treeobj.val(data) if inline else _VALUE
    return Op(put.key, put.key.split("."), dirent, append, None if inline else data)


def _parse_op(op: object, limit: int) -> Op:
    if isinstance(op, KvsPut):
        return _parse_put(op, limit)
    if not isinstance(op, dict) or "dirent" not in op:
        raise os_error(errno.EPROTO)
    key, flags, dirent = op.get("key"), op.get("flags", 0), op["dirent"]
    if not isinstance(key, str) or not isinstance(flags, int):
        raise os_error(errno.EPROTO)
    if key:
        key = normalize(key)
    check_key(key)
    path = components(key)
    if flags & ~APPEND or not path:
        raise os_error(errno.EINVAL)
    append = bool(flags & APPEND)
    if dirent is None:
        if append:
            raise os_error(errno.EINVAL)
        return Op(key, path, None, False, None)
    if isinstance(dirent, dict) and dirent.get("type") == "val":
        return _parse_val(key, path, dirent, append, limit)
    dirent = treeobj.check(dirent)
    if append:
        raise OSError(errno.EINVAL, "only a val can be appended")
    return Op(key, path, dirent, False, None)


def _parse_val(key: str, path: list[str], dirent: TreeObj, append: bool, limit: int) -> Op:
    text = dirent.get("data")
    if isinstance(text, str) and len(text) > limit:
        check_value(len(text) * 3 // 4 - 2, limit)
    data = treeobj.decode_val(dirent)
    text = dirent["data"]
    if dirent.get("ver") != treeobj.VERSION:
        raise OSError(errno.EINVAL, "not a version 1 tree object")
    if len(data) > limit:
        check_value(len(data), limit)
    inline = not append and len(text) <= INLINE_MAX
    return Op(
        key,
        path,
        {"data": text, "type": "val", "ver": treeobj.VERSION},
        append,
        None if inline else data,
    )
