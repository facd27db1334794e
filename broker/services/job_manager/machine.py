"""What the job manager decides: stimuli in, decisions out, no I/O.

`Machine` holds the active jobs. Every stimulus (a submission, an answer of the scheduler or the
execution service, a request of a user) posts events to jobs; after each one the job is advanced as
far as it can go. What has to be done about it is left in `decisions` and the eventlog entries in
`log`; the driver (service.py) takes both at the end of its loop turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from broker.services.job_manager.decisions import (
    AskAlloc,
    CancelAlloc,
    Decision,
    EndJob,
    FreeResources,
    PrioritizeAlloc,
    StartJob,
    TellAnnotations,
    TellException,
)
from broker.services.job_manager.queue import JobQueue
from broker.services.job_manager.states import Job, apply
from flux.constants import (
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_PRIORITY_MIN,
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
)
from flux.job.lifecycle import (
    CLEANUP,
    DEPEND,
    INACTIVE,
    NEW,
    PRIORITY,
    RUN,
    SCHED,
    merge_annotations,
)
from flux.wire.message import USERID_UNKNOWN_JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.job.types import EventEntry
    from flux.wire.json import JsonMapping, JsonObject


class Hooks(Protocol):
    """What plugins may contribute, as the machine calls it (flux-jobtap-plugins(7))."""

    def priority(self, job: Job) -> int | None:
        """Return the job's priority, None if it is not available."""

    def event(self, job: Job, entry: EventEntry, previous: int) -> None:
        """An event was posted; ``previous`` is the state before it."""

    def forget(self, job: Job) -> None:
        """There is no such job after all: its submission could not be stored."""


