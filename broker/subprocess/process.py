"""A child process of the broker: standard streams and channels on the event loop, exit status,
signals to its process group.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from functools import partial
from typing import TYPE_CHECKING

from broker.subprocess.descendants import kill_with
from broker.subprocess.launch import Command, launch, signal_group
from broker.subprocess.streams import (
    INPUT_LIMIT,
    LINE_LIMIT,
    STANDARD,
    InputStream,
    OutputStream,
    StreamOptions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    OnOutput = Callable[[str, bytes, bool], None]
    OnExit = Callable[[int], None]
    OnTaken = Callable[[str, int], None]


class ChildProcess:
    """A running command.

    ``on_output`` is called with (stream, data, eof): whole lines, the rest before the end.
    ``on_exit`` is called once with the wait status, ``on_complete`` once after the exit and the end
    of all streams it writes. ``on_taken`` is called with (stream, bytes) as it reads its input.
    """

    def __init__(
        self,
        on_output: OnOutput,
        on_exit: OnExit,
        on_complete: Callable[[], None],
        on_taken: OnTaken | None = None,
    ) -> None:
        self._on_output = on_output
        self._on_taken = on_taken
        self._on_exit = on_exit
        self._on_complete = on_complete
        self._loop = asyncio.get_running_loop()
        self._inputs: dict[str, InputStream] = {}
        self._open = 0
        self._exit_fd = -1
        self.pid = 0
        self.status: int | None = None

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str | None,
        channels: Sequence[str] = (),
        options: StreamOptions | None = None,
    ) -> None:
        """Start the command.

        For each of ``channels`` the child has one more descriptor, for reading and writing, whose
        number is in the variable of that name. Raises OSError (ENOENT, EACCES) if it cannot be
        executed.
        """
        options = options or StreamOptions()
        ours: list[int] = []
        theirs: list[int] = []
        try:
            for reading in (False, True, True):
                ends = os.pipe()
                ours.append(ends[0 if reading else 1])
                theirs.append(ends[1 if reading else 0])
            for _ in channels:
                ours_end, theirs_end = socket.socketpair()
                ours.append(ours_end.detach())
                theirs.append(theirs_end.detach())
            fds = [(fd, number) for number, fd in enumerate(theirs[:3])]
            fds += [(fd, fd) for fd in theirs[3:]]
            env = {**env, **{name: str(fd) for name, fd in zip(channels, theirs[3:], strict=True)}}
            end = kill_with(os.getpid())  # also of a broker that is killed
            self.pid = launch(Command(list(argv), env, fds=fds, cwd=cwd, before_exec=end))
        except OSError:
            for fd in ours:
                os.close(fd)
            raise
        finally:
            for fd in theirs:
                os.close(fd)
        self._exit_fd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._exit_fd, self._exited)
        for name, fd in zip((*STANDARD, *channels), ours, strict=True):
            self._connect(name, fd, options)

    def _connect(self, name: str, fd: int, options: StreamOptions) -> None:
        """Begin to read and feed a stream, both if it is a channel."""
        limit = options.limits.get(name)
        if name not in STANDARD[1:]:
            channel = name not in STANDARD
            self._inputs[name] = InputStream(
                self._loop,
                os.dup(fd) if channel else fd,
                limit or INPUT_LIMIT,
                channel=channel,
                on_taken=self._on_taken and partial(self._on_taken, name),
            )
        if name != STANDARD[0]:
            self._open += 1
            OutputStream(
                self._loop,
                fd,
                lambda data, eof: self._on_output(name, data, eof),
                self._ended,
                lines=name not in options.unbuffered,
                limit=limit or LINE_LIMIT,
            )

    def _ended(self) -> None:
        self._open -= 1
        self._check_complete()

    def _exited(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return
        self._loop.remove_reader(self._exit_fd)
        os.close(self._exit_fd)
        self.status = status
        for stream in self._inputs.values():
            stream.close()
        self._on_exit(status)
        self._check_complete()

    def _check_complete(self) -> None:
        if self.status is not None and not self._open:
            self._on_complete()

    def write(self, data: bytes, eof: bool = False, stream: str = STANDARD[0]) -> None:
        """Send ``data`` to stdin or a channel, then its end with ``eof``.

        Raises OSError: ENOENT if there is no such stream, ENOSPC if the process does not read.
        """
        target = self._inputs.get(stream)
        if target is None:
            raise OSError(errno.ENOENT, f"the process does not read a stream {stream[:100]!r}")
        target.write(data, eof)

    def signal(self, number: int) -> bool:
        """Send a signal to the process group; returns False if the process has ended."""
        return self.status is None and signal_group(self.pid, number)
