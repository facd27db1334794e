"""The objects of the hash tree that this rank has at hand: directories parsed, values as bytes.

Objects are immutable, so an entry never goes stale; it is dropped when room is needed. The cache
has two generations: an object that is used moves to the young one, and when the young one is full
the old one is dropped. That costs one dictionary look-up a hit.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from flux.dirblob import Entries, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIRECTORY_BYTES: Final = 2 << 20
VALUE_BYTES: Final = 1 << 20
T = TypeVar("T")


class _Generations(Generic[T]):
    """Objects by blobref with their serialised sizes, at most about twice ``limit`` bytes of
    them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._young: dict[str, tuple[T, int]] = {}
        self._old: dict[str, tuple[T, int]] = {}
        self._bytes = 0
        self.held = 0

    def get(self, ref: str) -> T | None:
        entry = self._young.get(ref)
        if entry is None:
            entry = self._old.pop(ref, None)
            if entry is None:
                return None
            self._insert(ref, entry)
        return entry[0]

    def add(self, ref: str, obj: T, size: int) -> None:
        if ref not in self._young:
            self._old.pop(ref, None)
            self._insert(ref, (obj, size))

    def _insert(self, ref: str, entry: tuple[T, int]) -> None:
        if self._bytes + entry[1] > self._limit and self._young and not self.held:
            self._old, self._young, self._bytes = self._young, {}, 0
        self._young[ref] = entry
        self._bytes += entry[1]

    def trim(self) -> None:
        """Begin a new generation if what was held made this one too large: who loads much, piece by
        piece, adds nothing while nothing is held.
        """
        if self._bytes > self._limit and not self.held:
            self._old, self._young, self._bytes = self._young, {}, 0

    def age(self) -> None:
        """Begin a new generation; what was not used since the last but one is dropped."""
        if self._young and not self.held:
            self._old, self._young, self._bytes = self._young, {}, 0
        elif not self.held:
            self._old = {}

    def forget(self, ref: str) -> None:
        self._old.pop(ref, None)
        entry = self._young.pop(ref, None)
        if entry is not None:
            self._bytes -= entry[1]

    def sizes(self) -> list[int]:
        return [size for part in (self._young, self._old) for _, size in part.values()]

    def clear(self) -> int:
        dropped = len(self._young) + len(self._old)
        self._young, self._old, self._bytes = {}, {}, 0
        return dropped


class ObjectCache:
    """Directories and values by blobref.

    A directory's entries are shared by everyone who reads them and must not be changed.
    """

    def __init__(
        self, directory_bytes: int = DIRECTORY_BYTES, value_bytes: int = VALUE_BYTES
    ) -> None:
        self._directories: _Generations[Entries] = _Generations(directory_bytes)
        self._values: _Generations[bytes] = _Generations(value_bytes)
        self._errors: Mapping[str, OSError] = {}

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Drop nothing inside the block, so that what it loads is still there when it is used."""
        self._directories.held += 1
        self._values.held += 1
        try:
            yield
        finally:
            for objects in (self._directories, self._values):
                objects.held -= 1
                objects.trim()

    @contextmanager
    def failing(self, errors: Mapping[str, OSError]) -> Iterator[None]:
        """Inside the block, which must not wait, raise these errors for objects that could not be
        loaded.
        """
        self._errors = errors
        try:
            yield
        finally:
            self._errors = {}

    def age(self) -> None:
        """Begin a new generation of everything: objects that nobody asks for go after the next.

        Directories of old roots are never asked for again, and parsed they take several times
        what they are counted for.
        """
        self._directories.age()
        self._values.age()

    def directory(self, ref: str) -> Entries | None:
        """Return the entries of a directory, None if it is not at hand; raises OSError inside
        `failing`.
        """
        entries = self._directories.get(ref)
        if entries is None and ref in self._errors:
            raise self._errors[ref]
        return entries

    def value(self, ref: str) -> bytes | None:
        """Return the bytes of a value, None if it is not at hand; raises OSError inside
        `failing`.
        """
        data = self._values.get(ref)
        if data is None and ref in self._errors:
            raise self._errors[ref]
        return data

    def add_directory(self, ref: str, entries: Entries, size: int) -> None:
        """Keep a parsed directory whose blob has ``size`` bytes."""
        self._directories.add(ref, entries, size)

    def forget_directory(self, ref: str) -> None:
        """Drop a directory that is unlikely to be read again."""
        self._directories.forget(ref)

    def add_value(self, ref: str, data: bytes) -> None:
        """Keep a value."""
        self._values.add(ref, data, len(data))

    def add_tree(self, blobs: Mapping[str, bytes], directories: Mapping[str, Entries]) -> None:
        """Keep the blobs of a tree that was just made; ``directories`` has the parsed form of those
        among them.
        """
        for ref, blob in blobs.items():
            entries = directories.get(ref)
            if entries is None:
                self.add_value(ref, blob)
            else:
                self.add_directory(ref, entries, len(blob))

    def load_directory(self, ref: str, blob: bytes) -> None:
        """Parse and keep a directory, or a part of one; raises OSError(EINVAL) if ``blob`` is
        neither.
        """
        self.add_directory(ref, parse(ref, blob), len(blob))

    def sizes(self) -> list[int]:
        """Return the size in bytes of every object held."""
        return self._directories.sizes() + self._values.sizes()

    def clear(self) -> int:
        """Drop everything; returns how many objects that were."""
        return self._directories.clear() + self._values.clear()
