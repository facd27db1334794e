"""Which jobs a watch shows, and when job-list is asked about one."""

from __future__ import annotations

from typing import Any

import pytest

from flux import constants
from flux.job.info import JobInfo
from flux.job.list import JobList
from flux.testing.scripted import ScriptedFlux
from fluxctl.watched_jobs import WatchedJobs, is_wanted

DEPEND, SCHED = constants.FLUX_JOB_STATE_DEPEND, constants.FLUX_JOB_STATE_SCHED
RUN, INACTIVE = constants.FLUX_JOB_STATE_RUN, constants.FLUX_JOB_STATE_INACTIVE


def job(number: int, state: int, **facts: Any) -> JobInfo:
    return JobInfo({"id": number, "userid": 7, "state": state, **facts})


def watched(*jobs: JobInfo) -> WatchedJobs:
    found = WatchedJobs(lambda one, seen: seen or one.state_id != INACTIVE)
    for one in jobs:
        found.take(one)
    return found


@pytest.mark.parametrize(
    ("options", "seen", "expected"),
    [
        ({}, False, True),
        ({"user": 7}, False, True),
        ({"user": 8}, False, False),
        ({"filters": ["running"]}, False, False),
        ({"filters": ["failed"]}, False, True),
        ({"filters": ["completed"]}, False, False),
        ({"filters": ["running"]}, True, True),
        ({"filters": ["completed"]}, True, False),
        ({"queues": ["batch"]}, False, True),
        ({"queues": ["debug"]}, False, False),
        ({"ids": [3], "filters": ["running"], "user": 8}, False, True),
        ({"ids": [4]}, False, False),
    ],
)
def test_a_job_is_wanted(options: dict[str, Any], seen: bool, expected: bool) -> None:
    one = job(3, INACTIVE, result=constants.FLUX_JOB_RESULT_FAILED, queue="batch")
    assert is_wanted(one, JobList(ScriptedFlux({}), **options), seen=seen) is expected


def test_what_is_not_wanted_is_not_shown_and_what_is_shown_stays() -> None:
    jobs = watched(job(1, RUN), job(2, INACTIVE))
    assert [int(one.id) for one in jobs.rows()] == [1]
    assert jobs.take(job(1, INACTIVE))
    assert not jobs.take(job(3, INACTIVE))
    assert jobs.over


def test_a_job_that_ends_at_once_is_shown_if_its_submission_was_seen() -> None:
    jobs = watched()
    assert jobs.event(5, "submit", {}, past=False) == DEPEND
    assert jobs.take(job(5, INACTIVE))
    jobs.event(6, "submit", {}, past=True)
    assert not jobs.take(job(6, INACTIVE))


def test_job_list_is_asked_in_the_state_that_the_job_has_reached() -> None:
    jobs = watched(job(1, SCHED))
    assert jobs.event(1, "alloc", {}, past=False) == RUN
    assert jobs.event(1, "start", {}, past=False) is None
    assert jobs.event(1, "memo", {"a": 1}, past=False) == RUN
    assert jobs.event(1, "finish", {"status": 0}, past=False) == constants.FLUX_JOB_STATE_CLEANUP
    assert jobs.event(1, "clean", None, past=False) == INACTIVE


def test_the_past_is_asked_about_only_where_a_job_has_moved_on() -> None:
    jobs = watched(job(1, SCHED))
    for name in ("submit", "depend", "priority", "annotations"):
        assert jobs.event(1, name, {"priority": 16}, past=True) is None
    assert jobs.event(1, "alloc", {}, past=True) == RUN


def test_rows_run_then_wait_then_have_ended_the_newest_first() -> None:
    jobs = watched(job(1, SCHED), job(2, RUN), job(3, RUN), job(4, RUN))
    jobs.take(job(3, INACTIVE))
    jobs.take(job(4, INACTIVE))
    assert [int(one.id) for one in jobs.rows()] == [2, 1, 4, 3]
    assert [int(one.id) for one in jobs.rows(3)] == [2, 1, 4]
    assert jobs.counts() == (1, 1, 2)
    assert not jobs.over


def test_a_list_begins_with_those_that_ended_last() -> None:
    jobs = WatchedJobs(lambda one, seen: int(one.id) != 4)
    listed = [job(1, SCHED), job(2, RUN), job(3, INACTIVE), job(4, INACTIVE), job(5, INACTIVE)]
    assert [int(one.id) for one in jobs.begin(listed)] == [1, 2, 3, 5]
    assert [int(one.id) for one in jobs.rows()] == [2, 1, 3, 5]


def test_many_jobs_cost_what_is_shown_of_them() -> None:
    jobs = WatchedJobs(lambda one, seen: True)
    jobs.begin([job(number, SCHED) for number in range(1, 100_001)])
    for number in range(1, 1001):
        jobs.take(job(number, RUN))
    assert jobs.counts() == (1000, 99_000, 0)
    assert [int(one.id) for one in jobs.rows(2)] == [1, 2]
