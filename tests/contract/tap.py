"""A tap between clients and a broker: a local:// proxy that keeps every message that passes."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

from flux.wire.framing import Unpacker

if TYPE_CHECKING:
    import pathlib
    from types import TracebackType

    from flux.wire.message import Message


MOMENT = 0.5  # seconds


class Tap:
    """Listens on a socket of its own, ``path``, and connects each client to the real broker, whose
    local:// URI is ``broker``.
    """

    def __init__(self, path: pathlib.Path, broker: str) -> None:
        self.uri = f"local://{path}"
        self.messages: list[tuple[bool, Message]] = []
        self._broker = broker.removeprefix("local://")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._talking: list[threading.Thread] = []
        self._threads[0].start()

    def begin(self) -> list[tuple[bool, Message]]:
        """Start a new list of (from the broker, message); connections made from now on write to
        it.
        """
        self.messages = []
        self._talking = []
        return self.messages

    def settle(self) -> None:
        """Wait until all has been read that clients have sent who came since `begin` and have left;
        for those who stay, a moment.
        """
        deadline = time.monotonic() + MOMENT
        for thread in self._talking:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            broker = socket.socket(socket.AF_UNIX)
            broker.connect(self._broker)
            self._open += [client, broker]
            into = self.messages
            for source, target, down in ((client, broker, False), (broker, client, True)):
                thread = threading.Thread(target=self._pump, args=(source, target, down, into))
                self._threads.append(thread)
                if not down:
                    self._talking.append(thread)
                thread.start()

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        down: bool,
        into: list[tuple[bool, Message]],
    ) -> None:
        unpacker = Unpacker()
        greeting = down  # the broker's first byte says whether it accepts the client
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 16):
                into.extend(
                    (down, message) for message in unpacker.feed(chunk[1:] if greeting else chunk)
                )
                greeting = False
                target.sendall(chunk)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for connection in self._open:
            connection.close()
