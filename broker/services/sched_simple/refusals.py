"""What is said of a request that can never be met: what it needs, and how much of it there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

    from broker.services.sched_simple.nodes import PoolNode
    from broker.services.sched_simple.request import ResourceRequest

UNSATISFIABLE: Final = "unsatisfiable request"
NOT_SATISFIABLE: Final = "request is not satisfiable"
"""What flux-core 0.29 tells a request that it is asked about."""
NO_GPUS: Final = "Unsupported resource type 'gpu'"
"""What it tells one for GPUs where there are none."""


def why_never(request: ResourceRequest, nodes: Collection[PoolNode], total: int) -> str:
    """Return the sentence for a request that ``nodes``, out of ``total``, cannot meet."""
    text = f"{UNSATISFIABLE}: {_need(request, nodes)}"
    if len(nodes) == total:
        return text
    return f"{text}; its constraint allows {len(nodes)} of {total} nodes"


def _need(request: ResourceRequest, nodes: Collection[PoolNode]) -> str:
    if request.nnodes:
        return _nodes_needed(request, nodes)
    size, gpus = request.slot_size, request.slot_gpus
    slots = sum(len(node.cores) // size for node in nodes)
    if gpus and slots >= request.nslots:
        there = sum(len(node.gpus) for node in nodes)
        fit = sum(len(node.gpus) // gpus for node in nodes)
        needed = f"{request.nslots} slot(s) with {gpus} GPU(s) each"
        return f"need {needed}, only {fit} available (total GPUs: {there})"
    there = sum(len(node.cores) for node in nodes)
    needed = f"{request.nslots} slot(s) of {size} core(s)"
    return f"need {needed}, only {slots} such slot(s) available (total cores: {there})"


def _nodes_needed(request: ResourceRequest, nodes: Collection[PoolNode]) -> str:
    share = -(-request.nslots // request.nnodes)
    cores, gpus = share * request.slot_size, share * request.slot_gpus
    fit = sum(len(node.cores) >= cores and len(node.gpus) >= gpus for node in nodes)
    if request.exclusive:
        return f"need {request.nnodes} exclusive node(s), only {fit} eligible"
    each = f"{cores} cores and {gpus} GPUs" if gpus else f"{cores} cores"
    return f"need {request.nnodes} node(s) with {each} each, only {fit} eligible"
