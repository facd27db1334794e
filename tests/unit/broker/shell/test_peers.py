"""What a shell says to its peers, and what it makes of what they say."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker.shell import protocol
from broker.shell.loop import Loop
from broker.shell.peers import ACK_STEP, ACK_WINDOW, Peers

if TYPE_CHECKING:
    from broker.shell.protocol import FromShell
    from flux.wire.json import JsonObject


class Recorder:
    """A broker that writes down what a shell says."""

    def __init__(self) -> None:
        self.said: list[FromShell] = []

    def post(self, message: FromShell) -> None:
        self.said.append(message)


def shell(size: int = 2) -> tuple[Peers, Recorder]:
    recorder = Recorder()
    return Peers(recorder, Loop(), size), recorder


def test_entries_of_a_turn_leave_together_with_the_header_first() -> None:
    peers, recorder = shell()
    peers.append("output", "early\n")
    peers.append("exec", "event\n")
    peers.prepend("output", "header\n")
    peers.flush_entries()
    peers.flush_entries()
    assert recorder.said == [protocol.LogEntries("event\n", "header\nearly\n")]


def test_a_shell_that_is_far_ahead_of_the_store_is_congested() -> None:
    peers, recorder = shell()
    drained: list[bool] = []
    peers.on_drained.append(lambda: drained.append(True))
    while not peers.congested:
        peers.append("output", "x" * 100_000)
        peers.flush_entries()
    acks = [
        said.ack for said in recorder.said if isinstance(said, protocol.LogEntries) and said.ack
    ]
    assert sum(acks) > ACK_WINDOW
    assert min(acks) >= ACK_STEP
    peers.receive(protocol.Ack(acks[0]))
    assert drained == [True]
    assert not peers.congested


def test_a_barrier_brings_the_data_of_all() -> None:
    peers, recorder = shell()
    got: list[JsonObject] = []
    peers.exchange("b", {"a": "1"}, got.append)
    assert recorder.said == [protocol.EnterBarrier("b", {"a": "1"})]
    peers.receive(protocol.LeaveBarrier("other", {}))
    peers.receive(protocol.LeaveBarrier("b", {"a": "1", "c": "2"}))
    peers.receive(protocol.LeaveBarrier("b", {}))
    assert got == [{"a": "1", "c": "2"}]


def test_a_shell_alone_waits_for_nobody() -> None:
    peers, recorder = shell(1)
    got: list[JsonObject] = []
    peers.exchange("b", {"a": "1"}, got.append)
    assert got == [{"a": "1"}]
    assert peers.all_left
    assert recorder.said == []


def test_the_leader_counts_those_that_leave() -> None:
    peers, _ = shell(3)
    peers.receive(protocol.Relayed("left", {}))
    peers.receive(protocol.Relayed("nosuch", {}))
    assert not peers.all_left
    peers.receive(protocol.Relayed("left", {}))
    assert peers.all_left


def test_requests_go_to_their_method() -> None:
    peers, recorder = shell()
    gone: list[str] = []
    peers.disconnects.append(gone.append)
    peers.methods["echo"] = lambda request: peers.respond(request, request.payload)
    peers.receive(protocol.ServiceRequest(7, "echo", {"x": 1}, "me"))
    peers.receive(protocol.ServiceRequest(8, "nosuch", None, "me"))
    peers.receive(protocol.ClientGone("me"))
    assert recorder.said == [
        protocol.ServiceAnswer(7, {"x": 1}),
        protocol.ServiceAnswer(8, None, errno.ENOSYS, "Unknown service method"),
    ]
    assert gone == ["me"]


def test_signals_reach_the_shell() -> None:
    peers, _ = shell()
    signals: list[tuple[int, bool]] = []
    peers.on_kill = lambda number, final: signals.append((number, final))
    peers.receive(protocol.Kill(15))
    peers.receive(protocol.Kill(9, final=True))
    assert signals == [(15, False), (9, True)]
