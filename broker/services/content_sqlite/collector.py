"""Finding and dropping the blobs of a store that nothing refers to, a few milliseconds at a time.

A collection marks, waits, marks again and sweeps:

1. From its beginning on, every blob that is stored is kept: new rows have larger numbers than
   ``limit``, and the store's *barrier* notes the rows of blobs that were there already. The caches
   above have been told to pass on such stores.
2. The first mark follows the roots in use at that time. What it does not reach, and is not stored
   afterwards, is in no root that was current since: a new tree consists of parts of the one before
   and of blobs that its transaction stores.
3. The sweep begins one grace period later. So a root stays readable at least that long after it has
   been superseded. A second mark before it finds what tree objects put by reference have brought
   back within that time.

Rows that users pinned are never dropped. The tree may be damaged, or a user may have put a
reference to nothing: what is not there is passed over, but a damaged directory ends the collection,
for what it refers to is unknown.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from broker.services.content_sqlite import schema
from broker.services.content_sqlite.idset import IdSet
from broker.services.content_sqlite.store import BlobStore, checked, errors
from flux import dirblob, treeobj

if TYPE_CHECKING:
    from collections.abc import Iterable

SWEEP_ROWS: Final = 128
VACUUM_PAGES: Final = 128
SPARE: Final = 0.1
SPARE_PAGES: Final = 64
AT_ONCE: Final = 32
"""Blobs that are looked for in one statement."""


class Collection:
    """One collection of a store; every method runs in the thread that uses the store and raises
    OSError as the store does.

    ``fresh`` is how many bytes had been stored since the one before when it began; ``effort`` is
    how many times the usual work `sweep` and `shrink` do in one go. ``missing`` are directories
    that the store does not have; whoever drives the collection may find them elsewhere and hand
    them to `add_directory`.
    """

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self.limit = store.last_id
        self.effort = 1
        self._before = store.totals.bytes
        self.fresh = store.totals.fresh
        self._kept = IdSet()
        self._scanned = IdSet()
        self._directories: list[bytes] = []
        self._values: list[bytes] = []
        self._cursor = 0
        self.missing: list[str] = []
        self.dropped_objects = 0
        self.dropped_bytes = 0
        store.barrier = self._kept

    def add_roots(self, roots: Iterable[str], values: Iterable[str] = ()) -> None:
        """Mark these directories and values, and the checkpoints in the store, with what they refer
        to at the next `mark`.
        """
        for refs, into in ((roots, self._directories), (values, self._values)):
            into.extend(map(schema.digest, filter(treeobj.is_blobref, refs)))
        checkpoints = filter(treeobj.is_blobref, self._store.checkpoint_roots())
        self._directories.extend(map(schema.digest, checkpoints))

    def mark(self, seconds: float) -> bool:
        """Mark for about ``seconds``; returns whether all that was added is marked."""
        deadline = perf_counter() + seconds
        with errors():
            while self._directories or self._values:
                if self._values:
                    self._mark_values(_some(self._values))
                else:
                    self._mark_directories(_some(self._directories))
                if perf_counter() > deadline:
                    return not (self._directories or self._values)
        return True

    def _rows(self, what: str, keys: list[bytes]) -> list[tuple[int, bytes, bytes]]:
        """Return the rows of blobs: number, digest, and ``what`` else is asked for."""
        marks = ",".join("?" * len(keys))
        sql = f"SELECT id, hash, {what} FROM objects WHERE hash IN ({marks})"
        return self._store.db.execute(sql, keys).fetchall()

    def _mark_values(self, keys: list[bytes]) -> None:
        for number, _, _ in self._rows("NULL", keys):
            self._kept.add(number)

    def _mark_directories(self, keys: list[bytes]) -> None:
        """Mark directories, and have followed what those refer to that were not seen before."""
        rows = self._rows("object", keys)
        if len(rows) < len(keys):
            found = {key for _, key, _ in rows}
            self.missing += [schema.blobref(key) for key in keys if key not in found]
        for number, key, blob in rows:
            self._kept.add(number)
            if self._scanned.add(number):
                self.add_directory(schema.blobref(key), checked(key, blob))

    def add_directory(self, ref: str, blob: bytes) -> None:
        """Follow the references of a directory; anything else has none."""
        try:
            found = dirblob.references_of(ref, blob)
            directories = list(map(schema.digest, found.directories))
            values = list(map(schema.digest, found.values))
        except OSError:
            return
        self._directories += directories
        self._values += values

    def sweep(self) -> bool:
        """Drop some of the rows that were not kept; returns whether that were the last."""
        store, most = self._store, SWEEP_ROWS * self.effort
        sql = (
            "SELECT id, length(object) FROM objects"
            " WHERE id > ? AND id <= ? AND pinned = 0 ORDER BY id LIMIT ?"
        )
        with errors():
            rows = store.db.execute(sql, (self._cursor, self.limit, most)).fetchall()
        dead = [(number, size) for number, size in rows if number not in self._kept]
        if dead:
            size = sum(size for _, size in dead)
            with store.transaction() as db:
                db.executemany(
                    "DELETE FROM objects WHERE id = ?", [(number,) for number, _ in dead]
                )
                db.execute(
                    "UPDATE totals SET objects = objects - ?, bytes = bytes - ?", (len(dead), size)
                )
            store.totals.objects -= len(dead)
            store.totals.bytes -= size
            store.totals.fresh = max(0, store.totals.fresh - size)  # most of it came since the last
            self.dropped_objects += len(dead)
            self.dropped_bytes += size
        if rows:
            self._cursor = rows[-1][0]
        return len(rows) < most

    def shrink(self) -> bool:
        """Give some unused pages back; returns whether only a reserve for what comes next is
        left.
        """
        free, total = self._store.free_pages()
        surplus = free - max(SPARE_PAGES, int(SPARE * (total - free)))
        if surplus <= 0:
            return True
        self._store.shrink(min(surplus, VACUUM_PAGES * self.effort))
        return self._store.free_pages()[0] >= free  # a file of the first version that cannot shrink

    def finish(self, now: float) -> None:
        """Note in the store what has been found; ``now`` is in seconds since the epoch.

        What came while the collection ran is not known to be live: it is the first of what the
        next one looks at.
        """
        store, totals = self._store, self._store.totals
        live = max(0, self._before - self.dropped_bytes)
        share = min(1.0, self.dropped_bytes / (self.fresh or 1)) if self.dropped_bytes else 0.0
        values = (live, max(0, totals.bytes - live), share, now)
        with store.transaction() as db:
            db.execute("UPDATE totals SET live = ?, fresh = ?, dead = ?, collected = ?", values)
        totals.live, totals.fresh, totals.dead, totals.collected = values
        store.fold()

    def close(self) -> None:
        """End the collection, whether it is finished or given up."""
        self._store.barrier = None


def _some(keys: list[bytes]) -> list[bytes]:
    """Take the last few off a list."""
    taken = keys[-AT_ONCE:]
    del keys[-AT_ONCE:]
    return taken
