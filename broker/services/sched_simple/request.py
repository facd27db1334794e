"""What a job asks for, read from its jobspec (RFC 25): nodes, slots, cores and GPUs a slot, a
duration.
"""

from __future__ import annotations

import errno
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from flux.constraint.match import compile_constraint, joined
from flux.wire import json

if TYPE_CHECKING:
    from flux.constraint.match import Matcher
    from flux.wire.json import JsonMapping


NO_SLOT: Final = "Unable to determine slot size"
"""What is wrong with a jobspec that nobody validated and whose resources hold no slot."""


class ResourceRequest(Struct, frozen=True):
    """``nslots`` slots of ``slot_size`` cores and ``slot_gpus`` GPUs, spread over ``nnodes`` nodes,
    or packed freely when that is 0.

    ``duration`` is in seconds, 0 for no limit; ``exclusive`` asks for whole nodes; ``constraint``
    is the JSON of a constraint on the nodes (RFC 31), empty for none.
    """

    nnodes: int
    nslots: int
    slot_size: int
    slot_gpus: int = 0
    duration: float = 0.0
    exclusive: bool = False
    constraint: str = ""

    def __str__(self) -> str:
        return f"{{{self.nnodes},{self.nslots},{self.slot_size}}}"


def _unsupported(text: str) -> OSError:
    return OSError(errno.EINVAL, text)


def parse_request(jobspec: JsonMapping, properties: tuple[str, ...] = ()) -> ResourceRequest:
    """Return what ``jobspec`` asks for, on nodes that have ``properties`` besides; raises
    OSError(EINVAL) with the reason when it cannot be understood.
    """
    try:
        system = (jobspec.get("attributes") or {}).get("system") or {}
        duration = float(system.get("duration", 0) or 0)
        constraint = _constraint(system.get("constraints"), properties)
    except (AttributeError, TypeError, ValueError) as exc:
        raise _unsupported(f"jobspec cannot be scheduled: {exc}") from exc
    try:
        (top,) = jobspec["resources"]
        nnodes, exclusive = 0, bool(top.get("exclusive"))
        slot = top
        if top["type"] == "node":
            nnodes = _count(top)
            (slot,) = top["with"]
        if slot["type"] != "slot":
            raise _unsupported(NO_SLOT)
        cores, gpus = _slot_contents(slot)
        per_node = _count(slot)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _unsupported(NO_SLOT) from exc
    exclusive = exclusive or bool(slot.get("exclusive"))
    return ResourceRequest(
        nnodes, per_node * (nnodes or 1), cores, gpus, duration, exclusive, constraint
    )


def _constraint(value: object, properties: tuple[str, ...]) -> str:
    if not value and not properties and isinstance(value, dict | None):
        return ""
    text = json.dumps_str({} if value is None else value)
    matcher_of(text)
    return json.dumps_str(joined(value, properties)) if properties else text


@lru_cache(maxsize=256)
def matcher_of(constraint: str) -> Matcher:
    """Return the function that tells whether a node is allowed; raises ValueError for a text
    that is no constraint.
    """
    return compile_constraint(json.loads(constraint))


def _slot_contents(slot: JsonMapping) -> tuple[int, int]:
    cores = gpus = 0
    for vertex in slot["with"]:
        if vertex["type"] == "core":
            cores += _count(vertex)
        elif vertex["type"] == "gpu":
            gpus += _count(vertex)
        else:
            raise _unsupported(f"unsupported resource type {vertex['type']!r}")
    if cores < 1:
        raise _unsupported("a slot needs at least one core")
    return cores, gpus


def _count(vertex: JsonMapping) -> int:
    count = vertex["count"]
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise _unsupported(f"unsupported count {count!r}")
    return count
