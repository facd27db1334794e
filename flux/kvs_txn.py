"""KVS transactions: what they are made of and how they are sent (flux_kvs_txn_create(3),
flux_kvs_commit(3), RFC 11).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from flux import treeobj
from flux.kvs_flags import (
    APPEND,
    NO_MERGE,
    PRIMARY,
    READDIR,
    READLINK,
    SYNC,
    TREEOBJ,
    WAITCREATE,
    WATCH,
    WATCH_APPEND,
    WATCH_FULL,
    WATCH_UNIQ,
)
from flux.kvs_limits import check_key, check_namespace, check_target
from flux.kvs_types import KvsPut
from flux.wire import json
from flux.wire.errors import os_error
from flux.wire.message import Shared, encode_payload
from flux.wire.text import Text, as_optional_text, as_text

if TYPE_CHECKING:
    from flux.kvs_types import CommitRequest, KvsOp

__all__ = [
    "APPEND",
    "NO_MERGE",
    "PRIMARY",
    "READDIR",
    "READLINK",
    "SYNC",
    "TREEOBJ",
    "WAITCREATE",
    "WATCH",
    "WATCH_APPEND",
    "WATCH_FULL",
    "WATCH_UNIQ",
    "Txn",
    "commit_request",
    "normalize",
    "put_op",
    "shared_commit",
    "unlink_op",
]


def normalize(key: Text) -> str:
    """Return ``key`` without empty components, ``.`` for the root; raises OSError(EINVAL) for an
    empty key.
    """
    key = as_text(key, "a key")
    if not key:
        raise os_error(errno.EINVAL)
    if ".." in key or key[0] == "." or key[-1] == ".":
        return ".".join(filter(None, key.split("."))) or "."
    return key


def put_op(key: str, data: bytes, flags: int = 0) -> KvsOp:
    """Return the operation that sets ``key`` to ``data``, or appends to it with APPEND; the key is
    known to be in order.
    """
    return {"key": key, "flags": flags, "dirent": treeobj.val(data)}


def unlink_op(key: str) -> KvsOp:
    """Return the operation that removes ``key`` and all below it; the key is known to be in
    order.
    """
    return {"key": key, "flags": 0, "dirent": None}


def commit_request(
    ops: list[KvsOp], flags: int = 0, namespace: str = PRIMARY, *, lazy: bool = False
) -> CommitRequest:
    """Return the payload of ``kvs.commit``; flags: NO_MERGE, SYNC.

    A ``lazy`` one may wait a moment for others to share a root with, in front of whatever comes
    after it; other implementations of the KVS do not know that member.
    """
    request: CommitRequest = {"namespace": namespace, "flags": flags, "ops": ops}
    if lazy:
        request["lazy"] = True
    return request


def shared_commit(ops: list[KvsOp | KvsPut], flags: int = 0) -> Shared:
    """Return the payload of ``kvs.commit`` for the KVS of the sender's own broker, which takes the
    operations as they are; elsewhere it arrives as `commit_request` has it.
    """

    def encode(_: object) -> bytes | None:
        plain = [put_op(*op) if isinstance(op, KvsPut) else op for op in ops]
        return encode_payload(commit_request(plain, flags))

    return Shared({"namespace": PRIMARY, "flags": flags, "ops": ops}, encode)


class Txn:
    """A list of operations to commit together, in order; all of it succeeds or nothing does.

    Send it with ``rpc("kvs.commit", commit_request(txn.ops))``. Every method returns the
    transaction, and raises OSError: EINVAL for a key that is empty or no text, ENAMETOOLONG beyond
    the bounds of `flux.kvs_limits`.
    """

    __slots__ = ("ops",)

    def __init__(self) -> None:
        self.ops: list[KvsOp] = []

    def __len__(self) -> int:
        return len(self.ops)

    def __bool__(self) -> bool:
        return bool(self.ops)

    def clear(self) -> None:
        """Forget every operation."""
        self.ops = []

    def taken(self) -> Txn:
        """Return the operations as another transaction; this one has none then."""
        taken = Txn()
        taken.ops, self.ops = self.ops, taken.ops
        return taken

    def put(self, key: Text, value: object) -> Txn:
        """Set ``key`` to ``value`` encoded as JSON; raises TypeError if it cannot be."""
        return self.put_raw(key, json.dumps(value))

    def put_raw(self, key: Text, data: Text) -> Txn:
        """Set ``key`` to ``data`` as it is."""
        return self._add(key, treeobj.val(_bytes(data)))

    def append(self, key: Text, data: Text) -> Txn:
        """Add ``data`` to the end of the value of ``key``, which is created if it does not
        exist.
        """
        return self._add(key, treeobj.val(_bytes(data)), APPEND)

    def mkdir(self, key: Text) -> Txn:
        """Set ``key`` to an empty directory."""
        return self._add(key, treeobj.directory())

    def unlink(self, key: Text) -> Txn:
        """Remove ``key`` and all below it; nothing happens if it does not exist."""
        return self._add(key, None)

    def symlink(self, key: Text, target: Text, namespace: Text | None = None) -> Txn:
        """Set ``key`` to a link to ``target``, in ``namespace`` if given."""
        target = normalize(target)
        check_target(target)
        space = as_optional_text(namespace, "the name of a namespace")
        if space is not None:
            check_namespace(space)
        return self._add(key, treeobj.symlink(target, space))

    def put_treeobj(self, key: Text, obj: treeobj.TreeObj) -> Txn:
        """Set ``key`` to an RFC 11 object; raises OSError(EINVAL) if it is not one."""
        return self._add(key, treeobj.check(obj))

    def _add(self, key: Text, dirent: treeobj.TreeObj | None, flags: int = 0) -> Txn:
        name = normalize(key)
        check_key(name)
        self.ops.append({"key": name, "flags": flags, "dirent": dirent})
        return self


def _bytes(data: Text) -> bytes:
    return data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
