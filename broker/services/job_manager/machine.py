"""What the job manager decides: stimuli in, decisions out, no I/O.

`Machine` holds the active jobs. Every stimulus (an answer of the scheduler or the execution
service, a request of a user) posts events to jobs; after each one the job is advanced as far as it
can go. What has to be done about it is left in `Machine.decisions` and the eventlog entries in
`Machine.log`; the driver (core.py) takes both at the end of its loop turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from broker.services.job_manager.decisions import (
    AskAlloc,
    TellAnnotations,
    TellExpiration,
    TellPriority,
)
from broker.services.job_manager.steps import JobStepper
from flux.job.lifecycle import CLEANUP, DEPEND, PRIORITY, RUN, SCHED, merge_annotations
from flux.job.updates import (
    DURATION,
    EXPIRATION,
    JOBSPEC_UPDATE,
    QUEUE,
    RESOURCE_UPDATE,
    SET_FLAGS,
    expiration_after,
    expiration_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from broker.services.job_manager.queues import QueueState, QueueSwitch
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject


class Machine(JobStepper):
    """What the scheduler, the execution service and users say about jobs."""

    # Scheduler (RFC 27)

    def dispatch(self) -> None:
        """Hand waiting jobs of each queue to the scheduler, best first, as far as its limit allows.

        The queues share the limit evenly, so that a long one does not keep the jobs of another from
        the scheduler. When a queue's part is used up and a better job waits, the worst request is
        taken back.
        """
        if not self.sched_online:
            return
        room = part = None
        if self.limit is not None:
            room = self.limit - self.queues.pending
            part = max(1, self.limit // max(1, sum(1 for queue in self.queues if queue.shares)))
        for queue in self.queues:
            if not queue.runs:
                continue
            while queue.waiting:
                if room is not None and part is not None:
                    if room <= 0 or len(queue.pending) >= part:
                        if not self.unsettled:
                            self._make_room(queue)
                        break
                    room -= 1
                self._ask(queue)

    def _ask(self, queue: QueueState) -> None:
        job = self.jobs[queue.waiting.pop()]
        job.alloc_queued = False
        job.alloc_pending = True
        job.alloc_canceled = job.alloc_outdated = False
        queue.pending.add(job.id, job.priority)
        self.post_debug(job, "alloc-request")
        self.decisions.append(AskAlloc(job))

    def _make_room(self, queue: QueueState) -> None:
        best, worst = queue.waiting.best(), queue.pending.worst()
        if (
            best is None
            or worst is None
            or queue.waiting.priority(best) <= queue.pending.priority(worst)
        ):
            return
        self._cancel_alloc(self.jobs[worst])

    def _retire_request(self, id: int) -> Job | None:
        job = self.jobs.get(id)
        if job is None or not job.alloc_pending:
            return None
        job.alloc_pending = False
        job.alloc_canceled = job.alloc_outdated = False
        self.queues.of(job.queue).pending.discard(id)
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
        """The scheduler can never run the job, as far as it knows it."""
        if id in self.jobs and self.jobs[id].alloc_outdated:
            self.alloc_canceled(id)
            return
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
        """The scheduler dropped a request; the job is queued again unless it is over.

        What the scheduler said of it is true no more.
        """
        job = self._retire_request(id)
        if job is not None:
            if job.annotations and "sched" in job.annotations:
                self.annotate(job, {"sched": None})
            self.advance(job)

    def freed(self, id: int) -> None:
        """The scheduler took the resources back."""
        job = self.jobs.get(id)
        if job is None or not job.free_pending:
            return
        job.free_pending = False
        self.free_pending -= 1
        self.event(job, "free")

    def free_later(self, id: int) -> None:
        """The resources of a job can be given back once the scheduler that arrives is ready."""
        job = self.jobs.get(id)
        if job is not None and job.free_pending:
            job.free_pending = False
            self.free_pending -= 1

    def sched_arrives(self) -> None:
        """A scheduler was told who holds resources, and is not ready yet: none are freed, for it
        may not know yet that they are held.
        """
        self.sched_arriving = True

    def sched_ready(self, limit: int | None) -> int:
        """A scheduler is ready for requests; returns how many jobs wait for it."""
        self.sched_online = True
        self.sched_arriving = False
        self.limit = limit
        self._clean_up()
        return self.queues.waiting

    def _clean_up(self) -> None:
        for job in list(self.jobs.values()):
            if job.state == CLEANUP:
                self.advance(job)

    def sched_lost(self) -> None:
        """The scheduler is gone: its requests go back to the queue. Whoever was to tell it of free
        resources calls `freed`: the next one is told of those only that are held.
        """
        self.sched_online = False
        was_arriving, self.sched_arriving = self.sched_arriving, False
        for queue in self.queues:
            for id in list(queue.pending):
                self.alloc_canceled(id)
        if was_arriving:
            self._clean_up()

    def start_queue(self, queue: QueueState, switch: QueueSwitch, *, save: bool = True) -> None:
        """Start or stop the scheduling of a queue (flux-queue(1)); stopping takes its requests
        back.
        """
        queue.start(switch, save=save)
        self._take_back(queue)

    def configure_queues(self, names: Iterable[str]) -> None:
        """Have the queues ``names`` and no others; jobs of those that are gone wait."""
        self.queues.configure(names)
        for queue in self.queues:
            self._take_back(queue)

    def _take_back(self, queue: QueueState) -> None:
        if not queue.runs:
            for id in list(queue.pending):
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

    def update(self, job: Job, updates: JsonMapping, flags: Sequence[str] = ()) -> None:
        """Set members of a job's jobspec by their keys, and ``flags`` on the job with it.

        One that waits goes to the queue it is for now, and its resources are asked for again; one
        that has them expires when its new time limit says.
        """
        if flags:
            self.post(job, SET_FLAGS, {"flags": list(flags)})
        queue = updates.get(QUEUE)
        if isinstance(queue, str) and queue != job.queue:
            self._move(job, queue)
        if job.alloc_pending:
            self._cancel_alloc(job)
            job.alloc_outdated = True
        self.post(job, JOBSPEC_UPDATE, dict(updates))
        seconds = updates.get(DURATION)
        if job.resources is not None and isinstance(seconds, int | float) and job.has_resources:
            end = expiration_after(job.resources, seconds, job.t_alloc)
            self.post(job, RESOURCE_UPDATE, {EXPIRATION: end})
            self.decisions.append(TellExpiration(job))
        self.advance(job)

    def expire(self, job: Job, end: float) -> None:
        """Have the resources of a job expire at another time, 0 for never."""
        if job.resources is not None and expiration_of(job.resources) != end:
            self.post(job, RESOURCE_UPDATE, {EXPIRATION: end})
            self.decisions.append(TellExpiration(job))

    def _move(self, job: Job, name: str) -> None:
        """Have a job wait in another queue, its request to the scheduler with it."""
        self._dequeue(job)
        if job.alloc_pending:
            self.queues.of(job.queue).pending.discard(job.id)
            self.queues.of(name).pending.add(job.id, job.priority)
        self.census.leave(job)
        job.queue = name
        self.census.enter(job)

    def reprioritize(self, job: Job, priority: int) -> None:
        """Give a job the priority a plugin decided on; held and expedited ones keep theirs."""
        value = self.priority_of(job, priority)
        if job.state in (PRIORITY, SCHED) and (job.state == PRIORITY or job.priority != value):
            self.event(job, "priority", {"priority": value})

    def rerank(self, job: Job, priority: int) -> None:
        """Give a job that waits for resources the priority that a plugin computes again and again.

        The scheduler and the journal's readers are told of it. It is no event of the job's
        eventlog, which would have thousands of them: a restarted job manager computes it anew.
        """
        value = self.priority_of(job, priority)
        if job.embryonic or job.state != SCHED:
            self.reprioritize(job, priority)
            return
        if value is None or value == job.priority:
            return
        job.priority, job.reranked = value, True
        self.decisions.append(TellPriority(job, value))
        self.advance(job)

    def remove_dependency(self, job: Job, description: str) -> None:
        """Drop a dependency; the last one lets the job go on."""
        if description in job.dependencies:
            self.event(job, "dependency-remove", {"description": description})

    def pending_jobs(self, queue: str | None = None) -> int:
        """Return how many jobs have no resources yet, in the queue of that name if it is given."""
        states = (DEPEND, PRIORITY, SCHED)
        unborn = sum(
            1 for job in self.embryos.values() if job.state in states and queue in (None, job.queue)
        )
        return self.census.count(states, queue) - unborn
