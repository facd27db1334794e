"""The shell's connection to its broker: JSON objects, one a line, over an inherited socket.

What a shell sends (`t` names the kind):

- ``hello``: ``pid``: the first message; before it nothing of the job has been run
- ``ev``: text to append to the guest event logs, by key: ``exec``, ``output``, ``input``; ``ack`` asks for an answer once stored
- ``barrier``: ``name``, ``data``: answered with the merged ``data`` of all shells of the job once each has sent it
- ``relay``: ``to`` ("leader", "all" or a shell rank), ``msg``: another shell's message
- ``exception``: ``type``, ``severity``, ``note``: raise a job exception
- ``response``: ``tag``, ``payload`` or ``errnum``: answer to a ``request``
- ``exit``: ``status``: the wait status; the last message

What it gets: ``job`` (first), ``kill`` (signum), ``barrier``, ``ack``, ``relay`` (msg), ``request`` (topic, tag, payload, sender),
``disconnect`` (sender).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

from broker.shell.loop import Loop
from flux.wire.json import dumps, loads

Message = dict[str, Any]
READ_SIZE = 262144


class Peer(Protocol):
    """What a shell talks to: the broker, or nobody in standalone mode."""

    def post(self, message: Message) -> None:
        """Send `message`."""

    def flush(self) -> None:
        """Wait until everything sent has left."""


class SocketPeer:
    """A peer on the socket `fd`; `on_message` gets each message, `on_close` is called when the broker is gone."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._in = bytearray()
        self._out = bytearray()
        self._loop: Loop | None = None
        self.on_message: Callable[[Message], None] = lambda _: None
        self.on_close: Callable[[], None] = lambda: None

    def receive_first(self) -> Message | None:
        """Wait for one message, None when the other end closed before; for use before `attach`."""
        while b"\n" not in self._in:
            data = os.read(self.fd, READ_SIZE)
            if not data:
                return None
            self._in += data
        line, _, rest = bytes(self._in).partition(b"\n")
        self._in = bytearray(rest)
        message: Message = loads(line)
        return message

    def say_hello(self) -> None:
        """Tell the broker that the job has been taken up; from now on no other shell may run it."""
        self.post({"t": "hello", "pid": os.getpid()})
        self.flush()

    def attach(self, loop: Loop) -> None:
        """Receive and send on `loop` from now on."""
        self._loop = loop
        os.set_blocking(self.fd, False)
        loop.add_reader(self.fd, self._readable)
        loop.before_wait.append(self._write)
        if self._in:
            loop.call_later(0, self._deliver)

    def post(self, message: Message) -> None:
        """Queue `message`; it leaves before the loop waits."""
        self._out += dumps(message)
        self._out += b"\n"

    def _readable(self) -> None:
        try:
            data = os.read(self.fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if self._loop is not None:
                self._loop.remove_reader(self.fd)
            self.on_close()
            return
        self._in += data
        self._deliver()

    def _deliver(self) -> None:
        """Hand on every complete message received so far."""
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest)
        for line in lines:
            self.on_message(loads(line))

    def _write(self) -> None:
        if not self._out:
            return
        try:
            sent = os.write(self.fd, self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._out.clear()
            return
        del self._out[:sent]
        if self._loop is not None:
            if self._out:
                self._loop.add_writer(self.fd, self._write)
            else:
                self._loop.remove_writer(self.fd)

    def flush(self) -> None:
        """Write everything, waiting as long as the broker takes it."""
        os.set_blocking(self.fd, True)
        while self._out:
            try:
                sent = os.write(self.fd, self._out)
            except OSError:
                return
            del self._out[:sent]


class NoPeer:
    """The peer of a standalone shell: nothing is stored, and barriers have one member."""

    def post(self, message: Message) -> None:
        """Drop `message`."""

    def flush(self) -> None:
        """Nothing waits."""
