"""The resources and the task of a jobspec of version 1, from numbers (RFC 25)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flux.job.jobspec_rules import is_count, require

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.types import ResourceVertex as Resource
    from flux.job.types import TaskCount, TaskObject


def shape_of_counts(
    command: Iterable[str],
    tasks: int,
    cores: int,
    gpus: int | None,
    nodes: int | None,
    exclusive: bool,
) -> tuple[Resource, TaskObject]:
    """Return resources and task of so many copies of a command, each with a slot of its own.

    Raises ValueError if a number is out of range or does not go with another.
    """
    require(is_count(tasks), ValueError, "task count must be a integer >= 1")
    require(is_count(cores), ValueError, "cores per task must be an integer >= 1")
    require(gpus is None or is_count(gpus, 0), ValueError, "gpus per task must be an integer >= 0")
    require(
        nodes is None or is_count(nodes),
        ValueError,
        "node count must be an integer >= 1 (if set)",
    )
    require(
        nodes is None or nodes <= tasks,
        ValueError,
        "node count must not be greater than task count",
    )
    require(
        nodes is not None or not exclusive,
        ValueError,
        "exclusive can only be set with a node count",
    )
    count: TaskCount = {"per_slot": 1}
    slots = tasks
    if nodes is not None:
        slots = math.ceil(tasks / nodes)
        if tasks % nodes:
            # The last node has fewer tasks than slots.
            count = {"total": tasks}
    return shape_of_slots(command, slots, cores, gpus, nodes, exclusive, count)


def shape_of_slots(
    command: Iterable[str],
    slots: int,
    cores: int,
    gpus: int | None,
    nodes: int | None,
    exclusive: bool,
    count: TaskCount,
) -> tuple[Resource, TaskObject]:
    """Return resources and task of slots, so many on each node if there are nodes."""
    children: list[Resource] = [{"type": "core", "count": cores}]
    if gpus:
        children.append({"type": "gpu", "count": gpus})
    resource: Resource = {"type": "slot", "count": slots, "with": children, "label": "task"}
    if nodes is not None:
        resource = {"type": "node", "count": nodes, "with": [resource]}
        if exclusive:
            resource["exclusive"] = True
    # A text would be taken letter by letter.
    require(not isinstance(command, str | bytes), TypeError, "command must be a list of strings")
    return resource, {"command": list(command), "slot": "task", "count": count}
