"""The way out of a handle's socket, with what the broker has not taken yet."""

from __future__ import annotations

import errno
import selectors
import socket
from typing import TYPE_CHECKING

from flux.wire.errors import os_error
from flux.wire.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.message import MessageView


class Outgoing:
    """Sends whole messages: all at once, or as much as goes without waiting."""

    def __init__(self, sock: socket.socket, read: Callable[[], None]) -> None:
        """``read`` is called when something has arrived while a message waits to be sent."""
        self._sock = sock
        self._read = read
        self._unsent = bytearray()

    @property
    def waiting(self) -> bool:
        """Whether a part of a message waits to be sent."""
        return bool(self._unsent)

    def send(self, data: bytes, *, nonblock: bool) -> bool:
        """Send ``data`` after what waits; returns whether nothing is left.

        With ``nonblock`` a part of it may be left for `flush`. Raises OSError(EAGAIN) if something
        waits already and does not go: then nothing of ``data`` is sent.
        """
        if self._unsent and nonblock and not self.flush():
            raise os_error(errno.EAGAIN)
        if not self._unsent:  # as nearly always: all goes at once, and nothing is kept
            sent = self._take(data)
            if sent == len(data):
                return True
            data = data[sent:]
        self._unsent += data
        if nonblock:
            return self.flush()
        self._send_and_read()
        return True

    def _send_and_read(self) -> None:
        # A broker that has many answers for us takes no more requests until we read some: who
        # only waited to send would wait for ever.
        if self.flush():
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while not self.flush():
                for _key, events in selector.select():
                    if events & selectors.EVENT_READ:
                        self._read()

    def flush(self) -> bool:
        """Send what waits without waiting for the broker; returns whether nothing is left."""
        while self._unsent:
            sent = self._take(self._unsent)
            if not sent:
                return False
            del self._unsent[:sent]
        return True

    def _take(self, data: bytes | bytearray) -> int:
        """Return how many bytes the socket takes without waiting."""
        try:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0


def wire_of(message: MessageView) -> Message:
    """Return the protocol message that a program has as ``message``; raises TypeError for what is
    no `flux.message.MessageView`.
    """
    found: object = getattr(message, "wire", None)
    if not isinstance(found, Message):
        raise TypeError(f"message must be a MessageView, not {type(message).__name__}")
    return found
