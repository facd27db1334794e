"""What the state machine decides is to be done about a job.

Decisions are plain values: the machine makes them, tests compare them, and `ManagerCore.turn`
carries them out in order. Whoever adds a kind adds its case there; the type checker insists on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject


class AskAlloc(Struct, frozen=True):
    """Ask the scheduler for resources."""

    job: Job


class CancelAlloc(Struct, frozen=True):
    """Tell the scheduler that a request is off."""

    job: Job


class PrioritizeAlloc(Struct, frozen=True):
    """Tell the scheduler about the new priority of a request."""

    job: Job
    priority: int


class TellPriority(Struct, frozen=True):
    """Tell the journal's readers the new priority of a job whose eventlog does not have it."""

    job: Job
    priority: int


class FreeResources(Struct, frozen=True):
    """Give the resources of a job back."""

    job: Job


class StartJob(Struct, frozen=True):
    """Have the execution service start a job."""

    job: Job


class TellException(Struct, frozen=True):
    """Tell everybody about an exception of a job."""

    job: Job
    kind: str
    severity: int


class TellAnnotations(Struct, frozen=True):
    """Tell the journal's readers what a job's annotations are now."""

    job: Job
    annotations: JsonObject


class TellExpiration(Struct, frozen=True):
    """Tell the execution service that a job's resources expire at another time."""

    job: Job


class EndJob(Struct, frozen=True):
    """A job is over: tell who waits for it, once that is stored."""

    job: Job


Decision: TypeAlias = (
    AskAlloc
    | CancelAlloc
    | PrioritizeAlloc
    | TellPriority
    | FreeResources
    | StartJob
    | TellException
    | TellAnnotations
    | TellExpiration
    | EndJob
)
