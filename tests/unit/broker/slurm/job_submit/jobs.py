"""Jobspecs for tests of job-submit plugins."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from broker.slurm.job_submit.job_desc import JobDesc

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

OWNER = 0
PLAIN: JsonObject = {
    "version": 1,
    "resources": [
        {"type": "slot", "count": 1, "label": "task", "with": [{"type": "core", "count": 1}]}
    ],
    "tasks": [{"command": ["/bin/echo", "hi"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {
        "system": {"duration": 0, "cwd": "/home/me", "environment": {"HOME": "/home/me"}}
    },
}


def jobspec(**system: object) -> JsonObject:
    """Return a jobspec of one task with members of ``attributes.system``."""
    found = copy.deepcopy(PLAIN)
    found["attributes"]["system"].update(system)
    return found


def sized(nodes: int | None, slots: int, cores: int = 1, gpus: int = 0) -> JsonObject:
    """Return a jobspec of ``slots`` slots, on each of ``nodes`` if that is not None."""
    found = copy.deepcopy(PLAIN)
    (slot,) = found["resources"]
    slot["count"], slot["with"][0]["count"] = slots, cores
    if gpus:
        slot["with"].append({"type": "gpu", "count": gpus})
    if nodes is not None:
        found["resources"] = [{"type": "node", "count": nodes, "with": [slot]}]
    return found


def described(spec: JsonObject, urgency: int = 16) -> JobDesc:
    """Return the description of a job of the owner."""
    return JobDesc(spec, OWNER, urgency)


def at(spec: JsonObject, path: str) -> object:
    """Return a member of ``attributes.system`` by its dotted path, None if it is not there."""
    value: object = spec["attributes"]["system"]
    for key in path.split(".") if path else []:
        value = value.get(key) if isinstance(value, dict) else None
    return value
