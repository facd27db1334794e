"""The start of a job manager over what an earlier one left in the KVS."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from broker.jobtap.arguments import Rejected
from broker.jobtap.dependency_after import targets_of
from broker.jobtap.host import dependencies_of
from broker.services.job_manager.active import ACTIVE_KEY
from broker.services.job_manager.restart import (
    UNREADABLE,
    StoredJob,
    listed_jobs,
    load_active,
    load_checkpoint,
    reason_of,
    stored_jobs,
)
from flux.job.lifecycle import DEPEND, INACTIVE, RUN
from flux.kvs_txn import commit_request, unlink_op

if TYPE_CHECKING:
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.environment import EnvironmentPool
    from broker.services.job_manager.states import Job

LOST_NOTE: Final = "the instance was restarted while the job was running"
RERUN: Final = {"rerun": "the job may have run before the restart"}


class Resumption:
    """Takes up the jobs of an earlier job manager."""

    def __init__(self, core: ManagerCore, environments: EnvironmentPool) -> None:
        self._core = core
        self._environments = environments

    async def restart(self) -> None:
        """Take up the active jobs of an earlier job manager; the inactive ones are read when
        somebody wants to know them.
        """
        log, machine = self._core.ctx.log, self._core.machine
        try:
            active = await self._read_active()
            checkpoint = await load_checkpoint(self._core.ctx.handle)
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            active, checkpoint = [], None
        log.info(f"restart: {len(active)} jobs")
        log.info(f"restart: {sum(1 for job in active if job.has_resources)} running jobs")
        if checkpoint is None:
            log.info("restart: no checkpoint object")
        else:
            machine.max_jobid = max(machine.max_jobid, checkpoint.max_jobid)
            machine.queues.restore(checkpoint.queues)
        log.debug(f"restart: max_jobid={machine.max_jobid}")
        for job in active:
            machine.add(job)
        async with self._core.ended.looked_up(self._lost_targets(active)):
            for job in active:
                self._core.plugins.introduce(job)
            for job in active:
                self._resume(job)
                self._core.pack_later(job)

    def _lost_targets(self, active: list[Job]) -> set[int]:
        """Return the jobs that others still depend on, though they are not active: they ended just
        before the store did.
        """
        found = set[int]()
        for job in active:
            if job.state == DEPEND:
                with suppress(Rejected):
                    found.update(targets_of(dependencies_of(job)))
        return found - self._core.machine.jobs.keys()

    async def _read_active(self) -> list[Job]:
        """Return the active jobs: those of the list kept beside them or, in a store without one,
        those found among all.
        """
        handle, index = self._core.ctx.handle, self._core.journal.index
        listed = await load_active(handle)
        if listed is not None:
            index.max_jobid = listed.max_jobid
        candidates = stored_jobs(handle) if listed is None else listed_jobs(handle, listed.ids)
        active: list[Job] = []
        ended: dict[int, float] = {}
        async for stored in candidates:
            index.max_jobid = max(index.max_jobid, stored.id)
            job = await self._restore(stored)
            if job is not None and job.state == INACTIVE:
                ended[job.id] = job.t_inactive
            elif job is not None:
                active.append(job)
                index.add(job.id)
        self._core.machine.max_jobid = max(self._core.machine.max_jobid, index.max_jobid)
        if listed is None:
            self._core.inactive.fill(ended)
        elif not self._core.journal.durable:
            # The list will not be kept up to date, so the next start must not rely on it.
            await self._drop_list()
        return active

    async def _drop_list(self) -> None:
        await self._core.ctx.handle.rpc("kvs.commit", commit_request([unlink_op(ACTIVE_KEY)]))

    async def _restore(self, stored: StoredJob) -> Job | None:
        """Return a stored job, with its details if it is active; a job that cannot be read is
        logged and left alone.
        """
        try:
            job = await stored.replay()
            if job.state != INACTIVE:
                await stored.load_details(job)
        except UNREADABLE as exc:
            self._core.ctx.log.err(f"restart: job {stored.id} cannot be replayed: {reason_of(exc)}")
            return None
        if job.jobspec is not None:
            job.shared = self._environments.share(job.jobspec)
        return job

    def _resume(self, job: Job) -> None:
        """Let a replayed job go on.

        One that was running lost its shells and ends with an exception; one that was about to be
        started may have run, and is started again.
        """
        machine = self._core.machine
        if job.is_waitable:
            self._core.waits.add_job(job.id)
        machine.post(job, "flux-restart")
        self._core.plugins.restore(job)
        if job.state == RUN and job.started:
            job.exec_ended = True
            machine.raise_exception(job, "exec", 0, LOST_NOTE)
            return
        if job.state == RUN:
            machine.post(job, "memo", dict(RERUN))
        machine.advance(job)
