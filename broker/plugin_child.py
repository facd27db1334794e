"""The inside of the process that `broker.plugin_worker.PluginWorker` starts: calls come in by name,
results go out.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import threading
from typing import TYPE_CHECKING, Final

from broker.faults import FAILURES, described
from broker.subprocess.descendants import signal_with_parent
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HEADER: Final = struct.Struct("!I")
"""In front of each text: its length in bytes."""
_CHUNK: Final = 1 << 20


class PluginChild:
    """The connection with the broker, whose number is the last argument of the program."""

    def __init__(self, argv: list[str]) -> None:
        signal_with_parent(signal.SIGKILL, os.getppid())
        self._sock = socket.socket(fileno=int(argv[-1]))
        self._sock.set_inheritable(False)  # what the site's code starts has no part in it
        self._buffer = bytearray()
        self._sending = threading.Lock()  # threads of the site's code may log

    def log(self, level: int, text: str) -> None:
        """Write to the broker's log with a severity as syslog(3) has it."""
        self._send(json.dumps(["log", level, text]))

    def serve(self, handlers: Mapping[str, Callable[[object], object]], path: str = "") -> None:
        """Answer calls until the broker hangs up.

        A handler is called with the payload and returns what is JSON, or raises OSError. Whatever
        else it raises is told with the line of the file ``path`` it came from, as EINVAL.
        """
        while (text := self._receive()) is not None:
            number, method, payload = json.loads(text)
            try:
                answer = json.dumps(["result", number, handlers[method](payload)])
            except OSError as exc:
                answer = _error(number, exc.errno or errno.EIO, exc.strerror or str(exc))
            except FAILURES as exc:
                answer = _error(number, errno.EINVAL, described(exc, path))
            try:
                self._send(answer)
            except OSError:
                return

    def _send(self, text: bytes) -> None:
        with self._sending:
            self._sock.sendall(HEADER.pack(len(text)) + text)

    def _receive(self) -> bytes | None:
        """Return the next text, None at the end."""
        head = self._read(HEADER.size)
        return None if head is None else self._read(HEADER.unpack(head)[0])

    def _read(self, size: int) -> bytes | None:
        buffer = self._buffer
        while len(buffer) < size:
            data = self._sock.recv(_CHUNK)
            if not data:
                return None
            buffer += data
        found = bytes(buffer[:size])
        del buffer[:size]
        return found


def _error(number: int, errnum: int, text: str) -> bytes:
    return json.dumps(["error", number, errnum, text])
