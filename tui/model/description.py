"""What jobspecs, R and events tell of a job, by the names that the job list has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flux.job.describe import (
    allocation,
    queue_name,
    requested,
    system_text,
    time_limit,
)
from flux.job.updates import EXPIRATION, JOBSPEC_UPDATE, RESOURCE_UPDATE, current_jobspec

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping, JsonObject


def describe(jobspec: object) -> JsonObject:
    """Return what a jobspec tells of a job, as the job list names it; what it does not hold is left
    out.
    """
    found = requested(jobspec)
    facts = {
        "name": found.name,
        "ntasks": found.ntasks,
        "nnodes": found.nnodes,
        "ncores": found.ncores,
        "queue": queue_name(jobspec),
        "duration": time_limit(jobspec),
        **{name: system_text(jobspec, name) for name in ("bank", "project", "cwd")},
    }
    return {name: value for name, value in facts.items() if value is not None}


def describe_update(entry: JsonMapping) -> JsonObject:
    """Return what an entry of an eventlog changes of a job, as the job list names it."""
    context = entry.get("context")
    if not isinstance(context, dict):
        return {}
    if entry.get("name") == RESOURCE_UPDATE and EXPIRATION in context:
        return {EXPIRATION: float(context[EXPIRATION])}
    if entry.get("name") != JOBSPEC_UPDATE:
        return {}
    return describe(current_jobspec({}, [entry]))


def describe_r(resources: object) -> JsonObject:
    """Return what an R tells of a job, as the job list names it."""
    found = allocation(resources)
    return {
        "ranks": found.ranks,
        "nodelist": found.nodelist,
        "nnodes": found.nnodes,
        "ncores": found.ncores,
        "expiration": found.expiration,
    }
