"""Submission to queues, requests about them, and why jobs wait, with ingest and scheduler."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import Config, from_tables
from broker.services.job_manager.restart import CHECKPOINT_KEY
from broker.testing.harness import ServiceHarness
from flux.job.JobID import JobID, kvs_key
from flux.wire import json

from .cluster import Cluster, FakeKvs, jobspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

QUEUES: dict[str, Any] = {
    "queues": {
        "debug": {"requires": ["debug"], "policy": {"limits": {"duration": "30m"}}},
        "batch": {"requires": ["batch"]},
    },
    "policy": {"jobspec": {"defaults": {"system": {"queue": "batch"}}}},
}


def configured(**tables: Any) -> Config:
    return from_tables(QUEUES | tables)


async def made(
    config: Config | None = None, kvs: FakeKvs | None = None, *, durable: bool = False
) -> Cluster:
    found = Cluster(
        lambda _: ServiceHarness.OPEN,
        config=configured() if config is None else config,
        kvs=kvs,
        durable=durable,
    )
    found.resources["execution"]["properties"] = {"debug": "0-1", "batch": "2-3"}
    await found.start()
    return found


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Two queues on two nodes of two cores each; jobs run until they are canceled."""
    found = await made()
    yield found
    await found.stop()


async def ask(cluster: Cluster, topic: str, payload: Any = None, **how: Any) -> Any:
    return await cluster.manager.request(f"job-manager.{topic}", payload or {}, **how)


def ranks(cluster: Cluster, id: int) -> str:
    resources = json.loads(cluster.kvs.values[kvs_key(id, "R")])
    return str(resources["execution"]["R_lite"][0]["rank"])


async def test_jobs_run_on_the_nodes_of_their_queue(cluster: Cluster) -> None:
    first = await cluster.submit(jobspec(slots=4))
    other = await cluster.submit(jobspec(queue="debug", duration=60))
    for id in (first, other):
        await cluster.until_event(id, "alloc")
    assert (ranks(cluster, first), ranks(cluster, other)) == ("2-3", "0")
    stored = json.loads(cluster.kvs.values[kvs_key(first, "jobspec")])
    assert stored["attributes"]["system"]["queue"] == "batch"
    assert stored["attributes"]["system"]["constraints"] == {"properties": ["batch"]}
    properties = json.loads(cluster.kvs.values[kvs_key(other, "R")])["execution"]["properties"]
    assert properties == {"debug": "0"}


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ({"queue": "nosuch"}, r"\[Errno 1\] Invalid queue 'nosuch' specified$"),
        ({"queue": "debug"}, r"requested duration \(unlimited\) exceeds policy limit of 30m"),
        ({"queue": ""}, r"\[Errno 1\] Invalid queue '' specified$"),
        ({"constraints": {"x": []}}, "attributes.system.constraints: unknown constraint operator"),
    ],
)
async def test_refusals(cluster: Cluster, system: dict[str, Any], said: str) -> None:
    with pytest.raises(OSError, match=said):
        await cluster.submit(jobspec(**system))
    assert not cluster.manager.service.core.machine.jobs


async def test_a_queue_where_there_are_none() -> None:
    cluster = await made(Config())
    with pytest.raises(OSError, match=r"\[Errno 22\] 'x' is not a valid queue$"):
        await cluster.submit(jobspec(queue="x"))
    await cluster.stop()


async def test_a_disabled_queue_refuses_jobs_and_others_do_not(cluster: Cluster) -> None:
    await ask(cluster, "queue-enable", {"name": "debug", "enable": False, "reason": "full"})
    with pytest.raises(OSError, match="job submission to debug is disabled: full"):
        await cluster.submit(jobspec(queue="debug", duration=1))
    await cluster.submit(jobspec(queue="batch"))
    status = await ask(cluster, "queue-status", {"name": "debug"})
    assert status == {"enable": False, "start": True, "disable_reason": "full"}
    assert (await ask(cluster, "queue-list"))["queues"] == ["debug", "batch"]
    query = {"query_only": True, "enable": False, "reason": ""}
    assert (await ask(cluster, "submit-admin", query))["queues"] == ["debug", "batch"]


async def test_a_stopped_queue_says_so(cluster: Cluster) -> None:
    await ask(cluster, "queue-start", {"name": "batch", "start": False, "reason": "maint"})
    id = await cluster.submit(jobspec())
    other = await cluster.submit(jobspec(queue="debug", duration=9))
    await cluster.until_event(other, "alloc")
    assert "alloc" not in cluster.names(id)
    assert await reasons(cluster, id) == [{"id": id, "reason": "queue batch is stopped: maint"}]
    await ask(cluster, "queue-start", {"all": True, "start": True})
    await cluster.until_event(id, "alloc")
    assert await reasons(cluster, id, other) == []


