"""Directories as blobs: one blob for a small one, a tree of them for a large one.

A directory with more than `LEAF_MAX` entries becomes an *hdir* of RFC 11, see `flux.dirblob`: its
entries are distributed over buckets by a hash of their names, and a bucket that grows too large is
distributed in turn. A change writes the bucket it is in and the few hashed directories above, and a
look-up reads those, however many entries there are.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from flux import treeobj
from flux.dirblob import HASH_SPACE, Buckets, Entries, check_below, name_hash
from flux.wire import json

if TYPE_CHECKING:
    from flux.treeobj import TreeObj

LEAF_MAX: Final = 256
"""Entries of a directory, or of a bucket, that are kept in one blob."""
# Few buckets: each is a quarter or half full on average, and not a blob for a handful of entries
# after every split; who reads all of a directory loads every one of them.
BUCKETS: Final = 8
MERGE_AT: Final = 64
"""Entries of a hashed directory at which it becomes one blob again."""


class Missing(Exception):
    """Objects that must be loaded before the work can go on; ``directory`` tells how to parse
    them.
    """

    def __init__(self, refs: list[str], *, directory: bool) -> None:
        super().__init__(refs)
        self.refs = refs
        self.directory = directory

    @classmethod
    def all_of(cls, several: Sequence[Missing]) -> Missing:
        """Return one for all objects of the kind that the first of ``several`` lacks."""
        kind = several[0].directory
        return cls(
            [ref for one in several if one.directory == kind for ref in one.refs], directory=kind
        )


Find = Callable[[str], Entries | None]


def all_entries(obj: TreeObj, find: Find) -> Entries | None:
    """Return every entry of a directory object, None if it is no directory; ``find`` gives cached
    blobs' entries. Raises `Missing`, OSError(EINVAL) for a hashed directory that is inconsistent.
    """
    kind = obj["type"]
    if kind == "dir":
        held: Entries = obj["data"]
        return held
    if kind != "dirref":
        return None
    refs: list[str] = obj["data"]
    if len(refs) == 1:
        entries = find(refs[0])
        if entries is None:
            raise Missing(refs, directory=True)
        return _gathered(entries, find) if isinstance(entries, Buckets) else entries
    parts = [find(ref) for ref in refs[:-1]]
    missing = [ref for ref, part in zip(refs, parts, strict=False) if part is None]
    if missing:
        raise Missing(missing, directory=True)
    return dict(sorted(item for part in parts if part for item in part.items()))


def _gathered(top: Buckets, find: Find) -> Entries:
    """Return the entries of all buckets together; raises as `all_entries` does."""
    found: Entries = {}
    missing: list[str] = []
    pending = [top]
    # Each blob has one place. A few that refer to one another many times are not what we made, and
    # would cost their reader the product.
    seen: set[str] = set()
    for buckets in pending:
        for ref in buckets.refs().values():
            if ref in seen:
                raise OSError(errno.EINVAL, "a hashed directory has a bucket twice")
            seen.add(ref)
            entries = find(ref)
            if entries is None:
                missing.append(ref)
                continue
            check_below(buckets, entries)
            if isinstance(entries, Buckets):
                pending.append(entries)
            else:
                found |= entries
    if missing:
        raise Missing(missing, directory=True)
    return dict(sorted(found.items()))


def one_entry(obj: TreeObj, name: str, find: Find) -> TreeObj | None:
    """Return one entry of a directory object, None if it is no directory or has no such entry.
    Raises as `all_entries` does.
    """
    kind = obj["type"]
    if kind == "dir":
        held: Entries = obj["data"]
        return held.get(name)
    if kind != "dirref":
        return None
    refs: list[str] = obj["data"]
    if len(refs) > 1:
        entries = find(refs[name_hash(name) % (len(refs) - 1)])
        if entries is None:
            raise Missing([refs[name_hash(name) % (len(refs) - 1)]], directory=True)
        return entries.get(name)
    ref: str | None = refs[0]
    above: Buckets | None = None
    while ref is not None:
        entries = find(ref)
        if entries is None:
            raise Missing([ref], directory=True)
        if above is not None:
            check_below(above, entries)
        if not isinstance(entries, Buckets):
            return entries.get(name)
        above, ref = entries, entries.bucket_of(name)
    return None


class _Leaf:
    """Entries that are in one blob; if they are too many for it, their hashes are divided by
    ``divisor`` to distribute them.
    """

    __slots__ = ("divisor", "entries", "grown", "shrunk")

    def __init__(self, entries: Entries, divisor: int) -> None:
        self.entries = entries
        self.divisor = divisor
        self.grown = self.shrunk = False


class _Branch:
    """A hashed directory: the blobs of its buckets, and those that are being changed."""

    __slots__ = ("divisor", "nodes", "refs", "size")

    def __init__(self, refs: dict[int, str], divisor: int, size: int) -> None:
        self.refs = refs
        self.nodes: dict[int, _Node] = {}
        self.divisor = divisor
        self.size = size


_Node: TypeAlias = _Leaf | _Branch


class Draft:
    """A directory being changed: copies of the blobs that are touched.

    ``obj`` is the directory as it is, None for a new one. `seal` turns the draft into an object
    again. ``replaced`` lists the blobs that the directory as it is has and the new one will not.
    Raises `Missing`.
    """

    __slots__ = ("_find", "_top", "replaced")

    def __init__(self, obj: TreeObj | None, find: Find) -> None:
        self._find = find
        self.replaced: list[str] = []
        self._top: _Node
        if obj is not None and obj["type"] == "dirref" and len(obj["data"]) == 1:
            self._top = self._opened(obj["data"][0], None)
            return
        entries = all_entries(obj, find) if obj is not None else None
        self._top = _Leaf(dict(entries or {}), 1)
        if obj is not None and obj["type"] == "dirref":
            self.replaced += obj["data"]

    def _opened(self, ref: str, above: Buckets | None) -> _Node:
        """Return a blob as what can be changed; raises `Missing`, OSError(EINVAL)."""
        entries = self._find(ref)
        if entries is None:
            raise Missing([ref], directory=True)
        if above is not None:
            check_below(above, entries)
        if entries:  # the empty one begins every namespace
            self.replaced.append(ref)
        if isinstance(entries, Buckets):
            return _Branch(entries.refs(), entries.divisor, entries.size)
        return _Leaf(dict(entries), above.divisor * above.size if above is not None else 1)

    def _leaf(self, name: str) -> _Leaf:
        """Return what the entry ``name`` is in; raises `Missing`, OSError(EINVAL)."""
        node = self._top
        while isinstance(node, _Branch):
            index = name_hash(name) // node.divisor % node.size
            below = node.nodes.get(index)
            if below is None:
                ref = node.refs.get(index)
                if ref is None:
                    below = _Leaf({}, node.divisor * node.size)
                else:
                    below = self._opened(ref, Buckets({}, node.divisor, node.size))
                node.nodes[index] = below
            node = below
        return node

    def get(self, name: str) -> TreeObj | None:
        """Return an entry, None if there is none."""
        return self._leaf(name).entries.get(name)

    def set(self, name: str, entry: TreeObj) -> None:
        """Add or replace an entry."""
        leaf = self._leaf(name)
        if name not in leaf.entries:
            leaf.grown = True
        leaf.entries[name] = entry

    def remove(self, name: str) -> None:
        """Remove an entry if there is one."""
        leaf = self._leaf(name)
        if leaf.entries.pop(name, None) is not None:
            leaf.shrunk = True

    def seal(self, store: Callable[[bytes, Entries], str]) -> TreeObj:
        """Return the directory as *dirref*; ``store`` takes each new blob with its entries and
        returns the blobref.
        """
        ref = self._sealed(self._top, store)
        return treeobj.dirref(ref if ref is not None else _stored({}, store))

    def _sealed(self, node: _Node, store: Callable[[bytes, Entries], str]) -> str | None:
        """Return the new blob of a part of the directory, None if nothing is left in it."""
        if isinstance(node, _Branch):
            node = self._merged(node) or node
        if isinstance(node, _Leaf):
            if node.grown:
                node.entries = dict(sorted(node.entries.items()))
            if len(node.entries) <= LEAF_MAX or node.divisor * BUCKETS > HASH_SPACE:
                return _stored(node.entries, store) if node.entries else None
            node = _distributed(node)
        for index, below in node.nodes.items():
            ref = self._sealed(below, store)
            if ref is None:
                node.refs.pop(index, None)
            else:
                node.refs[index] = ref
        if not node.refs:
            return None
        buckets = Buckets(node.refs, node.divisor, node.size)
        return store(buckets.blob(), buckets)

    def _merged(self, branch: _Branch) -> _Leaf | None:
        """Return the entries of a hashed directory that has become small, None if it has not, or if
        that would take loading more of it.
        """
        nodes = branch.nodes
        if not any(isinstance(node, _Leaf) and node.shrunk for node in nodes.values()):
            return None
        entries: Entries = {}
        for index in branch.refs.keys() | nodes.keys():
            node, part = nodes.get(index), None
            if isinstance(node, _Leaf):
                part = node.entries
            elif node is None:
                with suppress(OSError):
                    part = self._find(branch.refs[index])
            if part is None or isinstance(part, Buckets) or len(entries) + len(part) > MERGE_AT:
                return None
            entries |= part
        self.replaced += [ref for index, ref in branch.refs.items() if index not in nodes]
        return _Leaf(dict(sorted(entries.items())), branch.divisor)


def _stored(entries: Entries, store: Callable[[bytes, Entries], str]) -> str:
    return store(json.dumps(treeobj.directory(entries)), entries)


def _distributed(leaf: _Leaf) -> _Branch:
    """Return entries that are too many for one blob as a hashed directory."""
    branch = _Branch({}, leaf.divisor, BUCKETS)
    tables: dict[int, Entries] = {}
    for name, entry in leaf.entries.items():
        tables.setdefault(name_hash(name) // leaf.divisor % BUCKETS, {})[name] = entry
    for index, table in tables.items():
        branch.nodes[index] = _Leaf(table, leaf.divisor * BUCKETS)
    return branch
