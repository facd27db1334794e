"""The temporary directories of jobs: made for each, and gone when it has ended.

Making and removing a directory waits for the file system's journal, up to milliseconds on a disk
that others write to, and ext4 looks for inodes that were not freed in the last seconds, which takes
the longer the more jobs there are. So a shell that jobs share keeps the empty ones: giving a
directory another name costs some microseconds.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections import deque
from contextlib import suppress
from typing import Final, Protocol

from flux.wire.errors import os_error

MODE: Final = 0o700
MOST_SPARES: Final = 64
"""Empty directories that a shared shell keeps."""


class Directories(Protocol):
    """Who makes and removes them."""

    def make(self, path: str, /) -> None:
        """Make an empty directory for its owner only; raises OSError."""

    def remove(self, path: str, /) -> None:
        """Remove a directory with what is in it, if it is there; nothing for ""."""


class PlainDirectories:
    """Those of a shell that has one job."""

    def make(self, path: str) -> None:
        """Make a directory; raises OSError."""
        os.mkdir(path, MODE)

    def remove(self, path: str) -> None:
        """Remove a directory with what is in it."""
        if not path:
            return
        with suppress(OSError):
            os.rmdir(path)
            return
        import shutil

        shutil.rmtree(path, ignore_errors=True)


class SpareDirectories:
    """Those of a shell that jobs share: an empty one is kept for another job, and what is in the
    others is removed by a thread, beside everything else. A directory's name is gone at once.
    """

    def __init__(self) -> None:
        self._plain = PlainDirectories()
        self._spares: list[str] = []
        self._trash: deque[str] = deque()
        self._more = threading.Event()
        self._sweeping = threading.Lock()
        self._thread: threading.Thread | None = None
        self._count = 0

    def make(self, path: str) -> None:
        """Make a directory; raises OSError."""
        while self._spares:
            spare = self._spares.pop()
            if os.path.dirname(spare) != os.path.dirname(path):
                self._throw_away(spare)
                continue
            if os.path.lexists(path):
                self._spares.append(spare)
                raise os_error(errno.EEXIST)
            with suppress(OSError):
                os.rename(spare, path)
                return
        self._plain.make(path)

    def remove(self, path: str) -> None:
        """Give a directory another name, under which it is kept or removed."""
        if not path:
            return
        other = f"{os.path.dirname(path)}/jobtmp-ended-{os.getpid()}-{self._count}"
        self._count += 1
        try:
            os.rename(path, other)
        except FileNotFoundError:
            return
        except OSError:
            other = path
        if len(self._spares) < MOST_SPARES and _as_new(other):
            self._spares.append(other)
        else:
            self._throw_away(other)

    def close(self) -> None:
        """Remove what is left, now, and wait for the thread if it is removing something: it ends
        with the process.
        """
        self._trash.extend(self._spares)
        self._spares.clear()
        self._sweep()

    def _throw_away(self, path: str) -> None:
        self._trash.append(path)
        self._more.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="directories", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._more.wait():
            self._more.clear()
            self._sweep()

    def _sweep(self) -> None:
        with self._sweeping, suppress(IndexError):
            while True:
                self._plain.remove(self._trash.popleft())


def _as_new(path: str) -> bool:
    """Whether the directory at ``path`` is empty, and as it was made."""
    try:
        with os.scandir(path) as found:
            if next(found, None) is not None:
                return False
        facts = os.lstat(path)
    except OSError:
        return False
    return facts.st_mode == stat.S_IFDIR | MODE and facts.st_uid == os.geteuid()
