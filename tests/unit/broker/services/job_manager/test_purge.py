"""Purging inactive jobs: which, how, who may, and what the others hear of it."""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import Config
from broker.configuration.tables import JobManagerConfig
from broker.context import Context
from broker.services.job_manager.purge import closed_parents
from flux.job.JobID import kvs_key

from .cluster import Cluster, FakeKvs, jobspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GUEST = 1000


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster(cores=8)
    await cluster.start()
    yield cluster
    cluster.kvs.fail = None
    await cluster.stop()


async def ended(cluster: Cluster, count: int, **how: Any) -> list[int]:
    ids = [await cluster.submit(**how) for _ in range(count)]
    table = cluster.manager.service.core.inactive
    await cluster.manager.until(lambda: all(id in table for id in ids))
    return ids


async def purge(cluster: Cluster, **limits: Any) -> int:
    answer = await cluster.manager.request(
        "job-manager.purge", {"batch": 50, "force": True, **limits}
    )
    return int(answer["count"])


def stored(cluster: Cluster) -> set[int]:
    parts = (key.split(".") for key in cluster.kvs.values if key.startswith("job."))
    return {int("".join(part[1:5]), 16) for part in parts}


def announced(cluster: Cluster) -> list[int]:
    events = [m.json()["jobs"] for m in cluster.manager.events if m.topic == "job-purge-inactive"]
    return [id for jobs in events for id in jobs]


async def test_the_oldest_are_purged_until_some_are_left(cluster: Cluster) -> None:
    ids = await ended(cluster, 5)
    assert await purge(cluster, num_limit=2, force=False) == 3
    assert stored(cluster) == set(ids), "without force they are only counted"
    assert await purge(cluster, num_limit=2) == 3
    assert stored(cluster) == set(ids[3:])
    assert announced(cluster) == ids[:3]
    assert await purge(cluster) == 0, "without a limit nothing is purged"
    stats = cluster.manager.service.stats()
    assert (stats["inactive_jobs"], stats["inactive_jobs_purged"]) == (2, 3)


async def test_batches(cluster: Cluster) -> None:
    await ended(cluster, 5)
    counts = [await purge(cluster, num_limit=0, batch=2) for _ in range(4)]
    assert counts == [2, 2, 1, 0]
    assert len([m for m in cluster.manager.events if m.topic == "job-purge-inactive"]) == 3


async def test_concurrent_purges_share_the_work(cluster: Cluster) -> None:
    ids = await ended(cluster, 6)
    counts = await asyncio.gather(*(purge(cluster, num_limit=0, batch=2) for _ in range(5)))
    assert sum(counts) == 6
    assert sorted(announced(cluster)) == ids


async def test_age_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    later = [0.0]
    monkeypatch.setattr(Context, "now", lambda ctx: time.time() + later[0])
    cluster = Cluster(cores=8)
    await cluster.start()
    old = await ended(cluster, 2)
    later[0] = 3600.0
    young = await ended(cluster, 1)
    assert await purge(cluster, age_limit=1800.0) == 2
    assert stored(cluster) == set(young)
    assert announced(cluster) == old
    await cluster.stop()


async def test_active_jobs_and_results_not_waited_for_stay(cluster: Cluster) -> None:
    active = await cluster.submit(urgency=0)
    (zombie,) = await ended(cluster, 1, flags=4)
    assert await purge(cluster, num_limit=0) == 0
    assert stored(cluster) == {active, zombie}
    await cluster.manager.request("job-manager.wait", {"id": zombie})
    assert await purge(cluster, num_limit=0) == 1
    assert stored(cluster) == {active}


async def test_by_id(cluster: Cluster) -> None:
    active = await cluster.submit(urgency=0)
    first, second = await ended(cluster, 2)
    (zombie,) = await ended(cluster, 1, flags=4)

    async def refused(id: int) -> int | None:
        with pytest.raises(OSError, match=r".") as failure:
            await cluster.manager.request("job-manager.purge-id", {"id": id, "force": True})
        return failure.value.errno

    assert await refused(active) == errno.EINVAL
    assert await refused(zombie) == errno.EBUSY
    assert await refused(1234) == errno.ENOENT
    assert await refused(-1) == errno.ENOENT
    await cluster.manager.request("job-manager.purge-id", {"id": second, "force": 0})
    assert second in stored(cluster)
    await cluster.manager.request("job-manager.purge-id", {"id": second, "force": 1})
    assert stored(cluster) == {active, first, zombie}
    assert announced(cluster) == [second]
    assert await refused(second) == errno.ENOENT


@pytest.mark.parametrize(
    "payload",
    [
        {"age_limit": "1"},
        {"age_limit": -2.0},
        {"age_limit": True},
        {"num_limit": -2},
        {"num_limit": 1.5},
        {"batch": 0},
        {"batch": 1001},
        {"force": 1},
    ],
)
async def test_malformed(cluster: Cluster, payload: dict[str, Any]) -> None:
    with pytest.raises(OSError, match=r".") as failure:
        await purge(cluster, **payload)
    assert failure.value.errno in (errno.EINVAL, errno.EPROTO)


async def test_guests_may_not(cluster: Cluster) -> None:
    (mine,) = await ended(cluster, 1, userid=GUEST)
    for topic, payload in (
        ("purge", {"num_limit": 0, "force": True}),
        ("purge-id", {"id": mine, "force": True}),
    ):
        with pytest.raises(OSError, match="owner") as failure:
            await cluster.manager.request(f"job-manager.{topic}", payload, userid=GUEST)
        assert failure.value.errno == errno.EPERM


