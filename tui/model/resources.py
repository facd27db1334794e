"""Counting the nodes and cores of a resource set (R, RFC 20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flux.idset import IDset


def id_count(text: str) -> int:
    """Return how many ids an idset such as ``0-3,7`` names, 0 for one that cannot be read (RFC 22)."""
    try:
        return len(IDset(text))
    except ValueError:
        return 0


def node_and_core_count(resources: Mapping[str, Any] | None) -> tuple[int, int]:
    """Return the nodes and cores of an R object; (0, 0) for none."""
    execution = (resources or {}).get("execution") or {}
    nodes = cores = 0
    for entry in execution.get("R_lite") or ():
        ranks = id_count(str(entry.get("rank", "")))
        nodes += ranks
        cores += ranks * id_count(str((entry.get("children") or {}).get("core", "")))
    return nodes, cores
