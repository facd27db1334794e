"""A job manager that starts over the KVS of another one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from broker.services.job_manager.active import ACTIVE_KEY, ActiveIndex
from broker.services.job_manager.resume import LOST_NOTE
from broker.testing.harness import ServiceHarness
from flux.job.JobID import kvs_key
from flux.wire import json

from .cluster import Cluster, FakeKvs, jobspec


async def crashed(*jobs: dict[str, Any], nodes: int = 4) -> tuple[FakeKvs, list[int]]:
    """Return what is left of an instance that ran jobs and was killed: no service is stopped in
    order.
    """
    cluster = Cluster(lambda _: ServiceHarness.OPEN, nodes=nodes, durable=True)
    await cluster.start()
    ids = []
    for how in jobs:
        start, last = how.pop("start", False), how.pop("until", None)
        id = await cluster.submit(**how)
        if start:
            await cluster.manager.until(partial(_started, cluster, id))
            cluster.manager.answer(_started(cluster, id), {"id": id, "type": "start", "data": {}})
            last = "start"
        await cluster.until_event(id, last or "submit")
        ids.append(id)
    await cluster.manager.until(lambda: cluster.manager.service.core.journal.idle)
    kvs = FakeKvs()
    kvs.values = dict(cluster.kvs.values)
    await cluster.stop()
    return kvs, ids


def _started(cluster: Cluster, id: int) -> Any:
    return next(
        (m for m in cluster.manager.sent if m.topic == "job-exec.start" and m.json()["id"] == id),
        None,
    )


async def restarted(kvs: FakeKvs, **how: Any) -> Cluster:
    cluster = Cluster(kvs=kvs, durable=True, **how)
    await cluster.start()
    return cluster


async def test_only_active_jobs_are_read() -> None:
    kvs, (held,) = await crashed({"urgency": 0})
    cluster = await restarted(kvs)
    done = [await cluster.submit() for _ in range(3)]
    for id in done:
        await cluster.until_event(id, "clean")
    survivor = FakeKvs()
    await cluster.manager.until(lambda: cluster.manager.service.core.journal.idle)
    survivor.values = dict(cluster.kvs.values)
    await cluster.stop()
    again = await restarted(survivor)
    asked = [
        item["key"]
        for m in again.manager.sent
        if m.topic == "kvs.lookup-plus"
        for item in m.json()["lookups"]
    ]
    assert asked
    assert not [key for key in asked if any(kvs_key(id) in key for id in done)]
    assert list(again.manager.service.core.machine.jobs) == [held]
    assert await again.submit() > max(done), "ids are never used again"
    full = again.manager.stream("job-manager.events-journal", {"full": True, "records": True})
    await again.manager.until(lambda: bool(full) and full[-1].json().get("replayed"))
    ids = {event["id"] for msg in full for event in msg.json()["events"]}
    assert {held, *done} <= ids, "who asks for everything gets it"
    assert len(again.manager.service.core.inactive) >= 3
    await again.stop()


async def test_a_store_without_a_list_is_read_whole_and_gets_one() -> None:
    kvs, (held,) = await crashed({"urgency": 0})
    del kvs.values[ACTIVE_KEY]
    cluster = await restarted(kvs)
    assert list(cluster.manager.service.core.machine.jobs) == [held]
    later = await cluster.submit(urgency=0)
    assert list(ActiveIndex.parse(kvs.values[ACTIVE_KEY].decode()).ids) == [held, later]
    await cluster.stop()


async def test_a_list_that_will_not_be_kept_is_removed() -> None:
    kvs, (held,) = await crashed({"urgency": 0})
    cluster = Cluster(kvs=kvs)
    await cluster.start()
    assert list(cluster.manager.service.core.machine.jobs) == [held]
    assert ACTIVE_KEY not in kvs.values
    await cluster.stop()


async def test_a_listed_job_that_is_gone_is_forgotten() -> None:
    kvs, (held,) = await crashed({"urgency": 0})
    kvs.values[ACTIVE_KEY] += b"+7\n"
    cluster = await restarted(kvs)
    assert list(cluster.manager.service.core.machine.jobs) == [held]
    assert list(cluster.manager.service.core.journal.index.ids) == [held]
    await cluster.stop()


async def test_pending_jobs_go_on() -> None:
    kvs, (held, stuck) = await crashed(
        {"urgency": 0}, {"spec": jobspec(slots=2), "until": "alloc"}, nodes=1
    )
    del stuck
    cluster = await restarted(kvs)
    assert next(iter(cluster.manager.service.core.machine.jobs)) == held
    assert cluster.names(held) == ["submit", "depend", "priority", "flux-restart", "priority"]
    await cluster.manager.request("job-manager.urgency", {"id": held, "urgency": 16})
    await cluster.until_event(held, "clean")
    await cluster.stop()


async def test_job_that_was_running_is_lost_and_its_resources_come_back() -> None:
    kvs, (id,) = await crashed({"spec": jobspec(slots=8), "start": True})
    cluster = await restarted(kvs)
    await cluster.until_event(id, "clean")
    exception = await cluster.until_event(id, "exception")
    assert exception["context"] == {"type": "exec", "severity": 0, "userid": -1, "note": LOST_NOTE}
    assert cluster.names(id)[4:] == ["start", "flux-restart", "exception", "free", "clean"]
    after = await cluster.submit(jobspec(slots=8))
    await cluster.until_event(after, "clean")
    assert after > id, "ids are never used again"
    await cluster.stop()


async def test_job_that_had_not_been_started_is_started_on_what_it_was_given() -> None:
    kvs, (id,) = await crashed({"spec": jobspec(slots=8), "until": "alloc"})
    cluster = await restarted(kvs)
    await cluster.until_event(id, "clean")
    assert cluster.names(id).count("alloc") == 1
    assert cluster.names(id)[4:6] == ["flux-restart", "memo"], "it may have run before, and says so"
    memo = await cluster.until_event(id, "memo")
    assert memo["context"] == {"rerun": "the job may have run before the restart"}
    assert cluster.names(id)[-5:] == ["start", "finish", "release", "free", "clean"]
    await cluster.stop()


async def test_dependencies_are_restored() -> None:
    kvs, (first,) = await crashed({"urgency": 0})
    cluster = await restarted(kvs)
    spec = jobspec(dependencies=[{"scheme": "afterok", "value": str(first)}])
    second = await cluster.submit(spec)
    await cluster.until_event(second, "dependency-add")
    await cluster.manager.until(lambda: cluster.manager.service.core.journal.idle)
    survivor = FakeKvs()
    survivor.values = dict(cluster.kvs.values)
    await cluster.stop()
    again = await restarted(survivor)
    await again.manager.request("job-manager.urgency", {"id": first, "urgency": 16})
    await again.until_event(second, "clean")
    names = again.names(second)
    assert names.count("dependency-add") == names.count("dependency-remove") == 1
    assert names[-1] == "clean"
    assert "exception" not in names
    await again.stop()


async def test_waitable_job_can_still_be_waited_for() -> None:
    kvs, (id,) = await crashed({"urgency": 0, "flags": 4})
    cluster = await restarted(kvs)
    await cluster.manager.request("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    assert (await cluster.manager.request("job-manager.wait", {"id": id}))[
        "errstr"
    ] == "Fatal exception type=cancel"
    await cluster.stop()


async def test_checkpoint_and_log() -> None:
    kvs, (id,) = await crashed({"urgency": 0})
    assert json.loads(kvs.values.get("checkpoint.job-manager", b'{"max_jobid":0}'))[
        "max_jobid"
    ] in (0, id)
    kvs.values["checkpoint.job-manager"] = json.dumps({"max_jobid": id + (5 << 24)})
    cluster = await restarted(kvs)
    texts = [entry.text for entry in cluster.manager.logs]
    assert "restart: 1 jobs" in texts
    assert "restart: 0 running jobs" in texts
    assert f"restart: max_jobid={id + (5 << 24)}" in texts
    assert await cluster.submit() > id + (5 << 24)
    await cluster.stop()
    assert "checkpoint.job-manager" in kvs.values


@pytest.mark.parametrize(
    "eventlog",
    [
        b"garbage",
        b'{"timestamp":1.0,"name":"clean"}\n',
        b'{"timestamp":1.0,"name":"submit","context":{}}\n',
        b'{"timestamp":1.0}\n',
        b"\xff\xfe\n",
        b"[]\n",
    ],
)
@pytest.mark.parametrize("listed", [True, False])
async def test_unreadable_job_is_logged_and_left_alone(eventlog: bytes, listed: bool) -> None:
    kvs, (good,) = await crashed({"urgency": 0})
    if listed:
        kvs.values[ACTIVE_KEY] += b"+1\n+2\n"
    else:
        del kvs.values[ACTIVE_KEY]
    kvs.values["job.0000.0000.0000.0001.eventlog"] = eventlog
    kvs.values["job.0000.0000.0000.0002.jobspec"] = b"{}"
    cluster = await restarted(kvs)
    assert list(cluster.manager.service.core.machine.jobs) == [good]
    assert any("job 1 cannot be replayed" in entry.text for entry in cluster.manager.logs)
    await cluster.stop()
