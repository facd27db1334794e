"""Directories as blobs: one blob for a small one, many for a large one.

RFC 11 lets a *dirref* name several blobs whose concatenation is the *dir* object. A directory with
many entries uses that: its entries are distributed over parts by a hash of their names, so that a
change writes one part anew and not the whole directory, and a look-up reads one part. The last blob
only closes the JSON object. The first part must not be empty, or the concatenation would not be
JSON; in the rare case that it is, the directory is one blob.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

from flux import treeobj
from flux.dirblob import HEAD, TAIL, Entries
from flux.wire import json

if TYPE_CHECKING:
    from flux.treeobj import TreeObj

SPLIT_AT: Final = 1024
PARTS: Final = 64


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


def part_index(name: str, parts: int) -> int:
    """Return which of ``parts`` parts the entry ``name`` is in."""
    return crc32(name.encode("utf-8", "surrogatepass")) % parts


def all_entries(obj: TreeObj, find: Find) -> Entries | None:
    """Return every entry of a directory object, None if it is no directory; ``find`` gives cached
    blobs' entries. Raises `Missing`.
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
        return entries
    parts = [find(ref) for ref in refs[:-1]]
    missing = [ref for ref, part in zip(refs, parts, strict=False) if part is None]
    if missing:
        raise Missing(missing, directory=True)
    return dict(sorted(item for part in parts if part for item in part.items()))


def one_entry(obj: TreeObj, name: str, find: Find) -> TreeObj | None:
    """Return one entry of a directory object, None if it is no directory or has no such entry.
    Raises `Missing`.
    """
    kind = obj["type"]
    if kind == "dir":
        held: Entries = obj["data"]
        return held.get(name)
    if kind != "dirref":
        return None
    refs: list[str] = obj["data"]
    ref = refs[0] if len(refs) == 1 else refs[part_index(name, len(refs) - 1)]
    entries = find(ref)
    if entries is None:
        raise Missing([ref], directory=True)
    return entries.get(name)


class Draft:
    """A directory being changed: copies of the parts that are touched.

    ``obj`` is the directory as it is, None for a new one. `seal` turns the draft into an object
    again. ``replaced`` lists the blobs that the directory as it is has and the new one will not.
    """

    __slots__ = ("_find", "_grown", "_refs", "_tables", "replaced")

    def __init__(self, obj: TreeObj | None, find: Find) -> None:
        self._find = find
        self._refs: list[str] | None = None
        self._tables: dict[int, Entries] = {}
        self._grown: set[int] = set()
        self.replaced: list[str] = []
        if obj is not None and obj["type"] == "dirref" and len(obj["data"]) > 1:
            self._refs = list(obj["data"])
        else:
            entries = all_entries(obj, find) if obj is not None else None
            self._tables[0] = dict(entries or {})
            if entries and obj is not None and obj["type"] == "dirref":
                self.replaced.append(obj["data"][0])

    def _table(self, name: str) -> tuple[int, Entries]:
        refs = self._refs
        if refs is None:
            return 0, self._tables[0]
        index = part_index(name, len(refs) - 1)
        table = self._tables.get(index)
        if table is None:
            entries = self._find(refs[index])
            if entries is None:
                raise Missing([refs[index]], directory=True)
            table = self._tables[index] = dict(entries)
            self.replaced.append(refs[index])
        return index, table

    def get(self, name: str) -> TreeObj | None:
        """Return an entry, None if there is none."""
        return self._table(name)[1].get(name)

    def set(self, name: str, entry: TreeObj) -> None:
        """Add or replace an entry."""
        index, table = self._table(name)
        if name not in table:
            self._grown.add(index)
        table[name] = entry

    def remove(self, name: str) -> None:
        """Remove an entry if there is one."""
        self._table(name)[1].pop(name, None)

    def seal(self, store: Callable[[bytes, Entries], str], *, whole: bool) -> TreeObj:
        """Return the directory as *dirref*; ``store`` takes each new blob with its entries and
        returns the blobref.

        ``whole`` asks for one blob whatever the size. Raises `Missing`.
        """
        for index in self._grown:
            self._tables[index] = dict(sorted(self._tables[index].items()))
        if self._refs is None:
            entries = self._tables[0]
            if whole or len(entries) <= SPLIT_AT:
                return _one_blob(entries, store)
            tables = _distribute(entries, PARTS)
            if not tables[0]:
                return _one_blob(entries, store)
            refs = [store(_part_blob(index, table), table) for index, table in enumerate(tables)]
            return {"data": [*refs, store(TAIL, {})], "type": "dirref", "ver": treeobj.VERSION}
        if whole or self._tables.get(0) == {}:
            return _one_blob(self._merge(), store)
        for index, table in self._tables.items():
            self._refs[index] = store(_part_blob(index, table), table)
        return {"data": self._refs, "type": "dirref", "ver": treeobj.VERSION}

    def _merge(self) -> Entries:
        """Return the entries of all parts together; raises `Missing`."""
        assert self._refs is not None
        others = {
            index: self._find(ref)
            for index, ref in enumerate(self._refs[:-1])
            if index not in self._tables
        }
        missing = [self._refs[index] for index, part in others.items() if part is None]
        if missing:
            raise Missing(missing, directory=True)
        parts = [*self._tables.values(), *(part for part in others.values() if part)]
        return dict(sorted(item for part in parts for item in part.items()))


def _one_blob(entries: Entries, store: Callable[[bytes, Entries], str]) -> TreeObj:
    return treeobj.dirref(store(json.dumps(treeobj.directory(entries)), entries))


def _distribute(entries: Entries, parts: int) -> list[Entries]:
    tables: list[Entries] = [{} for _ in range(parts)]
    for name, entry in entries.items():
        tables[part_index(name, parts)][name] = entry
    return tables


def _part_blob(index: int, table: Entries) -> bytes:
    if not table:
        return b""
    return (HEAD if index == 0 else b",") + json.dumps(table)[1:-1]
