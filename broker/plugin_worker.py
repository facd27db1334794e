"""Code of a site in a process of its own: an endless loop, a crash or an ``os._exit`` in it ends
that process and nothing else.

The process is a program that calls `broker.plugin_child.PluginChild.serve`. It is given one call at
a time, by name, and has a time for each. When it does not keep it, or ends, the call fails and the
next one starts the process again. Both sides speak JSON, each text with its length in front of it,
over a socket of their own; what the site's code prints goes to the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from broker.log import ERR, INFO
from broker.plugin_child import HEADER
from broker.subprocess.descendants import kill_descendants
from flux.child_signal import signal_child
from flux.terminal_text import terminal_line
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.wire.json import JsonObject

END_WITHIN: Final = 2.0
"""Seconds that the process gets to end when it is closed."""
OUTPUT_LINE: Final = 1 << 16
"""Bytes of a line that is printed, at most; longer ones are cut into several."""


class WorkerLost(OSError):
    """The process ended, or was ended, before it gave an answer."""


class PluginWorker:
    """One process that runs ``module``, a Python module, with ``setup`` as its first call.

    ``log`` is called with the severity (syslog(3)) and text of what the process logs or prints;
    ``name`` stands for it in sentences. ``timeout`` is the time in seconds for a call that names
    none.
    """

    def __init__(
        self,
        module: str,
        name: str,
        log: Callable[[int, str], object],
        *,
        setup: JsonObject | None = None,
        timeout: float = 10.0,
    ) -> None:
        self.name = name
        self.setup: JsonObject = setup or {}
        self.setup_answer: object = None
        self._module = module
        self._log = log
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._printing: asyncio.Task[None] | None = None
        self._number = 0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> object:
        """Start the process unless it runs, and return what ``setup`` answered; raises OSError as
        `call` does.
        """
        async with self._turn:
            await self._ready()
            return self.setup_answer

    async def call(self, method: str, payload: object, timeout: float | None = None) -> object:
        """Return what the process answers; calls are made one after the other, in the order they
        come.

        Raises OSError as the process says, WorkerLost with ETIMEDOUT if it takes more than
        ``timeout`` seconds, with EIO if it ends meanwhile.
        """
        async with self._turn:
            await self._ready()
            return await self._ask(method, payload, self._timeout if timeout is None else timeout)

    async def close(self) -> None:
        """End the process; calls that wait fail with ENOSYS."""
        self._closed = True
        if self._writer is not None:
            self._writer.close()
        process = self._process
        if process is not None:
            try:
                await asyncio.wait_for(process.wait(), END_WITHIN)
            except TimeoutError:
                self._log(ERR, f"{self.name}: does not end, and is killed")
        async with self._turn:
            await self._end()

    async def _ready(self) -> None:
        if self._closed:
            raise OSError(errno.ENOSYS, f"{self.name} is being closed")
        if self._process is not None and self._process.returncode is not None:
            await self._end()  # it ended while nobody asked for anything
        if self._process is None:
            await self._start()
            try:
                self.setup_answer = await self._ask("setup", self.setup, self._timeout)
            except OSError:
                await self._end()
                raise

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._reader, self._writer = await asyncio.open_connection(sock=ours)
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", self._module, str(theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                    env={**os.environ, "PYTHONUNBUFFERED": "1"},
                    limit=OUTPUT_LINE,
                )
            except OSError as exc:
                await self._end()
                reason = f"{self.name} cannot be started: {exc.strerror}"
                raise WorkerLost(exc.errno, reason) from None
        assert self._process.stdout is not None
        self._printing = asyncio.get_running_loop().create_task(
            self._tell(self._process.stdout), name=f"plugin-worker:{self.name}"
        )

    async def _tell(self, output: asyncio.StreamReader) -> None:
        """Log what is printed."""
        while True:
            try:
                line = await output.readuntil()
            except asyncio.IncompleteReadError as exc:
                line = exc.partial
            except asyncio.LimitOverrunError as exc:
                line = await output.readexactly(exc.consumed)
            if not line:
                return
            self._say(INFO, line.decode("utf-8", "replace"))

    def _say(self, level: int, text: str) -> None:
        for line in text.splitlines():
            self._log(level, f"{self.name}: {terminal_line(line)}")

    async def _ask(self, method: str, payload: object, timeout: float) -> object:
        assert self._reader is not None
        assert self._writer is not None
        self._number += 1
        number = self._number
        try:
            async with asyncio.timeout(timeout):
                text = json.dumps([number, method, payload])
                self._writer.write(HEADER.pack(len(text)) + text)
                await self._writer.drain()
                return await self._answer(self._reader, number)
        except TimeoutError:
            await self._end()
            raise WorkerLost(
                errno.ETIMEDOUT, f"{self.name} took more than {timeout:g} seconds"
            ) from None
        except asyncio.CancelledError:
            await self._end()  # nobody knows how far its answer was read
            raise
        except (EOFError, ConnectionError):
            raise WorkerLost(errno.EIO, f"{self.name} {await self._end()}") from None

    async def _answer(self, reader: asyncio.StreamReader, number: int) -> object:
        """Return the answer to call ``number``; those to calls that were given up are dropped."""
        while True:
            size = HEADER.unpack(await reader.readexactly(HEADER.size))[0]
            match json.loads(await reader.readexactly(size)):
                case ["log", int(level), str(text)]:
                    self._say(level, text)
                case ["result", int(which), result] if which == number:
                    return result
                case ["error", int(which), int(errnum), str(text)] if which == number:
                    raise OSError(errnum, text)

    async def _end(self) -> str:
        """End the process, with what it started, and return how it ended."""
        process, self._process = self._process, None
        writer, self._writer, self._reader = self._writer, None, None
        printing, self._printing = self._printing, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if process is None:
            return "has ended"
        with contextlib.suppress(TimeoutError):
            # Its end of the socket may be closed a moment before it has ended by itself.
            await asyncio.wait_for(process.wait(), 0.1)
        if process.returncode is None:
            await asyncio.to_thread(kill_descendants, process.pid)
            signal_child(process, signal.SIGKILL)
        code = await process.wait()
        if printing is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(printing, 1.0)  # what it started may have kept the pipe
        return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
