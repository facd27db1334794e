"""The active jobs and the steps that they take by themselves, no I/O.

After each event a job is advanced as far as it can go; what has to be done about it is left in
`JobStepper.decisions`, the entries of eventlogs in `JobStepper.log`. What others say about jobs is
in `broker.services.job_manager.machine`.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from broker.services.job_manager.census import Census
from broker.services.job_manager.decisions import (
    CancelAlloc,
    Decision,
    EndJob,
    FreeResources,
    PrioritizeAlloc,
    StartJob,
    TellException,
)
from broker.services.job_manager.queues import Queues
from broker.services.job_manager.states import Job, apply
from flux.constants import (
    FLUX_JOB_PRIORITY_MAX,
    FLUX_JOB_PRIORITY_MIN,
    FLUX_JOB_URGENCY_EXPEDITE,
    FLUX_JOB_URGENCY_HOLD,
)
from flux.job.lifecycle import CLEANUP, DEPEND, INACTIVE, NEW, PRIORITY, RUN, SCHED
from flux.wire.message import USERID_UNKNOWN_JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flux.job.types import EventEntry
    from flux.wire.json import JsonObject


BEFORE_SUBMIT: Final = ("submit", "dependency-add")


class Hooks(Protocol):
    """What plugins may contribute, as the machine calls it (flux-jobtap-plugins(7))."""

    def priority(self, job: Job) -> int | None:
        """Return the job's priority, None if it is not available."""

    def event(self, job: Job, entry: EventEntry, previous: int) -> None:
        """An event was posted; ``previous`` is the state before it."""

    def forget(self, job: Job) -> None:
        """There is no such job after all: its submission could not be stored."""


