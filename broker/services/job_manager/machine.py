"""What the job manager decides: stimuli in, decisions out, no I/O.

`Machine` holds the active jobs. Every stimulus (an answer of the scheduler or the execution
service, a request of a user) posts events to jobs; after each one the job is advanced as far as it
can go. What has to be done about it is left in `Machine.decisions` and the eventlog entries in
`Machine.log`; the driver (core.py) takes both at the end of its loop turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.services.job_manager.decisions import AskAlloc, TellAnnotations
from broker.services.job_manager.steps import JobStepper
from flux.job.lifecycle import CLEANUP, DEPEND, PRIORITY, RUN, SCHED, merge_annotations

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject


class Machine(JobStepper):
    """What the scheduler, the execution service and users say about jobs."""

    # Scheduler (RFC 27)

    def dispatch(self) -> None:
        """Hand queued jobs to the scheduler, best first, as far as its limit allows.

        When the limit is reached and a better job waits, the worst request is taken back.
        """
        if not self.sched_online or not self.alloc_enabled:
            return
        while self.queue:
            if self.limit is not None and len(self.pending) >= self.limit:
                self._make_room()
                return
            job = self.jobs[self.queue.pop()]
            job.alloc_queued = False
            job.alloc_pending = True
            job.alloc_canceled = False
            self.pending.add(job.id, job.priority)
            self.post_debug(job, "alloc-request")
            self.decisions.append(AskAlloc(job))

    def _make_room(self) -> None:
        best, worst = self.queue.best(), self.pending.worst()
        if (
            best is None
            or worst is None
            or self.queue.priority(best) <= self.pending.priority(worst)
        ):
            return
        self._cancel_alloc(self.jobs[worst])

    def _retire_request(self, id: int) -> Job | None:
        job = self.jobs.get(id)
        if job is None or not job.alloc_pending:
            return None
        job.alloc_pending = False
        job.alloc_canceled = False
        self.pending.discard(id)
        return job

    def alloc_success(
        self, id: int, resources: JsonObject | None, annotations: JsonMapping | None
    ) -> None:
        """The scheduler gave resources; the job starts, or gives them back if it was canceled
        meanwhile.
        """
        job = self._retire_request(id)
        if job is None:
            return
        job.resources = resources
        if annotations:
            job.annotations = merge_annotations(job.annotations, annotations)
        context = {"annotations": job.annotations} if job.annotations else None
        if job.state == PRIORITY:  # the urgency changed while no priority was available
            self.post(job, "priority", {"priority": job.priority})
        self.event(job, "alloc", context)

    def alloc_annotate(self, id: int, annotations: JsonMapping) -> None:
        """The scheduler says something about a pending job."""
        job = self.jobs.get(id)
        if job is not None:
            self.annotate(job, annotations)

    def annotate(self, job: Job, annotations: JsonMapping) -> None:
        """Update a job's annotations (flux_job_annotate)."""
        job.annotations = merge_annotations(job.annotations, annotations)
        self.decisions.append(TellAnnotations(job, job.annotations or {}))

    def alloc_deny(self, id: int, note: str) -> None:
        """The scheduler can never run the job."""
        job = self._retire_request(id)
        if job is None:
            return
        if job.annotations:
            job.annotations = None
            self.decisions.append(TellAnnotations(job, {}))
        if job.state == CLEANUP:
            self.advance(job)
        else:
            self.raise_exception(job, "alloc", 0, note)

    def alloc_canceled(self, id: int) -> None:
        """The scheduler dropped a request; the job is queued again unless it is over."""
        job = self._retire_request(id)
        if job is not None:
            self.advance(job)

    def freed(self, id: int) -> None:
        """The scheduler took the resources back."""
        job = self.jobs.get(id)
        if job is None or not job.free_pending:
            return
        job.free_pending = False
        self.free_pending -= 1
        self.event(job, "free")

    def sched_ready(self, limit: int | None) -> int:
        """A scheduler is ready for requests; returns how many jobs wait for it."""
        self.sched_online = True
        self.limit = limit
        for job in list(self.jobs.values()):
            if job.state == CLEANUP:
                self.advance(job)
        return len(self.queue)

    def sched_lost(self) -> None:
        """The scheduler is gone: its requests go back to the queue and resources wait for the next
        one.
        """
        self.sched_online = False
        for id in list(self.pending):
            self.alloc_canceled(id)
        for job in self.jobs.values():
            job.free_pending = False
        self.free_pending = 0

    def set_alloc(self, enable: bool, reason: str) -> None:
        """Start or stop scheduling (flux-queue(1)); stopping takes all requests back."""
        self.alloc_enabled = enable
        self.alloc_reason = "" if enable else reason
        if not enable:
            for id in list(self.pending):
                self._cancel_alloc(self.jobs[id])

    # Execution

    def exec_ready(self) -> None:
        """An execution service is ready: start what waits for it."""
        self.exec_online = True
        for job in list(self.jobs.values()):
            if job.state == RUN:
                self.advance(job)

    def release_start(self, job: Job) -> bool:
        """The alloc event of a job is stored: return whether the execution service is to have it
        now.
        """
        held, job.start_held = job.start_held, False
        return held

    def exec_started(self, id: int, timestamp: float | None = None) -> None:
        """Every shell of the job is up, since ``timestamp`` if that is not now."""
        job = self.jobs.get(id)
        if job is not None and job.running:
            self.post(job, "start", timestamp=timestamp)
            self.advance(job)

    def exec_finished(self, id: int, status: int) -> None:
        """Every shell of the job exited; ``status`` is the largest wait status."""
        job = self.jobs.get(id)
        if job is not None and job.running and job.status is None:
            self.event(job, "finish", {"status": status})

    def exec_released(self, id: int, ranks: str, final: bool) -> None:
        """The execution service is done with (some of) the job's ranks."""
        job = self.jobs.get(id)
        if job is None or not job.running:
            return
        self.post(job, "release", {"ranks": ranks, "final": final})
        if final:
            self._exec_over(job)

    def exec_failed(self, id: int, note: str) -> None:
        """The execution service lost or refused the job."""
        job = self.jobs.get(id)
        if job is None or not job.running:
            return
        job.exec_ended = True
        self._not_running(job)
        if job.state == CLEANUP:
            self.advance(job)
        else:
            self.raise_exception(job, "exec", 0, note)

    def _exec_over(self, job: Job) -> None:
        self._not_running(job)
        if job.state == RUN:  # released without having finished
            self.raise_exception(job, "exec", 0, "the job ended without an exit status")
        else:
            self.advance(job)

    # Users

    def set_urgency(self, job: Job, urgency: int, userid: int) -> None:
        """Change a pending job's urgency."""
        self.event(job, "urgency", {"userid": userid, "urgency": urgency})

    def reprioritize(self, job: Job, priority: int) -> None:
        """Give a job the priority a plugin decided on."""
        if job.state in (PRIORITY, SCHED) and (job.state == PRIORITY or job.priority != priority):
            self.event(job, "priority", {"priority": priority})

    def remove_dependency(self, job: Job, description: str) -> None:
        """Drop a dependency; the last one lets the job go on."""
        if description in job.dependencies:
            self.event(job, "dependency-remove", {"description": description})

    @property
    def pending_jobs(self) -> int:
        """How many jobs have no resources yet."""
        return sum(1 for job in self.jobs.values() if job.state in (DEPEND, PRIORITY, SCHED))
