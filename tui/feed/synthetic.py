"""A feed without an instance: made-up jobs, scripted changes, recorded actions. For tests,
snapshots and measurements.
"""

from __future__ import annotations

import asyncio
import errno
import random
from typing import TYPE_CHECKING, Final

from flux.job.event import EventLogEvent
from flux.job.follow import Entries
from flux.wire.message import NODEID_ANY
from tui.feed.base import ANSWER_SECONDS
from tui.model import states
from tui.model.facts import InstanceInfo
from tui.model.nodestrip import NodeUse
from tui.model.stats import ResourceCounts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from flux.wire.json import JsonMapping, JsonObject
    from tui.feed.base import JobItem
    from tui.model.dashboard import Dashboard
    from tui.model.instances import InstanceLook

    Answer = JsonObject | Callable[[JsonMapping, int], JsonObject]

INSTANCE: Final = InstanceInfo("local:///run/flux/local", 4, "0.29.0", 0.0, 0, "cluster0")
_NEXT: Final = {
    states.DEPEND: "depend",
    states.PRIORITY: "priority",
    states.SCHED: "alloc",
    states.RUN: "finish",
    states.CLEANUP: "clean",
}
_CONTEXT: Final[dict[str, JsonObject]] = {
    "priority": {"priority": 16},
    "alloc": {"annotations": {"sched": {"resource_summary": "rank1/core0"}}},
    "finish": {"status": 0},
}


