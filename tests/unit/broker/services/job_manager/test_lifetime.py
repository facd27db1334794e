"""Jobs of an instance whose resources expire."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.testing.harness import ServiceHarness
from flux.job.updates import DURATION, expiration_of

from .cluster import Cluster, jobspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.services.job_manager.lifetime import Lifetime


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Jobs run until they are ended."""
    found = Cluster(lambda _: ServiceHarness.OPEN)
    await found.start()
    yield found
    await found.stop()


def lifetime(cluster: Cluster, left: float) -> Lifetime:
    core = cluster.manager.service.core
    core.lifetime.learn(core.ctx.now() + left if left else 0.0)
    return core.lifetime


@pytest.mark.parametrize(
    ("duration", "left", "words"),
    [
        (301, 300, "job duration (5m) exceeds remaining instance lifetime (5m)"),
        (88, 70, "job duration (1.5m) exceeds remaining instance lifetime (1.2m)"),
        (123456, 10800, "job duration (1.4d) exceeds remaining instance lifetime (3h)"),
        (1, -5, "job duration (1.0s) exceeds remaining instance lifetime (0s)"),
    ],
)
async def test_a_job_longer_than_the_instance_is_refused(
    cluster: Cluster, duration: float, left: float, words: str
) -> None:
    lifetime(cluster, left)
    with pytest.raises(OSError, match="exceeds") as refused:
        await cluster.submit(jobspec(duration=duration))
    assert (refused.value.errno, refused.value.strerror) == (errno.EINVAL, words)


@pytest.mark.parametrize(("duration", "left"), [(290, 300), (0, 300), (1e9, 0)])
async def test_others_are_taken(cluster: Cluster, duration: float, left: float) -> None:
    lifetime(cluster, left)
    id = await cluster.submit(jobspec(duration=duration))
    await cluster.until_event(id, "alloc")
    assert "exception" not in cluster.names(id)


async def test_jobs_without_a_time_limit_end_with_the_instance(cluster: Cluster) -> None:
    without = await cluster.submit(jobspec(duration=0))
    limited = await cluster.submit(jobspec(duration=60))
    held = await cluster.submit(jobspec(duration=0), urgency=0)
    for id in (without, limited):
        await cluster.until_event(id, "alloc")
    found = lifetime(cluster, 1000)
    event = await cluster.until_event(without, "resource-update")
    assert event["context"] == {"expiration": found.expiration}
    assert expiration_of(cluster.manager.service.core.machine.jobs[without].resources) == (
        found.expiration
    )
    told = [msg.json() for msg in cluster.manager.sent if msg.topic == "job-exec.expiration"]
    assert told == [{"id": without, "expiration": found.expiration}]
    lifetime(cluster, 2000)
    await cluster.manager.until(lambda: cluster.names(without).count("resource-update") == 2)
    found.learn(found.expiration)  # the same once more
    await cluster.manager.until(lambda: cluster.manager.service.core.journal.idle)
    assert cluster.names(without).count("resource-update") == 2
    assert "resource-update" not in cluster.names(limited) + cluster.names(held)


async def test_an_update_keeps_to_it_as_well(cluster: Cluster) -> None:
    lifetime(cluster, 100)
    id = await cluster.submit(jobspec(duration=60), urgency=0, userid=1000)
    change = {"id": id, "updates": {DURATION: 200}}
    with pytest.raises(OSError, match="exceeds remaining instance lifetime"):
        await cluster.manager.request("job-manager.update", change, userid=1000)
    await cluster.manager.request("job-manager.update", change)  # the owner is bound by no limit


async def test_what_jobs_have(cluster: Cluster) -> None:
    for _ in range(3):
        await cluster.until_event(await cluster.submit(jobspec()), "alloc")
    await cluster.submit(jobspec(), urgency=0)
    answer = await cluster.manager.request("job-manager.resource-status")
    [entry] = answer["allocated"]["execution"]["R_lite"]
    assert entry == {"rank": "0-2", "children": {"core": "0"}}  # the emptiest ranks come first
    with pytest.raises(OSError) as refused:
        await cluster.manager.request("job-manager.resource-status", userid=1000)
    assert refused.value.errno == errno.EPERM
