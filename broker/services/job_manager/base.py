"""What the parts of the job manager share: the state machine, the journal, and the turn that
carries decisions out.
"""

from __future__ import annotations

import errno
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from broker.context import Context
from broker.jobtap.host import JobtapHost
from broker.service import NO_REPLY, Request, Service
from broker.services.job_manager.events import Done, Failed
from broker.services.job_manager.inactive import InactiveJobs
from broker.services.job_manager.journal import Journal
from broker.services.job_manager.machine import Do, Machine
from broker.services.job_manager.readers import Reader
from broker.services.job_manager.states import Job
from broker.services.job_manager.waits import WaitTable
from flux.constants import FLUX_JOB_STATE_PENDING
from flux.job.lifecycle import CLEANUP, RUN, UnexpectedEvent


class PluginActions:
    """What plugins may do to jobs: the `Actions` of broker.jobtap."""

    def __init__(self, manager: ManagerBase) -> None:
        self._manager = manager

    def jobs(self) -> Iterable[Job]:
        """Return the active jobs, new ones that are not stored yet included."""
        machine = self._manager.machine
        return chain(machine.jobs.values(), machine.embryos.values())

    def find(self, id: int) -> Job | None:
        """Return an active job, or one that is not stored yet, None for another id."""
        machine = self._manager.machine
        return machine.jobs.get(id) or machine.embryos.get(id)

    def event(self, job: Job, name: str, context: dict[str, Any] | None = None) -> None:
        """Post an event; raises OSError(EINVAL) when it may not come now."""
        try:
            self._manager.machine.event(job, name, context)
        except UnexpectedEvent as exc:
            raise OSError(errno.EINVAL, str(exc)) from exc
        self._manager.kick()

    def remove_dependency(self, job: Job, description: str) -> None:
        """Drop a dependency."""
        self._manager.machine.remove_dependency(job, description)
        self._manager.kick()

    def reprioritize(self, job: Job, priority: int) -> None:
        """Set a job's priority."""
        self._manager.machine.reprioritize(job, priority)
        self._manager.kick()

    def raise_exception(self, job: Job, kind: str, severity: int, note: str) -> None:
        """Raise an exception."""
        self._manager.machine.raise_exception(job, kind, severity, note)
        self._manager.kick()

    def annotate(self, job: Job, annotations: Mapping[str, Any]) -> None:
        """Update annotations."""
        self._manager.machine.annotate(job, annotations)
        self._manager.kick()

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call ``function`` at ``when``, seconds since the epoch; far times are reached in steps of
        a day.
        """
        delay = max(0.0, when - self._manager.ctx.now())
        if delay > 86400.0:
            self._manager.ctx.call_later(86400.0, lambda: self.call_at(when, function))
        else:
            self._manager.ctx.call_later(delay, function)

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._manager.ctx.now()

    def service_register(self, topic: str, handler: Callable[[Request], Any]) -> None:
        """Route requests for ``topic`` to a plugin, guests' too: the plugin decides."""
        self._manager.add_handler(topic, handler, allow="guest")

    def log_error(self, text: str) -> None:
        """Log an error."""
        self._manager.ctx.log.err(text)


