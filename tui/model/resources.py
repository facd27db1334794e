"""Counting the nodes and cores of a resource set (R, RFC 20)."""

from __future__ import annotations

from flux.job.describe import allocation


def node_and_core_count(resources: object) -> tuple[int, int]:
    """Return the nodes and cores of an R object; (0, 0) for none."""
    found = allocation(resources)
    return found.nnodes, found.ncores