class Machine:
    """The active jobs, the queue before the scheduler, and the rules.

    A new job is an embryo until its submission is stored: its events are posted, but nothing is
    done about it, and it is unknown to everybody but the plugins. Then it hatches, or is given up
    as if it had never been. ``hold_starts`` has jobs wait, on their way to the execution service,
    for `release_start`.

    ``clock`` returns seconds since the epoch.
    """

    def __init__(self, hooks: Hooks, clock: Callable[[], float]) -> None:
        self.hooks = hooks
        self.clock = clock
        self.jobs: dict[int, Job] = {}
        self.embryos: dict[int, Job] = {}
        self.log: list[tuple[Job, EventEntry]] = []
        self.decisions: list[Decision] = []
        self.queue = JobQueue()
        self.pending = JobQueue()
        self.alloc_enabled = True
        self.alloc_reason = ""
        self.hold_starts = False
        self.limit: int | None = None
        self.sched_online = False
        self.exec_online = False
        self.free_pending = 0
        self.running = 0
        self.max_jobid = 0

    # Events

    def post(
        self,
        job: Job,
        name: str,
        context: JsonObject | None = None,
        timestamp: float | None = None,
    ) -> None:
        """Post an event without advancing the job; raises `UnexpectedEvent` when it may not come now."""
        entry: EventEntry = {
            "timestamp": self.clock() if timestamp is None else timestamp,
            "name": name,
        }
        if context is not None:
            entry["context"] = context
        previous = job.state
        apply(job, entry)
        self.log.append((job, entry))
        self.hooks.event(job, entry, previous)

    def post_debug(self, job: Job, name: str) -> None:
        """Post a ``debug.`` event if the job was submitted with the debug flag."""
        if job.is_debug:
            self.post(job, f"debug.{name}")

    def event(self, job: Job, name: str, context: JsonObject | None = None) -> None:
        """Post an event and advance the job."""
        self.post(job, name, context)
        self.advance(job)

    def raise_exception(
        self, job: Job, kind: str, severity: int, note: str, userid: int = USERID_UNKNOWN_JSON
    ) -> None:
        """Raise an exception on a job; severity 0 ends it."""
        context = {"type": kind, "severity": severity, "userid": userid, "note": note}
        self.post(job, "exception", context)
        self.decisions.append(TellException(job, kind, severity))
        self.advance(job)

    # Life

    def add(self, job: Job) -> None:
        """Take in a replayed job."""
        self.jobs[job.id] = job
        self.max_jobid = max(self.max_jobid, job.id)

    def conceive(self, job: Job) -> None:
        """Take in a new job, in state NEW, as an embryo."""
        job.embryonic = True
        self.embryos[job.id] = job
        self.max_jobid = max(self.max_jobid, job.id)

    def hatch(self, job: Job) -> None:
        """The submission of a new job is stored: it lives."""
        del self.embryos[job.id]
        job.embryonic = False
        self.jobs[job.id] = job
        if job.state in (SCHED, CLEANUP):  # what embryos stop at
            self.advance(job)

    def give_up(self, job: Job) -> None:
        """The submission of a new job could not be stored: forget it."""
        del self.embryos[job.id]
        self.log = [(other, entry) for other, entry in self.log if other is not job]
        self.decisions = [decision for decision in self.decisions if decision.job is not job]
        self.hooks.forget(job)

    def advance(self, job: Job) -> None:
        """Move a job on as far as it can go by itself."""
        while _STEPS[job.state](self, job):
            pass

    def _stay(self, job: Job) -> bool:
        return False

    def _step_depend(self, job: Job) -> bool:
        if job.dependencies:
            return False
        self.post(job, "depend")
        return True

    def _step_priority(self, job: Job) -> bool:
        priority = self.priority_of(job)
        if priority is None:
            return False
        self.post(job, "priority", {"priority": priority})
        return True

    def priority_of(self, job: Job) -> int | None:
        """Return what a job's priority should be: held and expedited jobs have the extremes, the
        plugins decide for others.
        """
        if job.urgency == FLUX_JOB_URGENCY_HOLD:
            return FLUX_JOB_PRIORITY_MIN
        if job.urgency == FLUX_JOB_URGENCY_EXPEDITE:
            return FLUX_JOB_PRIORITY_MAX
        return self.hooks.priority(job)

    def _step_sched(self, job: Job) -> bool:
        if job.embryonic:
            return False
        if job.priority == FLUX_JOB_PRIORITY_MIN:
            self._dequeue(job)
            self._cancel_alloc(job)
        elif job.alloc_pending:
            if not job.alloc_canceled and self.pending.priority(job.id) != job.priority:
                self.pending.add(job.id, job.priority)
                self.decisions.append(PrioritizeAlloc(job, job.priority))
        else:
            job.alloc_queued = True
            self.queue.add(job.id, job.priority)
        return False

    def _step_run(self, job: Job) -> bool:
        if not job.running and not job.exec_ended and self.exec_online:
            job.running = True
            job.start_held = self.hold_starts
            self.running += 1
            self.post_debug(job, "start-request")
            self.decisions.append(StartJob(job))
        return False

    def _step_cleanup(self, job: Job) -> bool:
        self._dequeue(job)
        self._cancel_alloc(job)
        if job.start_held:  # it was to be started, and need not be any more
            job.exec_ended = True
            self._not_running(job)
        if job.alloc_pending or job.running or job.embryonic:
            return False
        if job.has_resources:
            self._free(job)
            return False
        self.post(job, "clean")
        del self.jobs[job.id]
        self.decisions.append(EndJob(job))
        return True

    def _free(self, job: Job) -> None:
        if not job.free_pending and self.sched_online:
            job.free_pending = True
            self.free_pending += 1
            self.post_debug(job, "free-request")
            self.decisions.append(FreeResources(job))

    def _dequeue(self, job: Job) -> None:
        if job.alloc_queued:
            job.alloc_queued = False
            self.queue.discard(job.id)

    def _cancel_alloc(self, job: Job) -> None:
        if job.alloc_pending and not job.alloc_canceled:
            job.alloc_canceled = True
            self.decisions.append(CancelAlloc(job))

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

    def _not_running(self, job: Job) -> None:
        job.start_held = False
        job.running = False
        self.running -= 1

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


_STEPS: dict[int, Callable[[Machine, Job], bool]] = {
    NEW: Machine._stay,
    DEPEND: Machine._step_depend,
    PRIORITY: Machine._step_priority,
    SCHED: Machine._step_sched,
    RUN: Machine._step_run,
    CLEANUP: Machine._step_cleanup,
    INACTIVE: Machine._stay,
}