async def test_a_purge_that_fails_changes_nothing(cluster: Cluster) -> None:
    ids = await ended(cluster, 3)
    cluster.kvs.fail = OSError(errno.ENOSPC, "full")
    with pytest.raises(OSError, match="full"):
        await purge(cluster, num_limit=0)
    assert announced(cluster) == []
    cluster.kvs.fail = None
    assert await purge(cluster, num_limit=0) == 3
    assert announced(cluster) == ids


async def test_a_dependency_on_a_purged_job_is_refused(cluster: Cluster) -> None:
    (gone,) = await ended(cluster, 1)
    await purge(cluster, num_limit=0)
    with pytest.raises(OSError, match="job not found"):
        await cluster.submit(jobspec(dependencies=[{"scheme": "afterok", "value": str(gone)}]))


async def test_jobs_of_an_earlier_instance_are_read_first(cluster: Cluster) -> None:
    ids = await ended(cluster, 3)
    active = await cluster.submit(urgency=0)
    kvs = FakeKvs()
    kvs.values = dict(cluster.kvs.values)
    kvs.values["checkpoint.job-active"] = f"max {active}\n+{active}\n".encode()
    again = Cluster(kvs=kvs, durable=True)
    await again.start()
    assert not again.manager.service.core.inactive.complete
    assert await purge(again, num_limit=1) == 2
    assert stored(again) == {ids[2], active}
    await again.stop()


async def test_a_reader_of_the_past_does_not_meet_a_job_that_is_purged_meanwhile() -> None:
    before = Cluster()
    await before.start()
    ids = await ended(before, 2)
    kvs = FakeKvs()
    kvs.values = {**before.kvs.values, "checkpoint.job-active": b"max 0\n"}
    await before.stop()
    cluster = Cluster(kvs=kvs, durable=True)
    await cluster.start()
    await cluster.manager.service.history.know_inactive()
    go, asked = asyncio.Event(), asyncio.Event()

    async def slow(payload: dict[str, Any]) -> dict[str, Any]:
        answer = kvs.lookup_plus(payload)
        if any(item["key"] == kvs_key(ids[0], "eventlog") for item in payload["lookups"]):
            asked.set()
            await go.wait()
        return answer

    cluster.manager.rpcs["kvs.lookup-plus"] = slow
    reader = cluster.manager.stream("job-manager.events-journal", {"full": True, "records": True})
    await cluster.manager.until(asked.is_set)
    assert await purge(cluster, num_limit=0) == 2
    go.set()
    await cluster.manager.until(lambda: bool(reader) and reader[-1].json().get("replayed"))
    told = {event["id"] for msg in reader for event in msg.json()["events"]}
    assert not told & set(ids)
    await cluster.stop()


async def test_limits_of_the_configuration_are_applied_with_the_heartbeat() -> None:
    config = Config(job_manager=JobManagerConfig(inactive_num_limit=2))
    cluster = Cluster(config=config, cores=8)
    await cluster.start()
    ids = await ended(cluster, 5)
    cluster.manager.publish("heartbeat.pulse")
    await cluster.manager.until(lambda: len(announced(cluster)) == 3)
    assert stored(cluster) == set(ids[3:])
    await cluster.stop()


async def test_without_limits_the_heartbeat_purges_nothing(cluster: Cluster) -> None:
    ids = await ended(cluster, 3)
    cluster.manager.publish("heartbeat.pulse")
    await cluster.manager.until(lambda: not cluster.manager.ctx.tasks)
    assert stored(cluster) == set(ids)


def unlinked(cluster: Cluster) -> list[str]:
    commits = [m.json()["ops"] for m in cluster.manager.sent if m.topic == "kvs.commit"]
    return [op["key"] for ops in commits for op in ops if op["dirent"] is None]


async def test_directories_are_removed_when_no_job_can_come_any_more(cluster: Cluster) -> None:
    first, second = await ended(cluster, 2)
    cluster.id_time = (second >> 24) + 10_000
    await purge(cluster, num_limit=1)
    assert unlinked(cluster) == [kvs_key(first)], "a new job might come beside it"
    cluster.id_time = (second >> 24) + 100_000
    await purge(cluster, num_limit=0)
    (top,) = unlinked(cluster)[1:]
    assert kvs_key(second).startswith(f"{top}."), "the emptied directories went in one piece"
    assert top.count(".") == 2
    cluster.manager.publish("heartbeat.pulse")
    await cluster.manager.until(lambda: len(unlinked(cluster)) == 3)
    assert kvs_key(first).startswith(f"{unlinked(cluster)[2]}."), (
        "and what the first one left behind"
    )


async def test_a_directory_with_another_job_stays(cluster: Cluster) -> None:
    (id,) = await ended(cluster, 1)
    neighbour = kvs_key(id ^ 1)
    cluster.kvs.values[f"{neighbour}.jobspec"] = b"{}"
    cluster.id_time = (id >> 24) + 100_000
    await purge(cluster, num_limit=0)
    assert unlinked(cluster) == [kvs_key(id)]
    assert f"{neighbour}.jobspec" in cluster.kvs.values


def test_closed_parents() -> None:
    id = 0x0012_3456_789A_0001
    time = id >> 24
    assert closed_parents(id, time) == []
    assert closed_parents(id, time + 60_001) == [("job.0012.3456.789a", 16)]
    assert closed_parents(id, time + 60_300)[1:] == [("job.0012.3456", 32)]
    assert closed_parents(id, time + (1 << 24) + 60_001)[2:] == [("job.0012", 48)]
