"""Blobs and checkpoints in one SQLite file.

The file is in write-ahead mode: what a call has written survives a kill of the process at any instant, and a half-written
transaction is not seen by the next reader. Blobs are rows in the order of arrival, with an index by hash: a table ordered by hash would
touch one page a blob.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from flux.wire import json
from flux.wire.json import dumps_str

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (hash TEXT PRIMARY KEY, object BLOB);
CREATE TABLE IF NOT EXISTS checkpt (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
_ERRNOS = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_NOMEM": errno.ENOMEM,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_BUSY": errno.EBUSY,
}


def _error(exc: sqlite3.Error) -> OSError:
    name = getattr(exc, "sqlite_errorname", "") or ""
    return OSError(_ERRNOS.get("_".join(name.split("_")[:2]), errno.EIO), f"content-sqlite: {exc}")


class BlobStore:
    """An open store. Every method raises OSError: ENOSPC when the disk is full, EIO for what else SQLite reports.

    ``durable`` also has the operating system write data out now and then, for files that outlive the instance.
    """

    def __init__(self, path: Path | str, *, durable: bool) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={'NORMAL' if durable else 'OFF'}")
            self._db.execute("PRAGMA wal_autocheckpoint=4000")
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.executescript(SCHEMA)
        except sqlite3.Error as exc:
            raise _error(exc) from exc

    def store(self, blobs: Iterable[tuple[str, bytes]]) -> None:
        """Write blobs, pairs of blobref and data, in one transaction: all of them or none."""
        db = self._db
        try:
            db.execute("BEGIN")
            try:
                db.executemany("INSERT OR IGNORE INTO objects VALUES (?, ?)", blobs)
                db.execute("COMMIT")
            except sqlite3.Error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        except sqlite3.Error as exc:
            raise _error(exc) from exc

    def load(self, ref: str) -> bytes:
        """Return a blob; raises OSError(ENOENT) if it was never stored."""
        try:
            row = self._db.execute("SELECT object FROM objects WHERE hash = ?", (ref,)).fetchone()
        except sqlite3.Error as exc:
            raise _error(exc) from exc
        if row is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        return bytes(row[0])

    def count(self) -> int:
        """Return the number of blobs."""
        return int(self._db.execute("SELECT count(*) FROM objects").fetchone()[0])

    def put_checkpoint(self, key: str, value: object) -> None:
        """Write a checkpoint, any JSON value, replacing the one before."""
        try:
            self._db.execute("INSERT OR REPLACE INTO checkpt VALUES (?, ?)", (key, dumps_str(value)))
        except sqlite3.Error as exc:
            raise _error(exc) from exc

    def get_checkpoint(self, key: str) -> object:
        """Return a checkpoint's value; raises OSError(ENOENT) if there is none."""
        try:
            row = self._db.execute("SELECT value FROM checkpt WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as exc:
            raise _error(exc) from exc
        if row is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        value: object = json.loads(row[0])
        return value

    def close(self) -> None:
        """Fold the write-ahead file into the store and close it."""
        self._db.close()
