"""The blobs one rank holds, with what is needed to decide which of them may go.

A blob is *clean* when this rank's misses are served from where it is stored too, *dirty* while it
has to be stored there, and *held* while nobody knows yet whether that is worth the while:
directories of the key-value store are superseded so fast that most of them never need to be
written. A *pinned* blob was stored by a user and is never collected.

A clean blob may be deleted from the store by a collection. `distrust` starts a new era: blobs that
were stored in an earlier one are stored again when somebody stores them again, so that a collection
under way learns that they are in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux import treeobj
from flux.blobpack import HELD, PINNED, Blob

if TYPE_CHECKING:
    from collections.abc import Iterable


class _CachedBlob:
    __slots__ = ("data", "era", "pinned", "used")

    def __init__(self, data: bytes, used: float, era: int) -> None:
        self.data = data
        self.used = used
        self.era = era
        self.pinned = False


class BlobCache:
    """Blobs by blobref. Times are seconds of any monotonic clock. Entries are kept in the order of
    their last use.
    """

    def __init__(self, algorithm: str = treeobj.DEFAULT_HASH) -> None:
        self.algorithm = algorithm
        self.size = 0
        self.era = 0
        self.collecting = False
        self._entries: dict[str, _CachedBlob] = {}
        self._dirty: dict[str, int] = {}
        self._held: dict[str, None] = {}
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
    def held(self) -> int:
        """How many entries are held."""
        return len(self._held)

    @property
    def soiled(self) -> int:
        """How many times an entry became dirty; the number of the last of them."""
        return self._soiled

    @property
    def stored(self) -> int:
        """The number up to which all that became dirty has been stored."""
        return next(iter(self._dirty.values()), self._soiled + 1) - 1

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

    def is_pinned(self, ref: str) -> bool:
        """Tell whether a blob is here and known to be pinned where it is stored."""
        entry = self._entries.get(ref)
        return entry is not None and entry.pinned

    def _entry(self, ref: str, data: bytes, now: float) -> tuple[_CachedBlob, bool]:
        entry = self._entries.pop(ref, None)
        new = entry is None
        if entry is None:
            entry = _CachedBlob(data, now, self.era)
            self.size += len(data)
        entry.used = now
        self._entries[ref] = entry
        return entry, new

    def add_clean(self, ref: str, data: bytes, now: float, *, pinned: bool = False) -> None:
        """Keep a blob that is stored where misses are served from. One that is here already keeps
        its state.
        """
        entry, new = self._entry(ref, data, now)
        entry.pinned = entry.pinned or pinned
        if new:
            entry.era -= self.collecting

    def add(self, ref: str, data: bytes, now: float, flags: int = 0) -> None:
        """Keep a blob that somebody stores: held if ``flags`` say so, else dirty unless it is
        surely in the store.
        """
        entry, new = self._entry(ref, data, now)
        sure = not new and (entry.pinned or entry.era == self.era)
        if flags & PINNED and not entry.pinned:
            entry.pinned, sure = True, False
        if ref in self._dirty:
            entry.era = self.era
        elif flags & HELD:
            self._held[ref] = None
        elif ref in self._held or not sure:
            self._soil(ref)

    def _soil(self, ref: str) -> None:
        self._held.pop(ref, None)
        self._soiled += 1
        self._dirty[ref] = self._soiled
        self._entries[ref].era = self.era

    def settle(self, refs: Iterable[str]) -> None:
        """Make those of ``refs`` that are held dirty."""
        for ref in refs:
            if ref in self._held:
                self._soil(ref)

    def free(self, refs: Iterable[str]) -> None:
        """Drop those of ``refs`` that are held."""
        dropped = [ref for ref in refs if ref in self._held]
        for ref in dropped:
            del self._held[ref]
        self._drop(dropped)

    def dirty_blobs(self, limit: int) -> list[Blob]:
        """Return up to ``limit`` dirty blobs, the oldest first."""
        found = []
        for ref, _ in zip(self._dirty, range(limit), strict=False):
            entry = self._entries[ref]
            found.append((ref, entry.data, PINNED if entry.pinned else 0))
        return found

    def clean(self, blobs: Iterable[Blob], era: int) -> None:
        """Note that ``blobs``, returned by `dirty_blobs` in ``era``, have been stored.

        One that has been pinned, or stored again in a later era, stays dirty.
        """
        for ref, _, flags in blobs:
            entry = self._entries[ref]
            if entry.era <= era and (flags & PINNED or not entry.pinned):
                entry.era = era
                del self._dirty[ref]

    def distrust(self) -> None:
        """A collection of the store begins: what it finds unused goes, whether it is here or not.
        Undo with `trust`.
        """
        self.era += 1
        self.collecting = True

    def trust(self) -> None:
        """The collection is over: what is loaded from now on stays in the store until the next."""
        self.collecting = False

    def purge(self, target: int, age: float, now: float) -> int:
        """Drop clean entries not used for ``age`` seconds, least recently used first, until at most
        ``target`` bytes are held.
        """
        return self._purge(self._entries, target, age, now)

    def forget_idle(self, age: float, now: float) -> int:
        """Drop clean entries not used for ``age`` seconds, however few bytes are held; returns how
        many.

        Small blobs take several times their size here, so that a bound in bytes alone lets a
        broker grow for an hour by what was read once.
        """
        dropped = []
        for ref, entry in self._entries.items():
            if now - entry.used < age:
                break
            if self._evictable(ref):
                dropped.append(ref)
        self._drop(dropped)
        return len(dropped)

    def release(self, blobs: Iterable[Blob], target: int, age: float, now: float) -> int:
        """Purge as `purge` does, considering only ``blobs``."""
        entries = self._entries
        return self._purge(
            {ref: entries[ref] for ref, _, _ in blobs if ref in entries}, target, age, now
        )

    def _evictable(self, ref: str) -> bool:
        return ref not in self._dirty and ref not in self._held

    def _purge(
        self, candidates: dict[str, _CachedBlob], target: int, age: float, now: float
    ) -> int:
        dropped = []
        size = self.size
        for ref, entry in candidates.items():
            if size <= target:
                break
            if now - entry.used >= age and self._evictable(ref):
                dropped.append(ref)
                size -= len(entry.data)
        self._drop(dropped)
        return len(dropped)

    def drop_clean(self) -> int:
        """Drop every entry that can be had again; returns how many."""
        dropped = [ref for ref in self._entries if self._evictable(ref)]
        self._drop(dropped)
        return len(dropped)

    def _drop(self, refs: list[str]) -> None:
        for ref in refs:
            self.size -= len(self._entries.pop(ref).data)
