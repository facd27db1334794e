"""The journal's stream while it is being caught up with: jobs that end meanwhile, clients that
leave, stores that fail.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.broker.services.job_manager.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIFE = ["submit", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"]


class SlowStore:
    """Holds back the answers of the KVS, which are as of the time of the request, until ``go`` is
    set.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.go = asyncio.Event()
        self.asked = 0
        self._lookup = cluster.kvs.lookup_plus
        cluster.manager.rpcs["kvs.lookup-plus"] = self._answer

    async def _answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.asked += 1
        answer = self._lookup(payload)
        await self.go.wait()
        return answer


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    world = Cluster()
    await world.start()
    yield world
    await world.stop()


def told(replies: list[Any]) -> list[tuple[int, str]]:
    return [
        (event["id"], event["entry"]["name"]) for msg in replies for event in msg.json()["events"]
    ]


async def test_a_job_that_lives_and_ends_while_the_past_is_read_is_told_once(
    cluster: Cluster,
) -> None:
    before = await cluster.submit()
    await cluster.until_event(before, "clean")
    waiting = await cluster.submit(urgency=0)
    store = SlowStore(cluster)
    full = cluster.manager.stream("job-manager.events-journal", {"full": True, "records": True})
    await cluster.manager.until(lambda: store.asked > 0)
    meanwhile = await cluster.submit()
    await cluster.manager.request("job-manager.urgency", {"id": waiting, "urgency": 16})
    for id in (meanwhile, waiting):
        await cluster.until_event(id, "clean")
    await cluster.manager.until(lambda: cluster.manager.service.core.journal.idle)
    assert full[0].json()["active"]
    assert not full[-1].json().get("replayed")
    assert {id for id, _ in told(full)} == {waiting, meanwhile}, "what is active is known at once"
    store.go.set()
    await cluster.manager.until(lambda: bool(full) and full[-1].json().get("replayed"))
    assert [name for id, name in told(full) if id == before] == LIFE
    assert [name for id, name in told(full) if id == meanwhile] == LIFE
    assert [name for id, name in told(full) if id == waiting] == [
        *LIFE[:3],
        "urgency",
        "priority",
        *LIFE[3:],
    ]
    after = await cluster.submit()
    await cluster.manager.until(lambda: (after, "clean") in told(full))
    assert [name for id, name in told(full) if id == after] == LIFE


async def test_a_reader_that_leaves_while_the_past_is_read_is_forgotten(cluster: Cluster) -> None:
    store = SlowStore(cluster)
    cluster.manager.stream(
        "job-manager.events-journal", {"full": True, "records": True}, sender="gone"
    )
    await cluster.manager.until(lambda: store.asked > 0)
    cluster.manager.disconnect("gone")
    store.go.set()
    await cluster.manager.until(lambda: not cluster.manager.ctx.tasks)
    assert cluster.manager.service.stats()["journal"]["listeners"] == 0


async def test_a_past_that_cannot_be_read_ends_the_stream(cluster: Cluster) -> None:
    def broken(_payload: dict[str, Any]) -> dict[str, Any]:
        raise OSError(errno.EIO, "disk on fire")

    cluster.manager.rpcs["kvs.lookup-plus"] = broken
    full = cluster.manager.stream("job-manager.events-journal", {"full": True, "records": True})
    with pytest.raises(OSError, match="disk on fire"):
        await cluster.manager.finish(full)
    assert cluster.manager.service.stats()["journal"]["listeners"] == 0


async def test_the_past_since_a_time(cluster: Cluster) -> None:
    """Jobs that ended before are not even read, once it is known when each did."""
    old, late = await cluster.submit(), await cluster.submit()
    waiting = await cluster.submit(urgency=0)
    for id in (old, late):
        await cluster.until_event(id, "clean")
    manager = cluster.manager.service
    await manager.history.know_inactive()
    ended: dict[int, float] = {}
    store = SlowStore(cluster)
    store.go.set()

    async def ids_since(time: float) -> set[int]:
        payload = {"full": True, "since": time}
        replies = cluster.manager.stream("job-manager.events-journal", payload)
        await cluster.manager.until(lambda: bool(replies) and replies[-1].json().get("replayed"))
        for event in (event for msg in replies for event in msg.json()["events"]):
            if event["entry"]["name"] == "clean":
                ended[event["id"]] = event["entry"]["timestamp"]
        return {id for id, _ in told(replies)}

    assert await ids_since(0.0) == {old, late, waiting}
    asked = store.asked
    assert await ids_since(max(ended.values()) + 1) == {waiting}
    assert store.asked == asked
    assert late in await ids_since(ended[late])
    manager.core.inactive.complete = False
    assert await ids_since(max(ended.values()) + 1) == {waiting}
    assert manager.core.inactive.complete, "what was read meanwhile is known"


@pytest.mark.parametrize("since", ["soon", True, [1]])
async def test_a_time_that_is_none(cluster: Cluster, since: Any) -> None:
    payload = {"full": True, "since": since}
    (reply,) = cluster.manager.stream("job-manager.events-journal", payload)
    assert (reply.errnum, reply.text()) == (
        errno.EPROTO,
        "job-manager.events since should be a number",
    )
