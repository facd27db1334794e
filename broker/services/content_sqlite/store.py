"""Blobs and checkpoints in one SQLite file.

The file is in write-ahead mode: what a call has written survives a kill of the process at any
instant, a half-written transaction is not seen by the next reader, and with ``sync`` it survives a
power cut. One thread at a time uses a store.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from broker.services.content_sqlite import schema
from broker.services.content_sqlite.place import prepare
from flux.blobpack import PINNED, Blob
from flux.wire import json
from flux.wire.errors import os_error
from flux.wire.json import dumps_str

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from broker.services.content_sqlite.idset import IdSet

WAL_PAGES: Final = 1000
AT_ONCE: Final = 128
"""Blobs that are loaded with one statement."""
_ERRNOS: Final = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_NOMEM": errno.ENOMEM,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_BUSY": errno.EBUSY,
    "SQLITE_NOTADB": errno.EINVAL,
    "SQLITE_TOOBIG": errno.EFBIG,
}
_TEXTS: Final = {
    errno.EBUSY: "is in use by another instance",
    errno.EINVAL: "is not a content store",
}
_INSERT: Final = (
    "INSERT INTO objects (id, hash, pinned, object) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (hash) DO NOTHING"
)


def _error(exc: Exception) -> OSError:
    if isinstance(exc, OSError):
        return exc
    if isinstance(exc, MemoryError):
        return OSError(errno.ENOMEM, "content-sqlite: out of memory")
    if isinstance(exc, OverflowError):
        return OSError(errno.EFBIG, "content-sqlite: blob too large for the store")
    name = getattr(exc, "sqlite_errorname", "") or ""
    return OSError(_ERRNOS.get("_".join(name.split("_")[:2]), errno.EIO), f"content-sqlite: {exc}")


@contextmanager
def errors() -> Iterator[None]:
    """Turn what SQLite raises into OSError with an errno."""
    try:
        yield
    except (sqlite3.Error, MemoryError, OverflowError) as exc:
        raise _error(exc) from exc


class Totals(Struct):
    """How many blobs there are, their bytes, and what is known of their use (see `schema`)."""

    objects: int = 0
    bytes: int = 0
    live: int = 0
    fresh: int = 0
    dead: float = 0.0
    collected: float | None = None


class BlobStore:
    """An open store. Every method raises OSError: ENOSPC when the disk is full, EIO for what else
    SQLite reports.

    ``durable`` is for files that outlive the instance: the operating system writes data out now and
    then, and at once on request. ``owner`` is the user id that must own the file, by default that
    of the process.
    """

    def __init__(self, path: Path | str, *, durable: bool, owner: int | None = None) -> None:
        self.path = Path(path)
        self.barrier: IdSet | None = None
        self._durable = durable
        self._level = "NORMAL" if durable else "OFF"
        prepare(self.path, os.geteuid() if owner is None else owner)
        try:
            self._db = self._open()
        except (sqlite3.Error, OSError) as exc:
            error = _error(exc)
            if isinstance(exc, OSError) or error.errno not in _TEXTS:
                raise error from exc
            raise OSError(error.errno, f"{self.path} {_TEXTS[error.errno]}") from exc
        with errors():
            row = self._db.execute(
                "SELECT objects, bytes, live, fresh, dead, collected FROM totals"
            ).fetchone()
            self.totals = Totals(*row)
            self.last_id = int(
                self._db.execute("SELECT coalesce(max(id), 0) FROM objects").fetchone()[0]
            )

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            schema.adopt(db, self.path)
            # What ends with the instance needs no log of pages, of which each is then written once.
            db.execute(f"PRAGMA journal_mode={'WAL' if self._durable else 'MEMORY'}")
            db.execute(f"PRAGMA synchronous={self._level}")
            db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
            db.execute(f"PRAGMA journal_size_limit={WAL_PAGES * 4096}")
        except BaseException:
            db.close()
            raise
        return db

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, for the collector."""
        return self._db

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing; raises OSError."""
        db = self._db
        with errors():
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def write(
        self,
        blobs: Iterable[Blob],
        checkpoints: Iterable[tuple[str, object]] = (),
        *,
        sync: bool = False,
    ) -> None:
        """Write blobs and checkpoints (any JSON values, replacing those before) in one transaction:
        all of them or none.

        With ``sync``, a durable store returns when they are on the disk, with everything written
        before.
        """
        if not (sync and self._durable):
            self._write(blobs, checkpoints)
            return
        with errors():
            self._db.execute("PRAGMA synchronous=FULL")
        try:
            self._write(blobs, checkpoints)
        finally:
            with errors():
                self._db.execute(f"PRAGMA synchronous={self._level}")

    def _write(self, blobs: Iterable[Blob], checkpoints: Iterable[tuple[str, object]]) -> None:
        rows = [(schema.digest(ref), bool(flags & PINNED), data) for ref, data, flags in blobs]
        with self.transaction() as db:
            count, size = self._insert(rows)
            if count:
                sql = (
                    "UPDATE totals SET objects = objects + ?, bytes = bytes + ?, fresh = fresh + ?"
                )
                db.execute(sql, (count, size, size))
            for name, value in checkpoints:
                db.execute("INSERT OR REPLACE INTO checkpt VALUES (?, ?)", (name, dumps_str(value)))
        self.last_id += len(rows)
        totals = self.totals
        totals.objects, totals.bytes, totals.fresh = (
            totals.objects + count,
            totals.bytes + size,
            totals.fresh + size,
        )

    def _insert(self, rows: list[tuple[bytes, bool, bytes]]) -> tuple[int, int]:
        """Insert (digest, pinned, blob); returns how many were not there yet, and their bytes.

        All in one statement, with numbers of our own: those that are missing afterwards belong to
        blobs that were there already.
        """
        db, number = self._db, self.last_id
        before = db.total_changes
        db.executemany(_INSERT, ((number + index, *row) for index, row in enumerate(rows, 1)))
        count, size = db.total_changes - before, sum(len(data) for _, _, data in rows)
        if count < len(rows):
            found = db.execute("SELECT id FROM objects WHERE id > ?", (number,))
            inserted = {row[0] for row in found}
            for index, (key, pinned, data) in enumerate(rows, 1):
                if number + index not in inserted:
                    size -= len(data)
                    self._again(key, pinned)
        return count, size

    def _again(self, key: bytes, pinned: bool) -> None:
        """A blob is stored that is there already: it may become pinned, and a collection under way
        must keep it.
        """
        if pinned:
            self._db.execute("UPDATE objects SET pinned = 1 WHERE hash = ? AND pinned = 0", (key,))
        if self.barrier is not None:
            self.barrier.add(
                self._db.execute("SELECT id FROM objects WHERE hash = ?", (key,)).fetchone()[0]
            )

    def load(self, ref: str) -> bytes:
        """Return a blob; raises OSError: ENOENT if it is not there, EIO if it is not what was
        stored.
        """
        key = schema.digest(ref)
        with errors():
            row = self._db.execute("SELECT object FROM objects WHERE hash = ?", (key,)).fetchone()
        if row is None:
            raise os_error(errno.ENOENT)
        return checked(key, row[0])

    def load_all(self, refs: Iterable[str]) -> list[Blob]:
        """Return those of many blobs that are there, and are what was stored."""
        keys = list({schema.digest(ref): None for ref in refs})
        found: list[Blob] = []
        for first in range(0, len(keys), AT_ONCE):
            some = keys[first : first + AT_ONCE]
            marks = ",".join("?" * len(some))
            sql = f"SELECT hash, object FROM objects WHERE hash IN ({marks})"
            with errors():
                rows = self._db.execute(sql, some).fetchall()
            for key, data in rows:
                with suppress(OSError):
                    found.append((schema.blobref(key), checked(key, data), 0))
        return found

    def put_checkpoint(self, key: str, value: object, *, sync: bool = False) -> None:
        """Write one checkpoint."""
        self.write((), [(key, value)], sync=sync)

    def get_checkpoint(self, key: str) -> object:
        """Return a checkpoint's value; raises OSError(ENOENT) if there is none."""
        with errors():
            row = self._db.execute("SELECT value FROM checkpt WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise os_error(errno.ENOENT)
        value: object = json.loads(row[0])
        return value

    def checkpoint_roots(self) -> list[str]:
        """Return the root references of all checkpoints."""
        with errors():
            values = [json.loads(text) for (text,) in self._db.execute("SELECT value FROM checkpt")]
        roots = [value.get("rootref") for value in values if isinstance(value, dict)]
        return [root for root in roots if isinstance(root, str)]

    def free_pages(self) -> tuple[int, int]:
        """Return how many pages of the file are unused, and how many there are."""
        with errors():
            free, total = (
                self._db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_count")
            )
        return int(free), int(total)

    def shrink(self, pages: int) -> None:
        """Give up to ``pages`` unused pages back to the file system at the next `fold`."""
        # As a script: a statement without columns is taken one step further only, by one page.
        with errors():
            self._db.executescript(f"PRAGMA incremental_vacuum({int(pages)})")

    def fold(self) -> None:
        """Fold the write-ahead file into the store and truncate it."""
        with errors(), closing(self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")) as cursor:
            cursor.fetchall()

    def file_bytes(self) -> int:
        """Return the size of the file with its companions."""
        sizes = 0
        for suffix in ("", "-wal"):
            try:
                sizes += os.stat(f"{self.path}{suffix}").st_size
            except FileNotFoundError:
                continue
        return sizes

    def close(self) -> None:
        """Fold the write-ahead file into the store and close it."""
        self._db.close()


def checked(key: bytes, data: bytes) -> bytes:
    """Return ``data``; raises OSError(EIO) unless its digest is ``key``."""
    algorithm = "sha1" if len(key) == 20 else "sha256"
    if hashlib.new(algorithm, data, usedforsecurity=False).digest() != key:
        raise OSError(errno.EIO, f"content-sqlite: blob {schema.blobref(key)} is damaged")
    return data
