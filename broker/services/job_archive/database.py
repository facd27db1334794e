"""The archive's file: one table, one row for each job (docs/configuration.md)."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Row: TypeAlias = "tuple[str, int, str, float, float, float, float, str, str, str | None]"
"""Id, user id, ranks, the four times, eventlog, jobspec and R, as the columns are."""

COLUMNS: Final = (
    ("id", "TEXT PRIMARY KEY"),
    ("userid", "INTEGER NOT NULL"),
    ("ranks", "TEXT NOT NULL"),
    ("t_submit", "REAL NOT NULL"),
    ("t_run", "REAL NOT NULL"),
    ("t_cleanup", "REAL NOT NULL"),
    ("t_inactive", "REAL NOT NULL"),
    ("eventlog", "TEXT NOT NULL"),
    ("jobspec", "TEXT NOT NULL"),
    ("R", "TEXT"),
)
_CREATE: Final = (
    f"CREATE TABLE IF NOT EXISTS jobs ({', '.join(' '.join(column) for column in COLUMNS)})",
    "CREATE INDEX IF NOT EXISTS jobs_t_inactive ON jobs (t_inactive)",
)
_NAMES: Final = [name for name, _ in COLUMNS]
_INSERT: Final = f"INSERT OR IGNORE INTO jobs VALUES ({', '.join('?' * len(COLUMNS))})"
_CREATING: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def check_place(path: str) -> None:
    """Raise OSError if there can be no archive at ``path``; nothing is made there."""
    found = os.path.exists(path)
    place = path if found else os.path.dirname(path) or "."
    problem = 0
    if not os.path.exists(place):
        problem = errno.ENOENT
    elif found and os.path.isdir(path):
        problem = errno.EISDIR
    elif not found and not os.path.isdir(place):
        problem = errno.ENOTDIR
    elif not os.access(place, os.R_OK | os.W_OK):
        problem = errno.EACCES
    if problem:
        raise OSError(problem, f"job archive {path}: {os.strerror(problem)}")


class ArchiveFile:
    """An open archive; one thread at a time uses it.

    ``busy_timeout`` is how many seconds to wait for others that use the file, such as a program
    that reads it. A file that is not there is made for the owner alone, as jobspecs hold the
    environment of jobs. Every method raises OSError; the constructor EINVAL for a file that is no
    archive.
    """

    def __init__(self, path: str, busy_timeout: float) -> None:
        self.path = path
        try:
            os.close(os.open(path, _CREATING, 0o600))
        except OSError as exc:
            raise OSError(exc.errno, f"job archive {path}: {exc.strerror}") from None
        with self._errors():
            self._db = sqlite3.connect(
                path, timeout=busy_timeout, isolation_level=None, check_same_thread=False
            )
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        for statement in _CREATE:
            self._db.execute(statement)
        found = [row[1] for row in self._db.execute("PRAGMA table_info(jobs)")]
        if found[: len(_NAMES)] != _NAMES:
            raise OSError(errno.EINVAL, f"job archive {self.path}: its jobs have other columns")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what SQLite raises into OSError with a sentence."""
        try:
            yield
        except sqlite3.Error as exc:
            name = getattr(exc, "sqlite_errorname", "")
            number = {
                "SQLITE_BUSY": errno.EBUSY,
                "SQLITE_FULL": errno.ENOSPC,
                "SQLITE_READONLY": errno.EROFS,
                "SQLITE_NOTADB": errno.EINVAL,
            }.get(name, errno.EIO)
            raise OSError(number, f"job archive {self.path}: {exc}") from None

    def newest(self) -> float:
        """Return when the last of its jobs ended, in seconds since the epoch; 0 without any."""
        with self._errors():
            (found,) = self._db.execute("SELECT max(t_inactive) FROM jobs").fetchone()
        return float(found or 0.0)

    def ids_since(self, since: float) -> set[str]:
        """Return the ids of its jobs that ended after ``since``."""
        with self._errors():
            rows = self._db.execute("SELECT id FROM jobs WHERE t_inactive > ?", (since,))
            return {id for (id,) in rows}

    def add(self, rows: Iterable[Row]) -> None:
        """Add jobs, all or none; one that is there already stays as it is."""
        with self._errors(), closing(self._db.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                cursor.executemany(_INSERT, rows)
                cursor.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    cursor.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()
