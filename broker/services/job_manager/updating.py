"""Changes of a job's jobspec after its submission, as users ask for them (flux-update(1))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.jobtap.arguments import Rejected, redacted
from broker.service import request
from broker.services.job_manager.core import check_owner
from broker.services.job_manager.modify import JobChanges
from broker.services.job_manager.shape import check_changed
from broker.services.job_manager.update_rules import (
    Asked,
    check_form,
    decide,
    is_pending,
    verdict_of,
)
from flux.constants import FLUX_JOB_URGENCY_MAX
from flux.job.lifecycle import IMMUTABLE
from flux.job.updates import DURATION, expiration_after, updated_jobspec

if TYPE_CHECKING:
    from broker.service import Reply, Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.states import Job
    from broker.services.job_manager.submission import Submissions
    from broker.services.job_manager.update_rules import Ruling
    from flux.wire.json import JsonObject

MAX_UPDATE: Final = 1 << 16
"""Bytes of a request at most: what it sets is kept in an eventlog."""
_NOBODY_THERE: Final = (errno.ENOSYS, errno.EHOSTUNREACH)


class JobUpdates:
    """``job-manager.update``; all of an update is made or nothing."""

    def __init__(self, core: ManagerCore, submissions: Submissions) -> None:
        self._core = core
        self._submissions = submissions

    @request("update", allow="guest")
    async def update(self, req: Request) -> Reply:
        """Change the jobspec of an active job: {id, updates: {KEY: VALUE, ...}}, answered once that
        is stored. The rules are those of [flux update](commands/update.md).
        """
        id, updates = req.get("id", int), req.get("updates", dict)
        if len(req.raw or b"") > MAX_UPDATE:
            raise OSError(errno.E2BIG, f"an update takes at most {MAX_UPDATE} bytes")
        _check_mutable(req, self._job(req, id))
        for key in updates:
            check_form(key)
        if not updates:
            return None
        return await self.change(req, id, JobChanges(updates=updates))

    async def change(self, req: Request, id: int, asked: JobChanges) -> Reply:
        """Make the changes of a job that somebody asks for, as far as the rules of the site leave
        them and all other rules allow them; raises OSError if they are refused. The answer has the
        ``old_urgency`` if another one was asked for, and the ``message`` of the rules if they have
        one.
        """
        modifications = self._core.modifications
        async with modifications.turn(id):
            job = self._job(req, id)
            if asked.updates:
                _check_mutable(req, job)
            changes = await modifications.modify(job, asked, req.userid)
            ruling = await self._agreed(req, id, changes)
            self._core.journal.check_room()
            return self._make(req, self._job(req, id), ruling, changes)

    def _job(self, req: Request, id: int) -> Job:
        """Return the job to change; raises OSError if there is none, or not for the sender."""
        job = self._core.unended_job(id)
        check_owner(req, job, "update", "may")
        return job

    async def _agreed(self, req: Request, id: int, changes: JobChanges) -> Ruling:
        """Return what all agree to; raises OSError if somebody does not."""
        while True:
            job = self._job(req, id)
            pending = is_pending(job)
            if changes.urgency is not None:
                _check_urgency(job, changes.urgency)
            ruling = self._ruling(req, job, changes.updates)
            await self._ask_scheduler(job, ruling)
            # Resources may have come meanwhile: then other rules hold.
            if is_pending(self._job(req, id)) == pending:
                return ruling

    def _make(self, req: Request, job: Job, ruling: Ruling, changes: JobChanges) -> Reply:
        machine, before = self._core.machine, job.urgency
        if ruling.updates:
            others = req.is_owner and job.userid != self._core.ctx.owner
            bypassed = others and ruling.validated
            flags = [IMMUTABLE] if bypassed and not job.is_immutable else []
            machine.update(job, ruling.updates, flags)
            self._core.pack_later(job)
        answer: JsonObject = {"message": "\n".join(changes.lines)} if changes.lines else {}
        if changes.urgency is not None:
            machine.set_urgency(job, changes.urgency, req.userid)
            answer["old_urgency"] = before
        return self._core.acknowledge(req, answer or None)

    def _ruling(self, req: Request, job: Job, updates: JsonObject) -> Ruling:
        """Return what is to be done; raises OSError, saying why, if the update is refused."""
        core, policy = self._core, self._submissions.policy
        asked = Asked(job, updates, req.is_owner, core.ctx.now(), policy, core.machine.queues)
        try:
            found = core.plugins.judge_updates(job, updates)
            judged = {key: verdict_of(out) for key, out in found.items()}
            ruling = decide(asked, judged, core.modifications.knows)
            if not ruling.updates:  # another urgency only: the jobspec need not be looked at
                return ruling
            changed = updated_jobspec(job.jobspec or {}, ruling.updates)
            check_changed(changed, job.jobspec or {})
            if not ruling.validated:
                if ruling.limits:
                    queue = changed.get("attributes", {}).get("system", {}).get("queue")
                    policy.check_limits(queue or job.queue, changed)
                if DURATION in ruling.updates:
                    core.lifetime.check(changed)
                core.plugins.validate(job, changed)
        except (Rejected, ValueError) as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        return ruling

    async def _ask_scheduler(self, job: Job, ruling: Ruling) -> None:
        """Ask the scheduler whether it agrees, if it has a say; raises its refusal."""
        try:
            if ruling.feasibility:
                jobspec = redacted(updated_jobspec(job.jobspec or {}, ruling.updates))
                await self._core.ctx.handle.rpc("feasibility.check", {"jobspec": jobspec})
            if DURATION in ruling.updates and not is_pending(job):
                seconds = float(ruling.updates[DURATION])
                payload = {
                    "id": job.id,
                    "expiration": expiration_after(job.resources, seconds, job.t_alloc),
                }
                await self._core.ctx.handle.rpc("sched.expiration", payload)
        except OSError as exc:
            if exc.errno not in _NOBODY_THERE:
                raise


def _check_mutable(req: Request, job: Job) -> None:
    if job.is_immutable and not req.is_owner:
        text = "job is immutable due to previous instance owner update"
        raise OSError(errno.EPERM, text)


def _check_urgency(job: Job, urgency: int) -> None:
    if not 0 <= urgency <= FLUX_JOB_URGENCY_MAX:
        raise OSError(errno.EINVAL, "urgency value is out of range")
    if not is_pending(job):
        raise OSError(errno.EINVAL, "urgency cannot be changed once resources are allocated")
