"""``resource.sched-status``: with a scheduler, without one, on another rank."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from broker.services.resource.service import ResourceService
from broker.testing.harness import ServiceHarness
from flux.resource.configured import make_r

from .test_resource_service import Store, _report

HELD = make_r([{"rank": "0", "children": {"core": "1"}}], ["node0"])


async def leader(**rpcs: Any) -> ServiceHarness[ResourceService]:
    store = Store()
    basic = {
        "kvs.commit": store.commit,
        "kvs.lookup": store.lookup,
        "state-machine.quorum-get": lambda _: {"idset": "0-1"},
    }
    topics = {name.replace("__", ".").replace("_", "-"): call for name, call in rpcs.items()}
    harness = ServiceHarness(ResourceService, size=2, rpcs=basic | topics)
    await harness.start()
    await harness.request("resource.topo-reduce", _report(1))
    await harness.until(lambda: harness.service.state.resources is not None)
    return harness


async def test_the_scheduler_answers_while_there_is_one() -> None:
    told = {"all": 1, "allocated": 2, "down": 3}
    harness = await leader(sched__resource_status=lambda _: told)
    assert await harness.request("resource.sched-status", userid=1000) == told
    await harness.stop()


async def test_without_a_scheduler_it_is_what_the_modules_know() -> None:
    harness = await leader(job_manager__resource_status=lambda _: {"allocated": HELD})
    await harness.request("resource.drain", {"targets": "1", "reason": ""})
    answer = await harness.request("resource.sched-status", userid=1000)
    assert answer["all"] == harness.service.state.resources
    assert answer["allocated"] == HELD
    assert answer["down"]["execution"]["R_lite"] == [{"rank": "1", "children": {"core": "0-3"}}]
    assert answer["down"]["execution"]["nodelist"] == ["node1"]
    await harness.stop()


async def test_without_jobs_nothing_is_allocated() -> None:
    harness = await leader()
    answer = await harness.request("resource.sched-status")
    assert answer["allocated"] == make_r([], [])
    await harness.stop()


@pytest.mark.parametrize("topic", ["sched__resource_status", "job_manager__resource_status"])
async def test_what_goes_wrong_is_told(topic: str) -> None:
    def fail(_: object) -> None:
        raise OSError(errno.EIO, "broken")

    harness = await leader(**{topic: fail})
    with pytest.raises(OSError, match="broken"):
        await harness.request("resource.sched-status")
    await harness.stop()


async def test_rank_0_answers_for_all() -> None:
    told = {"all": 1, "allocated": 2, "down": 3}
    rpcs = {"resource.sched-status": lambda _: told, "resource.topo-reduce": lambda _: None}
    harness = ServiceHarness(ResourceService, rank=1, size=2, rpcs=rpcs)
    await harness.start()
    assert await harness.request("resource.sched-status") == told
    await harness.stop()
