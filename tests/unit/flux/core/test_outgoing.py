"""How a message is sent when the other side does not read it at once."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from flux.core.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 4_000_000


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def received(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


def test_what_arrives_is_read_while_a_message_waits_to_be_sent(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    came = bytearray()
    sent: list[bytes] = []

    def other_side() -> None:  # reads nothing until all of its own is taken
        theirs.sendall(b"a" * SIZE)
        sent.append(received(theirs, SIZE))

    outgoing = Outgoing(ours, lambda: came.extend(ours.recv(65536)))
    thread = threading.Thread(target=other_side, daemon=True)
    thread.start()
    assert outgoing.send(b"b" * SIZE, nonblock=False)
    came += received(ours, SIZE - len(came))  # what was not in the way
    thread.join(60)
    assert sent == [b"b" * SIZE]
    assert came == b"a" * SIZE


def test_a_message_that_does_not_go_is_kept_or_refused(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    outgoing = Outgoing(ours, lambda: None)
    assert not outgoing.send(b"b" * SIZE, nonblock=True)
    assert outgoing.waiting
    with pytest.raises(BlockingIOError):
        outgoing.send(b"c", nonblock=True)
    reader = threading.Thread(target=received, args=(theirs, SIZE + 1), daemon=True)
    reader.start()
    assert outgoing.send(b"c", nonblock=False)
    reader.join(60)
    assert not reader.is_alive()
    assert not outgoing.waiting
