"""The shell's event loop and the broker on it."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from broker.shell.loop import Loop
from broker.shell.peer import BrokerPeer
from broker.shell.protocol import Kill, LogEntries, RunJob, ToShell
from flux.wire.json import loads

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_timers_fire_in_order_and_can_be_cancelled() -> None:
    loop, seen = Loop(), list[str]()
    loop.call_later(0.02, lambda: seen.append("late"))
    loop.call_later(0.0, lambda: seen.append("soon"))
    loop.call_later(0.01, lambda: seen.append("never")).cancel()
    loop.run_until(lambda: len(seen) == 2)
    assert seen == ["soon", "late"]


def test_a_reader_sees_data_and_the_end() -> None:
    loop, seen = Loop(), list[bytes]()
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
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_messages_before_and_after_attach(pair: tuple[socket.socket, socket.socket]) -> None:
    broker, peer = pair[0], BrokerPeer(pair[1].fileno())
    loop, closed = Loop(), list[bool]()
    seen: list[ToShell] = []
    broker.sendall(b'{"t":"job","head":{},"job":{}}\n{"t":"kill","signum":1}\n{"t":"ki')
    assert peer.receive_first() == RunJob({}, {})
    peer.attach(loop, seen.append, lambda: closed.append(True))
    loop.run_until(lambda: bool(seen))
    assert seen == [Kill(1)]
    broker.sendall(b'll","signum":2,"final":true}\n')
    loop.run_until(lambda: len(seen) == 2)
    broker.shutdown(socket.SHUT_WR)
    loop.run_until(lambda: bool(closed))
    assert seen[1] == Kill(2, final=True)


def test_a_large_message_waits_for_its_reader(pair: tuple[socket.socket, socket.socket]) -> None:
    broker, peer = pair[0], BrokerPeer(pair[1].fileno())
    loop, got = Loop(), bytearray()
    peer.attach(loop, lambda _: None, lambda: None)
    peer.post(LogEntries(output="x" * 3_000_000))
    broker.setblocking(False)
    deadline = time.monotonic() + 60
    while not got.endswith(b"\n"):
        assert time.monotonic() < deadline
        loop.call_later(0, lambda: None)
        loop.turn()
        try:
            got += broker.recv(1 << 20)
        except BlockingIOError:
            continue
    assert loads(bytes(got)) == {"t": "ev", "output": "x" * 3_000_000}


def test_a_broker_that_is_gone_says_nothing_and_takes_everything(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    peer = BrokerPeer(pair[1].fileno())
    pair[0].close()
    assert peer.receive_first() is None
    peer.post(LogEntries(output="x"))
    peer.flush()


def test_what_a_guest_brings_ends_the_wait() -> None:
    loop = Loop()
    turns: list[float | None] = []
    waits = iter([0.001, None])

    def guest() -> float | None:
        turns.append(next(waits))
        return turns[-1]

    loop.guests.append(guest)
    loop.run_until(lambda: len(turns) == 2)
    assert turns == [0.001, None]


def test_a_guest_that_wants_to_be_called_is_the_nearest_of_the_timers() -> None:
    loop = Loop()
    called: list[str] = []
    loop.guests.append(lambda: 3600.0)
    loop.call_later(0.001, lambda: called.append("timer"))
    loop.run_until(lambda: bool(called))
    assert called == ["timer"]
