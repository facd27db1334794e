"""Runs the first task on a pseudo terminal (option ``pty``) that clients attach to through ``<service>.terminus.0``."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from typing import TYPE_CHECKING, Any

from broker.shell import eventlog
from broker.shell.plugin import Plugin

if TYPE_CHECKING:
    from broker.shell.peer import Message
    from broker.shell.shell import Shell
    from broker.shell.task import Task

METHOD = "terminus.0"
BACKLOG = 65536
GRACE = 2.0


def encode_data(data: bytes) -> dict[str, Any]:
    """Return a data message of the terminal protocol; bytes that are not UTF-8 travel in base64."""
    context = eventlog.io_context("stdout", "0", data)
    return {"type": "data", **{key: context[key] for key in ("encoding", "data") if key in context}}


class PtyPlugin(Plugin):
    """The terminal of task 0 and its clients."""

    name = "pty"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self._clients: dict[str, Message] = {}
        self._attached = False
        self._backlog = bytearray()
        self._status: int | None = None
        self._master = self._slave = -1

    def wanted(self) -> bool:
        return bool(self.shell.option("pty")) and self.shell.leader and not self.shell.standalone

    def shell_init(self) -> None:
        """Open the terminal and announce its service method."""
        self._master, self._slave = os.openpty()
        os.set_blocking(self._master, False)
        self.shell.methods[METHOD] = self._request
        self.shell.disconnects.append(self._disconnected)
        self.shell.init_context["pty"] = METHOD

    def _disconnected(self, sender: str) -> None:
        self._clients.pop(sender, None)

    def task_init(self, task: Task) -> None:
        """Give the first task the terminal."""
        if task.rank == 0:
            task.tty = os.ttyname(self._slave)
            task.holds += 1

    def task_fork(self, task: Task) -> None:
        """The task has opened the terminal: read its other side."""
        if task.rank == 0:
            os.close(self._slave)
            self.shell.loop.add_reader(self._master, lambda: self._readable(task))

    def task_exit(self, task: Task) -> None:
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
            self.shell.respond(
                request, {"type": "exit", "message": "session exiting", "status": self._status}
            )
            self.shell.respond(request, errnum=errno.ENODATA)
        self._record(bytes(self._backlog))

    def _record(self, data: bytes) -> None:
        if data:
            self.shell.append(
                "output", eventlog.entry("data", eventlog.io_context("stdout", "0", data))
            )
        eof = {"stream": "stdout", "rank": "0", "eof": True}
        self.shell.append("output", eventlog.entry("data", eof))
        self.shell.append("output", eventlog.entry("data", eof | {"stream": "stderr"}))

    def _readable(self, task: Task) -> None:
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
            self.shell.respond(request, encode_data(data))

    def _request(self, message: Message) -> None:
        payload = message.get("payload") or {}
        kind = payload.get("type")
        if kind == "attach":
            self._attach(message, payload)
        elif kind == "data":
            self._input(message, payload)
        elif kind == "resize":
            self._resize(payload.get("winsize") or {})
            self.shell.respond(message)
        elif kind == "detach":
            client = self._clients.pop(message["sender"], None)
            if client is not None:
                self.shell.respond(client, {"type": "exit", "message": "detached", "status": 0})
                self.shell.respond(client, errnum=errno.ENODATA)
            self.shell.respond(message)
        else:
            self.shell.respond(message, errnum=errno.EPROTO)

    def _attach(self, message: Message, payload: dict[str, Any]) -> None:
        self._resize(payload.get("winsize") or {})
        self._clients[message["sender"]] = message
        self.shell.respond(message, {"type": "attach"})
        if self._backlog:
            self.shell.respond(message, encode_data(bytes(self._backlog)))
            self._backlog.clear()
        self._attached = True

    def _input(self, message: Message, payload: dict[str, Any]) -> None:
        try:
            data = eventlog.io_data(payload)
        except ValueError:
            self.shell.respond(message, errnum=errno.EPROTO)
            return
        if self._master >= 0 and data:
            os.set_blocking(self._master, True)
            os.write(self._master, data)
            os.set_blocking(self._master, False)
        self.shell.respond(message)

    def _resize(self, size: dict[str, Any]) -> None:
        if self._master >= 0 and "rows" in size and "cols" in size:
            rows, cols = (int(size[key]) & 0xFFFF for key in ("rows", "cols"))
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
