"""Removes the temporary directories of ended jobs beside everything else.

Removing one may wait for a disk, and nobody waits for it to be gone: a shell that jobs share leaves
it to a thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Final

from broker.shell.removal import remove_tmpdir

PAUSE: Final = 0.05
"""Seconds between two rounds: what comes meanwhile goes together."""


class Sweeper:
    """The thread; it begins with the first directory and ends with the process."""

    def __init__(self) -> None:
        self._paths: deque[str] = deque()
        self._more = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, path: str) -> None:
        """Remove the directory at ``path`` soon, with what is in it; nothing for ""."""
        if not path:
            return
        self._paths.append(path)
        if not self._more.is_set():
            self._more.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
            self._thread.start()

    def sweep(self) -> None:
        """Remove what is left, now."""
        while True:
            try:
                path = self._paths.popleft()
            except IndexError:
                return
            remove_tmpdir(path)

    def _run(self) -> None:
        while self._more.wait():
            self._more.clear()
            self.sweep()
            time.sleep(PAUSE)
