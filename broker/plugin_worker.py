"""Code of a site in a process of its own: an endless loop, a crash or an ``os._exit`` in it ends
that process and nothing else.

The process is a program that calls `broker.plugin_child.PluginChild.serve`. It is given one call at
a time, by name, and has a time for each. When it does not keep it, or ends, the call fails and the
next one starts the process again. Both sides speak JSON, each text with its length in front of it,
over a socket of their own; what the site's code prints goes to the log.

What the process starts carries a mark in its environment, by which it is found and ended with it,
even if it has made itself independent.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from broker.log import DEBUG, ERR, INFO
from broker.plugin_child import HEADER
from broker.subprocess.descendants import kill_descendants, kill_marked
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
LAST_WORDS: Final = 0.1
"""Seconds between the end of a process and of its connection, in either order."""
ANSWER_MAX: Final = 64 << 20
"""Bytes of an answer, at most."""
MARK: Final = "FLUX_PLUGIN_WORKER"
"""The variable of the environment that marks what a process started."""


class WorkerLost(OSError):
    """The process ended, or was ended, before it gave an answer."""


@dataclass
class _HostedProcess:
    """A process with its connections. ``output`` is where it prints, ``tasks`` are those that look
    after it.
    """

    mark: str
    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    output: asyncio.ReadTransport
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


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
        self._child: _HostedProcess | None = None
        self._endings: set[asyncio.Task[str]] = set()
        self._number = 0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, None while there is none."""
        return self._child.process.pid if self._child is not None else None

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
            child = await self._ready()
            seconds = self._timeout if timeout is None else timeout
            return await self._ask(child, method, payload, seconds)

    async def close(self) -> None:
        """End the process; calls that wait fail with ENOSYS."""
        self._closed = True
        child = self._child
        if child is not None:
            child.writer.close()
            try:
                async with asyncio.timeout(END_WITHIN):
                    await child.process.wait()
            except TimeoutError:
                self._log(ERR, f"{self.name}: does not end, and is killed")
        async with self._turn:
            await self._end()
        await asyncio.gather(*self._endings)

    async def _ready(self) -> _HostedProcess:
        self._check_open()
        if self._child is not None and self._child.process.returncode is not None:
            await self._end()  # it ended while nobody asked for anything
        if self._child is not None:
            return self._child
        child = self._child = await self._start()
        try:
            self._check_open()
            self.setup_answer = await self._ask(child, "setup", self.setup, self._timeout)
        except OSError:
            await self._end()
            raise
        return child

    def _check_open(self) -> None:
        if self._closed:
            raise OSError(errno.ENOSYS, f"{self.name} is being closed")

    async def _start(self) -> _HostedProcess:
        with contextlib.ExitStack() as undo:
            try:
                return await self._started(undo)
            except OSError as exc:
                reason = f"{self.name} cannot be started: {exc.strerror}"
                raise WorkerLost(exc.errno, reason) from None

    async def _started(self, undo: contextlib.ExitStack) -> _HostedProcess:
        """Start the process; ``undo`` closes what was opened for it if that fails."""
        loop = asyncio.get_running_loop()
        ours, theirs = (undo.enter_context(one) for one in socket.socketpair())
        out, into = (undo.enter_context(os.fdopen(fd, "rb", 0)) for fd in os.pipe())
        printed = asyncio.StreamReader(OUTPUT_LINE)
        # A pipe of our own: asyncio calls a process ended once nobody holds the pipe that it gave
        # it, and what the site's code left behind may do so for ever.
        output, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(printed), os.fdopen(os.dup(out.fileno()), "rb", 0)
        )
        undo.callback(output.close)
        reader, writer = await asyncio.open_connection(sock=ours.dup())
        undo.callback(writer.close)
        mark = secrets.token_hex(8)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", self._module, str(theirs.fileno())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=into,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", MARK: mark},
        )
        undo.pop_all()
        for one in (ours, theirs, out, into):
            one.close()
        child = _HostedProcess(mark, process, reader, writer, output)
        child.tasks.append(loop.create_task(self._tell(printed), name=f"plugin-worker:{self.name}"))
        child.tasks.append(loop.create_task(_hang_up(child), name=f"plugin-end:{self.name}"))
        return child

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

    async def _ask(
        self, child: _HostedProcess, method: str, payload: object, timeout: float
    ) -> object:
        self._number += 1
        number = self._number
        try:
            text = json.dumps([number, method, payload])
        except (TypeError, ValueError) as exc:
            raise OSError(errno.EINVAL, f"{self.name} cannot be given this: {exc}") from None
        try:
            async with asyncio.timeout(timeout):
                child.writer.write(HEADER.pack(len(text)) + text)
                await child.writer.drain()
                return await self._answer(child.reader, number)
        except TimeoutError:
            await self._end()
            reason = f"{self.name} took more than {timeout:g} seconds"
            raise WorkerLost(errno.ETIMEDOUT, reason) from None
        except asyncio.CancelledError:
            await self._end()  # nobody knows how far its answer was read
            raise
        except ValueError:
            await self._end()
            raise WorkerLost(errno.EIO, f"{self.name} sent what is no answer") from None
        except (EOFError, ConnectionError):
            raise WorkerLost(errno.EIO, f"{self.name} {await self._end()}") from None

    async def _answer(self, reader: asyncio.StreamReader, number: int) -> object:
        """Return the answer to call ``number``; raises ValueError for what makes no sense."""
        while True:
            size = HEADER.unpack(await reader.readexactly(HEADER.size))[0]
            if size > ANSWER_MAX:
                raise ValueError(f"{size} bytes are too many")
            match json.loads(await reader.readexactly(size)):
                case ["log", int(level), str(text)]:
                    self._say(min(max(level, 0), DEBUG), text)
                case ["result", int(which), result] if which == number:
                    return result
                case ["error", int(which), int(errnum), str(text)] if which == number:
                    raise OSError(errnum if errnum > 0 else errno.EIO, text)
                case other:
                    raise ValueError(f"{other!r:.80} is no answer")

    async def _end(self) -> str:
        """End the process, with what it started, and return how it ended. It is ended even if
        whoever waits for this is cancelled.
        """
        child, self._child = self._child, None
        if child is None:
            return "has ended"
        ending = asyncio.get_running_loop().create_task(_ended(child))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return await asyncio.shield(ending)


async def _hang_up(child: _HostedProcess) -> None:
    """Close the connection of a process that has ended: what it forked may hold the other end."""
    await child.process.wait()
    await asyncio.sleep(LAST_WORDS)
    child.writer.close()


async def _ended(child: _HostedProcess) -> str:
    """End a process, with what it started, and return how it ended."""
    process = child.process
    child.writer.close()
    with contextlib.suppress(OSError):
        await child.writer.wait_closed()
    with contextlib.suppress(TimeoutError):
        # Its end of the socket may be closed a moment before it has ended by itself.
        async with asyncio.timeout(LAST_WORDS):
            await process.wait()
    if process.returncode is None:
        await asyncio.to_thread(kill_descendants, process.pid)
        signal_child(process, signal.SIGKILL)
    code = await process.wait()
    await asyncio.to_thread(kill_marked, MARK, child.mark)
    _, unfinished = await asyncio.wait(child.tasks, timeout=1.0)
    for task in unfinished:  # what it started may have kept the pipe
        task.cancel()
    child.output.close()
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
