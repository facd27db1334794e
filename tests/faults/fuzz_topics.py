"""Which topics the fuzzer takes, how often, and which of them need not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.registry import topics
from flux.wire.message import NODEID_ANY, NORESPONSE, STREAMING, UPSTREAM
from tests.faults.payloads import valid_payloads

if TYPE_CHECKING:
    import random

CONNECTION_TOPICS = ("local.sub", "local.unsub", "event.subscribe", "event.unsubscribe")
"""Answered by the connection itself rather than by a service."""

ENDING = {
    "state-machine.shutdown": "ends the instance",
    "shutdown.start": "ends the instance",
    "state-machine.lost": "takes ranks out of service",
    "overlay.disconnect-subtree": "ends brokers",
    "broker.setenv": "changes what programs find in their environment",
    "broker.rmmod": "unloads a module",
    "content.unregister-backing": "takes the store away",
    "content.register-backing": "makes the sender the store",
    "job-manager.sched-ready": "makes the sender the scheduler",
    "job-manager.sched-hello": "makes the sender the scheduler",
    "job-manager.exec-hello": "makes the sender the execution system",
    "job-manager.jobtap": "unloads plugins that jobs need",
    "job-exec.override": "puts jobs into the hands of the sender",
    "resource.acquire": "makes the sender the scheduler of the resources",
    "resource.reload": "replaces the resources",
    "sched.alloc": "takes resources for jobs that do not exist",
    "sched.free": "gives resources away that jobs use",
    "shell-host.kill": "ends shells of jobs",
}
"""Topics whose purpose is to end or take over something, sent last, when no more has to work than
that the broker answers, and why."""

NEVER = {
    "broker.panic": "ends the broker at once",
    "runat.push": "has a shell run what it is given",
}
"""Topics that are not sent at all, and why."""

WAITING = {
    "barrier.enter": "waits for the others",
    "broker.rexec": "streams until the process ends",
    "content-sqlite.collect": "waits for the collection",
    "job-exec.start": "answers when the job does something",
    "job-info.eventlog-watch": "streams",
    "job-ingest.submit": "waits for validation and commit",
    "job-list.list-id": "waits for a job that may come",
    "job-manager.drain": "waits for jobs",
    "job-manager.events-journal": "streams",
    "job-manager.idle": "waits for jobs",
    "job-manager.wait": "waits for a job",
    "kvs-watch.lookup": "streams, or waits for the key",
    "kvs.fence": "waits for the others",
    "kvs.sync": "waits for a root",
    "kvs.wait-version": "waits for a root",
    "log.append": "has no answer",
    "log.dmesg": "streams",
    "resource.acquire": "streams",
    "sched.prioritize": "has no answer",
    "sched.alloc": "waits for resources",
    "shell-host.start": "streams",
    "state-machine.monitor": "streams",
    "state-machine.online": "waits for the instance",
}
"""Topics that owe no answer at once, and why; so do those that end with one of `SILENT`."""
SILENT = (".disconnect", "cancel", ".tell")

HEAVY = {"broker.rexec": 0.02, "cron.create": 0.1, "job-ingest.submit": 0.3}
"""Topics that start processes, and how often they are taken, as a share of the others."""
COMMON = 0.15


@dataclass(frozen=True)
class Target:
    """A topic with its valid payloads and flags."""

    topic: str
    streaming: bool
    guest: bool
    valid: tuple[dict[str, object], ...]

    @property
    def must_answer(self) -> bool:
        """Whether every request is to be answered soon."""
        return self.topic not in WAITING and not self.topic.endswith(SILENT)


class Targets:
    """Every registered topic, to be drawn from."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        valid = valid_payloads()
        found = {topic.name: topic for topic in topics() if topic.name not in NEVER}
        self.all = [
            Target(name, topic.streaming, topic.guest, tuple(valid.get(name) or ({},)))
            for name, topic in found.items()
        ]
        connection = [Target(name, False, True, ({"topic": "x"},)) for name in CONNECTION_TOPICS]
        known = {target.topic for target in self.all}
        self.all += [target for target in connection if target.topic not in known]
        self.usual = [target for target in self.all if target.topic not in ENDING]
        self.ending = [target for target in self.all if target.topic in ENDING]
        common = {name for name, topic in found.items() if topic.common}
        self._weights = [
            HEAVY.get(target.topic, COMMON if target.topic in common else 1.0)
            for target in self.usual
        ]

    def draw(self, count: int, ending: bool = False) -> list[Target]:
        """Return ``count`` targets: those that leave the instance working, or the others."""
        if ending:
            return self.chance.choices(self.ending, k=count)
        return self.chance.choices(self.usual, self._weights, k=count)

    def flags(self, target: Target) -> int:
        """Return the flags of one request: the right ones mostly."""
        if self.chance.random() < 0.03:
            return int(
                self.chance.choice((0, STREAMING, NORESPONSE, UPSTREAM, STREAMING | UPSTREAM))
            )
        return STREAMING if target.streaming else 0

    def nodeid(self, size: int) -> int:
        """Return where one request goes: any, a rank, at times a rank that there is not."""
        if self.chance.random() < 0.01:
            return int(self.chance.choice((size, 2**31, 0xFFFFFFFE)))
        return int(self.chance.choice((NODEID_ANY, NODEID_ANY, *range(size))))
