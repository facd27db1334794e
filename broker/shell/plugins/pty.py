"""Runs tasks on pseudo terminals (option ``pty``). Clients attach to that of the first task through
``<service>.terminus.0``; what others show is part of the job's output.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING, Final

from broker.shell import eventlog
from broker.shell.plugin import ShellPlugin
from broker.shell.plugins.pty_options import read_options
from flux.job import io

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.protocol import ServiceRequest
    from broker.shell.task import ShellTask
    from flux.job.types import IoObject
    from flux.wire.json import JsonObject

METHOD: Final = "terminus.0"
BACKLOG: Final = 65536
"""Bytes that are kept for the first client."""
ROWS: Final = 25
COLUMNS: Final = 80
"""The size of a terminal that no client has given another one."""
GRACE: Final = 2.0
"""Seconds that a session with output nobody has seen waits at its end for a client."""


def encode_data(data: bytes) -> JsonObject:
    """Return a data message of the terminal protocol; bytes that are not UTF-8 travel in base64."""
    return {"type": "data", **io.encode_data(data)}


class PtyPlugin(ShellPlugin):
    """The terminals of tasks, and the clients of that of task 0.

    Clients come to the job's first shell, which therefore runs task 0. What a terminal shows that
    is only captured is read as the task's stdout is, by the plugin ``output``.
    """

    name = "pty"
    is_asked_for = True

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._clients: dict[str, ServiceRequest] = {}
        self._attached = False
        self._backlog = bytearray()
        self._status: int | None = None
        self._master = -1
        self._slaves: dict[int, int] = {}
        self._lines = eventlog.LineBuffer()
        self._task: ShellTask | None = None

    def wanted(self) -> bool:
        options = read_options(self.shell, self.refused)
        if options is None:
            return False
        self._options = options
        self._interactive = options.interactive and not self.shell.standalone
        if self._interactive and self.shell.leader and 0 not in self.shell.me.taskids:
            text = "task 0 has to be on the first node of the job"
            raise self.refused("pty.interactive", True, text)
        here = any(rank in options.ranks for rank in self.shell.me.taskids)
        return here and (options.captured or self._interactive)

    def shell_init(self) -> None:
        """Announce the service method of an interactive terminal."""
        if not (self._interactive and self.shell.leader):
            return
        self.shell.peers.methods[METHOD] = self._request
        self.shell.peers.disconnects.append(self._disconnected)
        self.shell.init_context["pty"] = METHOD
        if self._options.captured:
            self.shell.init_context["capture"] = 1

    def _disconnected(self, sender: str) -> None:
        self._clients.pop(sender, None)

    def _is_interactive(self, task: ShellTask) -> bool:
        return self._interactive and task.rank == 0

    def task_init(self, task: ShellTask) -> None:
        """Give a task its terminal."""
        if task.rank not in self._options.ranks:
            return
        master, slave = os.openpty()
        os.set_blocking(master, False)
        _set_size(master, ROWS, COLUMNS)
        self._slaves[task.rank] = slave
        task.tty = os.ttyname(slave)
        if not self._is_interactive(task):
            task.screen = master
            return
        self._master = master
        self._task = task
        task.holds += 1

    def task_fork(self, task: ShellTask) -> None:
        """The task has opened the terminal: read its other side."""
        slave = self._slaves.pop(task.rank, None)
        if slave is not None:
            os.close(slave)
            if self._is_interactive(task):
                self.shell.loop.add_reader(self._master, lambda: self._readable(task))

    def task_exit(self, task: ShellTask) -> None:
        """Remember how the session ended."""
        if self._is_interactive(task):
            self._status = task.status
            self._hang_up()

    def _hang_up(self) -> None:
        if self._master >= 0:
            self.shell.loop.remove_reader(self._master)
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        self._hang_up()
        for slave in self._slaves.values():
            os.close(slave)
        self._slaves.clear()

    def shell_exit(self) -> None:
        """End the session for its clients; output nobody saw goes to the job's output."""
        if self._task is None:
            return
        loop = self.shell.loop
        if not self._attached and self._backlog:
            expired: list[bool] = []
            loop.call_later(GRACE, lambda: expired.append(True))
            loop.run_until(lambda: self._attached or bool(expired))
        for request in self._clients.values():
            self.shell.peers.respond(
                request, {"type": "exit", "message": "session exiting", "status": self._status}
            )
            self.shell.peers.respond(request, errnum=errno.ENODATA)
        self._record(b"" if self._options.captured else bytes(self._backlog))

    def _record(self, data: bytes) -> None:
        for piece in (*self._lines.feed(data), *self._lines.finish()):
            self._show(piece)
        for stream in eventlog.STREAMS:
            self._append(io.encode(stream, "0", eof=True))

    def _show(self, data: bytes) -> None:
        """Add to the job's output, wherever that goes."""
        channel = self._task.channels.get("stdout") if self._task is not None else None
        if channel is not None and channel.sink is not None:
            channel.sink(data)

    def _append(self, chunk: IoObject) -> None:
        self.shell.peers.append("output", eventlog.entry("data", chunk))

    def _readable(self, task: ShellTask) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # To close it is to hang up, which kills a task that is about to end.
            self.shell.loop.remove_reader(self._master)
            task.holds -= 1
            return
        if self._options.captured:
            for piece in self._lines.feed(data):
                self._show(piece)
        if not self._attached:
            self._backlog += data
            del self._backlog[:-BACKLOG]
        for request in self._clients.values():
            self.shell.peers.respond(request, encode_data(data))

    def _request(self, request: ServiceRequest) -> None:
        payload = request.payload if isinstance(request.payload, dict) else {}
        kind = payload.get("type")
        if kind == "attach":
            self._attach(request, payload)
        elif kind == "data":
            self._input(request, payload)
        elif kind == "resize":
            self._resize(payload.get("winsize") or {})
            self.shell.peers.respond(request)
        elif kind == "detach":
            client = self._clients.pop(request.sender, None)
            if client is not None:
                end = {"type": "exit", "message": "detached", "status": 0}
                self.shell.peers.respond(client, end)
                self.shell.peers.respond(client, errnum=errno.ENODATA)
            self.shell.peers.respond(request)
        else:
            self.shell.peers.respond(request, errnum=errno.EPROTO)

    def _attach(self, request: ServiceRequest, payload: JsonObject) -> None:
        self._resize(payload.get("winsize") or {})
        self._clients[request.sender] = request
        self.shell.peers.respond(request, {"type": "attach"})
        if self._backlog:
            self.shell.peers.respond(request, encode_data(bytes(self._backlog)))
            self._backlog.clear()
        self._attached = True

    def _input(self, request: ServiceRequest, payload: JsonObject) -> None:
        try:
            data = io.decode_data(payload)
        except OSError:
            self.shell.peers.respond(request, errnum=errno.EPROTO)
            return
        if self._master >= 0 and data:
            os.set_blocking(self._master, True)
            os.write(self._master, data)
            os.set_blocking(self._master, False)
        self.shell.peers.respond(request)

    def _resize(self, size: JsonObject) -> None:
        if self._master >= 0 and "rows" in size and "cols" in size:
            rows, cols = (int(size[key]) & 0xFFFF for key in ("rows", "cols"))
            _set_size(self._master, rows, cols)


def _set_size(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
