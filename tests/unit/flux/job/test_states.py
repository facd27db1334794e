"""States, results and urgencies, and their C names."""

from __future__ import annotations

import pytest

from flux import constants
from flux.job.state_names import (
    RESULT_FILTERS,
    SINGLE_STATES,
    STATE_FILTERS,
    result_name,
    state_name,
    status_name,
)
from flux.job.states import JobResult, JobState, Urgency


def test_numbers_of_the_protocol() -> None:
    assert [int(state) for state in JobState] == list(SINGLE_STATES) == [1, 2, 4, 8, 16, 32, 64]
    assert [state.name for state in JobState] == [state_name(state) for state in SINGLE_STATES]
    assert [result.name for result in JobResult] == [result_name(result) for result in JobResult]
    assert [int(result) for result in JobResult] == [1, 2, 4, 8]
    assert (JobState.PENDING, JobState.RUNNING, JobState.ACTIVE, JobState.LISTED) == (
        14,
        48,
        62,
        126,
    )
    assert (Urgency.HOLD, Urgency.DEFAULT, Urgency.EXPEDITE) == (0, 16, 31)


def test_c_names_have_the_same_numbers() -> None:
    for state in (*JobState, JobState.PENDING, JobState.RUNNING, JobState.ACTIVE):
        assert getattr(constants, f"FLUX_JOB_STATE_{state.name}") == state
        assert type(getattr(constants, f"FLUX_JOB_STATE_{state.name}")) is int
    for result in JobResult:
        assert getattr(constants, f"FLUX_JOB_RESULT_{result.name}") == result
    for urgency in Urgency:
        assert getattr(constants, f"FLUX_JOB_URGENCY_{urgency.name}") == urgency
    assert (constants.FLUX_JOB_NR_STATES, constants.FLUX_JOB_NR_RESULTS) == (7, 4)
    assert (constants.FLUX_JOB_PRIORITY_MIN, constants.FLUX_JOB_PRIORITY_MAX) == (0, 4294967295)


def test_names() -> None:
    assert [state_name(state, True) for state in SINGLE_STATES] == [
        "N",
        "D",
        "P",
        "S",
        "R",
        "C",
        "I",
    ]
    assert [result_name(result, True) for result in JobResult] == ["CD", "F", "CA", "TO"]
    assert (state_name(8), result_name(4)) == ("SCHED", "CANCELED")
    assert (state_name(3), state_name(3, True), result_name(0), result_name(0, True)) == (
        "(unknown)",
        "?",
    ) * 2
    assert STATE_FILTERS["pending"] == 14
    assert RESULT_FILTERS == {
        "completed": 1,
        "failed": 2,
        "canceled": 4,
        "timeout": 8,
    }


@pytest.mark.parametrize(
    ("state", "result", "long", "short"),
    [
        (1, None, "PENDING", "PD"),
        (8, None, "PENDING", "PD"),
        (32, None, "RUNNING", "R"),
        (64, 4, "CANCELED", "CA"),
        (64, None, "", ""),
    ],
)
def test_status(state: int, result: int | None, long: str, short: str) -> None:
    assert (status_name(state, result), status_name(state, result, True)) == (long, short)
