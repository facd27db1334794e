"""One job's view of the loop of a shared shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.shell.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.loop import Callback, LoopTimer


class JobLoop(Loop):
    """Watches on the loop ``shared`` for one job.

    Before each of the job's callbacks ``touch`` is called, so that the job is looked at after the
    turn. What a callback raises does not end the shared loop: it is kept for the job's course.
    """

    def __init__(self, shared: Loop, touch: Callable[[], None]) -> None:
        super().__init__()
        self._shared = shared
        self._touch = touch
        self._error: Exception | None = None
        self._reading: set[int] = set()
        self._writing: set[int] = set()
        self._pending: set[LoopTimer] = set()

    def guard(self, callback: Callback) -> None:
        """Call back for the job, which is looked at after that."""
        self._touch()
        self.attempt(callback)

    def attempt(self, callback: Callback) -> None:
        """Call back for the job, which is being looked at."""
        try:
            callback()
        except Exception as error:
            self._error = self._error or error

    def take_error(self) -> Exception | None:
        """Return what a callback has raised since the last call."""
        error, self._error = self._error, None
        return error

    def add_reader(self, fd: int, callback: Callback) -> None:
        self._reading.add(fd)
        self._shared.add_reader(fd, lambda: self.guard(callback))

    def remove_reader(self, fd: int) -> None:
        self._reading.discard(fd)
        self._shared.remove_reader(fd)

    def add_writer(self, fd: int, callback: Callback) -> None:
        self._writing.add(fd)
        self._shared.add_writer(fd, lambda: self.guard(callback))

    def remove_writer(self, fd: int) -> None:
        self._writing.discard(fd)
        self._shared.remove_writer(fd)

    def call_later(self, delay: float, callback: Callback) -> LoopTimer:
        def due() -> None:
            self._pending.discard(timer)
            self.guard(callback)

        timer = self._shared.call_later(delay, due)
        self._pending.add(timer)
        return timer

    def close(self) -> None:
        """Watch nothing any more: the job has ended."""
        for fd in tuple(self._reading):
            self.remove_reader(fd)
        for fd in tuple(self._writing):
            self.remove_writer(fd)
        for timer in self._pending:
            timer.cancel()

    def turn(self) -> None:
        """Not for a job: what waits on it would keep all the others waiting."""
        raise RuntimeError("a job of a shared shell cannot wait by itself")
