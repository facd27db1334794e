"""Jobspec and R as the shell reads them: slots, task distribution."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.shell.jobinfo import encode_idset, parse_job
from flux.job.slots import Slots, decode_idset, distribute, parse_slots

CORE = {"type": "core", "count": 1}


def slot(count: int, cores: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "type": "slot",
        "count": count,
        "label": "task",
        "with": [{"type": "core", "count": cores}],
        **more,
    }


def jobspec(
    resources: list[dict[str, Any]], count: dict[str, int], **system: Any
) -> dict[str, Any]:
    tasks = [{"command": ["true"], "slot": "task", "count": count}]
    return {"resources": resources, "tasks": tasks, "attributes": {"system": system}, "version": 1}


def allocation(**cores: str) -> dict[str, Any]:
    lite = [
        {"rank": rank.removeprefix("r"), "children": {"core": ids}} for rank, ids in cores.items()
    ]
    return {"version": 1, "execution": {"R_lite": lite}}


@pytest.mark.parametrize(
    ("resources", "slots"),
    [
        ([slot(4)], Slots(4, 1, -1)),
        ([slot(2, 3)], Slots(2, 3, -1)),
        ([{"type": "node", "count": 4, "with": [slot(2)]}], Slots(8, 1, 2)),
        ([slot(2) | {"with": [{"type": "node", "count": 1, "with": [CORE]}]}], Slots(2, 1, -1)),
        (
            [slot(1) | {"count": {"min": 3, "max": 9, "operator": "+", "operand": 1}}],
            Slots(3, 1, -1),
        ),
    ],
)
def test_slots(resources: list[dict[str, Any]], slots: Slots) -> None:
    assert parse_slots(resources) == slots


@pytest.mark.parametrize(
    ("count", "slots", "cores", "tasks"),
    [
        ({"per_slot": 1}, Slots(4, 1, -1), [2, 2], [2, 2]),
        ({"per_slot": 1}, Slots(3, 1, -1), [2, 1], [2, 1]),
        ({"per_slot": 2}, Slots(2, 2, -1), [4], [4]),
        ({"total": 3}, Slots(2, 2, 1), [2, 2], [2, 1]),
        ({"per_slot": 1}, Slots(2, 1, 1), [8, 8], [1, 1]),
        ({"per_slot": 1}, Slots(1, 1, -1), [8], [1]),
    ],
)
def test_tasks_of_each_rank(
    count: dict[str, int], slots: Slots, cores: list[int], tasks: list[int]
) -> None:
    assert distribute(count, slots, cores) == tasks


def test_a_job_over_two_ranks() -> None:
    info = parse_job(1, 0, jobspec([slot(4)], {"per_slot": 1}), allocation(r3="0-1", r1="2-3"))
    assert [(rank.broker_rank, rank.taskids[0], rank.ntasks) for rank in info.ranks] == [
        (1, 0, 2),
        (3, 2, 2),
    ]
    assert info.ranks[0].ids("core") == [2, 3]
    assert info.ranks[0].ids("gpu") == []
    assert (info.ntasks, info.service) == (4, "0-shell-1")


def test_ranks_that_share_an_entry() -> None:
    info = parse_job(1, 0, jobspec([slot(2)], {"per_slot": 1}), allocation(**{"r0-1": "0"}))
    assert [rank.broker_rank for rank in info.ranks] == [0, 1]


def test_options_and_a_command_in_one_string() -> None:
    spec = jobspec(
        [slot(1)], {"per_slot": 1}, shell={"options": {"verbose": 2}}, environment={"A": "b"}
    )
    spec["tasks"][0]["command"] = "echo $A"
    info = parse_job(1, 0, spec, allocation(r0="0"))
    assert info.options == {"verbose": 2}
    assert info.environment == {"A": "b"}
    assert info.command == ["/bin/sh", "-c", "echo $A"]


@pytest.mark.parametrize(
    "change",
    [
        {"resources": []},
        {"resources": [slot(1), slot(1)]},
        {"tasks": []},
        {"resources": [{"type": "slot"}]},
    ],
)
def test_malformed_jobspecs(change: dict[str, Any]) -> None:
    with pytest.raises(OSError, match="malformed"):
        parse_job(1, 0, jobspec([slot(1)], {"per_slot": 1}) | change, allocation(r0="0"))


@given(st.lists(st.integers(1, 16), min_size=1, max_size=20), st.integers(1, 4), st.data())
def test_every_slot_gets_its_tasks(cores: list[int], per_slot: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, sum(cores)))
    tasks = distribute({"per_slot": per_slot}, Slots(count, 1, -1), cores)
    assert sum(tasks) == count * per_slot
    assert all(n <= c * per_slot for n, c in zip(tasks, cores, strict=True))


@given(st.integers(1, 500), st.integers(1, 20))
def test_a_total_is_spread_evenly(total: int, nodes: int) -> None:
    tasks = distribute({"total": total}, Slots(nodes, 1, 1), [1] * nodes)
    assert sum(tasks) == total
    assert max(tasks) - min(tasks) <= 1
    assert tasks == sorted(tasks, reverse=True)


@given(st.sets(st.integers(0, 200)))
def test_idsets_round_trip(ids: set[int]) -> None:
    assert decode_idset(encode_idset(sorted(ids))) == sorted(ids)
