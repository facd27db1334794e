"""Jobs that end while no scheduler is there, while one arrives, or while it does not answer."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.testing.harness import ServiceHarness

from .cluster import Cluster, jobspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flux.wire.message import Message

RESOURCES = {"version": 1, "execution": {"R_lite": [{"rank": "0", "children": {"core": "0"}}]}}


class Site:
    """A job manager, a scheduler that a test plays, and a job that runs until `end_job`."""

    def __init__(self) -> None:
        self.cluster = Cluster(lambda _: ServiceHarness.OPEN, sched=False)
        self.manager = self.cluster.manager
        self.manager.rpcs["sched.alloc"] = self._alloc
        self.manager.rpcs["sched.free"] = lambda _: ServiceHarness.OPEN
        self.job = 0

    def _alloc(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"id": payload["id"], "type": 0, "R": RESOURCES}

    def sent(self, topic: str) -> list[Message]:
        return [msg for msg in self.manager.sent if msg.topic == topic]

    async def hello(self, sender: str = "scheduler") -> list[int]:
        """A scheduler says hello: return the jobs of which it is told that they hold resources."""
        answer = await self.manager.request("job-manager.sched-hello", sender=sender)
        return [job["id"] for job in answer["alloc"]]

    async def ready(self, sender: str = "scheduler") -> None:
        payload = {"mode": "unlimited"}
        await self.manager.request("job-manager.sched-ready", payload, sender=sender)

    async def start(self) -> None:
        await self.cluster.start()
        await self.hello()
        await self.ready()
        self.job = await self.cluster.submit(jobspec())
        await self.manager.until(lambda: bool(self.sent("job-exec.start")))

    async def end_job(self) -> None:
        started = self.sent("job-exec.start")[0]
        for kind, data in (
            ("start", {}),
            ("finish", {"status": 0}),
            ("release", {"ranks": "all", "final": True}),
        ):
            self.manager.answer(started, {"id": self.job, "type": kind, "data": data})
        await self.cluster.until_event(self.job, "release")

    async def until_over(self) -> None:
        await self.cluster.until_event(self.job, "clean")
        assert self.cluster.names(self.job)[-3:] == ["release", "free", "clean"]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.cluster.stop()


async def test_a_job_that_ends_without_a_scheduler_is_over_at_once(site: Site) -> None:
    site.manager.disconnect("scheduler")
    await site.end_job()
    await site.until_over()
    assert site.sent("sched.free") == []
    assert await site.hello() == []


async def test_a_job_of_which_the_scheduler_did_not_answer_before_it_went(site: Site) -> None:
    await site.end_job()
    await site.manager.until(lambda: bool(site.sent("sched.free")))
    assert "free" not in site.cluster.names(site.job)
    site.manager.disconnect("scheduler")
    await site.until_over()
    assert await site.hello("next") == []
    await site.ready("next")
    site.manager.answer(site.sent("sched.free")[0], errnum=errno.ENOSYS)
    machine = site.manager.service.core.machine
    assert (machine.sched_online, machine.free_pending) == (True, 0)


async def test_a_scheduler_that_was_told_of_a_job_is_told_of_its_end_when_it_is_ready(
    site: Site,
) -> None:
    site.manager.disconnect("scheduler")
    assert await site.hello("next") == [site.job]
    await site.end_job()
    assert site.sent("sched.free") == []
    await site.ready("next")
    await site.manager.until(lambda: bool(site.sent("sched.free")))
    site.manager.answer(site.sent("sched.free")[0], {"id": site.job})
    await site.until_over()


async def test_a_scheduler_that_refuses_to_free_keeps_no_job_from_ending(site: Site) -> None:
    await site.end_job()
    await site.manager.until(lambda: bool(site.sent("sched.free")))
    site.manager.answer(site.sent("sched.free")[0], errnum=errno.EINVAL)
    await site.until_over()
    machine = site.manager.service.core.machine
    assert (machine.sched_online, machine.free_pending) == (False, 0)
