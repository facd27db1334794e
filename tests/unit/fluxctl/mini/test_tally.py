"""Counting jobs by their events."""

from __future__ import annotations

from typing import Any

from flux.job.event import EventLogEvent
from fluxctl.mini.tally import JobProgress, Tally


def event(name: str, **context: Any) -> EventLogEvent:
    return EventLogEvent({"timestamp": 1.0, "name": name, "context": context})


def test_counts_and_exit_code() -> None:
    tally = Tally()
    jobs = [JobProgress() for _ in range(3)]
    for job in jobs:
        tally.accept()
        tally.follow(job, event("submit"))
    assert (tally.pending, tally.running, tally.finished) == (3, 0, 0)
    tally.follow(jobs[0], event("start"))
    tally.follow(jobs[1], event("start"))
    assert (tally.pending, tally.running) == (1, 2)
    tally.follow(jobs[0], event("finish", status=0))
    tally.finish(jobs[0])
    tally.follow(jobs[1], event("finish", status=512))
    tally.finish(jobs[1])
    tally.follow(jobs[2], event("exception", type="cancel", severity=0, note="because"))
    tally.finish(jobs[2])
    assert (tally.pending, tally.running, tally.complete, tally.failed, tally.exit_code) == (
        0,
        0,
        1,
        2,
        2,
    )
    assert jobs[2].exception == ("cancel", "because")


def test_signal_and_refusal() -> None:
    tally = Tally()
    job = JobProgress()
    tally.accept()
    tally.follow(job, event("start"))
    tally.follow(job, event("finish", status=15))
    tally.finish(job)
    assert tally.exit_code == 143
    other = Tally()
    other.refuse()
    assert (other.exit_code, other.refused) == (1, 1)


def test_a_job_lost_while_running_is_no_longer_running() -> None:
    tally = Tally()
    job = JobProgress()
    tally.accept()
    tally.follow(job, event("start"))
    tally.finish(job)
    assert (tally.running, tally.pending, tally.finished) == (0, 0, 1)


def test_the_status_of_the_tasks_decides() -> None:
    for late in (False, True):
        job = JobProgress()
        events = [event("start"), event("finish", status=0)]
        events.insert(2 if late else 1, event("exception", type="cancel", severity=0, note=""))
        for one in events:
            job.take(one)
        assert (job.exit_code, job.running) == (0, False)


def test_minor_exceptions_do_not_fail_a_job() -> None:
    job = JobProgress()
    job.take(event("exception", type="x", severity=7, note=""))
    assert (job.exit_code, job.exception) == (0, None)
