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
_FIND: Final = "SELECT id FROM objects WHERE hash = ?"


class Collection:
    """One collection of a store; every method runs in the thread that uses the store and raises
    OSError as the store does.

    ``effort`` is how many times the usual work `sweep` and `shrink` do in one go. ``missing`` are
    directories that the store does not have; whoever drives the collection may find
    them elsewhere and hand them to `add_directory`.
    """

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self.limit = store.last_id
        self.effort = 1
        self._before = store.totals.bytes
        self._fresh = store.totals.fresh
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
                    self._mark_value(self._values.pop())
                else:
                    self._mark_directory(self._directories.pop())
                if perf_counter() > deadline:
                    return not (self._directories or self._values)
        return True

    def _mark_value(self, key: bytes) -> None:
        row = self._store.db.execute(_FIND, (key,)).fetchone()
        if row is not None:
            self._kept.add(row[0])

    def _mark_directory(self, key: bytes) -> None:
        row = self._store.db.execute(_FIND, (key,)).fetchone()
        if row is None:
            self.missing.append(schema.blobref(key))
            return
        self._kept.add(row[0])
        if not self._scanned.add(row[0]):
            return
        blob = self._store.db.execute("SELECT object FROM objects WHERE id = ?", row).fetchone()[0]
        self.add_directory(schema.blobref(key), checked(key, blob))

    def add_directory(self, ref: str, blob: bytes) -> None:
        """Follow the references of a directory; anything else has none."""
        try:
            entries = dirblob.parse(ref, blob)
        except OSError:
            return
        found = dirblob.references(entries.values())
        for refs, into in ((found.directories, self._directories), (found.values, self._values)):
            into.extend(map(schema.digest, filter(treeobj.is_blobref, refs)))

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
        share = min(1.0, self.dropped_bytes / (self._fresh or 1)) if self.dropped_bytes else 0.0
        values = (live, max(0, totals.bytes - live), share, now)
        with store.transaction() as db:
            db.execute("UPDATE totals SET live = ?, fresh = ?, dead = ?, collected = ?", values)
        totals.live, totals.fresh, totals.dead, totals.collected = values
        store.fold()

    def close(self) -> None:
        """End the collection, whether it is finished or given up."""
        self._store.barrier = None
