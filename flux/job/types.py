"""The objects of a job as they are stored and sent, by the names of their members.

Jobspec (RFC 14, RFC 25), R (RFC 20), entries of eventlogs (RFC 18), chunks of task I/O (RFC 24).
This module is for type checkers: import it under ``TYPE_CHECKING`` only, for making its classes
takes a millisecond.

These are types for values that are known to be right, those made here or checked before. What a
message brings is read with `flux.job.describe`, which takes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

if TYPE_CHECKING:
    from flux.wire.json import JsonObject


class CountRange(TypedDict):
    """A number of resources with bounds."""

    min: int
    max: NotRequired[int]
    operator: NotRequired[str]
    operand: NotRequired[int]


ResourceVertex = TypedDict(
    "ResourceVertex",
    {
        "type": str,
        "count": int | CountRange,
        "unit": NotRequired[str],
        "label": NotRequired[str],
        "exclusive": NotRequired[bool],
        "with": NotRequired[list["ResourceVertex"]],
    },
)
"""A resource that a jobspec asks for, and what is to be in it."""


class TaskCount(TypedDict, total=False):
    """How many tasks: so many in all, or so many for each slot."""

    total: int
    per_slot: int


class TaskObject(TypedDict):
    """The tasks of a jobspec."""

    command: list[str]
    slot: str
    count: TaskCount
    attributes: NotRequired[JsonObject]


class JobspecObject(TypedDict):
    """A jobspec."""

    version: int
    resources: list[ResourceVertex]
    tasks: list[TaskObject]
    attributes: NotRequired[JsonObject]


class RankResources(TypedDict):
    """The resources of one or more ranks that are alike: an idset of ranks, and an idset for each
    type.
    """

    rank: str
    children: dict[str, str]


class ExecutionProperties(TypedDict, total=False):
    """What an R may say of its ranks besides: the idset of ranks of each property."""

    properties: dict[str, str]


class ResourceExecution(ExecutionProperties):
    """What an R holds of its ranks; times are seconds since the epoch, 0 for no limit."""

    R_lite: list[RankResources]
    nodelist: NotRequired[list[str]]
    starttime: NotRequired[float]
    expiration: NotRequired[float]


class ResourceExtras(TypedDict, total=False):
    """What an R may hold for others than us: the scheduler's own, and attributes."""

    scheduling: object
    attributes: object


class ResourceObject(ResourceExtras):
    """An R: resources of an instance or of a job."""

    version: Literal[1]
    execution: ResourceExecution


class EventEntry(TypedDict):
    """One entry of an eventlog; ``timestamp`` is in seconds since the epoch."""

    timestamp: float
    name: str
    context: NotRequired[JsonObject]


class EncodedData(TypedDict, total=False):
    """The members of an I/O object that carry bytes."""

    encoding: str
    data: str


class IoObject(EncodedData, total=False):
    """A chunk of a stream as it travels."""

    stream: str
    rank: str
    eof: bool
