"""The way of the lines to their reader: a queue, and the thread that writes what is in it.

Whoever sends a line does not wait for the reader. While more than ``BACKLOG_MAX`` bytes wait,
sources that can leave their events where they are do so (`SegOutput.backlogged`). Those that cannot
may go on up to ``QUEUE_MAX``.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from flux.seg.errors import SegError, SegErrorType

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG_MAX: Final = 16 << 20
QUEUE_MAX: Final = 64 << 20
_AT_ONCE: Final = 1 << 16


class SegOutput:
    """Lines on their way to the file descriptor ``fd``; any thread may add to them.

    ``on_end`` is called, by the thread that writes, when nothing more can be written: ``error`` is
    the reason, a BrokenPipeError if the reader has gone.
    """

    def __init__(
        self,
        fd: int,
        on_end: Callable[[], None],
        *,
        backlog_max: int = BACKLOG_MAX,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self._fd = fd
        self._on_end = on_end
        self._backlog_max = backlog_max
        self._queue_max = queue_max
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._drained: list[Callable[[], None]] = []
        self._closing = False
        self.error: OSError | None = None
        self._thread = threading.Thread(target=self._write_all, name="seg-output", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue a line.

        Raises SegError(OUT_OF_MEMORY) when too many wait already: it can be sent later.
        """
        with self._changed:
            if self._size + len(line) > self._queue_max:
                raise SegError(
                    SegErrorType.OUT_OF_MEMORY, f"{self._size} bytes wait for the reader"
                )
            self._queue.append(line)
            self._size += len(line)
            self._changed.notify()

    @property
    def size(self) -> int:
        """The bytes that wait."""
        return self._size

    @property
    def backlogged(self) -> bool:
        """Whether sources should leave their events where they are."""
        return self._size > self._backlog_max

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called, by another thread, once at most half of the backlog is left."""
        with self._changed:
            if self._size > self._backlog_max // 2 and self.error is None:
                self._drained.append(callback)
                return
        callback()

    def close(self, seconds: float) -> int:
        """Write what is left, at most for so long; returns how many bytes were not taken."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        return self._size

    def _write_all(self) -> None:
        while chunk := self._next():
            try:
                self._write(chunk)
            except OSError as exc:
                self.error = exc
                break
        self._call_drained(0)
        if self.error is not None:
            self._on_end()

    def _next(self) -> bytes:
        """Wait for lines; returns some of them, nothing when there will be no more."""
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            chunk: list[bytes] = []
            size = 0
            while self._queue and size < _AT_ONCE:
                chunk.append(self._queue.popleft())
                size += len(chunk[-1])
        return b"".join(chunk)

    def _write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            try:
                done = os.write(self._fd, view)
            except BlockingIOError:  # somebody made the descriptor that we share non-blocking
                select.select([], [self._fd], [])
                continue
            view = view[done:]
            self._call_drained(done)

    def _call_drained(self, done: int) -> None:
        callbacks: list[Callable[[], None]] = []
        with self._changed:
            self._size -= done
            if self._size <= self._backlog_max // 2 or self.error is not None:
                callbacks, self._drained = self._drained, []
        for callback in callbacks:
            callback()


def write_line(line: bytes) -> None:
    """Write a line to standard output at once: for a program of which no generator is a part."""
    import sys

    sys.stdout.write(line.decode("utf-8", "surrogateescape"))
    sys.stdout.flush()


def steady_clock() -> Callable[[], float]:
    """Return a clock in seconds since the epoch that starts right and that nobody sets."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset
