"""The shell's event loop and the peer on it."""

from __future__ import annotations

import os
import socket
import time

import pytest

from broker.shell.loop import Loop
from broker.shell.peer import SocketPeer
from flux.wire.json import dumps, loads


def test_timers_fire_in_order_and_can_be_cancelled() -> None:
    loop, seen = Loop(), []
    loop.call_later(0.02, lambda: seen.append("late"))
    loop.call_later(0.0, lambda: seen.append("soon"))
    loop.call_later(0.01, lambda: seen.append("never")).cancel()
    loop.run_until(lambda: len(seen) == 2)
    assert seen == ["soon", "late"]


def test_a_reader_sees_data_and_the_end() -> None:
    loop, seen = Loop(), []
    read, write = os.pipe()
    loop.add_reader(read, lambda: seen.append(os.read(read, 10)))
    os.write(write, b"x")
    loop.run_until(lambda: bool(seen))
    os.close(write)
    loop.run_until(lambda: seen[-1] == b"")
    loop.remove_reader(read)
    os.close(read)
    assert seen[0] == b"x"


def test_exceptions_end_the_loop() -> None:
    loop = Loop()

    def fail() -> None:
        raise RuntimeError("stop")

    loop.call_later(0, fail)
    with pytest.raises(RuntimeError, match="stop"):
        loop.run_until(lambda: False)


@pytest.fixture
def pair() -> tuple[socket.socket, SocketPeer]:
    ours, theirs = socket.socketpair()
    with ours:
        yield ours, SocketPeer(theirs.detach())  # type: ignore[misc]


def test_messages_before_and_after_attach(pair: tuple[socket.socket, SocketPeer]) -> None:
    broker, peer = pair
    loop, seen, closed = Loop(), [], []
    broker.sendall(b'{"t":"job"}\n{"t":"ki')
    assert peer.receive_first() == {"t": "job"}
    peer.on_message, peer.on_close = seen.append, lambda: closed.append(True)
    peer.attach(loop)
    broker.sendall(b'll"}\n')
    loop.run_until(lambda: bool(seen))
    broker.shutdown(socket.SHUT_WR)
    loop.run_until(lambda: bool(closed))
    assert seen == [{"t": "kill"}]
    os.close(peer.fd)


def test_a_large_message_waits_for_its_reader(pair: tuple[socket.socket, SocketPeer]) -> None:
    broker, peer = pair
    loop, got = Loop(), bytearray()
    peer.attach(loop)
    peer.post({"data": "x" * 3_000_000})
    broker.setblocking(False)
    deadline = time.monotonic() + 20
    while not got.endswith(b"\n"):
        assert time.monotonic() < deadline
        loop.call_later(0, lambda: None)
        loop.turn()
        try:
            got += broker.recv(1 << 20)
        except BlockingIOError:
            continue
    assert loads(bytes(got)) == {"data": "x" * 3_000_000}
    os.close(peer.fd)


def test_no_first_message_from_a_closed_broker() -> None:
    ours, theirs = socket.socketpair()
    peer = SocketPeer(theirs.detach())
    ours.close()
    assert peer.receive_first() is None
    peer.post({"x": 1})
    peer.flush()
    assert dumps({"x": 1}) not in peer._in
    os.close(peer.fd)
