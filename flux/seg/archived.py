"""Jobs of the archive, an SQLite file that outlives the purge of what it has: their eventlogs."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from flux.eventlog import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.wire.json import JsonMapping

BUSY_SECONDS: Final = 5.0


def archived(path: str, since: float) -> Iterator[tuple[int, JsonMapping]]:
    """Yield the id and each event of the jobs that ended at ``since`` (seconds since the epoch) or
    later, in the order in which they ended.

    Raises OSError, EINVAL for a file that is no archive.
    """
    try:
        database = sqlite3.connect(f"file:{quote(path)}?mode=ro", timeout=BUSY_SECONDS, uri=True)
        with closing(database):
            query = "SELECT id, eventlog FROM jobs WHERE t_inactive >= ? ORDER BY t_inactive"
            for jobid, log in database.execute(query, (since,)):
                for entry in decode(log):
                    yield int(jobid), entry
    except (sqlite3.Error, ValueError) as exc:
        raise OSError(errno.EINVAL, f"{path}: {exc}") from None
