"""The shells of a job tell the process of each task to whoever asks the leader."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from broker.shell.plugins.proctable import ProctablePlugin
from broker.shell.protocol import Relay, ServiceAnswer, ServiceRequest
from broker.shell.task import ShellTask
from flux.proctable import Process, encode

from .shells import shell

if TYPE_CHECKING:
    from broker.shell.context import ShellContext

HOST = os.uname().nodename


def start(context: ShellContext, *pids: int) -> None:
    ProctablePlugin(context).shell_init()
    for place, pid in enumerate(pids):
        rank = context.rank * len(pids) + place
        context.tasks.append(ShellTask(rank, place, ["true"], {}, pid=pid))


def test_one_shell_answers_at_once() -> None:
    context, broker = shell(ntasks=2)
    start(context, 11, 0)
    context.peers.receive(ServiceRequest(7, "proctable", {}, "someone"))
    (answer,) = broker.said
    assert isinstance(answer, ServiceAnswer)
    assert (answer.tag, answer.payload) == (7, encode([Process(0, 11, HOST, "true", 0)]))


def test_the_leader_waits_for_the_others() -> None:
    leader, said = shell(ntasks=1, nodes=2)
    other, theirs = shell(ntasks=1, nodes=2, rank=1)
    start(leader, 11)
    start(other, 22)
    leader.peers.receive(ServiceRequest(7, "proctable", {}, "someone"))
    (asked,) = said.said
    assert isinstance(asked, Relay)
    assert asked.to == 1
    other.peers.relays[asked.name](asked.data)
    (told,) = theirs.said
    assert isinstance(told, Relay)
    assert told.to == "leader"
    leader.peers.relays[told.name](told.data)
    answer = said.said[-1]
    assert isinstance(answer, ServiceAnswer)
    mine = Process(0, 11, HOST, "true", leader.me.broker_rank)
    theirs_too = Process(1, 22, HOST, "true", other.me.broker_rank)
    assert answer.payload == encode([mine, theirs_too])
    leader.peers.relays[told.name](told.data)  # one that comes late is nobody's
    assert said.said[-1] is answer
