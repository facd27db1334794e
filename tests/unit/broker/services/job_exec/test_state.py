"""The pure parts of the execution service."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_exec.simulated import Simulation, simulation_of
from broker.services.job_exec.state import Shells, ranks_of, time_limit


def test_ranks_of_r() -> None:
    assert ranks_of({"execution": {"R_lite": [{"rank": "4"}, {"rank": "0-1,3"}]}}) == [0, 1, 3, 4]


@pytest.mark.parametrize(
    "resources", [{}, {"execution": {}}, {"execution": {"R_lite": [{"rank": "a"}]}}]
)
def test_malformed_r(resources: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="malformed R"):
        ranks_of(resources)


@pytest.mark.parametrize(
    ("duration", "expiration", "limit"),
    [(0, 0, None), (5, 0, 5.0), (5, 103.0, 3.0), (0, 90.0, 0.0)],
)
def test_time_limits(duration: float, expiration: float, limit: float | None) -> None:
    jobspec = {"attributes": {"system": {"duration": duration}}}
    assert time_limit(jobspec, {"execution": {"expiration": expiration}}, 100.0) == limit


@given(st.permutations(range(5)), st.lists(st.integers(0, 65535), min_size=5, max_size=5))
def test_the_job_ends_with_its_last_shell_and_the_largest_status(
    order: list[int], statuses: list[int]
) -> None:
    state = Shells([0, 1, 2, 3, 4])
    ends = [state.exited(rank, statuses[rank]) for rank in order]
    assert ends == [False] * 4 + [True]
    assert state.status == max(statuses)
    assert not state.exited(0, 1)


def test_a_barrier_merges_data_and_can_be_used_again() -> None:
    state = Shells([3, 5])
    for _ in range(2):
        assert state.enter(3, "init", {"a": 1}) is None
        assert state.enter(3, "init", {"a": 1}) is None
        assert state.enter(5, "init", {"b": 2}) == {"a": 1, "b": 2}


def test_relay_targets() -> None:
    state = Shells([3, 5, 7])
    state.exited(5, 0)
    assert (state.targets("leader"), state.targets("all"), state.targets(1)) == ([3], [3, 7], [5])
    assert state.targets(9) == []


def jobspec(test: Any) -> dict[str, Any]:
    return {"attributes": {"system": {"exec": {"test": test}}}}


def test_simulations() -> None:
    assert simulation_of({}) is None
    assert simulation_of({"attributes": {"system": {"exec": {"bulkexec": {}}}}}) is None
    assert simulation_of(jobspec({"run_duration": "1.5m", "wait_status": 9})) == Simulation(90.0, 9)
    assert simulation_of(jobspec({"run_duration": "2", "mock_exception": "run"})) == Simulation(
        2.0, 0, "run"
    )


@pytest.mark.parametrize(
    "test",
    [
        5,
        {"run_duration": 2},
        {"run_duration": "x"},
        {"mock_exception": "nosuch"},
        {"wait_status": "a"},
    ],
)
def test_malformed_simulations(test: Any) -> None:
    with pytest.raises(OSError, match=r"exec\.test"):
        simulation_of(jobspec(test))
