"""Nodes, who is on them, and the tree of brokers."""

from __future__ import annotations

from typing import Any

import pytest

from tui.model.nodes import Children, Occupants, by_rank, drains, mask, nodes, summary, totals
from tui.model.overlay import branch, broker_tree
from tui.model.table import JobTable


def r(ranks: str, cores: str = "0-3", gpus: str = "") -> dict[str, Any]:
    children = {"core": cores, **({"gpu": gpus} if gpus else {})}
    lite = [{"rank": ranks, "children": children}] if ranks else []
    return {"version": 1, "execution": {"R_lite": lite, "nodelist": ["n[0-3]"]}}


def job(jobid: int, where: str, state: int = 16) -> dict[str, Any]:
    notes = {"sched": {"resource_summary": where}} if where else {}
    return {"id": jobid, "state": state, "t_run": 1.0, "annotations": notes}


def test_masks_of_idsets() -> None:
    assert mask("0-3,7") == 0b10001111
    assert mask("") == 0
    with pytest.raises(ValueError, match="x"):
        mask("x")
    with pytest.raises(ValueError, match="less than"):
        mask("0-4000000000")


def test_resources_of_one_rank_may_be_told_in_parts() -> None:
    told = {
        "execution": {
            "R_lite": [
                {"rank": "0-1", "children": {"core": "0-1", "gpu": "0"}},
                {"rank": "1", "children": {"core": "4"}},
            ]
        }
    }
    assert by_rank(told) == {0: Children(0b11, 1), 1: Children(0b10011, 1)}
    assert by_rank(None) == by_rank({}) == by_rank({"execution": {}}) == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rank0/core0", (("0", Children(1)),)),
        ("rank[0-1]/core[0,2-3]", (("[0-1]", Children(0b1101)),)),
        ("rank0/core[0-1],gpu0", (("0", Children(3, 1)),)),
        ("rank0/core0 rank1/core[0-1]", (("0", Children(1)), ("1", Children(3)))),
        ("n[1-3]", ()),
        ("rank[0-4000000000]/core0", ()),
        ("rank0/core[0-4000000000]", ()),
        ("rank[3-1]/core0", ()),
        ("", ()),
    ],
)
def test_summaries_of_schedulers(text: str, found: tuple[tuple[str, Children], ...]) -> None:
    assert summary(text) == found


def test_states_of_nodes() -> None:
    status = {
        "R": r("0-3"),
        "drain": {"1-2": {"timestamp": 5.0, "reason": "disk\x1b"}, "3": {"timestamp": 6.0}},
        "offline": "3",
        "exclude": "0",
    }
    found = nodes(status, {"allocated": r("2", "0-1")}, {2: 4}, {3: "lost contact"})
    assert [(n.rank, n.host, n.state_text) for n in found] == [
        (0, "n0", "excluded"), (1, "n1", "drained"), (2, "n2", "draining"),
        (3, "n3", "down, drained"),
    ]  # fmt: skip
    assert (found[2].nused, found[2].ncores, found[2].jobs, found[2].since) == (2, 4, 4, 5.0)
    assert "\x1b" not in found[1].why
    assert found[3].why == "lost contact"
    assert totals(found) == {"down": 1, "draining": 1, "drained": 1, "excluded": 1}


def test_drains_without_a_reason() -> None:
    assert drains({"drain": {"0": {"timestamp": 1}}})[0].reason == ""
    assert drains({}) == {}


def test_who_has_which_core() -> None:
    table = JobTable()
    table.load([job(7, "rank0/core[0-1]"), job(8, "rank0/core2"), job(9, "rank0/core0", 64)])
    occupants = Occupants()
    occupants.read(table)
    status = {"R": r("0-1")}
    first, second = nodes(status, {"allocated": r("0-1", "0-3")}, occupants.counts(), {})
    assert occupants.cells(first) == [7, 7, 8, -1]
    assert occupants.cells(second) == [-1, -1, -1, -1]
    assert first.jobs == 2
    assert occupants.unknown == []


def test_jobs_without_a_summary_are_asked_for_and_forgotten_when_they_end() -> None:
    table = JobTable()
    table.load([job(7, "")])
    occupants = Occupants()
    occupants.read(table)
    assert occupants.unknown == [7]
    occupants.resources[7] = by_rank(r("1", "2-3"))
    occupants.read(table)
    assert occupants.on == {1: {7: Children(0b1100)}}
    table.load([job(7, "", 64)])
    occupants.read(table)
    assert (occupants.on, occupants.resources) == ({}, {})


def test_jobs_that_come_and_go_are_taken_in_by_and_by() -> None:
    table, occupants = JobTable(), Occupants()
    table.load([job(jobid, f"rank{jobid % 3}/core{jobid % 4}") for jobid in range(1, 1202)])
    assert len(list(occupants.update(table))) == 2  # pauses
    assert sum(occupants.counts().values()) == 1201
    assert list(occupants.update(table)) == []
    table.load([job(jobid, "", 64) for jobid in range(1, 1201)])
    occupants.read(table)
    assert occupants.counts() == {1201 % 3: 1}


def test_tree_of_brokers() -> None:
    shape = {
        "rank": 0,
        "size": 4,
        "children": [
            {"rank": 1, "size": 2, "children": [{"rank": 3, "size": 1, "children": []}]},
            {"rank": 2, "size": 1, "children": []},
        ],
    }
    health = {
        0: {
            "status": "degraded",
            "duration": 9.0,
            "children": [
                {"rank": 1, "status": "lost", "duration": 3.0},
                {"rank": 2, "status": "full", "duration": 9.0},
            ],
        }
    }
    found = broker_tree(shape, health)
    assert [(b.rank, b.status, b.seconds) for b in found] == [
        (0, "degraded", 9.0), (1, "lost", 3.0), (3, "lost", -1.0), (2, "full", 9.0),
    ]  # fmt: skip
    assert [branch(b, False) for b in found] == ["", "├─ ", "│  └─ ", "└─ "]
    assert [branch(b, True) for b in found] == ["", "|- ", "|  `- ", "`- "]


def test_a_deep_tree_is_no_recursion() -> None:
    shape: dict[str, Any] = {"rank": 2000, "size": 1, "children": []}
    for rank in reversed(range(2000)):
        shape = {"rank": rank, "size": 2001 - rank, "children": [shape]}
    assert len(broker_tree(shape, {})) == 65
