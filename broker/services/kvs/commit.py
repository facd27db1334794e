"""Applying transactions to a hash tree: operations in, a new root and the blobs it needs out.

Nothing is changed in place. `Overlay` copies each directory the first time an operation touches it; `Overlay.seal` turns the copies into
blobs, children first, and yields the new root. Directories that no operation touched are neither read nor written again.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.directory import Draft, Entries, Missing
from broker.services.kvs.lookup import SYMLINK_DEPTH, components
from flux import treeobj
from flux.kvs_txn import APPEND
from flux.treeobj import TreeObj

# A value whose base64 text is not longer than a blobref could be stays in its directory (RFC 11: short values SHOULD be a val).
INLINE_MAX: Final = 72
T = TypeVar("T")


@dataclass(slots=True)
class Op:
    """One checked operation; ``dirent`` None unlinks, ``data`` holds the decoded bytes of a value that needs them."""

    key: str
    path: list[str]
    dirent: TreeObj | None
    append: bool
    data: bytes | None


def parse_ops(ops: list[Any]) -> list[Op]:
    """Return the operations of a request, checked; raises OSError(EPROTO or EINVAL)."""
    return [_parse_op(op) for op in ops]


def _parse_op(op: Any) -> Op:
    if not isinstance(op, dict) or "dirent" not in op:
        raise OSError(errno.EPROTO, "Protocol error")
    key, flags, dirent = op.get("key"), op.get("flags", 0), op["dirent"]
    if not isinstance(key, str) or not isinstance(flags, int):
        raise OSError(errno.EPROTO, "Protocol error")
    path = components(key)
    if flags & ~APPEND or not all(path) or not path:
        raise OSError(errno.EINVAL, "Invalid argument")
    append = bool(flags & APPEND)
    if dirent is None:
        if append:
            raise OSError(errno.EINVAL, "Invalid argument")
        return Op(key, path, None, False, None)
    data = None
    if isinstance(dirent, dict) and dirent.get("type") == "val":
        data = treeobj.decode_val(dirent)
        text = dirent["data"]
        if dirent.get("ver") != treeobj.VERSION:
            raise OSError(errno.EINVAL, "not a version 1 tree object")
        dirent = {"data": text, "type": "val", "ver": treeobj.VERSION}
        if not append and len(text) <= INLINE_MAX:
            data = None
    else:
        dirent = treeobj.check(dirent)
        if append:
            raise OSError(errno.EINVAL, "only a val can be appended")
    return Op(key, path, dirent, append, data)


class _Tail:
    """A value being appended to: the blobs it had and the data to add, stored as one blob however many appends there are."""

    __slots__ = ("added", "refs")

    def __init__(self, refs: list[str]) -> None:
        self.refs = refs
        self.added: list[bytes] = []


class _Directory:
    """A directory that may be changed: a draft of it, and the children and values of it that are being changed."""

    __slots__ = ("children", "draft", "tails")

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.children: dict[str, _Directory] = {}
        self.tails: dict[str, _Tail] = {}

    def set(self, name: str, entry: TreeObj) -> None:
        self.forget(name)
        self.draft.set(name, entry)

    def forget(self, name: str) -> None:
        self.children.pop(name, None)
        self.tails.pop(name, None)


class Overlay:
    """Changes on top of the directory ``rootref``, not visible to anyone until sealed.

    ``blobs`` are those the new tree needs stored, by blobref, ``directories`` the parsed form of the directories among them,
    ``replaced`` the directory blobs it has no use for any more.
    """

    def __init__(self, cache: ObjectCache, rootref: str, namespace: str, algorithm: str = treeobj.DEFAULT_HASH) -> None:
        self._cache = cache
        self._namespace = namespace
        self._algorithm = algorithm
        self._root = _Directory(Draft(treeobj.dirref(rootref), cache.directory))
        self.blobs: dict[str, bytes] = {}
        self.directories: dict[str, Entries] = {}
        self.replaced: list[str] = []

    def apply(self, op: Op) -> None:
        """Apply one operation; raises `Missing`, or OSError: EISDIR, EOPNOTSUPP, EINVAL, ELOOP. The overlay is then unusable."""
        path = op.path
        for _ in range(SYMLINK_DEPTH + 1):
            node = self._root
            for index in range(len(path) - 1):
                step = self._descend(node, path[index], create=op.dirent is not None)
                if step is None:
                    return
                if isinstance(step, str):
                    path = components(step) + path[index + 1 :]
                    break
                node = step
            else:
                self._change(node, path[-1], op)
                return
        raise OSError(errno.ELOOP, "Too many levels of symbolic links")

    def _descend(self, node: _Directory, name: str, *, create: bool) -> _Directory | str | None:
        """Return the child directory ``name`` ready to be changed, the target if it is a symlink, None if it is not there."""
        child = node.children.get(name)
        if child is not None:
            return child
        entry = None if name in node.tails else node.draft.get(name)
        if entry is not None and entry["type"] == "symlink":
            link = entry["data"]
            if link.get("namespace") not in (None, self._namespace):
                raise OSError(errno.EINVAL, f"{name} links to another namespace")
            target: str = link["target"]
            return target
        if entry is None or entry["type"] not in ("dir", "dirref"):
            if not create:
                return None
            entry = treeobj.directory()
            node.set(name, entry)
        child = node.children[name] = _Directory(Draft(entry, self._cache.directory))
        return child

    def _change(self, node: _Directory, name: str, op: Op) -> None:
        dirent = op.dirent
        if dirent is None:
            node.forget(name)
            node.draft.remove(name)
        elif op.append:
            assert op.data is not None
            self._append(node, name, op.data)
        elif dirent["type"] == "dir":
            node.set(name, dirent)
            node.children[name] = _Directory(Draft(dirent, self._cache.directory))
        else:
            node.set(name, dirent if op.data is None else treeobj.valref([self._blob(op.data)]))

    def _append(self, node: _Directory, name: str, data: bytes) -> None:
        tail = node.tails.get(name)
        if tail is None:
            refs = self._refs_of(node, name)
            if node.draft.get(name) is None:
                node.set(name, treeobj.val(b""))
            tail = node.tails[name] = _Tail(refs)
        tail.added.append(data)

    def _refs_of(self, node: _Directory, name: str) -> list[str]:
        """Return the blobs of the value ``name`` is now."""
        entry = node.draft.get(name)
        if entry is None:
            return []
        kind = entry["type"]
        if kind == "valref":
            return list(entry["data"])
        if kind == "val":
            data = treeobj.decode_val(entry)
            return [self._blob(data)] if data else []
        if kind == "symlink":
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        raise OSError(errno.EISDIR, "Is a directory")

    def _blob(self, data: bytes) -> str:
        ref = treeobj.blobref(data, self._algorithm)
        self.blobs[ref] = data
        return ref

    def seal(self) -> str:
        """Turn every changed directory into blobs and return the new root."""
        root = self._seal(self._root, whole=True)
        ref: str = root["data"][0]
        return ref

    def _seal(self, node: _Directory, *, whole: bool = False) -> TreeObj:
        draft = node.draft
        self.replaced += draft.replaced
        for name, child in node.children.items():
            draft.set(name, self._seal(child))
        for name, tail in node.tails.items():
            draft.set(name, self._value(tail))
        return draft.seal(self._directory_blob, whole=whole)

    def _directory_blob(self, blob: bytes, entries: Entries) -> str:
        ref = self._blob(blob)
        self.directories[ref] = entries
        return ref

    def _value(self, tail: _Tail) -> TreeObj:
        data = b"".join(tail.added)
        if not tail.refs:
            entry = treeobj.val(data)
            if len(entry["data"]) <= INLINE_MAX:
                return entry
        return treeobj.valref([*tail.refs, self._blob(data)] if data else tail.refs)


@dataclass(slots=True)
class Transaction(Generic[T]):
    """Operations to apply together, and ``origin``, whatever its owner needs to answer them."""

    ops: list[Op]
    flags: int
    origin: T


@dataclass(slots=True)
class Result(Generic[T]):
    """What a batch of transactions led to; ``failed`` pairs those left out with the reason."""

    rootref: str
    applied: list[Transaction[T]]
    failed: list[tuple[Transaction[T], OSError]] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    directories: dict[str, Entries] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)

    def keys(self) -> list[str]:
        """Return the keys the applied transactions mention, each once."""
        return list({op.key: None for txn in self.applied for op in txn.ops})


def _apply_all(overlay: Overlay, ops: Sequence[Op]) -> list[str]:
    """Apply operations; returns the directories that had to be at hand, all of them, so that they are loaded at once.

    Raises OSError as `Overlay.apply` does, unless a directory was missing before.
    """
    missing: list[str] = []
    for op in ops:
        try:
            overlay.apply(op)
        except Missing as exc:
            missing += exc.refs
        except OSError:
            if not missing:
                raise
    return missing


def apply_batch(
    cache: ObjectCache,
    rootref: str,
    namespace: str,
    batch: Sequence[Transaction[T]],
    algorithm: str = treeobj.DEFAULT_HASH,
) -> Result[T]:
    """Apply transactions in order to the tree at ``rootref`` and return the one new root.

    A transaction that cannot be applied is left out whole; the others are not affected. Raises `Missing`.
    """
    remaining = list(batch)
    failed: list[tuple[Transaction[T], OSError]] = []
    while True:
        overlay = Overlay(cache, rootref, namespace, algorithm)
        missing: list[str] = []
        for txn in remaining:
            try:
                missing += _apply_all(overlay, txn.ops)
            except OSError as exc:
                if missing:
                    continue  # perhaps only because of what is missing
                failed.append((txn, exc))
                remaining.remove(txn)
                break
        else:
            if missing:
                raise Missing(missing, directory=True)
            if not remaining:
                return Result(rootref, [], failed)
            root = overlay.seal()
            return Result(root, remaining, failed, overlay.blobs, overlay.directories, overlay.replaced)
