"""A program on a terminal of its own: what a browser shows is what any other terminal would."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import termios
from typing import Final

from flux.child_signal import signal_child

CHUNK: Final = 1 << 16
GRACE: Final = 5.0
"""Seconds that a program has to end when it is told to, before it is killed."""


def _take_terminal() -> None:
    # In the child, whose standard input the terminal is: the session's, so that it hears of
    # changes of size, and of the end of the server, however that ends.
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class ServedTerminal:
    """A pseudo-terminal with a program on it."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self._process = process
        self._writing = asyncio.Lock()
        self._waits: set[asyncio.Event] = set()
        self._closed = False

    @classmethod
    async def start(
        cls, command: list[str], environment: dict[str, str], size: tuple[int, int]
    ) -> ServedTerminal:
        """Start ``command`` on a terminal of ``size`` columns and rows; raises OSError."""
        master, slave = os.openpty()
        try:
            _set_size(slave, size)
            os.set_blocking(master, False)
            process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                preexec_fn=_take_terminal,
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        return cls(master, process)

    @property
    def pid(self) -> int:
        """Process id of the program."""
        return self._process.pid

    async def read(self) -> bytes:
        """Return what the program has written, once there is something; empty when it has ended."""
        while not self._closed:
            try:
                return os.read(self._master, CHUNK)
            except BlockingIOError:
                await self._ready(reading=True)
            except OSError:
                return b""  # EIO: nobody has the other end open any more
        return b""

    async def write(self, data: bytes) -> None:
        """Type ``data``; waits while the program takes nothing. Nothing happens once it is over."""
        async with self._writing:
            while data and not self._closed:
                try:
                    data = data[os.write(self._master, data) :]
                except BlockingIOError:
                    await self._ready(reading=False)
                except OSError:
                    return

    def resize(self, size: tuple[int, int]) -> None:
        """Tell the program that the terminal has ``size`` columns and rows now."""
        if not self._closed:
            _set_size(self._master, size)

    async def end(self) -> None:
        """Hang up, and wait for the program to end; kills it if it does not within `GRACE`."""
        if not self._closed:
            self._closed = True
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._master)
            loop.remove_writer(self._master)
            os.close(self._master)
            for wait in self._waits:
                wait.set()
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # one that is stopped would not hear of its end
        try:
            async with asyncio.timeout(GRACE):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, signum: int) -> None:
        signal_child(self._process, signum)

    async def _ready(self, *, reading: bool) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        add, remove = (
            (loop.add_reader, loop.remove_reader)
            if reading
            else (loop.add_writer, loop.remove_writer)
        )
        add(self._master, ready.set)
        self._waits.add(ready)
        try:
            await ready.wait()
        finally:
            self._waits.discard(ready)
            if not self._closed:
                remove(self._master)


def _set_size(descriptor: int, size: tuple[int, int]) -> None:
    columns, rows = size
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
