"""Counting the nodes and cores of a resource set (R, RFC 20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def id_count(text: str) -> int:
    """Return how many ids an idset such as ``0-3,7`` or ``[0-3]`` names (RFC 22)."""
    total = 0
    for part in text.strip("[]").split(","):
        low, dash, high = part.partition("-")
        if dash:
            total += int(high) - int(low) + 1
        elif low:
            total += 1
    return total


def node_and_core_count(resources: Mapping[str, Any] | None) -> tuple[int, int]:
    """Return the nodes and cores of an R object; (0, 0) for none."""
    execution = (resources or {}).get("execution") or {}
    nodes = cores = 0
    for entry in execution.get("R_lite") or ():
        ranks = id_count(str(entry.get("rank", "")))
        nodes += ranks
        cores += ranks * id_count(str((entry.get("children") or {}).get("core", "")))
    return nodes, cores
