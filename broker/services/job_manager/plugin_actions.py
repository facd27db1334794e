"""What plugins may do to jobs and to the job manager: the `Actions` of broker.jobtap."""

from __future__ import annotations

import errno
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from broker.jobtap.handle import PluginHandle
from broker.log_limit import LineLimit
from broker.services.job_manager.shape import check_changed
from flux.job.lifecycle import UnexpectedEvent
from flux.job.updates import DURATION, expiration_of, updated_jobspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from broker.jobtap.handle import HandlerTable
    from broker.services.job_manager.ended import EndedJob, EndedJobs
    from broker.services.job_manager.machine import Machine
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject

LINES: Final = 20
"""Lines about failures of plugins that are logged within `LINE_PERIOD` seconds: there may be one a
job.
"""
LINE_PERIOD: Final = 10.0


class Manager(Protocol):
    """What is needed of the job manager's core."""

    @property
    def ctx(self) -> Context:
        """What the service was given."""

    @property
    def machine(self) -> Machine:
        """The jobs."""

    @property
    def ended(self) -> EndedJobs:
        """Inactive jobs that others depend on."""

    @property
    def services(self) -> HandlerTable:
        """Who answers which topic."""

    def turn_soon(self) -> None:
        """Carry decisions out at the end of this loop turn."""


class PluginActions:
    """Carries out what plugins ask for; every change is followed by a turn."""

    def __init__(self, core: Manager) -> None:
        self._core = core
        log = core.ctx.log
        self._log_error = LineLimit(LINES, LINE_PERIOD, core.ctx.loop_time, log.err)

    def jobs(self) -> Iterable[Job]:
        """Return the active jobs, new ones that are not stored yet included."""
        machine = self._core.machine
        return chain(machine.jobs.values(), machine.embryos.values())

    def find(self, id: int) -> Job | None:
        """Return an active job, or one that is not stored yet, None for another id."""
        machine = self._core.machine
        return machine.jobs.get(id) or machine.embryos.get(id)

    def event(self, job: Job, name: str, context: JsonObject | None = None) -> None:
        """Post an event; raises OSError(EINVAL) when it may not come now."""
        try:
            self._core.machine.event(job, name, context)
        except UnexpectedEvent as exc:
            raise OSError(errno.EINVAL, str(exc)) from exc
        self._core.turn_soon()

    def remove_dependency(self, job: Job, description: str) -> None:
        """Drop a dependency."""
        self._core.machine.remove_dependency(job, description)
        self._core.turn_soon()

    def reprioritize(self, job: Job, priority: int) -> None:
        """Set a job's priority."""
        self._core.machine.reprioritize(job, priority)
        self._core.turn_soon()

    def rerank(self, job: Job, priority: int) -> None:
        """Give a job that waits a priority that is computed again and again."""
        self._core.machine.rerank(job, priority)
        self._core.turn_soon()

    def settle(self, settled: bool) -> None:
        """Say that the priorities of many jobs are being changed, or that they are what they should
        be: jobs are not exchanged at the scheduler meanwhile.
        """
        self._core.machine.unsettled = not settled
        self._core.turn_soon()

    def raise_exception(self, job: Job, kind: str, severity: int, note: str) -> None:
        """Raise an exception; raises OSError(EINVAL) when it may not come now."""
        try:
            self._core.machine.raise_exception(job, kind, severity, note)
        except UnexpectedEvent as exc:
            raise OSError(errno.EINVAL, str(exc)) from exc
        self._core.turn_soon()

    def annotate(self, job: Job, annotations: JsonMapping) -> None:
        """Update annotations."""
        self._core.machine.annotate(job, annotations)
        self._core.turn_soon()

    def check_update(self, job: Job, updates: JsonObject) -> None:
        """Raise OSError(EINVAL) unless these members of a job's jobspec can be set."""
        try:
            before = job.jobspec or {}
            check_changed(updated_jobspec(before, updates), before)
        except ValueError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None

    def update(self, job: Job, updates: JsonObject) -> None:
        """Set members of a job's jobspec; the scheduler hears of a new time limit. Raises
        OSError(EINVAL) for what cannot be set.
        """
        self.check_update(job, updates)
        self._core.machine.update(job, updates)
        if DURATION in updates and job.has_resources:
            payload = {"id": job.id, "expiration": expiration_of(job.resources)}
            self._core.ctx.handle.send("sched.expiration", payload)
        self._core.turn_soon()

    def ended(self, id: int) -> EndedJob | None:
        """Return what is known of an inactive job, None for another id."""
        return self._core.ended.get(id)

    def record_end(self, job: Job) -> None:
        """Remember how a job ended."""
        self._core.ended.add(job)

    def call_soon(self, function: Callable[[], None]) -> None:
        """Call ``function`` in a later turn of the loop."""
        self._core.ctx.call_soon(function)

    def open_handle(self, name: str, path: str) -> PluginHandle:
        """Return a handle for the plugin called ``name``, of the file ``path``."""
        return PluginHandle(self._core.ctx, self._core.services, name, path)

    def log_error(self, text: str) -> None:
        """Log an error; there is a bound on how many are logged at a time."""
        self._log_error(text)