class SyntheticFeed:
    """Gives ``jobs`` at once, then ``rate`` state changes a second in batches of ``batch``;
    ``actions`` records what was asked.

    ``entries`` and ``log_lines`` are what a job's eventlogs and the broker's log hold; ``answers``
    has for topics what is answered, or what makes the answer of payload and rank, and ``asked``
    records the requests; ``streams`` has the answers of streaming requests and events. ``refuse``
    makes every action fail with that sentence.
    """

    def __init__(
        self,
        jobs: Sequence[JsonObject] = (),
        *,
        rate: float = 0.0,
        batch: int = 1,
        instance: InstanceInfo = INSTANCE,
        cores: tuple[int, int, int] = (8, 6, 0),
        entries: Mapping[str, Sequence[JsonMapping]] | None = None,
        stored: JsonMapping | None = None,
        log_lines: Iterable[str] = (),
        answers: Mapping[str, Answer] | None = None,
        streams: Mapping[str, Sequence[JsonObject]] | None = None,
        seed: int = 1,
    ) -> None:
        self.uri = ""
        self.jobs = list(jobs)
        self.rate, self.batch = rate, batch
        self.instance, self.cores = instance, cores
        self.entries = dict(entries or {})
        self.stored = dict(stored or {})
        self.log_lines = list(log_lines)
        self.answers = dict(answers or {})
        self.streams = dict(streams or {})
        self.asked: list[tuple[str, JsonMapping, int]] = []
        self.looks: dict[str, InstanceLook] = {}
        self.actions: list[tuple[object, ...]] = []
        self.refuse = ""
        self.refuse_connection = ""
        self._random = random.Random(seed)

    async def run(self, dashboard: Dashboard) -> None:
        """Load all jobs, then make changes at the given rate for ever."""
        if self.refuse_connection:
            dashboard.set_link(False, self.refuse_connection, dashboard.clock() + 4, 2)
            await asyncio.Event().wait()
        self.load(dashboard)
        if not self.rate:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(self.batch / self.rate)
            dashboard.apply(self.changes(dashboard, self.batch))

    def load(self, dashboard: Dashboard) -> None:
        """Put everything there is into ``dashboard``."""
        dashboard.set_instance(self.instance)
        dashboard.replace(self.jobs)
        total, allocated, down = self.cores
        nodes = self.instance.size
        dashboard.set_resources(
            ResourceCounts(total, allocated, down, nodes, 0, 0, _spread(total, allocated, nodes))
        )
        dashboard.set_link(True)

    def changes(self, dashboard: Dashboard, number: int) -> list[JsonObject]:
        """Return ``number`` events that each take an active job one state on, or submit one when
        too few are left.
        """
        table, now = dashboard.table, dashboard.clock()
        rows = self._random.sample(sorted(table.active), min(number, len(table.active)))
        events = [self._step(table.ids[row], table.state[row], now) for row in rows]
        newest = max(table.ids, default=1 << 24)
        for i in range(number - len(events)):
            context = {"userid": 0, "urgency": 16, "flags": 0}
            spec = {
                "tasks": [{"command": ["made-up"], "count": {"per_slot": 1}}],
                "resources": [{"type": "slot", "count": 1}],
            }
            entry = {"timestamp": now, "name": "submit", "context": context}
            events.append({"id": newest + i + 1, "entry": entry, "jobspec": spec})
        return events

    def _step(self, jobid: int, state: int, now: float) -> JsonObject:
        name = _NEXT[state]
        return {
            "id": jobid,
            "entry": {"timestamp": now, "name": name, "context": _CONTEXT.get(name, {})},
        }

    async def job_entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        """Give every eventlog in ``entries``."""
        for path, entries in self.entries.items():
            yield Entries(path, [EventLogEvent(entry) for entry in entries])

    async def log(self) -> AsyncGenerator[list[str]]:
        """Give ``log_lines`` and wait for ever."""
        yield self.log_lines
        await asyncio.Event().wait()

    async def lookup(self, jobid: int) -> JsonObject:
        """Give ``stored``."""
        return self.stored

    async def cancel(self, jobid: int) -> None:
        """Record a cancel."""
        self._act("cancel", jobid)

    async def kill(self, jobid: int, signum: int) -> None:
        """Record a kill."""
        self._act("kill", jobid, signum)

    async def ask(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        timeout: float = ANSWER_SECONDS,
    ) -> JsonObject:
        """Give what ``answers`` holds or makes for ``topic``."""
        self.asked.append((topic, payload or {}, rank))
        if self.refuse:
            raise OSError(errno.EPERM, self.refuse)
        if topic not in self.answers:
            raise OSError(errno.ENOSYS, f"no service answers {topic}")
        answer = self.answers[topic]
        return answer(payload or {}, rank) if callable(answer) else answer

    async def listen(
        self,
        topic: str,
        payload: JsonMapping | None = None,
        rank: int = NODEID_ANY,
        cancel: str | None = "",
    ) -> AsyncGenerator[JsonObject]:
        """Give what ``streams`` holds for ``topic``, then wait for ever."""
        self.asked.append((topic, payload or {}, rank))
        for answer in self.streams.get(topic, ()):
            yield answer
        await asyncio.Event().wait()

    async def events(self, prefix: str) -> AsyncGenerator[tuple[str, JsonObject]]:
        """Give what ``streams`` holds for topics that begin with ``prefix``, then wait for ever."""
        for topic in [topic for topic in self.streams if topic.startswith(prefix)]:
            for payload in self.streams[topic]:
                yield topic, payload
        await asyncio.Event().wait()

    async def look(self, uri: str = "") -> InstanceLook:
        """Give what ``looks`` holds for ``uri``."""
        if uri not in self.looks:
            raise OSError(errno.ECONNREFUSED, "nobody answers")
        return self.looks[uri]

    def _act(self, *action: object) -> None:
        self.actions.append(action)
        if self.refuse:
            raise OSError(errno.EPERM, self.refuse)

    async def close(self) -> None:
        """Nothing to end."""


def _spread(total: int, allocated: int, nodes: int) -> tuple[NodeUse, ...]:
    """Return nodes of equal size, the first of them in use."""
    size = total // nodes if nodes else 0
    return tuple(
        NodeUse(rank, size, min(size, max(0, allocated - rank * size)), False, False)
        for rank in range(nodes)
    )
