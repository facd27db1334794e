"""Applying transactions to a hash tree: operations in, a new root and the blobs it needs out.

Nothing is changed in place. `Overlay` copies each directory the first time an operation touches it;
`Overlay.seal` turns the copies into blobs, children first, and yields the new root. Directories
that no operation touched are neither read nor written again.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from broker.services.kvs.directory import Draft, Find, Missing
from broker.services.kvs.lookup import SYMLINK_DEPTH, components
from flux import treeobj
from flux.kvs_limits import VALUE_BYTES, check_depth, check_key, check_value
from flux.kvs_txn import APPEND
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.services.kvs.cache import ObjectCache
    from flux.dirblob import Entries
    from flux.treeobj import TreeObj

# A value whose base64 text is not longer than a blobref could be stays in its directory (RFC 11:
# short values SHOULD be a val).
INLINE_MAX: Final = 72
# How often a batch starts over because of a transaction that cannot be applied, before it is cut
# there instead.
RESTARTS: Final = 4
T = TypeVar("T")


@dataclass(slots=True)
class Op:
    """One checked operation; ``dirent`` None unlinks, ``data`` holds the decoded bytes of a value
    that needs them.
    """

    key: str
    path: list[str]
    dirent: TreeObj | None
    append: bool
    data: bytes | None


def parse_ops(ops: list[Any], limit: int = VALUE_BYTES) -> list[Op]:
    """Return the operations of a request, checked; ``limit`` is the largest value in bytes.

    Raises OSError: EPROTO, EINVAL, ENAMETOOLONG for a key beyond the bounds, EFBIG for a value
    beyond ``limit``.
    """
    return [_parse_op(op, limit) for op in ops]


def _parse_op(op: Any, limit: int) -> Op:
    if not isinstance(op, dict) or "dirent" not in op:
        raise os_error(errno.EPROTO)
    key, flags, dirent = op.get("key"), op.get("flags", 0), op["dirent"]
    if not isinstance(key, str) or not isinstance(flags, int):
        raise os_error(errno.EPROTO)
    check_key(key)
    path = components(key)
    if flags & ~APPEND or not all(path) or not path:
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


class _Tail:
    """A value being appended to: the blobs it had and the data to add, stored as one blob however
    many appends there are.
    """

    __slots__ = ("added", "refs")

    def __init__(self, refs: list[str]) -> None:
        self.refs = refs
        self.added: list[bytes] = []


class _Directory:
    """A directory that may be changed: a draft of it, and the children and values of it that are
    being changed.
    """

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

    ``blobs`` are those the new tree needs stored, by blobref, ``directories`` the parsed form of
    the directories among them, ``replaced`` the directory blobs it has no use for any more.
    """

    def __init__(self, find: Find, rootref: str, namespace: str, scheme: Scheme) -> None:
        self._find = find
        self._namespace = namespace
        self._scheme = scheme
        self._root = _Directory(Draft(treeobj.dirref(rootref), find))
        self.blobs: dict[str, bytes] = {}
        self.directories: dict[str, Entries] = {}
        self.replaced: list[str] = []

    def apply(self, op: Op) -> None:
        """Apply one operation.

        Raises `Missing`, or OSError: EISDIR, EOPNOTSUPP, EINVAL, ELOOP, ENAMETOOLONG, and what the
        directory could not be read with. The operation has then changed nothing: what can refuse it
        stands before what it creates.
        """
        path = op.path
        for _ in range(SYMLINK_DEPTH + 1):
            node = self._root
            for index in range(len(path) - 1):
                step = self._descend(node, path[index], create=op.dirent is not None)
                if step is None:
                    return
                if isinstance(step, str):
                    path = components(step) + path[index + 1 :]
                    check_depth(len(path))
                    break
                node = step
            else:
                self._change(node, path[-1], op)
                return
        raise os_error(errno.ELOOP)

    def _descend(self, node: _Directory, name: str, *, create: bool) -> _Directory | str | None:
        """Return the child directory ``name`` ready to be changed, the target if it is a symlink,
        None if it is not there.
        """
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
        child = node.children[name] = _Directory(Draft(entry, self._find))
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
            node.children[name] = _Directory(Draft(dirent, self._find))
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
            raise os_error(errno.EOPNOTSUPP)
        raise os_error(errno.EISDIR)

    def _blob(self, data: bytes) -> str:
        ref = treeobj.blobref(data, self._scheme.algorithm)
        self.blobs[ref] = data
        return ref

    def seal(self) -> str:
        """Turn every changed directory into blobs, children first, and return the new root.

        Raises `Missing`, OSError(EFBIG) for a directory too large for one blob.
        """
        order: list[tuple[_Directory | None, str, _Directory]] = [(None, "", self._root)]
        for _, _, node in order:  # grows meanwhile: each directory comes before those in it
            order += [(node, name, child) for name, child in node.children.items()]
        for parent, name, node in reversed(order):
            self.replaced += node.draft.replaced
            for key, tail in node.tails.items():
                node.draft.set(key, self._value(tail))
            sealed = node.draft.seal(self._directory_blob, whole=parent is None)
            if parent is not None:
                parent.draft.set(name, sealed)
        root: str = sealed["data"][0]
        return root

    def _directory_blob(self, blob: bytes, entries: Entries) -> str:
        if len(blob) > self._scheme.limit:
            check_value(len(blob), self._scheme.limit)
        ref = self._blob(blob)
        self.directories[ref] = entries
        return ref

    def _value(self, tail: _Tail) -> TreeObj:
        """Return the value with what was appended to it, in as few blobs as the limit of their size
        allows.
        """
        data = b"".join(tail.added)
        if not tail.refs and len(data) < INLINE_MAX:
            entry = treeobj.val(data)
            if len(entry["data"]) <= INLINE_MAX:
                return entry
        if len(data) <= self._scheme.limit:
            return treeobj.valref([*tail.refs, self._blob(data)] if data else tail.refs)
        chunks: list[list[bytes]] = [[]]
        size = 0
        for piece in tail.added:
            if size + len(piece) > self._scheme.limit:
                chunks.append([])
                size = 0
            chunks[-1].append(piece)
            size += len(piece)
        blobs = filter(None, map(b"".join, chunks))
        return treeobj.valref([*tail.refs, *map(self._blob, blobs)])


