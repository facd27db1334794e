"""Every cause for which a job waits, or was no success, in words."""

from __future__ import annotations

import pytest

from flux.job.lifecycle import DEPEND, PRIORITY, RUN, SCHED
from flux.job.why import (
    Waiting,
    awaited_job,
    ending,
    meaning,
    remedies,
    why_pending,
    why_unsuccessful,
)

NOW = 1_795_220_449.0


pytestmark = pytest.mark.usefixtures("utc")


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (Waiting(2), "waiting for its dependencies"),
        (Waiting(2, ("after:1", "after:2")), "depends on after:1,after:2"),
        (
            Waiting(2, (f"begin-time={NOW + 90}",)),
            "depends on begin-time Nov 21 00:22:19 (in 1.5m)",
        ),
        (Waiting(2, (f"begin-time={NOW - 5}",)), "depends on begin-time Nov 21 00:20:44"),
        (Waiting(2, ("begin-time=soon",)), "depends on begin-time=soon"),
        (Waiting(2, ("begin-time=1e300",)), "depends on begin-time=1e300"),
        (Waiting(2, annotations={"jobtap": {"reason": "one at a time"}}), "one at a time"),
        (Waiting(4), "waiting for its priority"),
        (Waiting(4, annotations={"jobtap": {"reason": "no credit"}}), "no credit"),
        (Waiting(8, urgency=0, priority=0), "held"),
        (Waiting(8, priority=0), "held"),
        (Waiting(8, urgency=16, priority=0), "held (priority 0)"),
        (Waiting(8, urgency=0, priority=0, annotations={"jobtap": {"reason": "tea"}}), "tea"),
        (Waiting(8, urgency=0, priority=0, told="insufficient resources"), "held"),
        (Waiting(8, priority=16, told="the queue is stopped: x"), "the queue is stopped: x"),
        (Waiting(8, priority=16, annotations={"sched": {"reason_pending": "no GPU"}}), "no GPU"),
        (Waiting(8, priority=16, annotations={"sched": {"jobs_ahead": 3}}), "3 jobs ahead"),
        (Waiting(8, priority=16, annotations={"sched": "x"}), "waiting for resources"),
        (Waiting(8, priority=16), "waiting for resources"),
        (Waiting(16), ""),
        (Waiting(64), ""),
    ],
)
def test_why_a_job_waits(job: Waiting, text: str) -> None:
    assert why_pending(job, NOW) == text


def test_without_the_time_a_begin_time_is_as_it_was_given() -> None:
    assert why_pending(Waiting(2, ("begin-time=5",))) == "depends on begin-time=5"


@pytest.mark.parametrize(
    ("result", "kind", "note", "status", "text"),
    [
        (1, "", "", 0, ""),
        (1, "cancel", "late", 0, ""),
        (2, "", "", 768, "exit code 3"),
        (2, "", "", 9, "SIGKILL"),
        (2, "", "", 36608, "exit code 143 (SIGTERM)"),
        (2, "exec", "no such program", 32512, "exec: no such program, exit code 127"),
        (2, "alloc", "unsatisfiable request", None, "alloc: unsatisfiable request"),
        (2, "", "unsatisfiable request", None, "unsatisfiable request"),
        (2, "dependency", "", None, "dependency"),
        (2, "", "", None, "failed"),
        (4, "cancel", "", 36608, "canceled"),
        (4, "cancel", "not needed", None, "canceled: not needed"),
        (
            8,
            "timeout",
            "resource allocation expired",
            36352,
            "timeout: resource allocation expired",
        ),
        (8, "timeout", "timeout", None, "timeout"),
    ],
)
def test_why_a_job_was_no_success(
    result: int, kind: str, note: str, status: int | None, text: str
) -> None:
    assert why_unsuccessful(result, kind, note, status) == text


def test_a_signal_without_a_name() -> None:
    assert ending(100) == "signal 100"
    assert ending(255 << 8) == "exit code 255"


@pytest.mark.parametrize(
    ("waiting", "parent", "helps"),
    [
        (Waiting(DEPEND, ("after-success=ƒ2g",)), 97, "open cancel"),
        (Waiting(DEPEND, ("begin-time=17.5", "afterok:ƒ2g")), 97, "open cancel"),
        (Waiting(DEPEND, ("begin-time=17.5",)), None, "cancel"),
        (Waiting(DEPEND, ("after-success=ƒ" + "z" * 40,)), None, "cancel"),
        (Waiting(PRIORITY), None, "cancel"),
        (Waiting(SCHED, urgency=0, priority=0), None, "release cancel"),
        (Waiting(SCHED, urgency=16, priority=0), None, "cancel"),
        (Waiting(SCHED, urgency=16, priority=16), None, "urgency cancel"),
        (
            Waiting(SCHED, urgency=16, priority=16, told="behind job ƒ2g"),
            97,
            "open urgency cancel",
        ),
        (Waiting(RUN), None, ""),
    ],
)
def test_what_helps_a_job_that_waits(waiting: Waiting, parent: int | None, helps: str) -> None:
    assert awaited_job(waiting) == parent
    assert " ".join(remedies(waiting)) == helps


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("", 127 << 8, "not found"),
        ("", 126 << 8, "executable"),
        ("", 11, "memory that is not its own"),
        ("", (128 + 9) << 8, "memory ran out"),
        ("timeout", 15, "time limit"),
        ("exec", None, "could not be started"),
    ],
)
def test_what_an_end_usually_stands_for(kind: str, status: int | None, words: str) -> None:
    assert words in meaning(kind, status)


@pytest.mark.parametrize(
    ("kind", "status"), [("", None), ("", 0), ("", 3 << 8), ("my-own", 9), ("", 200 << 8)]
)
def test_what_is_plain_is_not_explained(kind: str, status: int | None) -> None:
    assert meaning(kind, status) == ""
