"""Feeds the tasks' stdin (RFC 24): from requests to ``<service>.stdin``, or from a file (option ``input.stdin.type=file``)."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

from broker.shell import eventlog
from broker.shell.jobinfo import decode_idset
from broker.shell.levels import ERROR
from broker.shell.plugin import Plugin

if TYPE_CHECKING:
    from broker.shell.peer import Message
    from broker.shell.shell import Shell
    from broker.shell.task import Task


class Feeder:
    """The writing end of one task's stdin, never blocking."""

    def __init__(self, shell: Shell, fd: int) -> None:
        os.set_blocking(fd, False)
        self._shell = shell
        self._fd = fd
        self._pending = bytearray()
        self._eof = False
        self._watched = False

    def write(self, data: bytes, eof: bool) -> None:
        """Queue `data` and, with `eof`, the end."""
        if self._fd < 0 or self._eof:
            return
        self._pending += data
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


class InputPlugin(Plugin):
    """Makes each task's stdin and routes input to it."""

    name = "input"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self._path = ""
        if shell.option("input.stdin.type", "service") == "file":
            self._path = str(shell.option("input.stdin.path", ""))
        self._feeders: dict[int, Feeder] = {}
        self._theirs = -1

    def shell_init(self) -> None:
        """Start the input log and offer the stdin method; raise OSError when the input file cannot be read."""
        shell = self.shell
        if self._path:
            try:
                os.close(os.open(self._path, os.O_RDONLY))
            except OSError as error:
                shell.log(
                    ERROR, f"error opening input file '{self._path}': {error.strerror}", self.name
                )
                raise
        else:
            shell.relays["stdin"] = lambda message: self._feed(message["io"])
            if shell.leader:
                shell.methods["stdin"] = self._request
        if shell.leader:
            shell.append("input", eventlog.input_header())
            if self._path:
                context = {"stream": "stdin", "rank": "all", "path": self._path}
                shell.append("input", eventlog.entry("redirect", context))

    def task_init(self, task: Task) -> None:
        """Make the task's stdin."""
        if task.tty is not None:
            return
        if self._path:
            self._theirs = os.open(self._path, os.O_RDONLY)
        elif self.shell.standalone:
            self._theirs = os.open("/dev/null", os.O_RDONLY)
        else:
            self._theirs, ours = os.pipe()
            self._feeders[task.rank] = Feeder(self.shell, ours)
        task.fds.append((self._theirs, 0))

    def task_fork(self, task: Task) -> None:
        """The task has its end."""
        if self._theirs >= 0:
            os.close(self._theirs)
            self._theirs = -1

    def task_exit(self, task: Task) -> None:
        """Nobody reads any more."""
        feeder = self._feeders.pop(task.rank, None)
        if feeder is not None:
            feeder.close()

    def _request(self, message: Message) -> None:
        context = message.get("payload") or {}
        try:
            eventlog.io_data(context)
            self._ranks(context["rank"])
            valid = context["stream"] == "stdin"
        except (KeyError, TypeError, ValueError):
            valid = False
        if not valid:
            self.shell.respond(message, errnum=errno.EPROTO)
            return
        self.shell.append("input", eventlog.entry("data", context))
        self._feed(context)
        if self.shell.size > 1:
            for rank in range(1, self.shell.size):
                self.shell.relay(rank, "stdin", io=context)
        self.shell.respond(message)

    def _ranks(self, rank: Any) -> set[int]:
        return set(range(self.shell.info.ntasks)) if rank == "all" else set(decode_idset(str(rank)))

    def _feed(self, context: dict[str, Any]) -> None:
        data, eof = eventlog.io_data(context), bool(context.get("eof"))
        ranks = self._ranks(context["rank"])
        for rank, feeder in self._feeders.items():
            if rank in ranks:
                feeder.write(data, eof)