async def reasons(cluster: Cluster, *ids: int) -> Any:
    return (await ask(cluster, "pending-reasons", {"ids": list(ids)}))["reasons"]


async def test_why_jobs_wait(cluster: Cluster) -> None:
    held = await cluster.submit(urgency=0)
    running = await cluster.submit(jobspec(slots=4))
    await cluster.until_event(running, "alloc")
    first = await cluster.submit()
    second = await cluster.submit()
    after = [{"scheme": "afterok", "value": str(running)}]
    depends = await cluster.submit(jobspec(dependencies=after))
    found = {
        entry["id"]: entry for entry in await reasons(cluster, held, running, first, second, 7)
    }
    assert found == {
        held: {"id": held, "reason": "held"},
        first: {"id": first, "reason": "insufficient resources"},
        second: {"id": second, "reason": "behind another job", "behind": first},
    }
    (entry,) = await reasons(cluster, depends)
    assert entry["reason"] == f"depends on after-success={JobID(running).f58}"
    cluster.update({"down": "2"})
    wide = await cluster.submit(jobspec(slots=4))
    await cluster.until_event(wide, "priority")
    (entry,) = await reasons(cluster, wide)
    assert entry["reason"] == "the nodes that it needs are drained or offline"


async def test_without_a_scheduler_that_tells() -> None:
    cluster = await made(Config())
    running = await cluster.submit(jobspec(slots=8))
    await cluster.until_event(running, "alloc")
    id = await cluster.submit()
    await cluster.until_event(id, "priority")
    del cluster.manager.rpcs["sched.pending-reasons"]
    assert await reasons(cluster, id) == [{"id": id, "reason": "insufficient resources"}]
    assert cluster.sched is not None
    await cluster.sched.stop()
    await cluster.manager.until(lambda: not cluster.manager.service.core.machine.sched_online)
    assert await reasons(cluster, id) == [{"id": id, "reason": "the scheduler is offline"}]
    await cluster.stop()


async def test_only_the_owner_changes_queues(cluster: Cluster) -> None:
    for topic in ("queue-enable", "queue-start"):
        with pytest.raises(OSError, match="owner") as failure:
            await ask(cluster, topic, {"all": True, "enable": False}, userid=5)
        assert failure.value.errno == errno.EPERM
    with pytest.raises(OSError, match="Named queues are defined"):
        await ask(cluster, "alloc-admin", {"query_only": False, "enable": False, "reason": ""})
    with pytest.raises(OSError, match="a reason has at most"):
        await ask(cluster, "queue-start", {"all": True, "start": False, "reason": "x" * 99999})


async def test_a_queue_drains_by_itself(cluster: Cluster) -> None:
    batch = await cluster.submit(urgency=0)
    assert await ask(cluster, "drain", {"name": "debug"}) == {}
    assert await ask(cluster, "idle", {"name": "debug"}) == {"pending": 0}
    assert await ask(cluster, "idle", {"name": "batch"}) == {"pending": 1}
    waiting = cluster.manager.submit("job-manager.drain", {"name": "batch"})
    await ask(cluster, "raise", {"id": batch, "severity": 0, "type": "cancel", "note": ""})
    await cluster.manager.until(lambda: bool(cluster.manager.replies(waiting)))
    with pytest.raises(OSError, match="'x' is not a valid queue"):
        await ask(cluster, "drain", {"name": "x"})


@pytest.mark.parametrize("durable", [False, True])
async def test_states_outlive_the_job_manager(durable: bool) -> None:
    kvs = FakeKvs()
    cluster = await made(kvs=kvs, durable=durable)
    await ask(cluster, "queue-enable", {"name": "debug", "enable": False, "reason": "full"})
    await ask(cluster, "queue-start", {"name": "batch", "start": False, "reason": "maint"})
    await ask(cluster, "queue-start", {"name": "debug", "start": False, "nocheckpoint": True})
    # What is stored counts, should the broker be killed now.
    assert json.loads(kvs.values[CHECKPOINT_KEY])["queue"][2]["stop_reason"] == "maint"
    await cluster.stop()
    cluster = await made(kvs=kvs, durable=durable)
    assert await ask(cluster, "queue-status", {"name": "debug"}) == {
        "enable": False,
        "start": True,
        "disable_reason": "full",
    }
    assert (await ask(cluster, "queue-status", {"name": "batch"}))["stop_reason"] == "maint"
    await cluster.stop()


