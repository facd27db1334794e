"""Tells the process of each task of the job, to debuggers and ``flux job hostpids``: the method
``proctable`` of the job's service.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from broker.shell.plugin import ShellPlugin
from flux.proctable import Process, encode

if TYPE_CHECKING:
    from broker.shell.context import ShellContext
    from broker.shell.protocol import ServiceRequest
    from flux.wire.json import JsonObject

ASK: Final = "pids-asked"
TELL: Final = "pids-told"


@dataclass(slots=True)
class _PidsWanted:
    """A request that waits for the other shells, so many of them."""

    request: ServiceRequest
    missing: int
    processes: list[Process] = field(default_factory=list)


class ProctablePlugin(ShellPlugin):
    """Answers on the leader with the table of the tasks that have been started (`flux.proctable`);
    the other shells tell it theirs.
    """

    name = "proctable"

    def __init__(self, shell: ShellContext) -> None:
        super().__init__(shell)
        self._asked = 0
        self._waiting: dict[int, _PidsWanted] = {}

    def shell_init(self) -> None:
        """Offer the method, or what it needs of the other shells."""
        peers = self.shell.peers
        if self.shell.leader:
            peers.methods[self.name] = self._request
            peers.relays[TELL] = self._told
        else:
            peers.relays[ASK] = self._tell

    def _mine(self) -> list[Process]:
        host, rank = os.uname().nodename, self.shell.me.broker_rank
        return [
            Process(task.rank, task.pid, host, task.argv[0], rank)
            for task in self.shell.tasks
            if task.pid
        ]

    def _request(self, request: ServiceRequest) -> None:
        others = self.shell.size - 1
        if not others:
            self.shell.peers.respond(request, encode(self._mine()))
            return
        self._asked += 1
        self._waiting[self._asked] = _PidsWanted(request, others, self._mine())
        for rank in range(1, self.shell.size):
            self.shell.peers.relay(rank, ASK, {"number": self._asked})

    def _tell(self, asked: JsonObject) -> None:
        told = {"number": asked["number"], "processes": self._mine()}
        self.shell.peers.relay("leader", TELL, told)

    def _told(self, told: JsonObject) -> None:
        gathering = self._waiting.get(told["number"])
        if gathering is None:
            return
        gathering.processes += [Process(*process) for process in told["processes"]]
        gathering.missing -= 1
        if not gathering.missing:
            del self._waiting[told["number"]]
            self.shell.peers.respond(gathering.request, encode(gathering.processes))
