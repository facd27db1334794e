"""The event driver: calls the callbacks of a module, one at a time, on a thread of their own.

A module registers callbacks when it is activated: after a time, at intervals, when a descriptor can
be read, when a file has grown. What one raises is reported, and the others go on.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from flux.seg.loader import exc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from flux.seg.follow_file import TakeLine
    from flux.seg.output import SegOutput

    Callback = Callable[..., object]

SHORTEST: Final = 0.001
"""Seconds: the shortest interval."""


class RegisteredCallback:
    """A callback that was registered, to cancel it."""

    def __init__(self) -> None:
        self._task: asyncio.Task[object] | None = None
        self._cancelled = False
        self._from_anywhere: Callable[[Callable[[], object]], None] | None = None

    def bind(
        self, task: asyncio.Task[object], from_anywhere: Callable[[Callable[[], object]], None]
    ) -> None:
        """The task that calls the callback has begun."""
        self._task, self._from_anywhere = task, from_anywhere
        if self._cancelled:
            task.cancel()

    def cancel(self) -> None:
        """Call the callback no more. May be called from any thread, and more than once."""
        self._cancelled = True
        if self._task is not None and self._from_anywhere is not None:
            self._from_anywhere(self._task.cancel)


class Driver:
    """Calls callbacks on the event loop ``loop``, which is that of the thread it runs in.

    ``report`` is given a sentence about each that fails. Callbacks may be coroutine functions. May
    be used from any thread, but for what is said to be for callbacks.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, output: SegOutput, report: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._output = output
        self._report = report
        self._tasks: set[asyncio.Task[object]] = set()
        self._told_all: Callable[[], None] = lambda: None
        self._failed: Callable[[str], None] = report
        self.busy_since: float | None = None
        self.closed = False

    # What modules use

    @property
    def backlogged(self) -> bool:
        """Whether so much waits for the reader that events had better stay where they are."""
        return self._output.backlogged

    async def drained(self) -> None:
        """Return when the reader has taken most of what waits for it. For coroutines of the
        driver.
        """
        event = asyncio.Event()
        self._output.when_drained(lambda: self._from_anywhere(event.set))
        await event.wait()

    def call_soon(self, callback: Callback, *args: object) -> None:
        """Call ``callback(*args)`` as soon as others have been."""
        self.spawn(self.run(callback, *args))

    def call_later(self, seconds: float, callback: Callback, *args: object) -> RegisteredCallback:
        """Call ``callback(*args)`` once, in so many seconds."""

        async def once() -> None:
            await asyncio.sleep(max(seconds, 0.0))
            await self.run(callback, *args)

        return self.spawn(once())

    def call_every(self, seconds: float, callback: Callback, *args: object) -> RegisteredCallback:
        """Call ``callback(*args)`` at once, then every so many seconds; one that takes longer is
        not called twice at a time.

        Raises ValueError for an interval that is not positive.
        """
        if not seconds > 0:
            raise ValueError(f"an interval is positive, not {seconds}")

        async def always() -> None:
            while True:
                await self.run(callback, *args)
                await asyncio.sleep(max(seconds, SHORTEST))

        return self.spawn(always())

    def add_reader(self, fd: int, callback: Callback, *args: object) -> RegisteredCallback:
        """Call ``callback(*args)`` whenever there is something to read from the descriptor ``fd``,
        unless too much waits for the reader of the events. For callbacks and activation.
        """

        async def read() -> None:
            while True:
                await self._readable(fd)
                while self.backlogged:
                    await self.drained()
                await self.run(callback, *args)

        return self.spawn(read())

    async def _readable(self, fd: int) -> None:
        """Wait until there is something to read; it is not looked for after that, so that a
        callback never meets a descriptor that has been read already.
        """
        ready = self._loop.create_future()

        def found() -> None:
            self._loop.remove_reader(fd)
            if not ready.done():
                ready.set_result(None)

        self._loop.add_reader(fd, found)
        try:
            await ready
        finally:
            self._loop.remove_reader(fd)

    def follow_file(
        self,
        path: str,
        take: TakeLine,
        *,
        earlier: Sequence[str] = (),
        on_end: Callback | None = None,
    ) -> RegisteredCallback:
        """Call ``take(line)`` with each line of a file, as text without its end, from its beginning
        on and as it grows; see `flux.seg.follow_file.FileFollower`.

        ``earlier`` are files to read before, those of them that are there. ``on_end()`` is called
        when the end has been reached for the first time.
        """
        from flux.seg.follow_file import follow

        return self.spawn(follow(self, path, take, earlier, on_end))

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> RegisteredCallback:
        """Run a coroutine as a callback; it may wait, which a plain callback must not."""
        registered = RegisteredCallback()

        def start() -> None:
            if self.closed:
                coroutine.close()
                return
            task = self._loop.create_task(coroutine)
            registered.bind(task, self._from_anywhere)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

        self._from_anywhere(start)
        return registered

    def told_all(self) -> None:
        """All events up to now have been sent: ``flux seg --no-follow`` ends."""
        self._told_all()

    def fail(self, sentence: str) -> None:
        """The module cannot go on: ``flux seg`` ends with this sentence."""
        self._failed(sentence)

    def report(self, sentence: str) -> None:
        """Say something on standard error."""
        self._report(sentence)

    # What runs them

    def on_told_all(self, callback: Callable[[], None]) -> None:
        """Set what is done once a module says that it has sent all events."""
        self._told_all = callback

    def on_failure(self, callback: Callable[[str], None]) -> None:
        """Set what is done when a module cannot go on."""
        self._failed = callback

    async def close(self) -> None:
        """Call no callback any more, once those under way are over or cancelled."""
        self.closed = True
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _from_anywhere(self, callback: Callback, *args: object) -> None:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            callback(*args)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)

    async def run(self, callback: Callback, *args: object) -> None:
        """Call a callback, and wait for it if it is a coroutine; what it raises is reported."""
        try:
            self.busy_since = time.monotonic()
            try:
                result = callback(*args)
            finally:
                self.busy_since = None
            if asyncio.iscoroutine(result):
                await result
        except asyncio.CancelledError as exc:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # The end of something else that the callback has looked at.
            self._report(f"{name_of(callback)}: {exc_text(exc)}")
        except Exception as exc:
            self._report(f"{name_of(callback)}: {exc_text(exc)}")

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            self._report(exc_text(exc))


def name_of(callback: Callback) -> str:
    """Return how to call a callback in a report."""
    return str(getattr(callback, "__qualname__", None) or callback)
