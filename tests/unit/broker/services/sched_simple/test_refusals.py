"""What requests that can never be met are told, in the words of 0.88."""

from __future__ import annotations

import pytest

from broker.services.sched_simple.nodes import PoolNode
from broker.services.sched_simple.refusals import why_never
from broker.services.sched_simple.request import ResourceRequest

NODES = [PoolNode(rank, f"n{rank}", range(2), range(1)) for rank in range(2)]


@pytest.mark.parametrize(
    ("wanted", "need"),
    [
        (
            ResourceRequest(0, 3, 2),
            "need 3 slot(s) of 2 core(s), only 2 such slot(s) available (total cores: 4)",
        ),
        (
            ResourceRequest(0, 3, 1, 1),
            "need 3 slot(s) with 1 GPU(s) each, only 2 available (total GPUs: 2)",
        ),
        (
            ResourceRequest(0, 1, 3, 2),
            "need 1 slot(s) of 3 core(s), only 0 such slot(s) available (total cores: 4)",
        ),
        (ResourceRequest(3, 3, 1), "need 3 node(s) with 1 cores each, only 2 eligible"),
        (ResourceRequest(2, 100, 1), "need 2 node(s) with 50 cores each, only 0 eligible"),
        (
            ResourceRequest(1, 1, 1, 2),
            "need 1 node(s) with 1 cores and 2 GPUs each, only 0 eligible",
        ),
        (
            ResourceRequest(3, 3, 1, exclusive=True),
            "need 3 exclusive node(s), only 2 eligible",
        ),
    ],
)
def test_what_is_needed(wanted: ResourceRequest, need: str) -> None:
    assert why_never(wanted, NODES, 2) == f"unsatisfiable request: {need}"


def test_a_constraint_is_named() -> None:
    text = why_never(ResourceRequest(2, 2, 1), NODES[:1], 2)
    assert text.endswith("only 1 eligible; its constraint allows 1 of 2 nodes")
