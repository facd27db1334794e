"""The key-value store as a tree of keys of which only what was opened has been read (RFC 11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.model import format as fmt
from tui.model.listing import ListColumn, Listing
from tui.model.table import collector_off

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping

ROOT: Final = "."
DIRECTORY: Final = "directory"
VALUE: Final = "value"
LINK: Final = "link"
MOST: Final = 20_000
"""Entries of a directory above which it is not read again by itself when it changes."""
_KINDS: Final = {"dir": DIRECTORY, "dirref": DIRECTORY, "symlink": LINK}


class KvsRow(NamedTuple):
    """One key; ``size`` is in bytes, of a directory in entries, -1 if it is not known; ``target``
    is where a link leads to.
    """

    key: str
    kind: str
    depth: int
    size: int = -1
    opened: bool = False
    target: str = ""

    @property
    def name(self) -> str:
        """Its last component."""
        return self.key.rpartition(".")[2]


def child(key: str, name: str) -> str:
    """Return the key of an entry of a directory."""
    return name if key == ROOT else f"{key}.{name}"


def parent(key: str) -> str:
    """Return the directory that a key is in."""
    return key.rpartition(".")[0] or ROOT


class _KeyEntry(NamedTuple):
    """An entry of a directory as it was read; ``ref`` says which version of it."""

    kind: str
    size: int
    target: str
    ref: object


@dataclass(slots=True)
class KvsTree:
    """What has been read of one namespace."""

    opened: set[str] = field(default_factory=lambda: {ROOT})
    errors: dict[str, str] = field(default_factory=dict)
    _read: dict[str, dict[str, _KeyEntry]] = field(default_factory=dict)
    _refs: dict[str, object] = field(default_factory=dict)

    def take(self, key: str, entries: JsonMapping, ref: object) -> None:
        """Take in what is in a directory, and which version of it that is."""
        with collector_off():
            self._read[key] = {name: _entry(entries[name]) for name in sorted(entries)}
        self._refs[key] = ref
        self.errors.pop(key, None)

    def fail(self, key: str, why: str) -> None:
        """Take in that a directory cannot be read, any more maybe."""
        self.errors[key] = fmt.printable(why)
        self._read.pop(key, None)
        self._refs.pop(key, None)

    def entries(self, key: str) -> int:
        """Return how many entries a directory has, -1 if it was not read."""
        return len(self._read[key]) if key in self._read else -1

    def stale(self, root_ref: object, *, all_of_them: bool = False) -> list[str]:
        """Return the opened directories that are not read yet, or not as they are now, those above
        first. Large ones are read again only if ``all_of_them`` are to be.
        """
        found = []
        for key in sorted(self.opened, key=lambda key: key.count(".") if key != ROOT else -1):
            known = self._read.get(key)
            if known is None:
                if key not in self.errors or all_of_them:
                    found.append(key)
            elif self.ref_of(key, root_ref) != self._refs[key] and (
                all_of_them or len(known) <= MOST
            ):
                found.append(key)
        return found

    def ref_of(self, key: str, root_ref: object) -> object:
        """Return which version of a directory the one above it names."""
        if key == ROOT:
            return root_ref
        entry = self._read.get(parent(key), {}).get(key.rpartition(".")[2])
        return entry.ref if entry is not None else None

    def version_of(self, row: KvsRow, root_ref: object) -> object:
        """Return what differs once the value of a key does: what its directory names, or, where
        that is not read again by itself and for links, which lead elsewhere, the whole namespace.
        """
        if row.kind != VALUE or self.entries(parent(row.key)) > MOST:
            return root_ref
        return self.ref_of(row.key, root_ref)

    def rows(self) -> list[KvsRow]:
        """Return all keys that are to be seen, each directory before what is in it."""
        with collector_off():
            return self._rows()

    def _rows(self) -> list[KvsRow]:
        found: list[KvsRow] = []
        waiting = [iter(self._rows_in(ROOT, 0))]
        while waiting:
            row = next(waiting[-1], None)
            if row is None:
                waiting.pop()
                continue
            found.append(row)
            if row.opened:
                waiting.append(iter(self._rows_in(row.key, row.depth + 1)))
        return found

    def _rows_in(self, key: str, depth: int) -> list[KvsRow]:
        opened = self.opened
        rows = []
        for name, entry in self._read.get(key, {}).items():
            inner = child(key, name)
            directory = entry.kind == DIRECTORY
            size = self.entries(inner) if directory and inner in self._read else entry.size
            rows.append(
                KvsRow(inner, entry.kind, depth, size, directory and inner in opened, entry.target)
            )
        return rows

    def open_to(self, key: str) -> None:
        """Open all directories above a key."""
        while key != ROOT:
            key = parent(key)
            self.opened.add(key)

    def close(self, key: str) -> None:
        """Close a directory and forget what is in it."""
        below = f"{key}."
        gone = {inner for inner in self.opened if inner == key or inner.startswith(below)}
        self.opened -= gone
        for inner in gone:
            self._read.pop(inner, None)
            self._refs.pop(inner, None)
            self.errors.pop(inner, None)


def _entry(obj: JsonMapping) -> _KeyEntry:
    kind, data = str(obj.get("type")), obj.get("data")
    size, target = -1, ""
    if kind == "val" and isinstance(data, str):
        size = len(data) * 3 // 4 - data[-2:].count("=")
        return _KeyEntry(VALUE, size, "", data)
    if kind == "dir" and isinstance(data, dict):
        size = len(data)
    if kind == "symlink" and isinstance(data, dict):
        space = data.get("namespace")
        target = f"{space}::{data.get('target')}" if space else str(data.get("target"))
    return _KeyEntry(_KINDS.get(kind, VALUE), size, target, data)


def size_text(row: KvsRow) -> str:
    """Return how large a value is, or how much is in a directory."""
    if row.kind == LINK or row.size < 0:
        return "-"
    return fmt.count(row.size) if row.kind == DIRECTORY else f"{fmt.count(row.size)} B"


def kvs_listing() -> Listing[KvsRow]:
    """Return the list of keys, without any, in the order of the tree."""
    columns = (
        ListColumn[KvsRow]("key", "KEY", 24, lambda row: row.key, grow=1),
        ListColumn[KvsRow]("kind", "TYPE", 9, lambda row: row.kind, rank=1),
        ListColumn[KvsRow]("size", "SIZE", 12, size_text, right=True, rank=2),
    )
    return Listing(columns, lambda row: row.key)
