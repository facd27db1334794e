"""What the parts of the job manager share: the state machine, the journal, and the turn that
carries decisions out.

Parts change jobs by way of `ManagerCore.machine` and then ask for a turn with
`ManagerCore.turn_soon`. One turn at the end of the loop's round does it all: what happened in a
round is committed together.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Final, assert_never

from broker.jobtap.files import search_path
from broker.jobtap.host import JobtapHost
from broker.service import NO_REPLY
from broker.services.job_manager.decisions import (
    AskAlloc,
    CancelAlloc,
    EndJob,
    FreeResources,
    PrioritizeAlloc,
    StartJob,
    TellAnnotations,
    TellException,
    TellExpiration,
    TellPriority,
)
from broker.services.job_manager.ended import EndedJobs
from broker.services.job_manager.execution import Execution
from broker.services.job_manager.housekeeping import Housekeeping
from broker.services.job_manager.inactive import InactiveJobs
from broker.services.job_manager.journal import Journal
from broker.services.job_manager.lifetime import Lifetime
from broker.services.job_manager.machine import Machine
from broker.services.job_manager.modify import Modifications
from broker.services.job_manager.plugin_actions import PluginActions
from broker.services.job_manager.quiet import QuietWaiters
from broker.services.job_manager.scheduling import Scheduling
from broker.services.job_manager.waits import WaitTable, result_of
from flux.constants import FLUX_JOB_STATE_PENDING
from flux.job.lifecycle import INACTIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from broker.context import Context
    from broker.jobtap.handle import HandlerTable
    from broker.service import Reply, Request
    from broker.services.job_manager.decisions import Decision
    from broker.services.job_manager.events import Done, Failed
    from broker.services.job_manager.readers import Reader
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject


LIVELY: Final = 0.1
"""Seconds for which the start or the end of a job says that jobs run."""


class ManagerCore:
    """State and driver of the job manager.

    ``refusals`` holds why the store refused submissions, until who submitted them is told.
    """

    def __init__(self, ctx: Context, services: HandlerTable) -> None:
        self.ctx = ctx
        self.services = services
        self.ended = EndedJobs(ctx.handle)
        folders = search_path(ctx.attrs.get("conf.jobtap_pluginpath") or "")
        self.plugins = JobtapHost(PluginActions(self), folders, ctx.owner)
        self.machine = Machine(self.plugins, ctx.now)
        self.journal = Journal(ctx, self._journal_readers, self)
        self.housekeeping = Housekeeping(ctx, self._freed, self._give_back)
        self.scheduling = Scheduling(
            ctx, self.machine, self.journal, self.turn_soon, self.housekeeping.holders
        )
        self.execution = Execution(ctx, self.machine, self.journal, self.turn_soon)
        self.inactive = InactiveJobs()
        self.lifetime = Lifetime(ctx, self.machine, self.turn_soon)
        self.modifications = Modifications()
        self.waits: WaitTable[Request] = WaitTable()
        self.quiet = QuietWaiters(self.machine, self.journal)
        self.readers: dict[tuple[str, int], Reader] = {}
        self.refusals: dict[int, OSError] = {}
        self._turn_is_due = False
        self._last_run = float("-inf")
        self._unpacked: list[Job] = []
        self._waiting: list[tuple[Done, Failed | None]] = []

    def _journal_readers(self) -> Iterator[Reader]:
        return iter(tuple(self.readers.values()))

    def _freed(self, id: int) -> None:
        """A job is over, though its nodes are held for what tidies up."""
        self.machine.freed(id)
        self.turn_soon()

    def _give_back(self, payload: JsonObject) -> None:
        self.scheduling.free_part(payload)

    def pack_later(self, job: Job) -> None:
        """Make a new job small at the end of the turn if it has to wait."""
        self._unpacked.append(job)

    # Turns

    def turn_soon(self) -> None:
        """Carry decisions out at the end of this loop turn."""
        if not self._turn_is_due:
            self._turn_is_due = True
            self.ctx.call_soon(self.turn)

    def turn(self) -> None:
        """Carry out what the machine decided.

        The order counts. The scheduler is handed jobs first, since that posts events. Events go to
        the journal before anything is done about them, so that whatever waits for a commit waits
        for the one that has them; who asked to be called when all is stored comes last.
        """
        self._turn_is_due = False
        if self.ctx.handle.closed:
            return
        machine = self.machine
        machine.dispatch()
        self._record()
        decisions, machine.decisions = machine.decisions, []
        for decision in decisions:
            if decision.job.embryonic:
                self.journal.after_commit(partial(self._carry_out_if_alive, decision))
            else:
                self._carry_out(decision)
        self.scheduling.send_priorities()
        for job in self._unpacked:
            if not job.alloc_pending and job.state & FLUX_JOB_STATE_PENDING:
                job.pack()
        self._unpacked.clear()
        self.quiet.answer()
        waiting, self._waiting = self._waiting, []
        for done, failed in waiting:
            self.journal.after_commit(done, failed)
        self.journal.flush()
        if machine.log or machine.decisions or self._waiting:
            self.turn_soon()

    def _record(self) -> None:
        """Give the machine's log to the journal, each entry with its place in its eventlog."""
        counted: dict[int, int] = {}
        log, self.machine.log = self.machine.log, []
        for job, _ in log:
            counted[job.id] = counted.get(job.id, 0) + 1
        for job, entry in log:
            self.journal.add(job, job.seq - counted[job.id], entry)
            counted[job.id] -= 1

    def when_stored(self, done: Done, failed: Failed | None = None) -> None:
        """Call ``done`` when everything decided in this turn is stored, ``failed`` if the store
        refuses it (`Journal.after_commit`).
        """
        self._waiting.append((done, failed))
        self.turn_soon()

    def acknowledge(self, req: Request, answer: Reply = None) -> Reply:
        """Answer a request that posted events when they are stored: who asks next, whoever that
        is and wherever, finds them.

        What was asked for is done all the same if the store is in trouble, and stored when it is
        well again; if the store outlives the instance, the requester is answered with its error,
        though.
        """

        def unstored(exc: OSError) -> None:
            if self.journal.durable:
                text = f"done, but not stored yet: {exc.strerror}"
                req.error(exc.errno or errno.EIO, text)
            else:
                req.respond(answer)

        self.when_stored(lambda: req.respond(answer), unstored)
        return NO_REPLY

    @property
    def runs_jobs(self) -> bool:
        """Whether jobs start and end at the moment, so that what else there is to do should leave
        them room.
        """
        return self.ctx.loop_time() - self._last_run < LIVELY

    # Submissions, as the journal tells of them (`Outcome`)

    def stored(self, job: Job) -> None:
        """The submission of a job is stored: it lives."""
        if job.is_waitable:
            self.waits.add_job(job.id)
        self.machine.hatch(job)
        self.pack_later(job)
        self.turn_soon()

    def refused(self, job: Job, error: OSError) -> None:
        """The submission of a job could not be stored."""
        self.refusals[job.id] = OSError(error.errno, f"the job cannot be stored: {error.strerror}")
        self.machine.give_up(job)
        self.turn_soon()

    # Decisions

    def _carry_out(self, decision: Decision) -> None:
        """Carry out one decision; one that cannot be does not keep others from being carried
        out.
        """
        try:
            self._perform(decision)
        except Exception as exc:
            self.ctx.log.exception(f"job {decision.job.id}: {type(decision).__name__}", exc)

    def _carry_out_if_alive(self, decision: Decision) -> None:
        if not decision.job.embryonic:
            self._carry_out(decision)
            self.turn_soon()

    def _perform(self, decision: Decision) -> None:
        match decision:
            case AskAlloc(job):
                self.scheduling.ask(job)
            case CancelAlloc(job):
                self.scheduling.cancel(job)
            case PrioritizeAlloc(job, priority):
                self.scheduling.prioritize(job, priority)
            case TellPriority(job, priority):
                self.journal.add_volatile(job, "priority", {"priority": priority})
            case FreeResources(job):
                self._last_run = self.ctx.loop_time()
                if self.housekeeping.takes(job):
                    self.housekeeping.begin(job)
                else:
                    self.scheduling.free(job)
            case StartJob(job):
                self._last_run = self.ctx.loop_time()
                self._start(job)
            case TellException():
                self._tell_exception(decision)
            case TellAnnotations(job, annotations):
                self.journal.add_volatile(job, "annotations", {"annotations": annotations})
            case TellExpiration(job):
                self.journal.after_commit(partial(self.execution.expire, job))
            case EndJob(job):
                self.journal.after_commit(partial(self._ended, job))
            case _:
                assert_never(decision)

    def _start(self, job: Job) -> None:
        if not job.start_held:
            self.execution.start(job)
            return

        def stored() -> None:
            if self.machine.release_start(job):
                self.execution.start(job)

        self.journal.after_commit(stored)

    def _tell_exception(self, exception: TellException) -> None:
        """Publish an exception, after it is safe if that is promised; tasks end even when it cannot
        be stored.
        """
        if not self.journal.durable:
            self._publish(exception)
            return
        self.journal.after_commit(partial(self._publish, exception))
        if exception.severity == 0:
            self.journal.after_commit(_nothing, lambda _: self.execution.abort(exception.job))

    def _publish(self, exception: TellException) -> None:
        payload = {
            "id": exception.job.id,
            "type": exception.kind,
            "severity": exception.severity,
        }
        self.ctx.spawn(
            self.ctx.handle.publish("job-exception", payload), "job-manager:job-exception"
        )

    def _ended(self, job: Job) -> None:
        """The end of a job is stored, so it can be told."""
        self.inactive.add(job.id, job.t_inactive)
        waiter = self.waits.ended(job)
        if waiter is not None:
            waiter.respond(result_of(job))

    # Access

    def active_job(self, id: int, errnum: int = errno.ENOENT, text: str = "unknown job id") -> Job:
        """Return an active job; raises OSError(errnum, text) for another id."""
        job = self.machine.jobs.get(id)
        if job is None:
            raise OSError(errnum, text)
        return job

    def unended_job(self, id: int, errnum: int = errno.ENOENT, text: str = "unknown job id") -> Job:
        """Return an active job as ``active_job`` does, but of one that has ended say that it has:
        OSError(EINVAL). ``raise`` and ``kill`` do not tell, as recorded on flux-core 0.29.
        """
        if id not in self.machine.jobs and (id in self.inactive or self._has_just_ended(id)):
            raise OSError(errno.EINVAL, "job is inactive")
        return self.active_job(id, errnum, text)

    def _has_just_ended(self, id: int) -> bool:
        """Whether the end of a job is about to be stored."""
        unstored = self.journal.unpublished()
        return any(event.job.id == id and event.job.state == INACTIVE for event in unstored)


def check_owner(req: Request, job: Job, action: str, verb: str = "can") -> None:
    """Raise OSError(EPERM) unless the sender owns the instance or the job."""
    if not req.is_owner and req.userid != job.userid:
        raise OSError(errno.EPERM, f"guests {verb} only {action} their own jobs")


def _nothing() -> None:
    """Wait for a commit only for the sake of its failure."""
