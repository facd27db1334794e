"""Lines over a stream socket, between a job shell and its broker.

Both ends use it, each on the event loop it has: that of `broker.shell.loop` or asyncio's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

READ_SIZE = 262144


class FdWatcher(Protocol):
    """What is needed of an event loop."""

    def add_reader(self, fd: int, callback: Callable[[], None], /) -> object:
        """Call ``callback`` while ``fd`` is readable or at its end."""

    def remove_reader(self, fd: int, /) -> object:
        """Stop watching ``fd`` for reading."""

    def add_writer(self, fd: int, callback: Callable[[], None], /) -> object:
        """Call ``callback`` while ``fd`` is writable."""

    def remove_writer(self, fd: int, /) -> object:
        """Stop watching ``fd`` for writing."""


class LineSocket:
    """The socket ``fd``, which stays its owner's to close.

    ``on_line`` gets each line without its newline, ``on_close`` is called once the other end is
    gone. Nothing is read before `attach`, except by `read_line`.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.on_line: Callable[[bytes], None] = lambda _: None
        self.on_close: Callable[[], None] = lambda: None
        self._in = bytearray()
        self._out = bytearray()
        self._watcher: FdWatcher | None = None
        self._waits = False

    def attach(self, watcher: FdWatcher) -> None:
        """Receive and send on an event loop from now on."""
        self._watcher = watcher
        os.set_blocking(self.fd, False)
        watcher.add_reader(self.fd, self._readable)

    def detach(self) -> None:
        """Receive and send no more."""
        if self._watcher is not None:
            self._watcher.remove_reader(self.fd)
            self._watcher.remove_writer(self.fd)
            self._watcher = None

    # Receiving

    def read_line(self) -> bytes | None:
        """Wait for one line and return it, None if the other end was closed; for use before
        `attach`.
        """
        while b"\n" not in self._in:
            data = os.read(self.fd, READ_SIZE)
            if not data:
                return None
            self._in += data
        line, _, rest = bytes(self._in).partition(b"\n")
        self._in = bytearray(rest)
        return line

    def deliver(self) -> None:
        """Hand on every complete line that has been received."""
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest)
        for line in lines:
            if self._watcher is None:  # the line before was the last that anybody wanted
                return
            self.on_line(line)

    def _readable(self) -> None:
        try:
            data = os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if self._watcher is not None:
                self._watcher.remove_reader(self.fd)
            self.on_close()
            return
        self._in += data
        if b"\n" in data:
            self.deliver()

    # Sending

    def queue(self, line: bytes) -> None:
        """Have a line sent with the next `write`."""
        self._out += line
        self._out += b"\n"

    def send(self, line: bytes) -> None:
        """Send a line, now if nothing waits before it."""
        idle = not self._out
        self.queue(line)
        if idle:
            self.write()

    def write(self) -> None:
        """Write what the socket takes; the rest follows when it takes more."""
        if not self._out:
            return
        try:
            sent = os.write(self.fd, self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(self._out)  # the other end is gone, which shows when it is read
        del self._out[:sent]
        self._wait_to_write()

    def _wait_to_write(self) -> None:
        waits = bool(self._out)
        if self._watcher is None or waits == self._waits:
            return
        self._waits = waits
        if waits:
            self._watcher.add_writer(self.fd, self.write)
        else:
            self._watcher.remove_writer(self.fd)

    def flush(self) -> None:
        """Write everything, waiting as long as the other end takes it."""
        os.set_blocking(self.fd, True)
        while self._out:
            try:
                sent = os.write(self.fd, self._out)
            except OSError:
                return
            del self._out[:sent]
