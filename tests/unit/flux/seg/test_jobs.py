"""What the events of jobs are in the SEG protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.constants import FLUX_JOB_STATE_INACTIVE, FLUX_JOB_STATE_RUN
from flux.seg.jobs import RETELL_SECONDS, JobEvents, Past, SegEvent
from flux.seg.listed import entries_of
from flux.seg.protocol import GramState

if TYPE_CHECKING:
    from collections.abc import Iterable

PENDING, ACTIVE, FAILED, DONE = (
    GramState.PENDING,
    GramState.ACTIVE,
    GramState.FAILED,
    GramState.DONE,
)


def log(*names: str | tuple[str, dict[str, Any]], start: float = 100.0) -> list[dict[str, Any]]:
    """Return an eventlog with an event a second."""
    entries = []
    for number, given_name in enumerate(names):
        name, context = (given_name, {}) if isinstance(given_name, str) else given_name
        entries.append({"timestamp": start + number, "name": name, "context": context})
    return entries


def exception(kind: str, severity: int = 0) -> tuple[str, dict[str, Any]]:
    return "exception", {"type": kind, "severity": severity, "note": ""}


def finish(status: int) -> tuple[str, dict[str, Any]]:
    return "finish", {"status": status}


def told(events: JobEvents, jobid: int, entries: Iterable[dict[str, Any]]) -> list[SegEvent]:
    taken = [events.take(jobid, entry) for entry in entries]
    return [event for event in taken if event is not None]


def changes(*names: str | tuple[str, dict[str, Any]]) -> list[tuple[float, int, int]]:
    found = told(JobEvents(), 7, log(*names))
    assert all(event.jobid == 7 for event in found)
    return [(event.time, int(event.state), event.code) for event in found]


@pytest.mark.parametrize(
    ("names", "end"),
    [
        (["start", finish(0)], (DONE, 0)),
        (["start", finish(1 << 8)], (FAILED, 1)),
        (["start", finish(42 << 8)], (FAILED, 42)),
        (["start", finish(9)], (FAILED, 137)),
        (["start", exception("cancel"), finish(15)], (FAILED, 143)),
        (["start", exception("timeout"), finish(14)], (FAILED, 142)),
        (["start", exception("cancel"), finish(0)], (DONE, 0)),
        (["start", exception("odd", 3), finish(0)], (DONE, 0)),
        ([exception("exec"), "release"], (FAILED, 1)),
        (["memo", "flux-restart", exception("exec")], (FAILED, 1)),
        (["start", finish(0), exception("late")], (DONE, 0)),
    ],
)
def test_jobs_that_ran(
    names: list[str | tuple[str, dict[str, Any]]], end: tuple[GramState, int]
) -> None:
    whole = ["submit", "depend", "priority", "alloc", *names, "release", "free", "clean"]
    assert changes(*whole) == [(100, 1, 0), (103, 2, 0), (99.0 + len(whole), end[0], end[1])]


@pytest.mark.parametrize("kind", ["cancel", "timeout", "dependency", "alloc"])
def test_jobs_that_never_ran(kind: str) -> None:
    assert changes("submit", "depend", exception(kind), "clean") == [(100, 1, 0), (103, 4, 1)]


def test_resources_that_come_after_a_cancellation_go_back_at_once() -> None:
    names = ("submit", exception("cancel"), "alloc", "free", "clean")
    assert changes(*names) == [(100, 1, 0), (104, 4, 1)]


WHOLE = log("submit", "depend", "priority", "alloc", "start", finish(0), "free", "clean")


@given(st.lists(st.integers(0, len(WHOLE)), max_size=6))
def test_a_past_that_is_read_again_tells_nothing_twice(stops: list[int]) -> None:
    """A journal that breaks at any place, and each time begins with the past."""
    events = JobEvents()
    found = [event for stop in stops for event in told(events, 7, WHOLE[:stop])]
    found += told(events, 7, WHOLE)
    assert [(event.state, event.code) for event in found] == [(PENDING, 0), (ACTIVE, 0), (DONE, 0)]


def test_a_job_without_its_beginning() -> None:
    assert [event.state for event in told(JobEvents(), 7, WHOLE[4:])] == [DONE]


def test_a_clock_that_is_set_back_does_not_change_the_order_of_a_job() -> None:
    entries = [*log("submit"), *log("alloc", finish(0), "clean", start=40.0)]
    assert [(e.time, e.state) for e in told(JobEvents(), 7, entries)] == [
        (100, PENDING),
        (100, ACTIVE),
        (100, DONE),
    ]


def test_jobs_of_one_user() -> None:
    events = JobEvents(userid=5)
    mine = log(("submit", {"userid": 5}), "alloc", finish(0), "clean")
    others = log(("submit", {"userid": 6}), "alloc", finish(0), "clean")
    assert told(events, 1, others) == []
    assert [event.state for event in told(events, 2, mine)] == [PENDING, ACTIVE, DONE]


def test_what_a_record_has_is_not_told_again() -> None:
    events = JobEvents()
    events.known(7, ACTIVE, 103)
    events.known(8, DONE, 104)
    events.known(8, PENDING, 104)
    assert [event.state for event in told(events, 7, WHOLE)] == [DONE]
    assert told(events, 8, WHOLE) == []


def test_ended_jobs_are_forgotten_when_nobody_asks_for_them_any_more() -> None:
    events = JobEvents()
    for number in range(5000):
        start = 1000.0 + number
        told(events, number, log("submit", "alloc", finish(0), "clean", start=start))
    assert len(events) == 2 * RETELL_SECONDS + 1
    assert told(events, 4990, WHOLE) == []


def test_jobs_are_not_forgotten_while_the_clock_is_ahead() -> None:
    """What ended just now is asked for again once the clock is right."""
    events = JobEvents()
    events.now = 2000.0
    told(events, 1, log("submit", "alloc", finish(0), "clean", start=1995.0))
    told(events, 2, log("submit", "alloc", finish(0), "clean", start=9e8))
    told(events, 3, log("submit", "alloc", finish(0), "clean", start=9e8))
    assert told(events, 1, WHOLE) == []


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"name": "submit"},
        {"name": "submit", "timestamp": "soon"},
        {"name": "finish", "timestamp": 1.0, "context": {}},
        {"name": "finish", "timestamp": 1.0, "context": {"status": None}},
        {"name": "exception", "timestamp": 1.0, "context": {"severity": 0}},
    ],
)
def test_malformed_entries_raise(entry: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        JobEvents().take(1, entry)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2**64 - 1))))
def test_the_past_is_told_in_order(given_events: list[tuple[int, int]]) -> None:
    events = [SegEvent(float(time), jobid, FAILED, 2**31 - 1) for time, jobid in given_events]
    past = Past()
    for event in events:
        past.add(event)
    assert list(past.in_order()) == sorted(events, key=lambda event: event.time)


def test_what_job_list_knows_gives_the_same() -> None:
    job: dict[str, Any] = {"userid": 5, "state": FLUX_JOB_STATE_RUN, "t_submit": 100.0}
    events = JobEvents()
    assert [e.state for e in told(events, 7, entries_of(job))] == [PENDING]
    job |= {"t_run": 103.0}
    assert [e.state for e in told(events, 7, entries_of(job))] == [ACTIVE]
    job |= {"t_inactive": 107.0, "waitstatus": 256, "state": FLUX_JOB_STATE_INACTIVE}
    assert told(events, 7, entries_of(job)) == [SegEvent(107.0, 7, FAILED, 1)]
    cancelled = {
        "userid": 5,
        "state": FLUX_JOB_STATE_INACTIVE,
        "t_submit": 1.0,
        "t_inactive": 2.0,
        "exception_severity": 0,
        "exception_type": "cancel",
    }
    assert [(e.state, e.code) for e in told(JobEvents(), 8, entries_of(cancelled))] == [
        (PENDING, 0),
        (FAILED, 1),
    ]
