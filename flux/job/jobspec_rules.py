"""What makes a jobspec valid: the rules for its resources and tasks (RFC 14, RFC 25)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flux.job.types import ResourceVertex as Resource
    from flux.wire.json import JsonMapping


RANGE = frozenset(("max", "operator", "operand"))
"""What a count that is a range has beside ``min``, all or nothing (RFC 14)."""


def is_count(value: object, minimum: int = 1) -> bool:
    """Whether a value is an integer, not a truth value, of at least `minimum`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def require(ok: bool, error: type[Exception], message: str) -> None:
    """Raise `error` with `message` unless `ok`."""
    if not ok:
        raise error(message)


def check_resource(resource: JsonMapping) -> None:
    """Check a resource and those within; ValueError or TypeError says what is wrong."""
    require(isinstance(resource, Mapping), TypeError, "resource is not a mapping")
    for key in ("type", "count"):
        require(key in resource, ValueError, f"Missing key ({key}) in resource")
    kind, count = resource["type"], resource["count"]
    require(isinstance(kind, str), TypeError, "type must be a string")
    if isinstance(count, Mapping):
        require("min" in count, ValueError, "min must be in range")
        for key in ("min", "max", "operand"):
            if key in count:
                require(is_count(count[key]), ValueError, f"{key} must be a positive integer")
        given = RANGE.intersection(count)
        missing = ", ".join(sorted(RANGE - given)) if given else ""
        require(not missing, ValueError, f"a range of counts lacks {missing}")
    else:
        require(
            isinstance(count, int) and not isinstance(count, bool),
            TypeError,
            "count must be an int or mapping",
        )
        require(count >= 1, ValueError, "count must be > 0")
    if kind == "slot":
        require(isinstance(resource.get("label"), str), ValueError, "slots must have labels")
    for key, types in (("id", str), ("unit", str), ("label", str), ("exclusive", bool)):
        if key in resource:
            require(
                isinstance(resource[key], types), TypeError, f"{key} must be a {types.__name__}"
            )
    if "with" in resource:
        require(is_list(resource["with"]), TypeError, "with must be a sequence")
        for child in resource["with"]:
            check_resource(child)


def is_list(value: object) -> bool:
    """Whether a value is a list, and no text."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def check_task(task: JsonMapping) -> None:
    """Check a task; ValueError or TypeError says what is wrong."""
    require(isinstance(task, Mapping), TypeError, "task is not a mapping")
    for key in ("command", "slot", "count"):
        require(key in task, ValueError, f"Missing key ({key}) in task")
    command = task["command"]
    require(is_list(command), TypeError, "command must be a list of strings")
    require(len(command) > 0, ValueError, "command array cannot have length of zero")
    require(
        all(isinstance(word, str) for word in command),
        TypeError,
        "command must be a list of strings",
    )
    require(isinstance(task["slot"], str), TypeError, "slot must be a string")
    count = task["count"]
    require(isinstance(count, Mapping), TypeError, "count must be a mapping")
    require(len(count) == 1, ValueError, "count must have exactly one key")
    for key in ("per_slot", "total"):
        if key in count:
            require(is_count(count[key]), ValueError, f"{key} must be an integer >= 1")


def check_v1_resources(resources: Sequence[Resource]) -> None:
    """Check the shape that RFC 25 allows: [node ->] slot -> core [, gpu]."""
    require(len(resources) == 1, ValueError, "resources must have exactly one entry")
    slot = resources[0]
    if slot["type"] == "node":
        children = slot.get("with", [])
        require(len(children) == 1, ValueError, "node must have exactly one slot")
        slot = children[0]
    require(slot["type"] == "slot", ValueError, "resources must be a slot, or a node with a slot")
    children = slot.get("with", [])
    require(0 < len(children) <= 2, ValueError, "slot must have one or two resources")
    kinds = [child["type"] for child in children]
    require(
        all(kind in ("core", "gpu") for kind in kinds),
        ValueError,
        "slot resources must be core or gpu",
    )
    require("core" in kinds, ValueError, "slot must have cores")
    require(len(set(kinds)) == len(kinds), ValueError, "slot resources must differ in type")


def check_per_resource(
    ncores: object, nnodes: object, kind: str | None, each: object, gpus: object
) -> None:
    """Check the numbers of a jobspec that counts resources, not tasks; ValueError says what is
    wrong.
    """
    for name, value in (("ncores", ncores), ("nnodes", nnodes), ("per_resource_count", each)):
        require(value is None or is_count(value), ValueError, f"{name} must be an integer >= 1")
    require(kind in (None, "node", "core"), ValueError, "per_resource_type must be node or core")
    require(
        ncores is not None or nnodes is not None,
        ValueError,
        "must specify node or core count with per_resource",
    )
    require(gpus is None or is_count(gpus, 0), ValueError, "gpus_per_node must be an integer >= 0")
    require(gpus is None or nnodes is not None, ValueError, "gpus_per_node requires nnodes")
    if isinstance(ncores, int) and isinstance(nnodes, int):
        require(ncores >= nnodes, ValueError, "number of cores cannot be less than nnodes")
        require(
            ncores % nnodes == 0,
            ValueError,
            "number of cores must be evenly divisible by node count",
        )
