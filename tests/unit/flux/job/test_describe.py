"""What a jobspec asks for and what an R holds; junk is unknown, never an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.job.describe import (
    Allocated,
    Requested,
    allocation,
    job_name,
    requested,
    slot_count,
    task_count,
)


def spec(resources: list[dict[str, Any]], count: dict[str, Any], **job: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "resources": resources,
        "tasks": [{"command": ["/usr/bin/app", "-x"], "slot": "task", "count": count}],
        "attributes": {"system": {"duration": 0, "job": job}},
    }


CORES = {"type": "core", "count": 4}
SLOT = {"type": "slot", "count": 3, "label": "task", "with": [CORES, {"type": "gpu", "count": 1}]}


@pytest.mark.parametrize(
    ("resources", "count", "expected"),
    [
        ([SLOT], {"per_slot": 1}, Requested("app", 3, 3, None, 12)),
        ([SLOT], {"total": 7}, Requested("app", 7, 3, None, 12)),
        (
            [{"type": "node", "count": 2, "with": [SLOT]}],
            {"per_slot": 2},
            Requested("app", 12, 6, 2, 24),
        ),
        (
            [{"type": "slot", "count": 2, "with": [{"type": "node", "count": 3, "with": [CORES]}]}],
            {"per_slot": 1},
            Requested("app", 2, 2, 6, 24),
        ),
        (
            [
                {
                    "type": "slot",
                    "count": {"min": 2, "max": 8, "operator": "+", "operand": 1},
                    "with": [CORES],
                }
            ],
            {"per_slot": 1},
            Requested("app", 2, 2, None, 8),
        ),
        ([{"type": "node", "count": 2}], {"per_slot": 1}, Requested("app", None, None, 2, None)),
    ],
)
def test_requested(
    resources: list[dict[str, Any]], count: dict[str, Any], expected: Requested
) -> None:
    jobspec = spec(resources, count)
    assert requested(jobspec) == expected
    assert (task_count(jobspec), slot_count(jobspec)) == (expected.ntasks, expected.nslots)


def test_names() -> None:
    assert job_name(spec([SLOT], {"total": 1}, name="mine")) == "mine"
    assert job_name({"tasks": [{"command": "dir/prog"}]}) == "prog"
    assert job_name({"tasks": [{"command": [5]}]}) is None
    assert job_name({"tasks": []}) is None


def test_allocation() -> None:
    execution = {
        "R_lite": [
            {"rank": "0-2", "children": {"core": "0-3"}},
            {"rank": "5", "children": {"core": "1", "gpu": "0"}},
        ],
        "nodelist": ["node[0-2]", "node5"],
        "starttime": 1.0,
        "expiration": 50,
    }
    assert allocation({"version": 1, "execution": execution}) == Allocated(
        "0-2,5", "node[0-2,5]", 4, 13, 50.0
    )
    assert allocation({"version": 1, "execution": {"R_lite": [{"rank": "3"}]}}) == Allocated(
        "3", "", 1, 0, 0.0
    )


MEMBERS = [
    "attributes",
    "system",
    "job",
    "name",
    "tasks",
    "command",
    "count",
    "total",
    "per_slot",
    "resources",
    "type",
    "with",
    "min",
    "execution",
    "R_lite",
    "rank",
    "children",
    "core",
    "nodelist",
    "expiration",
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JUNK)
def test_junk_is_unknown(junk: Any) -> None:
    found = requested(junk)
    assert found.name is None or isinstance(found.name, str)
    held = allocation(junk)
    assert held.nnodes >= 0
    assert held.ncores >= 0


def test_a_tree_that_is_far_too_deep_is_cut() -> None:
    vertex: dict[str, Any] = {"type": "slot", "count": 1}
    for _ in range(5000):
        vertex = {"type": "box", "count": 1, "with": [vertex]}
    assert requested({"resources": [vertex]}).nslots is None
