"""Constraints, whole nodes, first come first served, backfill: what the scheduler decides."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import from_tables
from broker.services.sched_simple.options import SchedOptions, parse_options
from broker.services.sched_simple.pool import ResourcePool
from broker.services.sched_simple.request import ResourceRequest, parse_request
from broker.services.sched_simple.state import EASY, Scheduler, WaitReason
from flux.wire import json

if TYPE_CHECKING:
    from flux.job.types import ResourceObject

R: ResourceObject = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-3", "children": {"core": "0-1"}}],
        "nodelist": ["n[0-3]"],
        "properties": {"a": "0-1", "b": "2-3"},
    },
}


def made(policy: str = "fcfs", mode: str = "worst-fit") -> Scheduler:
    sched = Scheduler(policy=policy)
    sched.pool.mode = mode
    sched.replace_pool(ResourcePool.from_resources(R))
    sched.set_up(range(4), True)
    return sched


def want(slots: int = 1, duration: float = 0.0, **how: Any) -> ResourceRequest:
    constraint = how.pop("constraint", None)
    text = json.dumps_str(constraint) if constraint else ""
    return ResourceRequest(how.pop("nnodes", 0), slots, 1, 0, duration, constraint=text, **how)


def turn(sched: Scheduler, now: float = 0.0) -> dict[int, list[int]]:
    """Return the ranks that each job got."""
    return {pending.jobid: sorted(allocation.nodes) for pending, allocation in sched.schedule(now)}


def prop(name: str) -> dict[str, list[str]]:
    return {"properties": [name]}


def test_nodes_of_a_constraint_only() -> None:
    sched = made()
    sched.add(1, 16, want(4, constraint=prop("b")))
    sched.add(2, 16, want(1, constraint={"hostlist": ["n1"]}))
    assert turn(sched) == {1: [2, 3], 2: [1]}
    assert not sched.add(3, 16, want(5, constraint=prop("b")))
    assert "its constraint allows 2 of 4 nodes" in sched.why_never(want(5, constraint=prop("b")))
    need = "need 99 slot(s) of 1 core(s), only 8 such slot(s) available (total cores: 8)"
    assert sched.why_never(want(99)) == f"unsatisfiable request: {need}"


def test_constraints_wait_apart() -> None:
    sched = made()
    sched.add(1, 16, want(4, constraint=prop("a")))
    sched.add(2, 16, want(1, constraint=prop("a")))
    sched.add(3, 16, want(1, constraint=prop("b")))
    assert turn(sched) == {1: [0, 1], 3: [2]}
    assert sched.reason(2) == WaitReason("insufficient resources")


def test_one_that_waits_keeps_its_nodes_from_all_behind_it() -> None:
    sched = made()
    sched.add(1, 16, want(1, constraint={"ranks": ["0"]}))
    sched.add(2, 16, want(4, constraint=prop("a")))
    sched.add(3, 16, want(1, constraint={"ranks": ["1-2"]}))
    sched.add(4, 16, want(1, constraint={"ranks": ["1"]}))
    sched.add(5, 16, want(8))
    sched.add(6, 16, want(1, constraint=prop("b")))
    assert turn(sched) == {1: [0], 3: [2]}
    assert sched.reason(2) == WaitReason("insufficient resources")
    assert sched.reason(4) == WaitReason("behind another job", 2)
    assert sched.reason(5) == WaitReason("behind another job", 2)
    assert sched.reason(6) == WaitReason("behind another job", 5)
    assert sched.reason(1) is None


def test_whole_nodes() -> None:
    sched = made()
    sched.add(1, 16, want(1))
    sched.add(2, 16, want(1, nnodes=1, exclusive=True))
    sched.add(3, 16, want(3, nnodes=3, exclusive=True))
    assert turn(sched) == {1: [0], 2: [1]}
    assert sched.held[2].nodes == {1: ([0, 1], [])}
    sched.free(1)
    assert turn(sched) == {3: [0, 2, 3]}


@pytest.mark.parametrize(
    ("mode", "ranks"), [("worst-fit", [1]), ("best-fit", [0]), ("first-fit", [0])]
)
def test_which_nodes_are_taken_first(mode: str, ranks: list[int]) -> None:
    sched = made(mode=mode)
    sched.add(1, 16, want(1, constraint={"ranks": ["0"]}))
    sched.add(2, 15, want(1))
    assert turn(sched)[2] == ranks


def test_backfill() -> None:
    sched = made(EASY)
    sched.add(1, 16, want(6, 100.0))
    sched.add(2, 16, want(8, 10.0))
    sched.add(3, 16, want(1, 100.0))
    sched.add(4, 16, want(1, 101.0))
    sched.add(5, 16, want(1))
    assert turn(sched, 1000.0) == {1: [0, 1, 2], 3: [3]}
    assert sched.estimates == {2: 1100.0}
    assert sched.reason(2) == WaitReason("insufficient resources", estimate=1100.0)
    assert sched.reason(4) == WaitReason("behind another job", 2)
    sched.free(1)
    sched.free(3)
    assert turn(sched, 1050.0) == {2: [0, 1, 2, 3]}


def test_backfill_into_what_is_left_for_any_time() -> None:
    sched = made(EASY)
    sched.add(1, 16, want(7, 100.0))
    sched.add(2, 16, want(7, 10.0))
    sched.add(3, 16, want(1))
    sched.add(4, 16, want(1))
    assert turn(sched, 0.0) == {1: [0, 1, 2, 3], 3: [3]}
    assert turn(sched, 0.0) == {}
    assert sched.estimates == {2: 100.0}


def test_who_waits_for_a_job_without_limit_is_not_overtaken() -> None:
    sched = made(EASY)
    sched.add(1, 16, want(7))
    sched.add(2, 16, want(8, 10.0))
    sched.add(3, 16, want(1, 1.0))
    assert turn(sched, 0.0) == {1: [0, 1, 2, 3]}
    assert sched.estimates == {}
    assert sched.reason(3) == WaitReason("behind another job", 2)


def test_who_waits_for_drained_nodes_is_overtaken_by_backfill_only() -> None:
    for policy, ranks in (("fcfs", {}), (EASY, {2: [0]})):
        sched = made(policy)
        sched.set_up([3], False)
        sched.add(1, 16, want(8, 10.0))
        sched.add(2, 16, want(1, 10.0))
        assert turn(sched) == ranks
        assert sched.reason(1) == WaitReason("the nodes that it needs are drained or offline")


def test_an_overdue_job_is_expected_to_end_at_once() -> None:
    sched = made(EASY)
    sched.add(1, 16, want(8, 10.0))
    turn(sched, 0.0)
    sched.add(2, 16, want(8, 10.0))
    turn(sched, 50.0)
    assert sched.estimates == {2: 50.0}


def test_a_priority_moves_a_request() -> None:
    sched = made()
    sched.add(1, 16, want(8))
    turn(sched)
    for jobid in (2, 3):
        sched.add(jobid, 16, want(1, constraint=prop("a")))
    sched.prioritize(3, 20)
    assert sched.waiting() == [3, 2]
    assert sched.cancel(3)
    assert not sched.cancel(3)
    assert sched.waiting() == [2]


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [([], "a constraint must be an object"), ({"x": []}, "unknown constraint operator 'x'")],
)
def test_a_constraint_that_is_none(constraint: object, problem: str) -> None:
    slot = {"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "t"}
    spec = {"resources": [slot], "attributes": {"system": {"constraints": constraint}}}
    with pytest.raises(OSError, match=problem) as failure:
        parse_request(spec)
    assert failure.value.errno == errno.EINVAL


def test_options() -> None:
    assert parse_options([]) == SchedOptions(1024, "worst-fit", "fcfs")
    args = ["mode=unlimited", "alloc-mode=first-fit", "queue-policy=easy"]
    assert parse_options(args) == SchedOptions(None, "first-fit", "easy")
    table = {"mode": "limited=3", "alloc-mode": "best-fit", "queue-policy": "easy"}
    config = from_tables({"sched-simple": table})
    assert parse_options([], config) == SchedOptions(3, "best-fit", "easy")
    assert parse_options(["queue-policy=fcfs", "mode=limited=1"], config) == SchedOptions(
        1, "best-fit", "fcfs"
    )
    single = from_tables({"sched-simple": {"mode": "single"}})
    assert parse_options([], single).ready == {"mode": "single"}
    assert not parse_options(["test-free-nolookup"]).free_lookup
    for arg in ("alloc-mode=x", "queue-policy=x", "x=y", "test-free-nolookup=1"):
        with pytest.raises(OSError, match=r"[Uu]nknown") as failure:
            parse_options([arg])
        assert failure.value.errno == errno.EINVAL


@pytest.mark.parametrize("mode", ["foobar", "limited=x", "limited=0", "limited", "mode", "single"])
def test_a_mode_that_there_is_not_leaves_the_one_that_would_be(mode: str) -> None:
    config = from_tables({"sched-simple": {"mode": "limited=3"}})
    assert parse_options([f"mode={mode}"], config) == SchedOptions(3, unknown_mode=mode)
    assert parse_options(["mode="]).unknown_mode == "mode="


SLOT = {"type": "slot", "count": 1, "with": [{"type": "core", "count": 1}], "label": "t"}


@pytest.mark.parametrize(
    "resources",
    [
        None,
        5,
        [],
        [5],
        [SLOT, SLOT],
        [{"type": "core", "count": 1}],
        [{"type": "node", "count": 1}],
        [{"type": "node", "count": 1, "with": [{"type": "core", "count": 1}]}],
    ],
)
def test_a_jobspec_without_a_slot(resources: object) -> None:
    with pytest.raises(OSError, match="Unable to determine slot size"):
        parse_request({"resources": resources, "attributes": {"system": {}}})


def test_a_duration_that_is_none() -> None:
    spec = {"resources": [SLOT], "attributes": {"system": {"duration": "x"}}}
    with pytest.raises(OSError, match="jobspec cannot be scheduled: could not convert"):
        parse_request(spec)


def test_a_job_that_gets_more_time_lets_others_wait_longer() -> None:
    sched = made(EASY)
    sched.add(1, 16, want(8, 10.0))
    turn(sched, 0.0)
    sched.add(2, 16, want(8, 10.0))
    turn(sched, 1.0)
    assert sched.estimates == {2: 10.0}
    assert sched.expire(1, 100.0)
    turn(sched, 2.0)
    assert sched.estimates == {2: 100.0}
    assert sched.expire(1, 0.0)
    turn(sched, 3.0)
    assert sched.estimates == {}
    assert not sched.expire(7, 1.0)
