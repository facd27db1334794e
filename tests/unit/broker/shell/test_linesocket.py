"""Lines over a socket, whole and in order."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from broker.shell.linesocket import LineSocket
from broker.shell.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[socket.socket, LineSocket, Loop]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, LineSocket(theirs.fileno()), Loop()


def test_lines_arrive_whole_however_they_were_cut(pair: Pair) -> None:
    ours, lines, loop = pair
    seen: list[bytes] = []
    lines.on_line = seen.append
    lines.attach(loop)
    for piece in (b"a", b"b\nc\n", b"d", b"\n"):
        ours.sendall(piece)
        loop.turn()
    assert seen == [b"ab", b"c", b"d"]


def test_after_detach_nothing_more_is_handed_on(pair: Pair) -> None:
    ours, lines, loop = pair
    seen: list[bytes] = []

    def last(line: bytes) -> None:
        seen.append(line)
        lines.detach()

    lines.on_line = last
    lines.attach(loop)
    ours.sendall(b"one\ntwo\n")
    loop.run_until(lambda: bool(seen))
    assert seen == [b"one"]


def test_a_line_is_sent_at_once_and_what_the_socket_does_not_take_later(pair: Pair) -> None:
    ours, lines, loop = pair
    lines.attach(loop)
    lines.send(b"now")
    assert ours.recv(100) == b"now\n"
    big = b"x" * 3_000_000
    lines.send(big)
    lines.send(b"last")
    ours.setblocking(False)
    got = bytearray()

    def readable() -> None:
        got.extend(ours.recv(1 << 20))

    loop.add_reader(ours.fileno(), readable)
    loop.run_until(lambda: got.endswith(b"last\n"))
    assert bytes(got) == big + b"\nlast\n"


def test_the_end_is_told_once_and_sending_after_it_does_no_harm(pair: Pair) -> None:
    ours, lines, loop = pair
    closed: list[bool] = []
    lines.on_close = lambda: closed.append(True)
    lines.attach(loop)
    ours.close()
    loop.run_until(lambda: bool(closed))
    lines.send(b"x")
    lines.send(b"y")
    assert closed == [True]
