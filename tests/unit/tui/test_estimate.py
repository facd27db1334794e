"""When all is done, judged by what jobs of the same name took."""

from __future__ import annotations

import pytest

from tui.model.dashboard import Dashboard
from tui.model.estimate import ENOUGH, RunTimes
from tui.model.table import JobTable

NOW = 1000.0


def table_of(*jobs: dict[str, object]) -> JobTable:
    table = JobTable()
    table.load([{"id": number, **job} for number, job in enumerate(jobs, 1)])
    return table


def ended(name: str, seconds: float, **more: object) -> dict[str, object]:
    return {
        "state": 64, "result": 1, "name": name, "t_run": NOW - 100, "waitstatus": 0,
        "t_cleanup": NOW - 100 + seconds, "t_inactive": NOW - 100 + seconds, **more,
    }  # fmt: skip


def running(name: str, seconds: float = 0.0, **more: object) -> dict[str, object]:
    return {"state": 16, "name": name, "t_run": NOW - seconds, "ntasks": 1, **more}


def waiting(name: str, **more: object) -> dict[str, object]:
    return {"state": 8, "name": name, "priority": 16, "ntasks": 1, **more}


def left(*jobs: dict[str, object]) -> float | None:
    table, times = table_of(*jobs), RunTimes()
    times.add(table, [row for row in range(len(table)) if table.t_inactive[row]])
    return times.seconds_left(table, NOW)


def test_work_of_a_known_kind() -> None:
    jobs = [ended("a", 10), *[running("a", 5)] * 2, *[waiting("a")] * 20]
    assert left(*jobs) == pytest.approx((2 * 5 + 20 * 10) / 2)


def test_larger_jobs_are_more_work() -> None:
    jobs = [ended("a", 10), running("a", 0, ntasks=4), *[waiting("a", ntasks=2)] * 10]
    assert left(*jobs) == pytest.approx((40 + 200) / 4)


@pytest.mark.parametrize(
    "jobs",
    [
        [ended("short", 1), running("long"), *[waiting("long")] * 291],
        [ended("a", 1), running("a"), *[waiting("a")] * (ENOUGH - 1)],
        [ended("a", 1), *[waiting("a")] * 50],
        [ended("a", 1), running("a", 60), *[waiting("b")] * 50],
        [ended("a", 1), running("a"), *[waiting("a", priority=0)] * 50],
        [ended("a", 1), running("a"), *[waiting("a", urgency=0)] * 50],
        [ended("a", 1), running("a"), *[waiting("a", state=2)] * 50],
        [ended("a", 1), *[running("a", 500)] * 20, *[waiting("a")] * 20],
    ],
    ids=[
        "others were short", "few wait", "none runs", "unknown", "held", "held by its user",
        "dependent", "these are not of the kind",
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_not_told(jobs: list[dict[str, object]]) -> None:
    assert left(*jobs) is None


def test_held_jobs_are_no_work() -> None:
    jobs = [ended("a", 10), running("a"), *[waiting("a")] * 10]
    assert left(*jobs, *[waiting("a", priority=0)] * 90) == left(*jobs)


def test_only_jobs_that_ran_to_their_end_count_as_done() -> None:
    dashboard = Dashboard(lambda: NOW)
    dashboard.replace(
        [
            {"id": 1, **ended("a", 98)},
            {"id": 2, **ended("a", 98, result=2)},
            {"id": 3, **ended("a", 98, result=4)},
            {"id": 4, **ended("a", 98, result=4, t_run=0.0)},
        ]
    )
    dashboard.settle()
    assert dashboard.throughput.per_second(NOW, 10) == pytest.approx(0.2)


def test_names_that_differ_in_numbers_are_of_one_kind() -> None:
    others = [waiting(f"sim-{number}.dat") for number in range(20)]
    jobs = [ended("sim-900.dat", 10), *[running("sim-901.dat", 5)] * 2, *others]
    assert left(*jobs) == pytest.approx((2 * 5 + 20 * 10) / 2)
    assert left(ended("other", 10), *jobs[1:]) is None
