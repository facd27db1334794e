"""The life of a job through job-ingest, job-manager and sched-simple."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .cluster import Cluster, jobspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NORMAL = ["submit", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    await cluster.start()
    yield cluster
    await cluster.stop()


async def test_events_of_a_job_that_runs(cluster: Cluster) -> None:
    id = await cluster.submit()
    await cluster.until_event(id, "clean")
    assert cluster.names(id) == NORMAL
    contexts = {entry["name"]: entry.get("context") for entry in cluster.eventlog(id)}
    assert contexts["submit"] == {"userid": 0, "urgency": 16, "flags": 0}
    assert contexts["priority"] == {"priority": 16}
    assert contexts["alloc"] == {"annotations": {"sched": {"resource_summary": "rank0/core0"}}}
    assert contexts["finish"] == {"status": 0}
    assert contexts["release"] == {"ranks": "all", "final": True}
    assert contexts["clean"] is None
    times = [entry["timestamp"] for entry in cluster.eventlog(id)]
    assert times == sorted(times)


async def test_jobspec_and_resources_are_stored(cluster: Cluster) -> None:
    id = await cluster.submit(jobspec("hostname"))
    await cluster.until_event(id, "clean")
    stored = {key.rpartition(".")[2] for key in cluster.kvs.values}
    assert {"J", "jobspec", "R", "eventlog"} <= stored


@pytest.mark.parametrize(
    ("spec", "summary"),
    [
        (jobspec(slots=2, nodes=2), "rank[0-1]/core[0-1]"),
        (jobspec(slots=4), "rank[0-1]/core[0-1]"),
        (jobspec(slots=1, nodes=4), "rank[0-3]/core0"),
        (jobspec(slots=2), "rank0/core[0-1]"),
    ],
)
async def test_resources_chosen(cluster: Cluster, spec: dict[str, Any], summary: str) -> None:
    id = await cluster.submit(spec)
    alloc = await cluster.until_event(id, "alloc")
    assert alloc["context"]["annotations"]["sched"]["resource_summary"] == summary


async def test_impossible_request_ends_with_an_alloc_exception(cluster: Cluster) -> None:
    id = await cluster.submit(jobspec(slots=1000))
    exception = await cluster.until_event(id, "exception")
    await cluster.until_event(id, "clean")
    assert exception["context"] == {
        "type": "alloc",
        "severity": 0,
        "userid": -1,
        "note": "unsatisfiable request: need 1000 slot(s) of 1 core(s), "
        "only 8 such slot(s) available (total cores: 8)",
    }
    assert cluster.names(id) == ["submit", "depend", "priority", "exception", "clean"]


async def test_many_jobs_end_and_leave_nothing(cluster: Cluster) -> None:
    ids = [await cluster.submit() for _ in range(60)]
    for id in ids:
        await cluster.until_event(id, "clean")
        assert cluster.names(id) == NORMAL
    machine = cluster.manager.service.core.machine
    assert not machine.jobs
    assert (
        machine.running
        == machine.free_pending
        == machine.queues.pending
        == machine.queues.waiting
        == 0
    )
    assert cluster.sched is not None
    assert (await cluster.sched.request("sched.resource-status"))["allocated"]["execution"][
        "R_lite"
    ] == []
