"""A child process of the broker: pipes on the event loop, output by lines, exit status, signals to
its process group.
"""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from broker.subprocess.descendants import kill_with
from broker.subprocess.launch import Command, launch, signal_group

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    OnOutput = Callable[[str, bytes, bool], None]
    OnExit = Callable[[int], None]

READ_SIZE: Final = 65536
LINE_LIMIT: Final = 65536
"""Bytes of a line without end that are kept before they are passed on."""
INPUT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of input that wait for a process to read them."""


@dataclass
class _Pipe:
    """An output stream: our end and the unfinished line."""

    fd: int
    partial: bytearray


class ChildProcess:
    """A running command.

    ``on_output`` is called with (stream, data, eof): whole lines, the rest before the end.
    ``on_exit`` is called once with the wait status, ``on_complete`` once after the exit and the end
    of both streams.
    """

    def __init__(
        self, on_output: OnOutput, on_exit: OnExit, on_complete: Callable[[], None]
    ) -> None:
        self._on_output = on_output
        self._on_exit = on_exit
        self._on_complete = on_complete
        self._loop = asyncio.get_running_loop()
        self._pipes: dict[str, _Pipe] = {}
        self._stdin = -1
        self._pending = bytearray()
        self._stdin_eof = False
        self._exit_fd = -1
        self.pid = 0
        self.status: int | None = None

    def start(self, argv: Sequence[str], env: Mapping[str, str], cwd: str | None) -> None:
        """Start the command; raises OSError (ENOENT, EACCES) if it cannot be executed."""
        stdin_read, stdin = os.pipe()
        stdout, stdout_write = os.pipe()
        stderr, stderr_write = os.pipe()
        theirs = (stdin_read, stdout_write, stderr_write)
        try:
            fds = [(fd, number) for number, fd in enumerate(theirs)]
            end = kill_with(os.getpid())  # also of a broker that is killed
            self.pid = launch(Command(list(argv), dict(env), fds=fds, cwd=cwd, before_exec=end))
        except OSError:
            for fd in (stdin, stdout, stderr):
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._stdin = stdin
        os.set_blocking(stdin, False)
        self._exit_fd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._exit_fd, self._exited)
        for stream, fd in (("stdout", stdout), ("stderr", stderr)):
            os.set_blocking(fd, False)
            self._pipes[stream] = _Pipe(fd, bytearray())
            self._loop.add_reader(fd, self._readable, stream)

    def _readable(self, stream: str) -> None:
        pipe = self._pipes[stream]
        try:
            data = os.read(pipe.fd, READ_SIZE)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(pipe.fd)
            os.close(pipe.fd)
            del self._pipes[stream]
            if pipe.partial:
                self._on_output(stream, bytes(pipe.partial), False)
            self._on_output(stream, b"", True)
            self._check_complete()
            return
        pipe.partial += data
        end = pipe.partial.rfind(b"\n") + 1
        if not end and len(pipe.partial) >= LINE_LIMIT:
            end = len(pipe.partial)
        if end:
            ready = bytes(pipe.partial[:end])
            del pipe.partial[:end]
            self._on_output(stream, ready, False)

    def _exited(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return
        self._loop.remove_reader(self._exit_fd)
        os.close(self._exit_fd)
        self.status = status
        self._close_stdin()
        self._on_exit(status)
        self._check_complete()

    def _check_complete(self) -> None:
        if self.status is not None and not self._pipes:
            self._on_complete()

    def write(self, data: bytes, eof: bool = False) -> None:
        """Send ``data`` to stdin, then close it with ``eof``; raises OSError(ENOSPC) if the process
        does not read.
        """
        if self._stdin < 0 or self._stdin_eof:
            return
        if len(self._pending) + len(data) > INPUT_LIMIT:
            raise OSError(errno.ENOSPC, "the process does not read its input")
        self._pending += data
        self._stdin_eof = eof
        self._flush()

    def _flush(self) -> None:
        try:
            while self._pending:
                del self._pending[: os.write(self._stdin, self._pending[:READ_SIZE])]
        except BlockingIOError:
            self._loop.add_writer(self._stdin, self._flush)
            return
        except OSError:
            self._stdin_eof = True
        self._loop.remove_writer(self._stdin)
        if self._stdin_eof:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._stdin >= 0:
            self._loop.remove_writer(self._stdin)
            os.close(self._stdin)
            self._stdin = -1
            self._pending.clear()

    def signal(self, number: int) -> bool:
        """Send a signal to the process group; returns False if the process has ended."""
        return self.status is None and signal_group(self.pid, number)