class ManagerBase(Service):
    """State and driver; the handlers are in the classes derived from it."""

    name = "job-manager"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        searchpath = (ctx.attrs.get("conf.jobtap_pluginpath") or "").split(":")
        self.plugins = JobtapHost(
            PluginActions(self), [path for path in searchpath if path], ctx.owner
        )
        self.machine = Machine(self.plugins, ctx.now)
        self.journal = Journal(ctx, self._journal_readers, self)
        self.inactive = InactiveJobs()
        self.waits: WaitTable[Request] = WaitTable()
        self.readers: dict[tuple[str, int], Reader] = {}
        self.drain_waiters: list[Request] = []
        self.idle_waiters: list[Request] = []
        self._kicked = False
        self._fresh: list[Job] = []
        self._waiting: list[tuple[Done, Failed | None]] = []
        self._performers: dict[Do, Callable[[Job, Any], None]] = {
            Do.ALLOC: self.send_alloc,
            Do.CANCEL: self.send_cancel,
            Do.PRIORITIZE: self.send_prioritize,
            Do.FREE: self.send_free,
            Do.START: self._start,
            Do.EXCEPTION: self._raised,
            Do.ANNOTATE: self._publish_annotations,
            Do.INACTIVE: self._job_inactive,
        }

    def _journal_readers(self) -> Iterator[Reader]:
        return iter(tuple(self.readers.values()))

    def take_in(self, job: Job) -> None:
        """Make a new job small at the end of the turn if it has to wait."""
        self._fresh.append(job)

    # Turns

    def kick(self) -> None:
        """Carry decisions out at the end of this loop turn."""
        if not self._kicked:
            self._kicked = True
            self.ctx.call_soon(self.turn)

    def turn(self) -> None:
        """Carry out what the machine decided."""
        self._kicked = False
        if self.ctx.handle.closed:
            return
        machine, journal = self.machine, self.journal
        machine.dispatch()
        counted: dict[int, int] = {}
        log, machine.log = machine.log, []
        for job, _ in log:
            counted[job.id] = counted.get(job.id, 0) + 1
        for job, entry in log:
            journal.add(job, job.seq - counted[job.id], entry)
            counted[job.id] -= 1
        decisions, machine.decisions = machine.decisions, []
        for do, job, argument in decisions:
            if job.embryonic:
                journal.after_commit(partial(self._perform_if_alive, do, job, argument))
            else:
                self._perform(do, job, argument)
        for job in self._fresh:
            if not job.alloc_pending and job.state & FLUX_JOB_STATE_PENDING:
                job.pack()
        self._fresh.clear()
        self._answer_idle()
        waiting, self._waiting = self._waiting, []
        for done, failed in waiting:
            journal.after_commit(done, failed)
        journal.flush()
        if machine.log or machine.decisions or self._waiting:
            self.kick()

    def when_stored(self, done: Done, failed: Failed | None = None) -> None:
        """Call ``done`` when everything decided in this turn is stored, ``failed`` if the store
        refuses it (`Journal.after_commit`).
        """
        self._waiting.append((done, failed))
        self.kick()

    def acknowledge(self, req: Request, answer: dict[str, Any] | None = None) -> Any:
        """Answer a request that posted events: at once, or, if the store outlives the instance,
        when they are safe.

        What was asked for is done all the same if the store is in trouble, and stored when it is
        well again; the requester is answered with its error, though.
        """
        self.kick()
        if not self.journal.durable:
            return answer
        self.when_stored(
            lambda: req.respond(answer),
            lambda exc: req.error(
                exc.errno or errno.EIO, f"done, but not stored yet: {exc.strerror}"
            ),
        )
        return NO_REPLY

    def _perform(self, do: Do, job: Job, argument: Any) -> None:
        """Carry out one decision; one that cannot be does not keep others from being carried
        out.
        """
        try:
            self._performers[do](job, argument)
        except Exception as exc:
            self.ctx.log.exception(f"job {job.id}: {do.name.lower()}", exc)

    def _perform_if_alive(self, do: Do, job: Job, argument: Any) -> None:
        if not job.embryonic:
            self._perform(do, job, argument)
            self.kick()

    # Submissions

    def stored(self, job: Job) -> None:
        """The submission of a job is stored: it lives (`Outcome`)."""
        if job.is_waitable:
            self.waits.add_job(job.id)
        self.machine.hatch(job)
        self.take_in(job)
        self.kick()

    @abstractmethod
    def refused(self, job: Job, error: OSError) -> None:
        """The submission of a job could not be stored (`Outcome`)."""

    # Decisions

    def _start(self, job: Job, argument: Any) -> None:
        if not job.start_held:
            self.send_start(job, argument)
            return

        def stored() -> None:
            if self.machine.release_start(job):
                self.send_start(job, argument)

        self.journal.after_commit(stored)

    def _raised(self, job: Job, context: dict[str, Any]) -> None:
        """Publish an exception, after it is safe if that is promised; tasks end even when it cannot
        be stored.
        """
        if not self.journal.durable:
            self._publish_exception(job, context)
            return
        self.journal.after_commit(partial(self._publish_exception, job, context))
        if context["severity"] == 0:
            self.journal.after_commit(_nothing, lambda _: self.send_abort(job))

    def _publish_exception(self, job: Job, context: dict[str, Any]) -> None:
        payload = {"id": job.id, "type": context["type"], "severity": context["severity"]}
        self.ctx.spawn(
            self.ctx.handle.publish("job-exception", payload), "job-manager:job-exception"
        )

    def _publish_annotations(self, job: Job, annotations: dict[str, Any]) -> None:
        self.journal.add_volatile(job, "annotations", {"annotations": annotations})

    def _job_inactive(self, job: Job, _: Any) -> None:
        self.journal.after_commit(partial(self._ended, job))

    def _ended(self, job: Job) -> None:
        """The end of a job is stored, so it can be told."""
        self.inactive.add(job.id, job.t_inactive)
        waiter = self.waits.ended(job)
        if waiter is not None:
            waiter.respond({"id": job.id, "success": job.success, "errstr": job.result_text()})

    def _answer_idle(self) -> None:
        """Answer those who wait for the queue to drain or for running jobs to end (flux-queue(1)),
        once that is stored.
        """
        machine = self.machine
        if self.drain_waiters and not machine.jobs and not machine.embryos:
            self._answer_all(self.drain_waiters, None)
            self.drain_waiters = []
        if self.idle_waiters and not self.busy_jobs():
            self._answer_all(self.idle_waiters, {"pending": machine.pending_jobs})
            self.idle_waiters = []

    def _answer_all(self, waiters: list[Request], answer: dict[str, Any] | None) -> None:
        for req in waiters:
            self.journal.after_commit(partial(req.respond, answer), req.fail)

    def busy_jobs(self) -> bool:
        """Whether any job is running or being cleaned up."""
        return any(job.state in (RUN, CLEANUP) for job in self.machine.jobs.values())

    # Messages to the scheduler and the execution service, defined by the parts that hear their
    # answers

    @abstractmethod
    def send_alloc(self, job: Job, _: Any) -> None:
        """Ask the scheduler for resources."""

    @abstractmethod
    def send_cancel(self, job: Job, _: Any) -> None:
        """Take an allocation request back."""

    @abstractmethod
    def send_prioritize(self, job: Job, priority: int) -> None:
        """Tell the scheduler about a priority."""

    @abstractmethod
    def send_free(self, job: Job, _: Any) -> None:
        """Return resources."""

    @abstractmethod
    def send_start(self, job: Job, _: Any) -> None:
        """Have a job started."""

    @abstractmethod
    def send_abort(self, job: Job) -> None:
        """Have the tasks of a job ended before its exception can be published."""

    # Access

    def active_job(self, id: int, errnum: int = errno.ENOENT, text: str = "unknown job id") -> Job:
        """Return an active job; raises OSError(errnum, text) for another id."""
        job = self.machine.jobs.get(id)
        if job is None:
            raise OSError(errnum, text)
        return job

    @staticmethod
    def check_owner(req: Request, job: Job, action: str) -> None:
        """Raise OSError(EPERM) unless the sender owns the instance or the job."""
        if not req.is_owner and req.userid != job.userid:
            raise OSError(errno.EPERM, f"guests can only {action} their own jobs")


def _nothing() -> None:
    """Wait for a commit only for the sake of its failure."""