@dataclass(slots=True, frozen=True)
class Scheme:
    """How trees become blobs: the hash algorithm, and the largest blob in bytes."""

    algorithm: str = treeobj.DEFAULT_HASH
    limit: int = VALUE_BYTES


@dataclass(slots=True)
class Transaction(Generic[T]):
    """Operations to apply together, and ``origin``, whatever its owner needs to answer them.

    ``alone`` asks for a batch of its own, because one it was in could not be sealed or stored.
    """

    ops: list[Op]
    flags: int
    origin: T
    alone: bool = False


@dataclass(slots=True)
class Result(Generic[T]):
    """What a batch of transactions led to; ``failed`` pairs those left out with the reason,
    ``rest`` was not tried.
    """

    rootref: str
    applied: list[Transaction[T]]
    failed: list[tuple[Transaction[T], Exception]] = field(default_factory=list)
    rest: list[Transaction[T]] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    directories: dict[str, Entries] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)

    def keys(self) -> list[str]:
        """Return the keys the applied transactions mention, each once."""
        return list({op.key: None for txn in self.applied for op in txn.ops})


class Batch(Generic[T]):
    """Transactions being applied in order to the tree at ``rootref``, which leads to one new root.

    A transaction that cannot be applied is left out whole. If some of its operations had been
    applied by then the batch starts over without it, a few times; then it is cut before that
    transaction, so that no number of bad ones takes more than two passes.
    """

    def __init__(
        self,
        cache: ObjectCache,
        rootref: str,
        namespace: str,
        scheme: Scheme | None = None,
    ) -> None:
        self._cache = cache
        self._rootref = rootref
        self._namespace = namespace
        self._scheme = scheme or Scheme()

    def apply(self, batch: Sequence[Transaction[T]]) -> Result[T]:
        """Apply transactions; raises `Missing`, and from sealing OSError or whatever goes wrong."""
        result: Result[T] = Result(self._rootref, [])
        remaining = list(batch)
        for restart in range(RESTARTS + 2):
            overlay = Overlay(self._cache.directory, self._rootref, self._namespace, self._scheme)
            result.applied, after = _pass(overlay, remaining, result.failed)
            if after is None:
                break
            if restart < RESTARTS:
                remaining = [*result.applied, *after]
            else:
                remaining, result.rest = result.applied, after
        else:
            raise RuntimeError("transactions that could be applied before cannot be any more")
        if result.applied:
            result.rootref = overlay.seal()
            result.blobs, result.directories = overlay.blobs, overlay.directories
            result.replaced = overlay.replaced
        return result


def _pass(
    overlay: Overlay, batch: list[Transaction[T]], failed: list[tuple[Transaction[T], Exception]]
) -> tuple[list[Transaction[T]], list[Transaction[T]] | None]:
    """Apply transactions up to one that fails with some of its operations applied.

    Returns those that were applied, and None or, if the overlay is spoilt, those after the spoiler.
    Raises `Missing` with all directories that have to be at hand, so that they are loaded at once.
    """
    applied: list[Transaction[T]] = []
    missing: list[str] = []
    for index, txn in enumerate(batch):
        done, exc = _apply_all(overlay, txn.ops, missing)
        if exc is None:
            applied.append(txn)
            continue
        failed.append((txn, exc))
        if done or not isinstance(exc, OSError):
            return applied, batch[index + 1 :]
    if missing:
        raise Missing(missing, directory=True)
    return applied, None


def _apply_all(
    overlay: Overlay, ops: Sequence[Op], missing: list[str]
) -> tuple[int, Exception | None]:
    """Apply operations; returns how many were before the one that failed, and the exception.

    Directories that were not at hand are added to ``missing``; what fails after one was is not
    believed, for that may be why.
    """
    for done, op in enumerate(ops):
        try:
            overlay.apply(op)
        except Missing as exc:
            missing += exc.refs
        except Exception as exc:
            if not missing:
                return done, exc
    return 0, None
