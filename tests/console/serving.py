"""``flux top --serve`` for tests: the process, its links, a network that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

from flux.testing.instance import Instance, default_flux
from tests.system.watching import PATIENCE, ending, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_LINK = re.compile(r"http://127\.0\.0\.1:(\d+)/#(\S+)")


class Served:
    """A running server: all that it has written so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.written = ""
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.written += line

    @property
    def links(self) -> list[str]:
        """All links so far, the one that is not used yet last."""
        return [found[0] for found in _LINK.finditer(self.written)]

    @property
    def address(self) -> str:
        return self.links[0].partition("/#")[0]

    def until(self, text: str, count: int = 1) -> None:
        """Wait until ``text`` was written so many times."""
        until(lambda: self.written.count(text) >= count)

    def until_over(self) -> int:
        """Wait for the end of the process; returns its exit code."""
        code = self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return code


@contextlib.contextmanager
def serving(instance: Instance, *arguments: str, **environment: str) -> Iterator[Served]:
    """Serve dashboards of an instance at a free port."""
    process = subprocess.Popen(
        [default_flux(), "top", "--serve", *arguments],
        env={**instance.environment, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with ending(process):
        served = Served(process)
        until(lambda: served.links or process.poll() is not None)
        assert served.links, served.written
        served.until("Ctrl+C ends it")
        try:
            yield served
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                served.until_over()


class Network:
    """The way between a browser and a server, which can be cut. It is at a port of its own, as one
    end of ``ssh -L`` is.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self._cut:
            writer.close()
            return
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, ours}
        await asyncio.gather(self._carry(reader, ours), self._carry(theirs, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)

    def cut(self) -> None:
        """Break all connections, and refuse new ones until `mend`."""
        self._cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._cut = False


@contextlib.asynccontextmanager
async def network(port: int) -> AsyncIterator[Network]:
    """Run a network to a port of this machine."""
    way = Network(port)
    server = await asyncio.start_server(way.connected, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        way.cut()
        await server.wait_closed()
        await asyncio.sleep(0)


def terminal_size(pid: int) -> tuple[int, int]:
    """Return columns and rows of the terminal that a process reads from."""
    descriptor = os.open(f"/proc/{pid}/fd/0", os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        size = os.get_terminal_size(descriptor)
    finally:
        os.close(descriptor)
    return size.columns, size.lines
