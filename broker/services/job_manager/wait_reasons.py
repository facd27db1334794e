"""Why jobs wait: asked for when somebody looks, so that it costs nothing while nobody does."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from broker.service import request
from flux.constants import FLUX_JOB_PRIORITY_MIN
from flux.job.lifecycle import SCHED
from flux.job.why import Waiting, why_pending

if TYPE_CHECKING:
    from broker.service import Request
    from broker.services.job_manager.core import ManagerCore
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject

MOST: Final = 1 << 16
"""Jobs that one request may ask about; the rest is left out."""
SCHEDULER_SECONDS: Final = 5.0
ANOTHER_JOB: Final = "behind another job"
RESOURCES: Final = "insufficient resources"


class WaitReasons:
    """``job-manager.pending-reasons``."""

    def __init__(self, core: ManagerCore) -> None:
        self._core = core

    @request("pending-reasons", allow="guest")
    async def pending_reasons(self, req: Request) -> JsonObject:
        """Tell why jobs {ids} wait: {reasons: [{id, reason, behind?, t_estimate?}]}; ``behind`` is
        the job before, ``t_estimate`` when it starts at the latest. Jobs that do not wait are left
        out.
        """
        found: dict[int, JsonObject] = {}
        scheduled: list[int] = []
        for id in req.get("ids", list)[:MOST]:
            job = self._core.machine.jobs.get(id) if type(id) is int else None
            if job is None:
                continue
            reason = self._reason(job)
            if reason is not None:
                found[id] = {"id": id, **reason}
            elif job.alloc_pending:
                found[id] = {"id": id, "reason": RESOURCES}
                scheduled.append(id)
        for entry in await self._ask_scheduler(scheduled):
            found[entry["id"]] = entry
        return {"reasons": list(found.values())}

    def _reason(self, job: Job) -> JsonObject | None:
        """Return why a job waits if that is known here."""
        if job.state != SCHED or job.priority == FLUX_JOB_PRIORITY_MIN:
            waiting = Waiting(
                job.state,
                tuple(sorted(job.dependencies)),
                job.urgency,
                job.priority,
                job.annotations or {},
            )
            reason = why_pending(waiting, self._core.ctx.now())
            return {"reason": reason} if reason else None
        if job.alloc_pending and not job.alloc_canceled:
            return None
        queue = self._core.machine.queues.of(job.queue)
        if stopped := queue.why_stopped():
            return {"reason": stopped}
        if not self._core.machine.sched_online:
            return {"reason": "the scheduler is offline"}
        before = queue.pending.best()
        if before is None:
            before = queue.waiting.best()
        if before is None or before == job.id:
            return {"reason": "about to be scheduled"}
        return {"reason": ANOTHER_JOB, "behind": before}

    async def _ask_scheduler(self, ids: list[int]) -> list[JsonObject]:
        """Return what the scheduler says of jobs; nothing if it is one that does not tell."""
        if not ids:
            return []
        try:
            answer = await self._core.ctx.handle.rpc(
                "sched.pending-reasons", {"ids": ids}, timeout=SCHEDULER_SECONDS
            )
        except OSError as exc:
            if exc.errno not in (errno.ENOSYS, errno.ETIMEDOUT, None):
                raise
            return []
        entries: list[JsonObject] = answer["reasons"]
        return entries
