"""The blobs one rank holds, with what is needed to decide which of them may go."""

from __future__ import annotations

from collections.abc import Iterable

from flux import treeobj


class _Entry:
    __slots__ = ("data", "used")

    def __init__(self, data: bytes, used: float) -> None:
        self.data = data
        self.used = used


class BlobCache:
    """Blobs by blobref. A blob is dirty until it is stored where this rank's misses are served from.

    Times are seconds of any monotonic clock. Entries are kept in the order of their last use.
    """

    def __init__(self, algorithm: str = treeobj.DEFAULT_HASH) -> None:
        self.algorithm = algorithm
        self.size = 0
        self._entries: dict[str, _Entry] = {}
        self._dirty: dict[str, None] = {}
        self._soiled = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, ref: object) -> bool:
        return ref in self._entries

    @property
    def dirty(self) -> int:
        """How many entries are dirty."""
        return len(self._dirty)

    @property
    def soiled(self) -> int:
        """How many entries have been dirty ever."""
        return self._soiled

    @property
    def cleaned(self) -> int:
        """How many entries have been dirty and are no more. They become clean in the order they became dirty."""
        return self._soiled - len(self._dirty)

    def ref(self, data: bytes) -> str:
        """Return the blobref of ``data`` by this instance's hash algorithm."""
        return treeobj.blobref(data, self.algorithm)

    def get(self, ref: str, now: float) -> bytes | None:
        """Return a blob and note its use, None if it is not held."""
        entry = self._entries.pop(ref, None)
        if entry is None:
            return None
        entry.used = now
        self._entries[ref] = entry
        return entry.data

    def add(self, ref: str, data: bytes, now: float, *, dirty: bool) -> bool:
        """Hold a blob; returns whether it is new. A blob held already keeps its state."""
        if self.get(ref, now) is not None:
            return False
        self._entries[ref] = _Entry(data, now)
        self.size += len(data)
        if dirty:
            self._dirty[ref] = None
            self._soiled += 1
        return True

    def dirty_blobs(self, limit: int) -> list[tuple[str, bytes]]:
        """Return up to ``limit`` dirty blobs, the oldest first, with their blobrefs."""
        entries = self._entries
        return [(ref, entries[ref].data) for ref, _ in zip(self._dirty, range(limit), strict=False)]

    def clean(self, refs: Iterable[str]) -> None:
        """Note that ``refs`` have been stored."""
        for ref in refs:
            self._dirty.pop(ref, None)

    def purge(self, target: int, age: float, now: float) -> int:
        """Drop clean entries not used for ``age`` seconds, least recently used first, until at most ``target`` bytes are held."""
        return self._purge(self._entries, target, age, now)

    def release(self, refs: Iterable[str], target: int, age: float, now: float) -> int:
        """Purge as `purge` does, considering only ``refs``."""
        return self._purge(
            {ref: entry for ref in refs if (entry := self._entries.get(ref)) is not None}, target, age, now
        )

    def _purge(self, candidates: dict[str, _Entry], target: int, age: float, now: float) -> int:
        dropped = []
        size = self.size
        for ref, entry in candidates.items():
            if size <= target:
                break
            if now - entry.used >= age and ref not in self._dirty:
                dropped.append(ref)
                size -= len(entry.data)
        self._drop(dropped)
        return len(dropped)

    def drop_clean(self) -> int:
        """Drop every entry that can be had again; returns how many."""
        dropped = [ref for ref in self._entries if ref not in self._dirty]
        self._drop(dropped)
        return len(dropped)

    def _drop(self, refs: list[str]) -> None:
        for ref in refs:
            self.size -= len(self._entries.pop(ref).data)
