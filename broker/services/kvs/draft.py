"""A hash tree that is being changed: operations in, the blobs of the new tree out.

Nothing is changed in place. `TreeDraft` copies each directory the first time an operation touches
it; `TreeDraft.seal` turns the copies into blobs, children first, and returns the new root.
Directories that no operation touched are neither read nor written again.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from msgspec import Struct

from broker.services.kvs.directory import Draft, Find
from broker.services.kvs.lookup import SYMLINK_DEPTH, components
from broker.services.kvs.ops import INLINE_MAX, Op
from flux import treeobj
from flux.kvs_limits import VALUE_BYTES, check_depth, check_value
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from flux.dirblob import Entries
    from flux.treeobj import TreeObj


class Scheme(Struct, frozen=True):
    """How trees become blobs: the hash algorithm, and the largest blob in bytes."""

    algorithm: str = treeobj.DEFAULT_HASH
    limit: int = VALUE_BYTES


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


class TreeDraft:
    """Changes on top of the directory ``rootref``, not visible to anyone until sealed.

    ``blobs`` are those the new tree needs stored, by blobref, ``directories`` the parsed form of
    the directories among them, ``replaced`` the directory blobs it has no use for any more.
    """

    def __init__(self, find: Find, rootref: str, namespace: str, scheme: Scheme) -> None:
        self._find = find
        self._namespace = namespace
        self._scheme = scheme
        self._root = _Directory(Draft(treeobj.dirref(rootref), find))
        # Where the last operation was: the next one is often in the same directory.
        self._last_path: list[str] = []
        self._last = self._root
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
        if path[:-1] == self._last_path:
            self._change(self._last, path[-1], op)
            return
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
                self._last_path, self._last = path[:-1], node
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
        if name in node.children:  # what may have been remembered is about to go
            self._last_path, self._last = [], self._root
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
            sealed = node.draft.seal(self._directory_blob)
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
