"""What plugins may do to jobs and to the job manager: the `Actions` of broker.jobtap."""

from __future__ import annotations

import errno
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from flux.job.lifecycle import UnexpectedEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from broker.service import Reply, Request
    from broker.services.job_manager.machine import Machine
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonMapping, JsonObject

LONGEST_TIMER: Final = 86400.0
"""Seconds of the longest timer: the clock may be set meanwhile, and loops refuse far times."""


class Manager(Protocol):
    """What is needed of the job manager's core."""

    @property
    def ctx(self) -> Context:
        """What the service was given."""

    @property
    def machine(self) -> Machine:
        """The jobs."""

    def turn_soon(self) -> None:
        """Carry decisions out at the end of this loop turn."""

    def add_handler(self, topic: str, handler: Callable[[Request], Reply]) -> None:
        """Answer requests for ``topic``, guests' too."""


class PluginActions:
    """Carries out what plugins ask for; every change is followed by a turn."""

    def __init__(self, core: Manager) -> None:
        self._core = core

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

    def raise_exception(self, job: Job, kind: str, severity: int, note: str) -> None:
        """Raise an exception."""
        self._core.machine.raise_exception(job, kind, severity, note)
        self._core.turn_soon()

    def annotate(self, job: Job, annotations: JsonMapping) -> None:
        """Update annotations."""
        self._core.machine.annotate(job, annotations)
        self._core.turn_soon()

    def call_at(self, when: float, function: Callable[[], None]) -> None:
        """Call ``function`` at ``when``, seconds since the epoch; far times are reached in steps of
        a day.
        """
        delay = max(0.0, when - self.now())
        if delay > LONGEST_TIMER:
            self._core.ctx.call_later(LONGEST_TIMER, self.call_at, when, function)
        else:
            self._core.ctx.call_later(delay, function)

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._core.ctx.now()

    def service_register(self, topic: str, handler: Callable[[Request], Reply]) -> None:
        """Route requests for ``topic`` to a plugin, guests' too: the plugin decides."""
        self._core.add_handler(topic, handler)

    def log_error(self, text: str) -> None:
        """Log an error."""
        self._core.ctx.log.err(text)
