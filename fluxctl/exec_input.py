"""What ``flux exec`` reads from its stdin and passes on, no faster than the processes take it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.core.watchers import Watcher

READ_SIZE: Final = 65536


class Input:
    """Reads stdin as long as there is ``room``, in bytes, and gives ``write`` what it read: (data,
    whether it is the end).
    """

    def __init__(
        self, handle: Flux, room: Callable[[], int], write: Callable[[bytes, bool], None]
    ) -> None:
        self._handle = handle
        self._room = room
        self._write = write
        self._source: Watcher | None = None

    def begin(self) -> None:
        """Read from now on."""
        try:
            self._source = self._handle.fd_watcher_create(sys.stdin.fileno(), self._read)
            self._source.start()
        except OSError:
            # A file cannot be watched, and need not be: there is always something to read. One
            # piece for each turn of the reactor leaves time for signals and output.
            self._source = self._handle.timer_watcher_create(0.0, self._read)
            self._source.start()

    def go_on(self) -> None:
        """Read on if there is room again, and stop if there is none."""
        if self._source is not None:
            if self._room() > 0:
                self._source.start()
            else:
                self._source.stop()

    def _read(self, *_: object) -> None:
        size = min(READ_SIZE, self._room())
        if self._source is None or size <= 0:
            self.go_on()
            return
        data = os.read(sys.stdin.fileno(), size)
        self._write(data, not data)
        if data:
            self.go_on()
        else:
            self._source.stop()
            self._source = None
