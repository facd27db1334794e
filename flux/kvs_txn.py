"""KVS transactions and the flags of the KVS protocol (flux_kvs_txn_create(3), flux_kvs_lookup(3), RFC 11)."""

from __future__ import annotations

import errno
from typing import Any, Final

from flux import treeobj
from flux.kvs_limits import check_key, check_namespace, check_target
from flux.wire import json

READDIR: Final = 1
READLINK: Final = 2
WATCH: Final = 4
WAITCREATE: Final = 8
TREEOBJ: Final = 16
APPEND: Final = 32
WATCH_FULL: Final = 64
WATCH_UNIQ: Final = 128
WATCH_APPEND: Final = 256

NO_MERGE: Final = 1
SYNC: Final = 2

PRIMARY: Final = "primary"


def normalize(key: str) -> str:
    """Return ``key`` without empty components, ``.`` for the root; raises OSError(EINVAL) for an empty key."""
    if not key:
        raise OSError(errno.EINVAL, "Invalid argument")
    if ".." in key or key[0] == "." or key[-1] == ".":
        return ".".join(filter(None, key.split("."))) or "."
    return key


class Txn:
    """A list of operations to commit together, in order; all of it succeeds or nothing does.

    Send it with ``rpc("kvs.commit", {"namespace": name, "flags": 0, "ops": txn.ops})``. Every method returns the transaction, and
    raises OSError: EINVAL for a key that is empty or no text, ENAMETOOLONG beyond the bounds of `flux.kvs_limits`.
    """

    __slots__ = ("ops",)

    def __init__(self) -> None:
        self.ops: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self.ops)

    def __bool__(self) -> bool:
        return bool(self.ops)

    def clear(self) -> None:
        """Forget every operation."""
        self.ops = []

    def put(self, key: str, value: Any) -> Txn:
        """Set ``key`` to ``value`` encoded as JSON."""
        return self.put_raw(key, json.dumps(value))

    def put_raw(self, key: str, data: bytes | str) -> Txn:
        """Set ``key`` to ``data`` as it is."""
        return self._add(key, treeobj.val(_bytes(data)))

    def append(self, key: str, data: bytes | str) -> Txn:
        """Add ``data`` to the end of the value of ``key``, which is created if it does not exist."""
        return self._add(key, treeobj.val(_bytes(data)), APPEND)

    def mkdir(self, key: str) -> Txn:
        """Set ``key`` to an empty directory."""
        return self._add(key, treeobj.directory())

    def unlink(self, key: str) -> Txn:
        """Remove ``key`` and all below it; nothing happens if it does not exist."""
        return self._add(key, None)

    def symlink(self, key: str, target: str, namespace: str | None = None) -> Txn:
        """Set ``key`` to a link to ``target``, in ``namespace`` if given."""
        target = normalize(target)
        check_target(target)
        if namespace is not None:
            check_namespace(namespace)
        return self._add(key, treeobj.symlink(target, namespace))

    def put_treeobj(self, key: str, obj: treeobj.TreeObj) -> Txn:
        """Set ``key`` to an RFC 11 object; raises OSError(EINVAL) if it is not one."""
        return self._add(key, treeobj.check(obj))

    def _add(self, key: str, dirent: treeobj.TreeObj | None, flags: int = 0) -> Txn:
        key = normalize(key)
        check_key(key)
        self.ops.append({"key": key, "flags": flags, "dirent": dirent})
        return self


def _bytes(data: bytes | str) -> bytes:
    return data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
