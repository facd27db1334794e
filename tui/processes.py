"""Processes that the dashboard starts: sub-commands of ``flux``, and the user's own commands. The
only place that does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flux.waitstatus import shell_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

CHUNK: Final = 65536
LONGEST_LINE: Final = 65536
"""Letters after which a line is broken that has no end."""
LOOK: Final = 0.25
"""Seconds after which a command that has the terminal is looked at: it may have been stopped."""
PATIENCE: Final = 1.0
"""Seconds that a process has to end after each signal, before the next is sent."""


def flux_program() -> str:
    """Return the ``flux`` of this installation, else the one of PATH."""
    beside = Path(sys.executable).with_name("flux")
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("flux") or "flux"


def environment(uri: str, more: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the environment of commands for the instance at ``uri``."""
    found = {**os.environ, **more}
    if uri:
        found["FLUX_URI"] = uri
    return found


class LineReader:
    """Makes lines of what a stream gives piece by piece."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are complete by now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return [line.decode(errors="replace").rstrip("\r") for line in lines]

    def end(self) -> list[str]:
        """Return what is left, as a line if there is anything."""
        rest, self._rest = self._rest, b""
        return [rest.decode(errors="replace")] if rest else []


class LineCommand:
    """One command in a process group of its own, without a terminal or standard input.

    `lines` gives its output in batches; ``status`` is its exit code once it has ended: that of a
    shell, 128 and the signal if one ended it.
    """

    def __init__(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        self._words = list(words)
        self._env = dict(env)
        self._process: asyncio.subprocess.Process | None = None
        self.status: int | None = None

    async def lines(self) -> AsyncIterator[tuple[str, list[str]]]:
        """Start it and give batches of lines, each with the name of its stream, until it ends.

        Raises OSError if it cannot be started.
        """
        process = self._process = await asyncio.create_subprocess_exec(
            *self._words,
            env=self._env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        # Bounded: who writes faster than it is read has to wait.
        batches: asyncio.Queue[tuple[str, list[str]] | None] = asyncio.Queue(8)
        readers = [
            asyncio.create_task(_read(name, stream, batches))
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
        ]
        try:
            ended = 0
            while ended < len(readers):
                batch = await batches.get()
                if batch is None:
                    ended += 1
                else:
                    yield batch
            code = await process.wait()
            self.status = shell_code(code)
        finally:
            for reader in readers:
                reader.cancel()

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send a signal to all of its processes, as the terminal does at Ctrl+C."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def end(self) -> None:
        """End it, by harder signals from time to time until it has."""
        process = self._process
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            if process.returncode is not None:
                return
            self.interrupt(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await process.wait()


async def _read(
    name: str,
    stream: asyncio.StreamReader,
    batches: asyncio.Queue[tuple[str, list[str]] | None],
) -> None:
    reader = LineReader()
    while data := await stream.read(CHUNK):
        lines = reader.feed(data)
        if lines:
            await batches.put((name, lines))
    rest = reader.end()
    if rest:
        await batches.put((name, rest))
    await batches.put(None)


async def output_of(words: Sequence[str], env: Mapping[str, str], seconds: float) -> str:
    """Return what a short command writes to standard output.

    Raises OSError if it cannot be started, TimeoutError if it takes longer than that.
    """
    command = LineCommand(words, env)
    text: list[str] = []
    try:
        async with asyncio.timeout(seconds):
            async for name, lines in command.lines():
                if name == "stdout":
                    text += lines
    finally:
        await asyncio.shield(command.end())
    return "\n".join(text)


async def in_the_terminal(words: Sequence[str], env: Mapping[str, str]) -> int:
    """Run a command that has the terminal for itself, and return its exit code.

    Ctrl+C is for the command alone: it has a process group of its own, for those around us would
    end by it. Ctrl+Z does nothing: there is no shell to go back to.

    Raises OSError if it cannot be started.
    """
    process = await asyncio.create_subprocess_exec(*words, env=dict(env), process_group=0)
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        terminal = -1
    before = _give(terminal, process.pid)
    try:
        while process.returncode is None:
            # It may have been stopped before the terminal was its own, or by Ctrl+Z.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGCONT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await asyncio.shield(process.wait())
    finally:
        if before:
            _give(terminal, before)
        if terminal >= 0:
            os.close(terminal)
    code = process.returncode or 0
    return shell_code(code)


def _give(terminal: int, group: int) -> int:
    """Make a process group the one that the terminal listens to; return the one before it, 0 if
    there is no terminal.
    """
    # A process in the background is stopped for this unless it does not listen.
    mine = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        before = os.tcgetpgrp(terminal)
        os.tcsetpgrp(terminal, group)
    except OSError:
        return 0
    finally:
        signal.signal(signal.SIGTTOU, mine)
    return before
