"""How many tasks of a job run on each of its ranks: jobspec (RFC 14) and R (RFC 20) in, numbers
out.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flux.wire.json import JsonMapping, JsonObject


def decode_idset(text: str) -> list[int]:
    """Return the ids of an idset such as ``0-3,7`` or ``[0-3,7]`` (RFC 22); raises ValueError if it
    is not one.
    """
    return list(_decoded(text)) if text else []


@functools.lru_cache(maxsize=1024)
def _decoded(text: str) -> tuple[int, ...]:
    """A shell that jobs share reads the same few sets over and over."""
    return tuple(IDset(text).expand())


@dataclass(frozen=True, slots=True)
class Slots:
    """The slot of a jobspec: how many, on how many cores each; -1 slots per node if the jobspec
    names no node.
    """

    count: int
    cores: int
    per_node: int


def _count(value: int | JsonObject) -> int:
    """Return a jobspec count, the minimum of a range."""
    return int(value["min"]) if isinstance(value, dict) else int(value)


def _walk(
    resources: list[JsonObject], factor: int, nodes: int
) -> Iterator[tuple[JsonObject, int, int]]:
    """Yield each slot with how many there are, and how many nodes they are on."""
    for resource in resources:
        count = _count(resource["count"])
        if resource["type"] == "slot":
            yield resource, factor * count, nodes
        else:
            inside = max(nodes, 1) * count if resource["type"] == "node" else nodes
            yield from _walk(resource.get("with") or [], factor * count, inside)


def parse_slots(resources: list[JsonObject]) -> Slots:
    """Return the slot of a jobspec's resources; raises ValueError if there is not exactly one."""
    found = list(_walk(resources, 1, 0))
    if len(found) != 1:
        raise ValueError("jobspec must have one slot")
    slot, count, nodes = found[0]
    cores = 0
    for inner in slot.get("with") or []:
        if inner["type"] == "core":
            cores += _count(inner["count"])
        elif inner["type"] == "node":
            cores += sum(_count(x["count"]) for x in inner.get("with") or [] if x["type"] == "core")
    return Slots(count, cores or 1, count // nodes if nodes else -1)


def ranks_of(resources: JsonMapping) -> list[tuple[int, dict[str, str]]]:
    """Return (broker rank, resources) of R_lite, in order of rank."""
    out: list[tuple[int, dict[str, str]]] = []
    for item in resources["execution"]["R_lite"]:
        children = {kind: str(ids) for kind, ids in item.get("children", {}).items()}
        out += [(rank, children) for rank in decode_idset(str(item["rank"]))]
    return sorted(out, key=lambda pair: pair[0])


def distribute(tasks: JsonMapping, slots: Slots, cores: list[int]) -> list[int]:
    """Return the number of tasks of each rank, in blocks.

    ``tasks`` is the ``count`` of the jobspec's task, ``{"per_slot": n}`` or ``{"total": n}``;
    ``cores`` are the numbers of cores allocated on each rank.
    """
    per_rank = (
        [slots.per_node] * len(cores)
        if slots.per_node > 0
        else [count // slots.cores for count in cores]
    )
    surplus = sum(per_rank) - slots.count
    for index in range(len(per_rank) - 1, -1, -1):
        cut = min(max(surplus, 0), per_rank[index])
        per_rank[index] -= cut
        surplus -= cut
    if "total" in tasks:
        share, extra = divmod(int(tasks["total"]), len(cores))
        return [share + (index < extra) for index in range(len(cores))]
    return [count * int(tasks.get("per_slot", 1)) for count in per_rank]


def per_resource(option: JsonMapping, cores: list[int]) -> list[int]:
    """Return the number of tasks of each rank for the shell option ``per-resource``
    (flux-shell(1)).

    The option is ``{"type": "node"|"core", "count": n}``; the count, 1 without, is for each such
    resource. ``cores`` are the numbers of cores allocated on each rank. Raises ValueError for
    another type.
    """
    count = int(option.get("count", 1))
    if option["type"] == "node":
        return [count] * len(cores)
    if option["type"] == "core":
        return [count * have for have in cores]
    raise ValueError(f"per-resource: unknown type {option['type']}")


def task_counts(
    tasks: JsonMapping,
    slots: Slots,
    ranks: Sequence[tuple[int, dict[str, str]]],
    options: JsonMapping,
) -> list[int]:
    """Return the number of tasks of each rank; ``tasks`` is the ``count`` of the jobspec's task,
    ``options`` are the shell's.

    Raises ValueError, KeyError or TypeError for what is malformed.
    """
    cores = [len(decode_idset(children.get("core", ""))) for _, children in ranks]
    per = options.get("per-resource")
    return per_resource(per, cores) if per else distribute(tasks, slots, cores)