async def test_a_job_finds_its_queue_again(cluster: Cluster) -> None:
    await ask(cluster, "queue-start", {"name": "batch", "start": False, "reason": "maint"})
    id = await cluster.submit()
    await cluster.stop()
    again = await made(kvs=cluster.kvs)
    assert again.manager.service.core.machine.jobs[id].queue == "batch"
    assert await reasons(again, id) == [{"id": id, "reason": "queue batch is stopped: maint"}]
    await again.stop()


async def test_who_stores_what_cannot_be_stored(cluster: Cluster) -> None:
    cluster.kvs.fail = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="done, but a restart will not know of it: No space left"):
        await ask(cluster, "queue-start", {"name": "batch", "start": False})
    cluster.kvs.fail = None
    assert not (await ask(cluster, "queue-status", {"name": "batch"}))["start"]


async def test_a_reload_changes_queues_and_rules(cluster: Cluster) -> None:
    queues = {"debug": {}, "night": {"policy": {"limits": {"job-size": {"max": {"ncores": 1}}}}}}
    default = {"jobspec": {"defaults": {"system": {"queue": "night"}}}}
    config = from_tables({"queues": queues, "policy": default})
    await cluster.manager.request("job-manager.config-reload", config.tables)
    assert (await ask(cluster, "queue-list"))["queues"] == ["debug", "night"]
    with pytest.raises(OSError, match=r"requested ncores \(2\) exceeds policy limit of 1"):
        await cluster.submit(jobspec(slots=2))
    id = await cluster.submit(jobspec())
    assert cluster.manager.service.core.machine.jobs[id].queue == "night"


async def test_the_active_jobs_in_queue_order() -> None:
    cluster = await made(Config())
    running = await cluster.submit(jobspec(slots=8))
    await cluster.until_event(running, "alloc")
    low, high, held = [await cluster.submit(urgency=urgency) for urgency in (5, 20, 0)]
    await cluster.until_event(held, "priority")
    answer = await ask(cluster, "list", {"max_entries": 0}, userid=7)
    assert [job["id"] for job in answer["jobs"]] == [high, low, held, running]
    first, last = answer["jobs"][0], answer["jobs"][-1]
    assert (first["priority"], first["urgency"], first["userid"], first["state"]) == (20, 20, 0, 8)
    assert set(first) == {"id", "userid", "urgency", "priority", "t_submit", "state"}
    assert last["annotations"]["sched"]["resource_summary"] == "rank[0-3]/core[0-1]"
    assert len((await ask(cluster, "list", {"max_entries": 2}))["jobs"]) == 2
    with pytest.raises(OSError, match="max_entries must not be negative"):
        await ask(cluster, "list", {"max_entries": -1})
    await cluster.stop()


async def test_scheduling_without_a_scheduler() -> None:
    cluster = await made(Config())
    assert cluster.sched is not None
    await cluster.submit(jobspec(slots=8))
    await cluster.submit()
    query = {"query_only": True, "enable": False, "reason": ""}
    assert (await ask(cluster, "alloc-admin", query))["enable"]
    await cluster.sched.stop()
    await cluster.manager.until(lambda: not cluster.manager.service.core.machine.sched_online)
    answer = await ask(cluster, "alloc-admin", query)
    assert (answer["enable"], answer["reason"]) == (False, "Scheduler is offline")
    await cluster.stop()


async def test_queues_know_at_once_that_the_scheduler_has_gone(cluster: Cluster) -> None:
    manager = cluster.manager
    await manager.request("job-manager.sched-hello", sender="scheduler")
    await manager.request("job-manager.sched-ready", {"mode": "unlimited"}, sender="scheduler")
    assert (await ask(cluster, "queue-status", {"name": "debug"}))["start"] is True
    manager.disconnect("somebody")
    assert (await ask(cluster, "queue-status", {"name": "debug"}))["start"] is True
    manager.disconnect("scheduler")
    await ask(cluster, "queue-start", {"start": False, "name": "debug", "reason": "work"})
    offline = {"enable": True, "start": False, "stop_reason": "Scheduler is offline"}
    for name in ("debug", "batch"):
        assert await ask(cluster, "queue-status", {"name": name}) == offline
    await manager.request("job-manager.sched-hello", sender="another")
    await manager.request("job-manager.sched-ready", {"mode": "unlimited"}, sender="another")
    manager.disconnect("scheduler")
    assert (await ask(cluster, "queue-status", {"name": "debug"}))["stop_reason"] == "work"
    assert (await ask(cluster, "queue-status", {"name": "batch"}))["start"] is True
