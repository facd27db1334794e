"""Nodes in one line: how many of each one's cores are in use, and which nodes are out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flux.idset import IDset
from tui.model.unexpected import UNEXPECTED

if TYPE_CHECKING:
    from collections.abc import Container

    from flux.wire.json import JsonMapping

MOST: Final = 128
"""Nodes that are looked at: more never fit in a line."""


class NodeUse(NamedTuple):
    """One node: its cores, those in use, and whether it is drained or down."""

    rank: int
    cores: int
    used: int
    drained: bool
    down: bool


def node_uses(answer: JsonMapping, drained: Container[int] = ()) -> tuple[NodeUse, ...]:
    """Return the first nodes of a scheduler's answer on its resources (RFC 20), by rank."""
    used, down = _cores(answer.get("allocated")), _cores(answer.get("down"))
    return tuple(
        NodeUse(rank, cores, min(cores, used.get(rank, 0)), rank in drained, rank in down)
        for rank, cores in sorted(_cores(answer.get("all")).items())
    )


def _cores(resources: object) -> dict[int, int]:
    """Return how many cores an R has of each rank below `MOST`."""
    execution = resources.get("execution") if isinstance(resources, dict) else None
    lite = execution.get("R_lite") if isinstance(execution, dict) else None
    found: dict[int, int] = {}
    for entry in lite if isinstance(lite, list) else ():
        try:
            ranks, cores = IDset(entry["rank"]), len(IDset(entry["children"]["core"]))
        except UNEXPECTED:
            continue
        for rank in ranks:
            if rank >= MOST:
                break
            found[rank] = found.get(rank, 0) + cores
    return found
