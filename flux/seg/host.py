"""Running a module: its thread, the reader of its events, what ends it.

The module has a thread of its own, so that one that blocks does not keep the lines from their
reader, nor the program from its end. The generator ends by SIGTERM, SIGINT or SIGHUP, when
the other side of a pipe that is its standard input is closed, when nobody reads its standard output
any more, and when its module cannot go on. Then it deactivates the module, waits for what is under
way, and writes what is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import stat
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flux.seg import api
from flux.seg.errors import SegError
from flux.seg.event_driver import Driver
from flux.seg.generator import Generator
from flux.seg.loader import exc_text
from flux.seg.output import BACKLOG_MAX, SegOutput
from flux.seg.record import SeenLines, Unseen
from flux.waitstatus import INTERRUPTED, SIGNALED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

DEACTIVATE_SECONDS: Final = 5.0
"""How long a module that is deactivated may take."""

FLUSH_SECONDS: Final = 10.0
"""How long the reader may take for what is left at the end."""

BLOCKED_SECONDS: Final = 30.0
"""After so long in one callback a module is reported."""

_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class SegSettings:
    """What to run: the ``module`` by name or path, with its ``options``, for events from
    ``timestamp`` on (seconds since the epoch, None for now).

    ``record`` is what the reader has seen; with ``follow`` unset the generator ends after the
    events of the past.
    """

    module: str
    timestamp: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    record: SeenLines | None = None
    follow: bool = True
    backlog_max: int = BACKLOG_MAX


class SegHost:
    """Runs a module until something ends it; ``report`` is given sentences for standard error."""

    def __init__(
        self,
        settings: SegSettings,
        report: Callable[[str], None],
        *,
        stdin: int = 0,
        stdout: int = 1,
    ) -> None:
        self._settings = settings
        self._say = report
        self._stdin = stdin
        self._stdout = stdout
        self._wake_fd, self._waking_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._output = SegOutput(stdout, self._wake, backlog_max=settings.backlog_max)
        self._generator = Generator()
        self._loop = asyncio.new_event_loop()
        self._driver = Driver(self._loop, self._output, report)
        self._ending: asyncio.Event | None = None
        self._activated = self._ended = False
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run_module, name="seg-module", daemon=True)

    def run(self) -> int:
        """Run to the end; returns the exit code, 0 for an end that was asked for.

        Raises BrokenPipeError when the reader has gone, OSError when nothing can be written. For
        the main thread, whose signal handlers it sets meanwhile.
        """
        self._prepare()
        before = api.use(self._generator)
        try:
            with self._signals():
                self._output.start()
                self._thread.start()
                try:
                    self._wait()
                finally:
                    code = self._finish()
                return code
        finally:
            api.use(before)
            if not self._thread.is_alive():  # else it may still wake us
                for fd in (self._wake_fd, self._waking_fd):
                    os.close(fd)

    def end(self, code: int = 0, reason: str = "") -> None:
        """Have the generator end with an exit code, unless it does so already; from any thread."""
        if self._code is None:
            self._code = code
            if reason:
                self._say(reason)
        self._wake()

    def _prepare(self) -> None:
        record, timestamp = self._settings.record, self._settings.timestamp
        if timestamp is None and record is not None:
            timestamp = record.timestamp
        if timestamp is not None:
            self._generator.set_timestamp(timestamp)
        self._generator.options = dict(self._settings.options)
        send: Callable[[bytes], None] = self._output.put
        if record is not None:
            self._generator.record = record.changes
            unseen = Unseen(record.changes)

            def send(line: bytes) -> None:
                if unseen.is_new(line):
                    self._output.put(line)

        self._generator.set_event_handler(send)
        self._generator.set_driver(self._driver)
        if not self._settings.follow:
            self._driver.on_told_all(self.end)
        self._driver.on_failure(lambda sentence: self.end(1, sentence))

    # The thread of the module

    def _run_module(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except SegError as exc:
            self._failed(str(exc))
        except BaseException as exc:
            self._failed(exc_text(exc))
        self._ended = True
        self._wake()

    def _failed(self, sentence: str) -> None:
        """The module cannot go on, or not be deactivated at an end that was asked for."""
        if self._code is not None:
            self._code = self._code or 1
            self._say(sentence)
        self.end(1, sentence)

    async def _serve(self) -> None:
        self._ending = asyncio.Event()
        self._driver.busy_since = time.monotonic()
        module = self._generator.load_module(self._settings.module)
        await module.activate()
        self._driver.busy_since = None
        self._activated = True
        self._wake()
        try:
            if self._code is None:
                await self._ending.wait()
        finally:
            try:
                await module.deactivate()
            finally:
                await self._driver.close()

    # The main thread

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            os.write(self._waking_fd, b"!")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def told(number: int, _frame: FrameType | None) -> None:
            if self._code is not None:  # the second one does not wait
                os._exit(SIGNALED + number)
            self.end(INTERRUPTED if number == signal.SIGINT else 0)

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = [signal.signal(number, told) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _wait(self) -> None:
        """Return when something ends the generator."""
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        if _is_stream(self._stdout):
            poll.register(self._stdout, 0)  # tells of an error: nobody reads it any more
        reported = watching = False
        started = time.monotonic()
        while self._code is None and not self._ended and self._output.error is None:
            for fd, _ in poll.poll(_LOOK_SECONDS * 1000):
                if fd == self._stdout:
                    self._output.error = BrokenPipeError()
                elif not _drain(fd):
                    self.end()
            # A module that cannot be activated says so, even if nobody is there any more.
            if not watching and (
                self._activated or time.monotonic() - started > DEACTIVATE_SECONDS
            ):
                watching = True
                if self._settings.follow and _is_stream(self._stdin):
                    poll.register(self._stdin, select.POLLIN)
            busy = self._driver.busy_since
            if busy is None:
                reported = False
            elif not reported and time.monotonic() - busy > BLOCKED_SECONDS:
                reported = True
                self._say(
                    f"{self._settings.module} has not returned for {BLOCKED_SECONDS:.0f} s:"
                    " no events come meanwhile"
                )

    def _finish(self) -> int:
        """Deactivate the module, write what is left; returns the exit code."""
        if self._ending is not None and not self._ended:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join(DEACTIVATE_SECONDS)
        if self._output.error is not None:
            raise self._output.error
        code = self._code or 0
        if self._thread.is_alive():
            code = code or 1
            self._say(f"{self._settings.module} does not return: it is left behind")
        left = self._output.close(FLUSH_SECONDS)
        if self._output.error is not None:
            raise self._output.error
        if left:
            self._say(f"the reader did not take the last {left} bytes")
            code = code or 1
        return code


def _is_stream(fd: int) -> bool:
    """Whether a descriptor is a pipe or socket, of which the other side can go."""
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _drain(fd: int) -> bool:
    """Read what there is; returns False at the end or after an error."""
    try:
        return bool(os.read(fd, 4096))
    except BlockingIOError:
        return True
    except OSError:
        return False
