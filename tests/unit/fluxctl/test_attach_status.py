"""The line that says what a job waits for."""

from __future__ import annotations

import pytest

from flux.job.event import EventLogEvent
from flux.job.follow import OUTPUT
from fluxctl.attach_status import StatusLine
from fluxctl.attach_view import STDERR, AttachOptions, AttachView, Print, WatchExec


def event(name: str, at: float = 100.0, **context: object) -> EventLogEvent:
    return EventLogEvent({"timestamp": at, "name": name, "context": context})


def test_each_event_says_what_is_waited_for_and_the_start_leaves_the_line() -> None:
    line = StatusLine("ƒ1", columns=60)
    head = "\rflux-job: ƒ1 "
    assert line.event(event("submit")).decode() == f"{head}{'submitted':<37} 00:00:00\r"
    assert "resolving dependencies " in line.event(event("validate")).decode()
    assert "waiting for priority assignment " in line.event(event("depend")).decode()
    assert (
        line.event(event("priority", 102.4))
        .decode()
        .endswith("waiting for resources".ljust(37) + " 00:00:02\r")
    )
    assert line.event(event("annotations", 103)) == b""
    assert line.tick(3761.5).decode().endswith(" 01:01:01\r")
    assert "starting " in line.event(event("alloc", 105)).decode()
    assert line.event(event("start", 105)).decode().endswith("started".ljust(37) + " 00:00:05\r\n")
    assert (line.tick(110), line.cleared()) == (b"", b"")


def test_nothing_is_seen_of_a_job_that_starts_at_once() -> None:
    line = StatusLine("ƒ1", after=2.0)
    names = ("submit", "depend", "priority", "alloc", "start")
    assert [line.event(event(name)) for name in names] == [b""] * 5
    assert line.tick(102) == b""


def test_a_job_that_waits_longer_is_told_of() -> None:
    line = StatusLine("ƒ1", after=2.0)
    line.event(event("submit"))
    assert line.event(event("priority")) == b""
    assert b"waiting for resources" in line.tick(102)
    assert b"starting" in line.event(event("alloc", 103))


@pytest.mark.parametrize("columns", [1, 20, 40, 80, 200])
def test_the_line_fits_where_it_can(columns: int) -> None:
    line = StatusLine("ƒ1", columns)
    assert len(line.event(event("depend")).decode().strip("\r")) == max(columns - 1, 31)


def test_other_text_takes_the_place_of_the_line() -> None:
    view = AttachView(AttachOptions(show_events=True), 0.0, StatusLine("ƒ1"))
    first, watch, status = view.job_event(event("submit"))
    assert (first, watch) == (Print(STDERR, b"0.000s: job.submit\n"), WatchExec())
    assert isinstance(status, Print)
    assert view.tick(101.0) == [Print(STDERR, status.data.replace(b"00:00:00", b"00:00:01"))]
    (shown,) = view.job_event(event("exception", 101.0, type="cancel", severity=0))
    assert isinstance(shown, Print)
    assert shown.data.startswith(b"\r\x1b[K1.000s: job.exception type=cancel")
    assert view.job_event(event("clean", 101.0)) == [Print(STDERR, b"1.000s: job.clean\n")]
    assert view.tick(102.0) == []
    assert view.ended(OUTPUT) == []
