"""Following a log file that grows, is rotated, is emptied, or is not there yet.

Lines are taken when they are whole. A file that another one has taken the place of is read to its
end before; one that has become shorter is read from its beginning.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, Protocol

from flux.seg.loader import exc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    TakeLine = Callable[[str], object]


class LineDriver(Protocol):
    """What following a file needs of the event driver."""

    @property
    def backlogged(self) -> bool:
        """Whether so much waits for the reader of the events that lines had better wait."""

    async def drained(self) -> None:
        """Return when there is room again."""

    async def run(self, callback: TakeLine, line: str, /) -> None:
        """Call a callback; what it raises is reported."""

    def report(self, sentence: str) -> None:
        """Say something on standard error."""


POLL_SECONDS: Final = 0.25
LINE_MAX: Final = 1 << 20
"""Bytes of a line: what is longer is no line of a log, and is left out."""
_AT_ONCE: Final = 1 << 16
_IN_A_ROW: Final = 500


class LineSplitter:
    """Bytes in, whole lines out; no I/O."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def take(self, data: bytes) -> list[str]:
        """Return the lines that ``data`` completes, without their ends."""
        *whole, rest = (self._rest + data).split(b"\n")
        if self._skipping and whole:
            del whole[0]
            self._skipping = False
        if len(rest) > LINE_MAX or self._skipping:
            rest, self._skipping = b"", True
        self._rest = rest
        return [line.decode("utf-8", "surrogateescape") for line in whole]

    def rest(self) -> list[str]:
        """Return what came after the last end of a line, if anything: nobody will add to it."""
        rest, self._rest, self._skipping = self._rest, b"", False
        return [rest.decode("utf-8", "surrogateescape")] if rest else []


class FileFollower:
    """The file at ``path`` from its beginning on, whatever takes its place.

    ``ready`` reads on; ``close`` ends it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._at = 0
        self._lines = LineSplitter()
        self._quiet = False

    def ready(self) -> Iterator[list[str]]:
        """Yield the lines that there are now, some at a time; raises OSError but for ENOENT."""
        while True:
            if self._fd < 0 and not self._open():
                return
            while data := self._read():
                self._quiet = False
                yield self._lines.take(data)
            if not self._replaced():
                return
            # Who writes may still have the old file open: it is left when nothing came for a while.
            if not self._quiet:
                self._quiet = True
                return
            yield self._lines.rest()
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._at, self._quiet = -1, 0, False

    def _open(self) -> bool:
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        return True

    def _read(self) -> bytes:
        if os.fstat(self._fd).st_size < self._at:
            os.lseek(self._fd, 0, os.SEEK_SET)
            self._at = 0
            self._lines = LineSplitter()
        data = os.read(self._fd, _AT_ONCE)
        self._at += len(data)
        return data

    def _replaced(self) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        mine = os.fstat(self._fd)
        return (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)


async def follow(
    driver: LineDriver,
    path: str,
    take: TakeLine,
    earlier: Sequence[str],
    on_end: Callable[..., object] | None,
) -> None:
    """Follow a file; see `Driver.follow_file`."""
    for name in earlier:
        await _once(driver, name, take)
    follower = FileFollower(path)
    complaint = ""
    try:
        while True:
            try:
                for lines in follower.ready():
                    await _give(driver, lines, take)
                complaint = ""
            except OSError as exc:
                if exc_text(exc) != complaint:
                    complaint = exc_text(exc)
                    driver.report(complaint)
            if on_end is not None:
                on_end()
                on_end = None
            await asyncio.sleep(POLL_SECONDS)
    finally:
        follower.close()


async def _once(driver: LineDriver, path: str, take: TakeLine) -> None:
    follower = FileFollower(path)
    try:
        for lines in follower.ready():
            await _give(driver, lines, take)
    except OSError as exc:
        driver.report(exc_text(exc))
    finally:
        follower.close()


async def _give(driver: LineDriver, lines: list[str], take: TakeLine) -> None:
    """Give lines to who takes them, when the reader of the events has room for more."""
    for place, line in enumerate(lines):
        if driver.backlogged:
            await driver.drained()
        elif place % _IN_A_ROW == 0:
            await asyncio.sleep(0)
        await driver.run(take, line)
