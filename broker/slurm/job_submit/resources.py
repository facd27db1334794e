"""The resources of a jobspec of version 1 (RFC 25) as the numbers that Slurm has for them: nodes,
tasks, cores and GPUs.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from flux.job.describe import task_count

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

PER_NODE: Final = "node"


class JobSize(Struct):
    """What a job asks for: ``nodes`` None if it names none, ``slots`` in all, ``cores`` and
    ``gpus`` of each slot, ``tasks`` in all, ``whole`` if its nodes are to be its own.
    """

    nodes: int | None
    slots: int
    cores: int
    gpus: int
    tasks: int
    whole: bool = False


def runs_per_node(jobspec: JsonObject) -> bool:
    """Whether what is started is started once on each node: batch jobs and allocations, whose slots
    are what their own jobs get.
    """
    options = ((_system(jobspec).get("shell") or {}).get("options")) or {}
    per_resource = options.get("per-resource") if isinstance(options, dict) else None
    return isinstance(per_resource, dict) and per_resource.get("type") == PER_NODE


def _system(jobspec: JsonObject) -> JsonObject:
    system = (jobspec.get("attributes") or {}).get("system")
    return system if isinstance(system, dict) else {}


def size_of(jobspec: JsonObject) -> JobSize | None:
    """Return what a jobspec asks for, None if that is not said in version 1's two ways."""
    try:
        (top,) = jobspec["resources"]
        nodes = int(top["count"]) if top["type"] == "node" else None
        (slot,) = top["with"] if nodes is not None else (top,)
        counts = {child["type"]: int(child["count"]) for child in slot["with"]}
        slots = int(slot["count"]) * (nodes or 1)
    except (KeyError, TypeError, ValueError):
        return None
    if slot["type"] != "slot" or "core" not in counts:
        return None
    tasks = slots if runs_per_node(jobspec) else task_count(jobspec) or slots
    whole = nodes is not None and top.get("exclusive") is True
    return JobSize(nodes, slots, counts["core"], counts.get("gpu", 0), tasks, whole)


def put_size(jobspec: JsonObject, size: JobSize) -> None:
    """Have a jobspec ask for what ``size`` says, a slot for each task.

    Raises OSError(EINVAL) for a jobspec that is not of version 1.
    """
    before = size_of(jobspec)
    if before is None:
        raise OSError(errno.EINVAL, "the job's resources are not those of a jobspec version 1")
    slot = _slot_of(jobspec)
    slot["with"] = [{"type": "core", "count": size.cores}]
    if size.gpus:
        slot["with"].append({"type": "gpu", "count": size.gpus})
    nodes = size.nodes if size.nodes is not None or not size.whole else 1
    if nodes is None:
        slot["count"] = size.slots
        jobspec["resources"] = [slot]
    else:
        slot["count"] = -(-size.slots // nodes)
        node: JsonObject = {"type": "node", "count": nodes, "with": [slot]}
        if size.whole:
            node["exclusive"] = True
        jobspec["resources"] = [node]
    _put_tasks(jobspec, size, slot["count"] * (nodes or 1))


def _slot_of(jobspec: JsonObject) -> JsonObject:
    (top,) = jobspec["resources"]
    slot: JsonObject = top["with"][0] if top["type"] == "node" else top
    return slot


def _put_tasks(jobspec: JsonObject, size: JobSize, slots: int) -> None:
    """Say how many tasks there are, where the slots do not."""
    if runs_per_node(jobspec):
        return
    for task in jobspec.get("tasks") or []:
        task["count"] = {"per_slot": 1} if size.tasks == slots else {"total": size.tasks}
