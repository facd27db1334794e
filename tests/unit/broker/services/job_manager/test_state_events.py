"""Events ``job-state``: the states that jobs come to, while somebody wants to know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_manager.events import VOLATILE, events_of
from broker.services.job_manager.state_events import StateChanges
from broker.testing.harness import ServiceHarness

from .cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WHOLE = ["DEPEND", "PRIORITY", "SCHED", "RUN", "CLEANUP", "INACTIVE"]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Jobs end at once with status 0."""
    found = Cluster()
    found.manager.rpcs["event.interest"] = lambda _: ServiceHarness.OPEN
    await found.start()
    yield found
    await found.stop()


def want(cluster: Cluster, wanted: bool) -> None:
    sent = cluster.manager.sent
    stream = next(message for message in sent if message.topic == "event.interest")
    cluster.manager.answer(stream, {"wanted": wanted})


def told(cluster: Cluster) -> list[tuple[int, str]]:
    events = [message for message in cluster.manager.events if message.topic == "job-state"]
    return [(id, name) for message in events for id, name, _ in message.json()["transitions"]]


async def test_a_subscriber_is_told_of_each_state(cluster: Cluster) -> None:
    want(cluster, True)
    await cluster.manager.until(lambda: cluster.manager.service.core.journal.state_events.wanted)
    id = await cluster.submit()
    await cluster.until_event(id, "clean")
    await cluster.manager.until(lambda: len(told(cluster)) == len(WHOLE))
    assert told(cluster) == [(id, name) for name in WHOLE]
    times = [
        at
        for message in cluster.manager.events
        if message.topic == "job-state"
        for _, _, at in message.json()["transitions"]
    ]
    stored = {entry["timestamp"] for entry in cluster.eventlog(id)}
    assert set(times) <= stored


async def test_nothing_is_published_for_nobody(cluster: Cluster) -> None:
    for wanted in (False, True, False):
        want(cluster, wanted)
    await cluster.until_event(await cluster.submit(), "clean")
    assert told(cluster) == []


async def test_who_subscribes_in_the_middle_is_told_of_what_follows(cluster: Cluster) -> None:
    id = await cluster.submit(urgency=0)
    await cluster.until_event(id, "priority")
    want(cluster, True)
    await cluster.manager.request("job-manager.urgency", {"id": id, "urgency": 16})
    await cluster.until_event(id, "clean")
    await cluster.manager.until(lambda: len(told(cluster)) == 5)
    names = ["PRIORITY", "SCHED", "RUN", "CLEANUP", "INACTIVE"]
    assert told(cluster) == [(id, name) for name in names]


async def test_from_any_point_on_the_same_changes_are_found(cluster: Cluster) -> None:
    id = await cluster.submit()
    await cluster.until_event(id, "clean")
    await cluster.manager.until(lambda: id not in cluster.manager.service.core.machine.jobs)
    journal: Any = cluster.manager.service.core.journal
    job = next(event.job for event in journal.recent if event.job.id == id)
    events = [event for event in events_of(job) if event.seq != VOLATILE]
    whole = StateChanges().take(events)
    assert [name for _, name, _ in whole] == WHOLE
    for start in range(len(events)):
        found = StateChanges().take(events[start:])
        assert found == whole[len(whole) - len(found) :]
        split = StateChanges()
        assert split.take(events[:start]) + split.take(events[start:]) == whole
