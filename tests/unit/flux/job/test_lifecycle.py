"""What events do to a job. That all readers agree is tested in
tests/property/test_job_lifecycle.py.
"""

from __future__ import annotations

from typing import Any

import pytest

from flux.job.lifecycle import (
    JobHistory,
    UnexpectedEvent,
    annotations_after,
    exit_code,
    is_worse,
    merge_annotations,
    next_state,
    result_of,
)
from flux.job.states import JobResult, JobState
from tests.unit.flux.job.streaming import event, life


def history(entries: list[dict[str, Any]]) -> JobHistory:
    job = JobHistory()
    for entry in entries:
        job.apply(entry)
    return job


def test_a_life() -> None:
    job = JobHistory()
    states = []
    for entry in life():
        job.apply(entry)
        states.append(JobState(job.state).name)
    assert states == [
        "DEPEND",
        "PRIORITY",
        "SCHED",
        "RUN",
        "RUN",
        "CLEANUP",
        "CLEANUP",
        "CLEANUP",
        "INACTIVE",
    ]
    assert (job.t_submit, job.t_depend, job.t_run, job.t_start, job.t_cleanup) == (
        10.0,
        10.0,
        13.0,
        14.25,
        15.0,
    )
    assert (job.t_inactive, job.result, job.exit_code, job.inactive) == (
        18.0,
        JobResult.COMPLETED,
        0,
        True,
    )


@pytest.mark.parametrize(
    ("status", "fatal", "result"),
    [
        (0, None, JobResult.COMPLETED),
        (0, "cancel", JobResult.COMPLETED),
        (0, "exec", JobResult.COMPLETED),
        (15, "cancel", JobResult.CANCELED),
        (15, "timeout", JobResult.TIMEOUT),
        (256, "exec", JobResult.FAILED),
        (256, None, JobResult.FAILED),
        (None, "cancel", JobResult.CANCELED),
        (None, "timeout", JobResult.TIMEOUT),
        (None, "alloc", JobResult.FAILED),
        (None, None, JobResult.FAILED),
    ],
)
def test_the_status_decides_and_then_the_exception(
    status: int | None, fatal: str | None, result: JobResult
) -> None:
    assert result_of(status, fatal) == result


def test_exit_codes() -> None:
    assert [
        exit_code(None, False),
        exit_code(None, True),
        exit_code(0, True),
        exit_code(256, True),
    ] == [0, 1, 0, 1]
    assert exit_code(15, False) == 143


def test_an_event_out_of_its_state_is_illegal_for_who_writes() -> None:
    for state, name, context in (
        (8, "start", {}),
        (64, "exception", {"severity": 0}),
        (1, "depend", None),
    ):
        with pytest.raises(UnexpectedEvent, match=f"{name} event in state"):
            next_state(state, name, context)
    assert next_state(64, "exception", {"severity": 1}) == 64
    assert next_state(16, "memo", {"a": 1}) == 16


def test_annotations_replace_and_memos_add() -> None:
    first = {"user": {"a": 1}, "sched": {"x": 1}}
    assert annotations_after(None, "alloc", {"annotations": first}) == first
    assert annotations_after(first, "annotations", {"annotations": {"user": {"b": 2}}}) == {
        "user": {"b": 2}
    }
    assert annotations_after(first, "annotations", {"annotations": {}}) is None
    assert annotations_after(first, "annotations", {"annotations": None}) is None
    assert annotations_after(first, "alloc", {}) == first
    assert annotations_after(first, "annotations", {"annotations": "junk"}) is None
    assert annotations_after(first, "memo", {"b": 2, "a": None}) == {
        "user": {"b": 2},
        "sched": {"x": 1},
    }


def test_merging() -> None:
    old = {"sched": {"a": 1, "b": {"c": 2}}, "user": 3}
    assert merge_annotations(old, {"sched": {"a": None, "b": {"d": 4}}, "user": None}) == {
        "sched": {"b": {"c": 2, "d": 4}}
    }
    assert merge_annotations(old, {"sched": {"a": None, "b": {"c": None}}, "user": None}) is None
    assert merge_annotations(None, {"user": {"k": None}}) is None
    assert merge_annotations({"user": "text"}, {"user": {"k": 1}}) == {"user": {"k": 1}}
    assert old == {"sched": {"a": 1, "b": {"c": 2}}, "user": 3}, (
        "what was known is not changed in place"
    )


def test_the_worst_exception_is_told() -> None:
    assert is_worse(5, None)
    assert is_worse(0, 5)
    assert not is_worse(0, 0)
    assert not is_worse(7, 5)
    job = history(
        [
            *life()[:5],
            event("exception", 14.3, type="mild", severity=5, note="n"),
            event("exception", 14.4, type="cancel", severity=0, note="first"),
            event("exception", 14.5, type="timeout", severity=0, note="second"),
        ]
    )
    assert (job.exception_type, job.exception_note, job.state) == (
        "cancel",
        "first",
        JobState.CLEANUP,
    )
    assert job.running, "its tasks have not ended yet"


def test_resources_that_come_after_a_cancel_start_nothing() -> None:
    job = history(
        [*life()[:3], event("exception", 12.5, type="cancel", severity=0), event("alloc", 13.0)]
    )
    assert (job.t_run, job.t_cleanup, job.state) == (None, 12.5, JobState.CLEANUP)


def test_dependencies() -> None:
    one, other = event("dependency-add", description="a"), event("dependency-add", description="b")
    job = history([life()[0], one, other, one])
    assert list(job.dependencies) == ["a", "b"]
    job.apply(event("dependency-remove", description="a"))
    assert list(job.dependencies) == ["b"]
