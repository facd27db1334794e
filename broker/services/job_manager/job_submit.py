"""Job-submit plugins of Slurm (``[job-submit]``) in the job manager: jobs are looked at by them
before they are taken in, and so are changes of jobs.

Without such plugins none of their code is imported.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from broker.services.job_manager.modify import JobChanges
from broker.services.job_manager.policy import JobPolicy
from broker.services.job_manager.shape import check_shape
from flux.constants import FLUX_JOB_NOVALIDATE
from flux.job.describe import requested, system_text, time_limit
from flux.job.jobspec_v1 import InvalidJobspec, validate
from flux.wire import json

if TYPE_CHECKING:
    from broker.configuration import Config
    from broker.configuration.job_submit import JobSubmitConfig
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.states import Job
    from broker.slurm.job_submit.host import JobSubmitHost, SubmitVerdict
    from flux.wire.json import JsonObject

LISTED: Final = ".job-submit"
"""What the plugins are called in ``flux jobtap list -a``."""


class JobSubmit:
    """The plugins of the configuration, if it has any."""

    def __init__(self, core: ManagerCore) -> None:
        self._core = core
        self._host: JobSubmitHost | None = None
        self._next: JobSubmitHost | None = None
        self._policy = JobPolicy(core.ctx.config)
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> bool:
        """Whether there are plugins."""
        return self._host is not None

    def names(self) -> list[str]:
        """Return what to list among jobtap plugins."""
        return [LISTED] if self.active else []

    async def examine(self, config: Config) -> None:
        """Load the plugins of a configuration, unless they are loaded; raises OSError, with file,
        line and key, for one that cannot be.
        """
        await self._drop_next()
        if self._is_used(config.job_submit):
            return
        from broker.slurm.job_submit.host import JobSubmitHost, NotLoaded

        ctx = self._core.ctx
        uri = ctx.attrs.get("local-uri") or ""
        host = JobSubmitHost(config.job_submit, uri, ctx.log.log, self._queues)
        try:
            await host.start()
        except NotLoaded as exc:
            raise ctx.setting_error(exc.key, exc) from None
        except OSError as exc:
            await host.close()
            raise ctx.setting_error(("job-submit", "plugins"), exc) from None
        self._next = host

    def _is_used(self, config: JobSubmitConfig) -> bool:
        """Whether a configuration needs no other plugins than there are."""
        return not config.plugins or (self._host is not None and self._host.config == config)

    async def _drop_next(self) -> None:
        host, self._next = self._next, None
        if host is not None:
            await host.close()

    def configure(self, config: Config) -> None:
        """Use the plugins that `examine` loaded, and the queues of a configuration."""
        self._policy = JobPolicy(config)
        if self._next is None and config.job_submit.plugins:
            return
        before, self._host, self._next = self._host, self._next, None
        modifications = self._core.modifications
        modifications.rules = self.modify if self._host is not None else None
        modifications.extends = is_kept if self._host is not None else None
        if before is not None:
            task = self._core.ctx.spawn(before.retire(), "job-manager:old job-submit plugins")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End the plugins."""
        await self._drop_next()
        host, self._host = self._host, None
        if host is not None:
            await host.close()
        await asyncio.gather(*self._closing)

    async def modify(self, job: Job, changes: JobChanges, userid: int) -> JobChanges:
        """Return changes as the plugins make them; raises OSError if they refuse them."""
        from broker.slurm.job_submit.messages import ChangeRequest

        if self._host is None:
            return changes
        request = ChangeRequest(
            userid, job.userid, job.jobspec or {}, _facts(job), changes.updates, changes.urgency
        )
        verdict = await self._host.modify(request)
        urgency = changes.urgency if verdict.urgency is None else verdict.urgency
        return JobChanges(urgency, verdict.updates or {}, verdict.lines)

    def _queues(self) -> list[JsonObject]:
        """Return the queues as plugins are told of them."""
        from broker.services.job_manager.partitions import partitions

        return partitions(self._policy, self._core.machine.queues)

    async def look_at(self, jobs: list[Job]) -> list[SubmitVerdict]:
        """Return what the plugins say about new jobs, which are changed as they say."""
        from broker.slurm.job_submit.host import SubmitVerdict, refused_by_rules
        from broker.slurm.job_submit.messages import JobToCheck

        if self._host is None:
            return [SubmitVerdict() for _ in jobs]
        verdicts = await self._host.submit(
            [JobToCheck(job.id, job.userid, job.urgency, job.jobspec or {}) for job in jobs]
        )
        for index, (job, verdict) in enumerate(zip(jobs, verdicts, strict=True)):
            if verdict.error is not None:
                continue
            if verdict.urgency is not None:
                job.urgency = verdict.urgency
            if verdict.jobspec is not None:
                try:
                    _replace(job, verdict.jobspec)
                except ValueError as exc:
                    verdicts[index] = SubmitVerdict(refused_by_rules(str(exc)), lines=verdict.lines)
        return verdicts


def is_kept(key: str) -> bool:
    """Whether a key of a jobspec is of what is kept for plugins."""
    return key.startswith("attributes.system.slurm.")


def _facts(job: Job) -> JsonObject:
    """Return what plugins are told of a job that is to be changed, as a list of jobs has it."""
    asked = requested(job.jobspec)
    return {
        "id": job.id,
        "userid": job.userid,
        "state": job.state,
        "name": asked.name,
        "queue": job.queue,
        "bank": system_text(job.jobspec, "bank"),
        "priority": max(job.priority, 0),
        "t_submit": job.t_submit,
        "duration": time_limit(job.jobspec) or 0,
        "ntasks": asked.ntasks,
        "nnodes": asked.nnodes,
        "ncores": asked.ncores,
    }


def _replace(job: Job, jobspec: JsonObject) -> None:
    """Give a job another jobspec; raises ValueError for one that is invalid."""
    check_shape(jobspec)
    if not job.flags & FLUX_JOB_NOVALIDATE:
        try:
            validate(jobspec)
        except InvalidJobspec as exc:
            raise ValueError(str(exc)) from None
    job.jobspec = jobspec
    job.values = (job.values[0], ("jobspec", json.dumps(jobspec)))
