"""Feeds the tasks' stdin (RFC 24): from requests to ``<service>.stdin``, or from a file (option
``input.stdin.type=file``).
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from broker.shell import eventlog
from broker.shell.levels import ERROR, ShellFatal
from broker.shell.mustache import render
from broker.shell.plugin import ShellPlugin
from broker.shell.plugins.output_options import parse_size
from flux.job.io import STDIN_REFUSED, decode
from flux.job.slots import decode_idset

if TYPE_CHECKING:
    from collections.abc import Container

    from broker.shell.context import ShellContext
    from broker.shell.protocol import ServiceRequest
    from broker.shell.task import ShellTask
    from flux.wire.json import JsonObject


END_OF_FILE: Final = b"\x04"
"""What a person types to end the input of a terminal: VEOF of termios(3) as it is by default."""


class Feeder:
    """The writing end of one task's stdin, never blocking; of a ``terminal``, whose end of input is
    a character, if that is what it is.
    """

    def __init__(self, shell: ShellContext, fd: int, *, terminal: bool = False) -> None:
        os.set_blocking(fd, False)
        self._shell = shell
        self._fd = fd
        self._terminal = terminal
        self._line_ended = True
        self._pending = bytearray()
        self._eof = False
        self._watched = False

    def write(self, data: bytes, eof: bool) -> None:
        """Queue `data` and, with `eof`, the end."""
        if self._fd < 0 or self._eof:
            return
        self._pending += data
        if self._terminal:
            self._line_ended = data.endswith(b"\n") if data else self._line_ended
            if eof:  # in a line the first one only ends that
                self._pending += END_OF_FILE if self._line_ended else 2 * END_OF_FILE
        self._eof = eof
        self._flush()

    def _flush(self) -> None:
        try:
            while self._pending:
                del self._pending[: os.write(self._fd, self._pending[:65536])]
        except BlockingIOError:
            if not self._watched:
                self._watched = True
                self._shell.loop.add_writer(self._fd, self._flush)
            return
        except OSError:
            self._eof = True
        if self._eof:
            self.close()
        elif self._watched:
            self._watched = False
            self._shell.loop.remove_writer(self._fd)

    def close(self) -> None:
        """Close the descriptor and drop what the task has not read."""
        if self._fd >= 0:
            self._shell.loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._pending.clear()


class InputPlugin(ShellPlugin):
    """Makes each task's stdin and routes input to it."""

    name = "input"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._path = ""
        self._limit: int | None = None
        self._stored = 0
        self._ended = False
        self._feeders: dict[int, Feeder] = {}
        self._theirs = -1

    def shell_init(self) -> None:
        """Start the input log and offer the stdin method; raises OSError for a wrong option, or if
        the input file cannot be read.
        """
        shell = self.shell
        self._read_options()
        if self._path:
            try:
                os.close(os.open(self._path, os.O_RDONLY))
            except OSError as error:
                shell.log(
                    ERROR, f"error opening input file '{self._path}': {error.strerror}", self.name
                )
                raise
        else:
            shell.peers.relays["stdin"] = self._feed
        if shell.leader:
            shell.peers.methods["stdin"] = self._refuse if self._path else self._request
        if shell.leader:
            shell.peers.append("input", eventlog.input_header())
            if self._path:
                context = {"stream": "stdin", "rank": "all", "path": self._path}
                shell.peers.append("input", eventlog.entry("redirect", context))

    def _read_options(self) -> None:
        option = self.shell.option
        kind, path = option("input.stdin.type", "service"), option("input.stdin.path", "")
        if kind not in ("service", "file"):
            raise self.refused("input.stdin.type", kind, "it is service or file")
        if kind == "file":
            if not (isinstance(path, str) and path):
                raise self.refused("input.stdin.type", kind, "it needs input.stdin.path")
            self._path = render(path, self.shell)
        limit = option("input.limit")
        self._limit = parse_size(limit)
        if limit is not None and self._limit is None:
            raise self.refused("input.limit", limit, "it is a size up to 1G")

    def task_init(self, task: ShellTask) -> None:
        """Make the task's stdin."""
        if task.tty is not None:
            self._feed_terminal(task)
            return
        if self._path:
            self._theirs = os.open(self._path, os.O_RDONLY)
        elif self.shell.standalone:
            self._theirs = os.open("/dev/null", os.O_RDONLY)
        else:
            self._theirs, ours = os.pipe()
            self._feeders[task.rank] = Feeder(self.shell, ours)
        task.fds.append((self._theirs, 0))

    def _feed_terminal(self, task: ShellTask) -> None:
        """What is captured has no client with a keyboard: the job's input is what it reads."""
        if task.screen < 0 or self.shell.standalone:
            return
        feeder = Feeder(self.shell, os.dup(task.screen), terminal=True)
        self._feeders[task.rank] = feeder
        if self._path:
            with open(self._path, "rb") as file:
                feeder.write(file.read(), eof=True)

    def task_fork(self, task: ShellTask) -> None:
        """The task has its end."""
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1

    def task_exit(self, task: ShellTask) -> None:
        """Nobody reads any more."""
        feeder = self._feeders.pop(task.rank, None)
        if feeder is not None:
            feeder.close()

    def close(self) -> None:
        for feeder in self._feeders.values():
            feeder.close()
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1

    def _request(self, request: ServiceRequest) -> None:
        context = request.payload if isinstance(request.payload, dict) else {}
        try:
            chunk = decode(context)
            self._ranks(chunk.rank)
        except (OSError, ValueError):
            chunk = None
        if chunk is None or chunk.stream != "stdin":
            self.shell.peers.respond(request, errnum=errno.EPROTO)
            return
        if self._ended and chunk.data:
            self._refuse(request)
            return
        self._ended = self._ended or (chunk.eof and chunk.rank == "all")
        self._stored += len(chunk.data)
        if self._limit is not None and self._stored > self._limit:
            raise ShellFatal(f"input of more than {self._limit} bytes", component=self.name)
        self.shell.peers.append("input", eventlog.entry("data", context))
        self._feed(context)
        if self.shell.size > 1:
            for rank in range(1, self.shell.size):
                self.shell.peers.relay(rank, "stdin", context)
        self.shell.peers.respond(request)

    def _refuse(self, request: ServiceRequest) -> None:
        self.shell.peers.respond(request, errnum=errno.ENOSYS, text=STDIN_REFUSED)

    def _ranks(self, rank: str) -> Container[int]:
        return range(self.shell.info.ntasks) if rank == "all" else set(decode_idset(rank))

    def _feed(self, context: JsonObject) -> None:
        chunk = decode(context)
        ranks = self._ranks(chunk.rank)
        for rank, feeder in self._feeders.items():
            if rank in ranks:
                feeder.write(chunk.data, chunk.eof)