class JobStepper:
    """The active jobs, the queues before the scheduler, and the rules.

    A new job is an embryo until its submission is stored: its events are posted, but nothing is
    done about it, and it is unknown to everybody but the plugins. Then it hatches, or is given up
    as if it had never been. ``hold_starts`` has jobs wait, on their way to the execution service,
    for `Machine.release_start`.

    ``clock`` returns seconds since the epoch.
    """

    def __init__(self, hooks: Hooks, clock: Callable[[], float]) -> None:
        self.hooks = hooks
        self.clock = clock
        self.jobs: dict[int, Job] = {}
        self.census = Census()
        self.embryos: dict[int, Job] = {}
        self.log: list[tuple[Job, EventEntry]] = []
        self.decisions: list[Decision] = []
        self.queues = Queues()
        self.hold_starts = False
        self.limit: int | None = None
        self.sched_online = False
        self.sched_arriving = False
        self.unsettled = False  # priorities are being changed: their order means nothing yet
        self.exec_online = False
        self.free_pending = 0
        self.running = 0
        self.max_jobid = 0
        self._kept: Job | None = None
        self._told: Job | None = None
        self._own: deque[tuple[EventEntry, int]] = deque()
        self._later: deque[tuple[Job, EventEntry | None, int]] = deque()
        self._catching_up = False
        self._early: list[tuple[Job, str, JsonObject | None]] = []

    # Events

    def post(
        self,
        job: Job,
        name: str,
        context: JsonObject | None = None,
        timestamp: float | None = None,
    ) -> None:
        """Post an event without advancing the job; raises `UnexpectedEvent` when it may not come
        now.

        What plugins post about a new job before its submission comes right after that.
        """
        if job.state == NEW and name not in BEFORE_SUBMIT:
            self._early.append((job, name, context))
            return
        entry: EventEntry = {
            "timestamp": self.clock() if timestamp is None else timestamp,
            "name": name,
        }
        if context is not None:
            entry["context"] = context
        previous = job.state
        apply(job, entry)
        if job.state != previous:
            self.census.moved(job, previous)
        self.log.append((job, entry))
        self._tell(job, entry, previous)
        if self._early and name == "submit":
            early, self._early = self._early, []
            for other, event, more in early:
                if other is job:
                    self.post(job, event, more)

    # Telling plugins. They may act on jobs meanwhile, and be told about that in turn: a job that
    # ends may end those that depend on it, and so on. Their events are posted at once, but what
    # follows from them waits until the plugin has returned, so that chains of any length are
    # followed one after the other.

    def _tell(self, job: Job, entry: EventEntry, previous: int) -> None:
        if self._told is not None:
            if job is self._told:
                self._own.append((entry, previous))
            else:
                self._later.append((job, entry, previous))
            return
        self._tell_one(job, entry, previous)
        while self._own:
            self._tell_one(job, *self._own.popleft())
        if self._later and not self._catching_up:
            self._catch_up()

    def _tell_one(self, job: Job, entry: EventEntry, previous: int) -> None:
        self._told = job
        try:
            self.hooks.event(job, entry, previous)
        finally:
            self._told = None

    def _catch_up(self) -> None:
        self._catching_up = True
        try:
            while self._later:
                job, entry, previous = self._later.popleft()
                if entry is not None:
                    self._tell(job, entry, previous)
                elif self.jobs.get(job.id) is job or self.embryos.get(job.id) is job:
                    self.advance(job)
        finally:
            self._catching_up = False

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
        self.census.enter(job)
        self.max_jobid = max(self.max_jobid, job.id)

    def conceive(self, job: Job) -> None:
        """Take in a new job, in state NEW, as an embryo. It does not move on before `let_go`: not
        all of its dependencies may be there.
        """
        job.embryonic = True
        self._kept = job
        self.embryos[job.id] = job
        self.census.enter(job)
        self.max_jobid = max(self.max_jobid, job.id)

    def let_go(self, job: Job) -> None:
        """All that a new job waits for is there."""
        self._kept = None
        self.advance(job)

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
        if self._kept is job:
            self._kept = None
        self.census.leave(job)
        self.log = [(other, entry) for other, entry in self.log if other is not job]
        self._early = [early for early in self._early if early[0] is not job]
        self.decisions = [decision for decision in self.decisions if decision.job is not job]
        self.hooks.forget(job)

    def advance(self, job: Job) -> None:
        """Move a job on as far as it can go by itself."""
        if self._told is not None:
            self._later.append((job, None, 0))
            return
        if job is self._kept:
            return
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
        priority = self.priority_of(job, self.hooks.priority(job))
        if priority is None:
            return False
        self.post(job, "priority", {"priority": priority})
        return True

    @staticmethod
    def priority_of(job: Job, wanted: int | None) -> int | None:
        """Return what a job's priority should be: held and expedited jobs have the extremes, others
        what is wanted.
        """
        if job.urgency == FLUX_JOB_URGENCY_HOLD:
            return FLUX_JOB_PRIORITY_MIN
        if job.urgency == FLUX_JOB_URGENCY_EXPEDITE:
            return FLUX_JOB_PRIORITY_MAX
        return wanted

    def _step_sched(self, job: Job) -> bool:
        if job.embryonic:
            return False
        if job.priority == FLUX_JOB_PRIORITY_MIN:
            self._dequeue(job)
            self._cancel_alloc(job)
        elif job.alloc_pending:
            pending = self.queues.of(job.queue).pending
            if not job.alloc_canceled and pending.priority(job.id) != job.priority:
                pending.add(job.id, job.priority)
                self.decisions.append(PrioritizeAlloc(job, job.priority))
        else:
            job.alloc_queued = True
            self.queues.of(job.queue).waiting.add(job.id, job.priority)
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
        self.census.leave(job)
        self.decisions.append(EndJob(job))
        return True

    def _free(self, job: Job) -> None:
        if not job.free_pending and not self.sched_arriving:
            job.free_pending = True
            self.free_pending += 1
            self.post_debug(job, "free-request")
            self.decisions.append(FreeResources(job))

    def _dequeue(self, job: Job) -> None:
        if job.alloc_queued:
            job.alloc_queued = False
            self.queues.of(job.queue).waiting.discard(job.id)

    def _cancel_alloc(self, job: Job) -> None:
        if job.alloc_pending and not job.alloc_canceled:
            job.alloc_canceled = True
            self.decisions.append(CancelAlloc(job))

    def _not_running(self, job: Job) -> None:
        job.start_held = False
        job.running = False
        self.running -= 1


_STEPS: Final[Mapping[int, Callable[[JobStepper, Job], bool]]] = {
    NEW: JobStepper._stay,
    DEPEND: JobStepper._step_depend,
    PRIORITY: JobStepper._step_priority,
    SCHED: JobStepper._step_sched,
    RUN: JobStepper._step_run,
    CLEANUP: JobStepper._step_cleanup,
    INACTIVE: JobStepper._stay,
}
