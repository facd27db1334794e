"""What the state machine decides is to be done about a job.

Decisions are plain values: the machine makes them, tests compare them, and `ManagerCore.turn`
carries them out in order. Whoever adds a kind adds its case there; the type checker insists on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from broker.services.job_manager.states import Job
    from flux.wire.json import JsonObject


@dataclass(frozen=True, slots=True)
class AskAlloc:
    """Ask the scheduler for resources."""

    job: Job


@dataclass(frozen=True, slots=True)
class CancelAlloc:
    """Tell the scheduler that a request is off."""

    job: Job


@dataclass(frozen=True, slots=True)
class PrioritizeAlloc:
    """Tell the scheduler about the new priority of a request."""

    job: Job
    priority: int


@dataclass(frozen=True, slots=True)
class FreeResources:
    """Give the resources of a job back."""

    job: Job


@dataclass(frozen=True, slots=True)
class StartJob:
    """Have the execution service start a job."""

    job: Job


@dataclass(frozen=True, slots=True)
class TellException:
    """Tell everybody about an exception of a job."""

    job: Job
    kind: str
    severity: int


@dataclass(frozen=True, slots=True)
class TellAnnotations:
    """Tell the journal's readers what a job's annotations are now."""

    job: Job
    annotations: JsonObject


@dataclass(frozen=True, slots=True)
class EndJob:
    """A job is over: tell who waits for it, once that is stored."""

    job: Job


Decision: TypeAlias = (
    AskAlloc
    | CancelAlloc
    | PrioritizeAlloc
    | FreeResources
    | StartJob
    | TellException
    | TellAnnotations
    | EndJob
)
