"""A machine with a plain priority rule and a clock that ticks."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from broker.services.job_manager.machine import Machine
from broker.services.job_manager.states import Job

if TYPE_CHECKING:
    from broker.services.job_manager.decisions import Decision
    from flux.job.types import EventEntry


class UrgencyIsPriority:
    """The hooks of a machine without plugins; priorities can be withheld."""

    def __init__(self) -> None:
        self.available = True
        self.seen: list[tuple[int, str, int, int]] = []

    def priority(self, job: Job) -> int | None:
        return job.urgency if self.available else None

    def forget(self, job: Job) -> None:
        """The job could not be stored."""

    def event(self, job: Job, entry: EventEntry, previous: int) -> None:
        self.seen.append((job.id, entry["name"], previous, job.state))


def make(*, sched: bool = True, execution: bool = True, limit: int | None = None) -> Machine:
    """Return a machine whose scheduler and execution service are there."""
    ticks = count(1)
    machine = Machine(UrgencyIsPriority(), lambda: float(next(ticks)))
    if sched:
        machine.sched_ready(limit)
    if execution:
        machine.exec_ready()
    return machine


def submit(
    machine: Machine,
    id: int,
    urgency: int = 16,
    flags: int = 0,
    dependencies: tuple[str, ...] = (),
    queue: str = "",
) -> Job:
    """Add a job as the service does."""
    job = Job(id, {"version": 1})
    job.queue = queue
    machine.add(job)
    machine.post(job, "submit", {"userid": 0, "urgency": urgency, "flags": flags})
    for description in dependencies:
        machine.post(job, "dependency-add", {"description": description})
    machine.advance(job)
    machine.dispatch()
    return job


def names(job: Job) -> list[str]:
    """Return the names of a job's events."""
    return [entry["name"] for entry in job.entries]


def decided(machine: Machine) -> list[tuple[type[Decision], int]]:
    """Take the decisions made so far."""
    machine.dispatch()
    out = [(type(decision), decision.job.id) for decision in machine.decisions]
    machine.decisions.clear()
    return out
