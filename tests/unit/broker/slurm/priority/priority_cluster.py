"""A cluster with ``[priority]``, a machine of four nodes of eight cores, and tests' questions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from broker.configuration import from_tables
from broker.services.job_manager.service import JobManagerService
from broker.slurm.priority.driver import Multifactor
from broker.testing.harness import ServiceHarness
from flux.job.priority_factors import JobPriority
from tests.unit.broker.services.job_manager.cluster import Cluster, jobspec, resources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from broker.services.job_manager.states import Job
    from broker.slurm.priority.candidates import Candidate

NAME = ".priority-multifactor"
SERVICE = "job-manager.priority-multifactor"
HOUR = 3600.0


class Clocks:
    """The time of day and the loop's clock, by how much each is ahead of what it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.day = self.loop = 0.0
        self.drivers: list[Multifactor] = []
        start = Multifactor.start

        def seen(driver: Multifactor) -> None:
            self.drivers.append(driver)
            start(driver)

        monkeypatch.setattr(Multifactor, "start", seen)
        monkeypatch.setattr(Multifactor, "clock", staticmethod(self.clock))
        monkeypatch.setattr("broker.context.Context.now", lambda _: time.time() + self.day)

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.loop

    def pass_by(self, seconds: float) -> None:
        """Let time pass on both."""
        self.day += seconds
        self.loop += seconds


class PriorityCluster(Cluster):
    """Jobs run until they are told to end."""

    def __init__(self, clocks: Clocks, priority: dict[str, Any], **more: Any) -> None:
        self.tables: dict[str, Any] = {"priority": priority, **more.pop("tables", {})}
        super().__init__(
            lambda _: ServiceHarness.OPEN,
            nodes=4,
            cores=8,
            config=from_tables(self.tables),
            **more,
        )
        self.clocks = clocks
        self.machine = resources(4, 8)
        self.manager.rpcs["resource.status"] = lambda _: {"R": self.machine}

    @property
    def driver(self) -> Multifactor:
        return self.clocks.drivers[-1]

    async def ready(self) -> None:
        """Wait until priorities are given."""
        await self.manager.until(lambda: self.driver.ready and self.driver.rounds.count > 0)

    async def round(self) -> None:
        """Have everything computed anew."""
        await self.driver.round()

    async def configure(self, **tables: Any) -> None:
        """Have other tables read, and wait for what follows."""
        self.tables.update(tables)
        config = from_tables(self.tables)
        before = self.driver.rounds.count
        self.manager.service.configure(config)
        self.manager.service.ctx.config = config
        await self.manager.until(lambda: self.driver.rounds.count > before)

    async def restart(self) -> None:
        """Restart the job manager."""
        await self.manager.stop()
        manager = self.manager
        self.manager = ServiceHarness(
            JobManagerService, rpcs=manager.rpcs, config=manager.service.ctx.config
        )
        await self.manager.start()
        for topic in ("job-manager.submit", "job-manager.getinfo"):
            self.ingest.rpcs[topic] = self._forward(self.manager, topic)

    def job(self, jobid: int) -> Job:
        machine = self.manager.service.core.machine
        return machine.jobs.get(jobid) or machine.embryos[jobid]

    def candidate(self, jobid: int) -> Candidate:
        return self.driver.candidates[jobid]

    def priority(self, jobid: int) -> int:
        return self.job(jobid).priority

    async def fill(self, cores: int = 32, **how: Any) -> int:
        """Have a job take the machine, so that others wait."""
        system = how.pop("system", {})
        jobid = await self.submit(jobspec(slots=cores, **system), **how)
        await self.until_event(jobid, "alloc")
        return jobid

    async def wait(self, spec: dict[str, Any] | None = None, **how: Any) -> int:
        """Submit a job that has to wait, and return it once it has its priority."""
        jobid = await self.submit(spec or jobspec(), **how)
        await self.manager.until(lambda: self.priority(jobid) >= 0)
        return jobid

    async def end(self, jobid: int) -> None:
        """End a job that runs."""
        sent = self.manager.sent
        await self.manager.until(
            lambda: any(m.topic == "job-exec.start" and m.json()["id"] == jobid for m in sent)
        )
        start = next(m for m in sent if m.topic == "job-exec.start" and m.json()["id"] == jobid)
        for kind, data in (
            ("start", {}),
            ("finish", {"status": 0}),
            ("release", {"ranks": "all", "final": True}),
        ):
            self.manager.answer(start, {"id": jobid, "type": kind, "data": data})
        await self.until_event(jobid, "clean")

    async def list(self, payload: dict[str, Any] | None = None, **how: Any) -> list[JobPriority]:
        """Return what ``flux priority`` would be told."""
        answers = await self.manager.finish(
            self.manager.stream(f"{SERVICE}.list", payload or {}, **how)
        )
        return [JobPriority(*row) for answer in answers[1:] for row in answer["jobs"]]


@contextlib.asynccontextmanager
async def running(
    clocks: Clocks, priority: dict[str, Any], **more: Any
) -> AsyncIterator[PriorityCluster]:
    """Run a cluster that is ready."""
    cluster = PriorityCluster(clocks, priority, **more)
    await cluster.start()
    try:
        await cluster.ready()
        yield cluster
    finally:
        await cluster.stop()
