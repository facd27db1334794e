"""Checks a jobspec against version 1 of the job specification (RFC 25), without a schema library:
this is on every job's path.

Accepts what the RFC's JSON schema accepts and the RFC's text requires besides:
``attributes.system`` with a ``duration``, a core in every slot, one task, whose command is an
array. As in the text, a node may be ``exclusive``. Every entrance has these rules: the class
`flux.job.JobspecV1`, the validators, and the job-ingest module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

TOP_KEYS: Final = ("attributes", "resources", "tasks", "version")
VERTEX_KEYS: Final = {
    "node": frozenset(("type", "count", "unit", "with", "exclusive")),
    "slot": frozenset(("type", "count", "unit", "with", "exclusive", "label")),
    "core": frozenset(("type", "count", "unit")),
    "gpu": frozenset(("type", "count", "unit")),
}
TASK_KEYS: Final = ("command", "slot", "count")
BATCH_OUTPUT: Final = "flux-{{id}}.out"
"""Where the output of a batch job goes if nobody says anything (flux-mini(1))."""
COMMAND: Final = "command must be a list of strings"


class InvalidJobspec(ValueError):
    """A jobspec does not conform; the text says why."""


def _require(ok: bool, text: str) -> None:
    if not ok:
        raise InvalidJobspec(text)


def _object(value: object, text: str) -> JsonObject:
    """Return ``value`` if it is an object; raises InvalidJobspec with ``text`` if it is not."""
    if not isinstance(value, dict):
        raise InvalidJobspec(text)
    return value


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def validate(value: object) -> None:
    """Return if ``value`` is a valid jobspec; raises InvalidJobspec."""
    jobspec = _object(value, "jobspec must be an object")
    for key in TOP_KEYS:
        _require(key in jobspec, f"Missing key ({key})")
    _require(
        _is_integer(jobspec["version"]) and jobspec["version"] == 1,
        "version must be 1",
    )
    _attributes(jobspec["attributes"])
    resources = jobspec["resources"]
    _require(
        isinstance(resources, list) and len(resources) == 1,
        "resources must be an array of one resource",
    )
    _top_resource(resources[0])
    tasks = jobspec["tasks"]
    _require(isinstance(tasks, list) and len(tasks) == 1, "tasks must be an array of one task")
    for task in tasks:
        _task(task)


def _attributes(value: object) -> None:
    attributes = _object(value, "attributes must be an object")
    _require("system" in attributes, "attributes.system is a required key")
    system = _object(attributes["system"], "attributes.system must be an object")
    _require("duration" in system, "attributes.system.duration is a required key")
    duration = system["duration"]
    is_number = isinstance(duration, int | float) and not isinstance(duration, bool)
    _require(is_number and duration >= 0, "attributes.system.duration must be a number >= 0")
    _require(isinstance(system.get("cwd", ""), str), "attributes.system.cwd must be a string")
    _require(
        isinstance(system.get("environment", {}), dict),
        "attributes.system.environment must be an object",
    )
    _placement(system)
    _require(isinstance(attributes.get("user", {}), dict), "attributes.user must be an object")
    for key in attributes:
        _require(key in ("system", "user"), f"attributes.{key} is not allowed")


def _placement(system: JsonObject) -> None:
    """Check what says where a job may run."""
    queue = system.get("queue", "default")
    _require(isinstance(queue, str), "attributes.system.queue must be a name of a queue")
    if "constraints" in system:
        from flux.constraint.match import check_constraint

        try:
            check_constraint(system["constraints"])
        except ValueError as exc:
            raise InvalidJobspec(f"attributes.system.constraints: {exc}") from None


def _top_resource(value: object) -> None:
    if _type_of(value) == "node":
        vertex = _vertex(value, "node", ("type", "count", "with"))
        inner = vertex["with"]
        _require(isinstance(inner, list) and len(inner) == 1, "a node must contain one slot")
        _slot(inner[0])
    else:
        _slot(value)


def _slot(value: object) -> None:
    vertex = _vertex(value, "slot", ("type", "count", "with", "label"))
    _require(isinstance(vertex["label"], str), "slot label must be a string")
    inner = vertex["with"]
    _require(
        isinstance(inner, list) and 1 <= len(inner) <= 2,
        "a slot must contain cores and may contain gpus",
    )
    for child in inner:
        kind = "gpu" if _type_of(child) == "gpu" else "core"
        _vertex(child, kind, ("type", "count"))
    kinds = [child["type"] for child in inner]
    _require("core" in kinds, "a slot must contain cores")
    _require(len(set(kinds)) == len(kinds), "slot resources must differ in type")


def _type_of(vertex: object) -> object:
    return vertex.get("type") if isinstance(vertex, dict) else None


def _vertex(value: object, kind: str, required: tuple[str, ...]) -> JsonObject:
    """Check what all resources have in common; returns the resource."""
    vertex = _object(value, "resource must be an object")
    for key in required:
        _require(key in vertex, f"Missing key ({key}) in resource")
    _require(vertex["type"] == kind, f"resource type {vertex['type']!r} is not allowed here")
    count = vertex["count"]
    _require(_is_integer(count) and count >= 1, f"{kind} count must be an integer >= 1")
    _require(isinstance(vertex.get("unit", ""), str), f"{kind} unit must be a string")
    _require(
        isinstance(vertex.get("exclusive", False), bool), f"{kind} exclusive must be a boolean"
    )
    allowed = VERTEX_KEYS[kind]
    for key in vertex:
        _require(key in allowed, f"key {key} is not allowed in resource {kind}")
    return vertex


def _task(value: object) -> None:
    task = _object(value, "task must be an object")
    for key in TASK_KEYS:
        _require(key in task, f"Missing key ({key}) in task")
    for key in task:
        _require(key in TASK_KEYS, f"key {key} is not allowed in task")
    command = task["command"]
    _require(isinstance(command, list), COMMAND)
    _require(bool(command), "command array cannot have length of zero")
    _require(all(isinstance(word, str) for word in command), COMMAND)
    _require(isinstance(task["slot"], str), "slot must be a string")
    _task_count(task["count"])


def _task_count(value: object) -> None:
    count = _object(value, "task count must have one key, per_slot or total")
    _require(len(count) == 1, "task count must have one key, per_slot or total")
    ((key, number),) = count.items()
    if key == "per_slot":
        _require(_is_integer(number) and number == 1, "per_slot count must be 1")
    else:
        _require(key == "total", f"key {key} is not allowed in task count")
        _require(_is_integer(number) and number >= 1, "total count must be an integer >= 1")
