"""Whom a job shell talks to: its broker, or nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from broker.shell import protocol
from broker.shell.linesocket import LineSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.shell.loop import Loop
    from broker.shell.protocol import FromShell, ToShell


class Peer(Protocol):
    """What a shell talks to: the broker, or nobody in standalone mode."""

    def post(self, message: FromShell) -> None:
        """Send a message."""


class BrokerPeer:
    """The broker at the other end of the socket ``fd``."""

    def __init__(self, fd: int) -> None:
        self._lines = LineSocket(fd)

    def receive_first(self) -> ToShell | None:
        """Wait for one message, None if the other end was closed before; for use before `attach`.

        Raises OSError(EPROTO) if it is malformed.
        """
        line = self._lines.read_line()
        return None if line is None else protocol.decode_to_shell(line)

    def say_hello(self) -> None:
        """Tell the broker that the job has been taken up; from now on no other shell may run it."""
        self.post(protocol.Hello(os.getpid()))
        self.flush()

    def attach(
        self, loop: Loop, on_message: Callable[[ToShell], None], on_close: Callable[[], None]
    ) -> None:
        """Receive and send on ``loop`` from now on; ``on_close`` is called if the broker is
        gone.
        """
        self._lines.on_line = lambda line: on_message(protocol.decode_to_shell(line))
        self._lines.on_close = on_close
        self._lines.attach(loop)
        loop.before_wait.append(self._lines.write)
        loop.call_later(0, self._lines.deliver)  # what came with the first message

    def post(self, message: FromShell) -> None:
        """Send a message; it leaves before the loop waits."""
        self._lines.queue(protocol.encode(message))

    def flush(self) -> None:
        """Write everything, waiting as long as the broker takes it."""
        self._lines.flush()


class NoPeer:
    """The peer of a standalone shell: nothing is stored."""

    def post(self, message: FromShell) -> None:
        """Drop a message."""
