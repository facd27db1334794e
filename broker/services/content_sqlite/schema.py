"""The tables of a store, and how a file is recognised, created or brought up to date.

Blobs are rows in the order of arrival, with an index by digest: a table ordered by digest would
touch one page a blob. Row numbers only grow while a process has the store open, which lets a
collection tell old rows from new. ``pinned`` marks blobs that users stored themselves. ``totals``
saves counting at start: ``live`` bytes were in use after the last collection, ``fresh`` bytes came
since, ``dead`` is the share of fresh bytes that the last collection dropped.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import TYPE_CHECKING, Final

from flux import treeobj
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from pathlib import Path

APPLICATION_ID: Final = 0x464C5558
VERSION: Final = 2
_TABLES: Final = (
    "CREATE TABLE objects (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE,"
    " pinned INTEGER NOT NULL, object BLOB NOT NULL)",
    "CREATE TABLE checkpt (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE totals (id INTEGER PRIMARY KEY CHECK (id = 1), objects INTEGER, bytes INTEGER,"
    " live INTEGER, fresh INTEGER, dead REAL, collected REAL)",
)
_DONE: Final = (f"PRAGMA application_id={APPLICATION_ID}", f"PRAGMA user_version={VERSION}")
_EMPTY: Final = "INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0.0, NULL)"
_CONVERTED: Final = """
INSERT INTO totals SELECT 1, count(*), coalesce(sum(length(object)), 0),
coalesce(sum(length(object)), 0), 0, 0.0, NULL FROM objects
"""


def digest(ref: str) -> bytes:
    """Return the digest in a blobref; its length tells the algorithm. Raises OSError(EINVAL) if it
    is none.
    """
    if not treeobj.is_blobref(ref):
        raise os_error(errno.EINVAL)
    return bytes.fromhex(ref[ref.index("-") + 1 :])


def blobref(key: bytes) -> str:
    """Return the blobref with the digest ``key``."""
    return f"{'sha1' if len(key) == 20 else 'sha256'}-{key.hex()}"


def adopt(db: sqlite3.Connection, path: Path) -> None:
    """Create the tables in an empty file, convert those of the first version; the file is open and
    locked.

    Raises OSError: EINVAL if the file is something else, ENOTSUP if it was written by a newer
    version; sqlite3.Error.
    """
    application, version = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application == APPLICATION_ID and version > VERSION:
        raise OSError(
            errno.ENOTSUP,
            f"{path} has schema {version} of a newer version, this one knows schema {VERSION}",
        )
    if application == APPLICATION_ID and version == VERSION:
        return
    if not tables and not application and not version:
        _create(db)
    elif tables == {"objects", "checkpt"} and _columns(db) == ["hash", "object"]:
        _convert(db)
    else:
        raise OSError(errno.EINVAL, f"{path} is a database, but not a content store")


def _columns(db: sqlite3.Connection) -> list[str]:
    return [row[1] for row in db.execute("PRAGMA table_info(objects)")]


def _create(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("PRAGMA journal_mode=WAL")
    _apply(db, (*_TABLES, _EMPTY, *_DONE))


def _convert(db: sqlite3.Connection) -> None:
    """Bring a file of the first version up to date.

    It does not say which blobs users stored, so all of them are pinned; dump and restore make a
    store without that burden.
    """
    db.create_function(
        "digest",
        1,
        lambda ref: digest(ref) if treeobj.is_blobref(ref) else None,
        deterministic=True,
    )
    _apply(
        db,
        (
            "ALTER TABLE objects RENAME TO first_version",
            _TABLES[0],
            "INSERT INTO objects (hash, pinned, object) SELECT digest(hash), 1, object"
            " FROM first_version WHERE digest(hash) IS NOT NULL ORDER BY rowid",
            "DROP TABLE first_version",
            _TABLES[2],
            _CONVERTED,
            *_DONE,
        ),
    )
    db.execute("PRAGMA auto_vacuum=INCREMENTAL")
    db.execute("VACUUM")


def _apply(db: sqlite3.Connection, statements: tuple[str, ...]) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            db.execute(statement)
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
