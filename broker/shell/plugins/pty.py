"""Runs the first task on a pseudo terminal (option ``pty``) that clients attach to through
``<service>.terminus.0``.
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
GRACE: Final = 2.0
"""Seconds that a session with output nobody has seen waits at its end for a client."""


def encode_data(data: bytes) -> JsonObject:
    """Return a data message of the terminal protocol; bytes that are not UTF-8 travel in base64."""
    return {"type": "data", **io.encode_data(data)}


class PtyPlugin(ShellPlugin):
    """The terminal of task 0 and its clients."""

    name = "pty"
    is_asked_for = True

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._clients: dict[str, ServiceRequest] = {}
        self._attached = False
        self._backlog = bytearray()
        self._status: int | None = None
        self._master = self._slave = -1

    def wanted(self) -> bool:
        return self._asked() and self.shell.leader and not self.shell.standalone

    def _asked(self) -> bool:
        option = self.shell.option("pty")
        if not isinstance(option, dict):
            return self.flag("pty")
        ranks = option.get("ranks", 0)
        if str(ranks) != "0":
            raise self.refused("pty.ranks", ranks, "only task 0 can have a terminal")
        return True

    def shell_init(self) -> None:
        """Open the terminal and announce its service method."""
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self.shell.peers.methods[METHOD] = self._request
        self.shell.peers.disconnects.append(self._disconnected)
        self.shell.init_context["pty"] = METHOD

    def _disconnected(self, sender: str) -> None:
        self._clients.pop(sender, None)

    def task_init(self, task: ShellTask) -> None:
        """Give the first task the terminal."""
        if task.rank == 0:
            task.tty = os.ttyname(self._slave)
            task.holds += 1

    def task_fork(self, task: ShellTask) -> None:
        """The task has opened the terminal: read its other side."""
        if task.rank == 0:
            os.close(self._slave)
            self.shell.loop.add_reader(self._master, lambda: self._readable(task))

    def task_exit(self, task: ShellTask) -> None:
        """Remember how the session ended."""
        if task.rank == 0:
            self._status = task.status

    def shell_exit(self) -> None:
        """End the session for its clients; output nobody saw goes to the job's output."""
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
        self._record(bytes(self._backlog))

    def _record(self, data: bytes) -> None:
        if data:
            self._append(io.encode("stdout", "0", data))
        for stream in eventlog.STREAMS:
            self._append(io.encode(stream, "0", eof=True))

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
            self.shell.loop.remove_reader(self._master)
            os.close(self._master)
            self._master = -1
            task.holds -= 1
            return
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
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
