"""The resource pool: what is chosen, and that nothing is given twice or lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.services.sched_simple.nodes import Allocation, allocation_of, ranges
from broker.services.sched_simple.pool import ResourcePool
from broker.services.sched_simple.request import ResourceRequest, parse_request

if TYPE_CHECKING:
    from flux.job.types import RankResources, ResourceObject


def resources(*groups: tuple[str, str, str], nodelist: str = "") -> ResourceObject:
    lite: list[RankResources] = [
        {"rank": r, "children": {"core": c, **({"gpu": g} if g else {})}} for r, c, g in groups
    ]
    return {
        "version": 1,
        "execution": {"R_lite": lite, "starttime": 0, "expiration": 0, "nodelist": [nodelist]},
    }


def pool_of(*groups: tuple[str, str, str], nodelist: str = "", up: bool = True) -> ResourcePool:
    pool = ResourcePool.from_resources(resources(*groups, nodelist=nodelist))
    if up:
        pool.set_up(list(pool.nodes))
    return pool


def summary(pool: ResourcePool, request: ResourceRequest) -> str | None:
    allocation = pool.allocate(request)
    return allocation.summary() if allocation else None


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ResourceRequest(0, 1, 1), "rank0/core0"),
        (ResourceRequest(0, 2, 1), "rank0/core[0-1]"),
        (ResourceRequest(0, 3, 1), "rank0/core[0-1] rank1/core0"),
        (ResourceRequest(2, 4, 1), "rank[0-1]/core[0-1]"),
        (ResourceRequest(4, 4, 1), "rank[0-3]/core0"),
        (ResourceRequest(0, 8, 1), "rank[0-3]/core[0-1]"),
        (ResourceRequest(0, 2, 2), "rank[0-1]/core[0-1]"),
        (ResourceRequest(1, 1, 1, exclusive=True), "rank0/core[0-1]"),
        (ResourceRequest(0, 9, 1), None),
        (ResourceRequest(0, 1, 3), None),
        (ResourceRequest(5, 5, 1), None),
    ],
)
def test_choice_on_an_idle_instance(request_: ResourceRequest, expected: str | None) -> None:
    assert summary(pool_of(("0-3", "0-1", "")), request_) == expected


def test_emptiest_ranks_first() -> None:
    pool = pool_of(("0-2", "0-1", ""))
    one = ResourceRequest(0, 1, 1)
    assert [summary(pool, one) for _ in range(7)] == [
        "rank0/core0",
        "rank1/core0",
        "rank2/core0",
        "rank0/core1",
        "rank1/core1",
        "rank2/core1",
        None,
    ]


def test_gpus() -> None:
    pool = pool_of(("0", "0-3", ""), ("1", "0-1", "0-1"))
    wants = ResourceRequest(0, 1, 1, slot_gpus=1)
    assert summary(pool, wants) == "rank1/core0,gpu0"
    assert summary(pool, wants) == "rank1/core1,gpu1"
    assert summary(pool, wants) is None
    assert not pool.satisfiable(ResourceRequest(0, 3, 1, slot_gpus=1))


def test_down_ranks_are_not_used_but_count_for_feasibility() -> None:
    pool = pool_of(("0-1", "0-1", ""), up=False)
    assert summary(pool, ResourceRequest(0, 1, 1)) is None
    assert pool.satisfiable(ResourceRequest(0, 4, 1))
    pool.set_up([1, 7])
    assert summary(pool, ResourceRequest(0, 1, 1)) == "rank1/core0"
    pool.set_up([1], up=False)
    assert pool.free_up_cores == 0


def test_descriptions() -> None:
    pool = pool_of(("0-1", "0-1", ""), nodelist="a[0-1]")
    allocation = pool.allocate(ResourceRequest(1, 1, 1))
    assert allocation is not None
    assert pool.describe(allocation) == {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": "0", "children": {"core": "0"}}],
            "starttime": 0.0,
            "expiration": 0.0,
            "nodelist": ["a0"],
        },
    }
    assert pool.all_resources()["execution"]["nodelist"] == ["a[0-1]"]
    assert pool.allocated_resources()["execution"]["R_lite"] == [
        {"rank": "0", "children": {"core": "0"}}
    ]
    pool.set_up([1], up=False)
    assert pool.down_resources()["execution"]["R_lite"] == [
        {"rank": "1", "children": {"core": "0-1"}}
    ]
    assert pool.free_summary() == "rank0/core1"


def test_claim_refuses_what_is_taken() -> None:
    pool = pool_of(("0", "0-1", ""))
    taken = allocation_of(resources(("0", "0", "")))
    pool.claim(taken)
    assert summary(pool, ResourceRequest(0, 1, 1)) == "rank0/core1"
    with pytest.raises(ValueError, match="rank0 does not have core0 free"):
        pool.claim(taken)
    with pytest.raises(ValueError, match="rank9"):
        pool.claim(allocation_of(resources(("9", "0", ""))))


def test_ranges() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"
    assert ranges([]) == ""


def test_request_of_a_jobspec() -> None:
    slot = {
        "type": "slot",
        "count": 2,
        "with": [{"type": "core", "count": 3}, {"type": "gpu", "count": 1}],
        "label": "t",
    }
    spec = {
        "resources": [{"type": "node", "count": 4, "with": [slot]}],
        "attributes": {"system": {"duration": 1.5}},
    }
    request = parse_request(spec)
    assert request == ResourceRequest(4, 8, 3, 1, 1.5)
    assert str(request) == "{4,8,3}"


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"resources": []},
        {"resources": [{"type": "slot", "count": 0, "with": [{"type": "core", "count": 1}]}]},
        {"resources": [{"type": "slot", "count": 1, "with": [{"type": "gpu", "count": 1}]}]},
        {
            "resources": [
                {"type": "slot", "count": {"min": 1}, "with": [{"type": "core", "count": 1}]}
            ]
        },
        {"resources": [{"type": "rack", "count": 1, "with": []}]},
        {"resources": [{"type": "slot", "count": 1, "with": [{"type": "lamp", "count": 1}]}]},
    ],
)
def test_requests_that_cannot_be_understood(spec: dict[str, Any]) -> None:
    with pytest.raises(OSError, match=r"."):
        parse_request(spec)


REQUESTS = st.builds(
    ResourceRequest,
    st.integers(0, 3),
    st.integers(1, 6),
    st.integers(1, 3),
    st.integers(0, 1),
    st.just(0.0),
    st.booleans(),
).map(
    lambda r: ResourceRequest(
        r.nnodes, r.nslots * (r.nnodes or 1), r.slot_size, r.slot_gpus, 0.0, r.exclusive
    )
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(REQUESTS, st.integers(0, 9)), max_size=40))
def test_nothing_is_given_twice_and_all_comes_back(steps: list[ResourceRequest | int]) -> None:
    pool = pool_of(("0-2", "0-3", ""), ("3-4", "0-1", "0-1"), ("5", "0-7", ""))
    total = pool.total_cores
    held: list[Allocation] = []
    for step in steps:
        if isinstance(step, int):
            if step < len(held):
                pool.free(held.pop(step))
            elif step < 6:
                pool.set_up([step], not pool.nodes[step].up)
        else:
            allocation = pool.allocate(step)
            if allocation is not None:
                cores = sum(len(c) for c, _ in allocation.nodes.values())
                gpus = sum(len(g) for _, g in allocation.nodes.values())
                assert cores >= step.nslots * step.slot_size
                assert gpus >= step.nslots * step.slot_gpus
                assert step.exclusive or cores == step.nslots * step.slot_size
                assert not step.nnodes or len(allocation.nodes) == step.nnodes
                assert all(pool.nodes[rank].up for rank in allocation.nodes)
                assert allocation_of(pool.describe(allocation)).nodes == allocation.nodes
                held.append(allocation)
        used = [
            (rank, core) for a in held for rank, (cores_, _) in a.nodes.items() for core in cores_
        ]
        assert len(used) == len(set(used)), "a core was given twice"
        free = sum(len(node.free_cores) for node in pool.nodes.values())
        assert free + len(used) == total
        assert pool.free_up_cores == sum(len(n.free_cores) for n in pool.nodes.values() if n.up)
    for allocation in held:
        pool.free(allocation)
    assert all(node.idle for node in pool.nodes.values())
