"""A connection to a broker by hand: any message, any bytes, many requests under way at once."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from typing import TYPE_CHECKING

from flux.wire.framing import Unpacker, pack
from flux.wire.message import NODEID_ANY, RESPONSE, Message, request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NOBODY = 65534


def connect(uri: str, userid: int | None = None) -> socket.socket:
    """Connect to a broker, as another user if one is given (root only).

    The kernel notes the effective user of the moment of the connection, so no other process is
    needed. Raises OSError as the broker refuses.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(30)
        _connect(sock, uri.removeprefix("local://"), userid)
        verdict = sock.recv(1)
        if verdict != b"\0":
            number = verdict[0] if verdict else errno.ECONNRESET
            raise OSError(number, os.strerror(number))
    except BaseException:
        sock.close()
        raise
    return sock


def _connect(sock: socket.socket, path: str, userid: int | None) -> None:
    if userid is None:
        sock.connect(path)
        return
    before = os.geteuid()
    os.seteuid(userid)
    try:
        sock.connect(path)
    finally:
        os.seteuid(before)


class Line:
    """A client's end of a connection."""

    def __init__(self, uri: str, userid: int | None = None) -> None:
        self.socket = connect(uri, userid)
        self.closed = False
        self._unpacker = Unpacker()
        self._tag = 0

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.closed = True
        self.socket.close()

    def new_tag(self) -> int:
        """Return a match tag that has not been used."""
        self._tag = self._tag % 0xFFFFFFFE + 1
        return self._tag

    def ask(
        self, topic: str, payload: object = None, nodeid: int = NODEID_ANY, flags: int = 0
    ) -> int:
        """Send a request; returns its match tag."""
        tag = self.new_tag()
        self.send([request(topic, payload, nodeid=nodeid, matchtag=tag, flags=flags)])
        return tag

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages; raises OSError when the broker has hung up or takes nothing for 30 s."""
        self.socket.sendall(b"".join(map(pack, messages)))

    def receive(self, seconds: float) -> list[Message]:
        """Return what arrives within ``seconds``: empty for nothing, and once the broker hung
        up.
        """
        if self.closed or not select.select([self.socket], [], [], max(0.0, seconds))[0]:
            return []
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
            return []
        return self._unpacker.feed(data)

    def answers(self, tags: Iterable[int], seconds: float) -> dict[int, Message]:
        """Collect the first response to each of the tags, until all are there or time is up."""
        waiting, found = set(tags), dict[int, Message]()
        deadline = time.monotonic() + seconds
        while waiting and not self.closed and (left := deadline - time.monotonic()) > 0:
            for msg in self.receive(left):
                if msg.type == RESPONSE and msg.matchtag in waiting:
                    waiting.discard(msg.matchtag)
                    found[msg.matchtag] = msg
        return found

    def stream(self, tag: int, seconds: float) -> Iterator[Message]:
        """Yield the responses to a tag, up to the error that ends them; raises TimeoutError.

        ``seconds`` is how long each may take. Raises ConnectionResetError when the broker hangs up.
        """
        while True:
            deadline = time.monotonic() + seconds
            found: list[Message] = []
            while not found:
                if self.closed:
                    raise ConnectionResetError("the broker hung up")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no response within {seconds:g} s")
                received = self.receive(deadline - time.monotonic())
                found = [msg for msg in received if msg.type == RESPONSE and msg.matchtag == tag]
            for msg in found:
                yield msg
                if msg.errnum:
                    return

    def answer(
        self, topic: str, payload: object = None, nodeid: int = NODEID_ANY, seconds: float = 60.0
    ) -> Message:
        """Ask and wait for the response; raises TimeoutError, ConnectionResetError without one."""
        tag = self.ask(topic, payload, nodeid)
        found = self.answers([tag], seconds)
        if tag not in found:
            if self.closed:
                raise ConnectionResetError(f"{topic}: the broker hung up")
            raise TimeoutError(f"{topic} to rank {nodeid} not answered within {seconds:g} s")
        return found[tag]
