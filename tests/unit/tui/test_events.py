"""Events as the dashboard lists them."""

from __future__ import annotations

from typing import Any

import pytest

from tui.model.dashboard import Dashboard
from tui.model.event_ring import KEPT, EventRing
from tui.model.events import (
    BAD,
    GOOD,
    PLAIN,
    WARNING,
    job_event,
    job_test,
    kind_of,
    message_event,
    split_filter,
)
from tui.model.query import QueryError
from tui.model.table import JobTable


def entry(name: str, **context: Any) -> dict[str, Any]:
    return {"timestamp": 1000.25, "name": name, "context": context}


def test_the_newest_events_are_kept_and_given_once() -> None:
    events = EventRing()
    for number in range(3):
        events.note(number, entry("submit"))
    assert [jobid for jobid, _ in events.since(0)] == [0, 1, 2]
    assert [jobid for jobid, _ in events.since(2)] == [2]
    assert events.since(3) == []
    for number in range(2 * KEPT):
        events.note(number, entry("submit"))
    assert len(events.since(0)) == KEPT
    assert events.total == 2 * KEPT + 3


def test_the_dashboard_keeps_what_it_follows() -> None:
    dashboard = Dashboard(lambda: 0.0)
    dashboard.apply([{"id": 7, "entry": entry("submit", userid=0)}, {"id": 8}])
    assert [(jobid, e["name"]) for jobid, e in dashboard.recent.since(0)] == [(7, "submit")]
    dashboard.replace([])
    assert dashboard.recent.total == 1


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (entry("exception", severity=0, type="cancel"), BAD),
        (entry("exception", severity=3, type="note"), WARNING),
        (entry("finish", status=256), BAD),
        (entry("finish", status=0), GOOD),
        (entry("start"), GOOD),
        (entry("depend"), PLAIN),
        ({"name": "clean"}, PLAIN),
    ],
)
def test_how_grave_an_event_is(event: dict[str, Any], kind: str) -> None:
    assert kind_of(event) == kind


def test_lines() -> None:
    found = job_event(1, 12345, entry("exception", severity=0, type="exec", note="no such file"))
    assert found.name == "exception"
    assert found.text == 'severity=0 type=exec note="no such file"'
    assert found.when.endswith(".250")
    long = job_event(1, 1, entry("a-rather-long-name-of-an-event", x=1))
    assert (long.name, long.text) == ("a-rather-long-name-of-an-event", "x=1")
    told = message_event(2, 5.0, "heartbeat.pulse", {"epoch": 4})
    assert (told.job, told.name, told.text) == ("", "heartbeat.pulse", '{"epoch":4}')


def test_what_others_wrote_is_fit_for_a_terminal() -> None:
    lines = [
        job_event(1, 1, entry("x\x1b", note="\x1b[2J")),
        message_event(1, 0.0, "t\x1b", {"a": "\u202e"}),
    ]
    assert all((line.name + line.text).isprintable() for line in lines)
    assert len(job_event(1, 1, entry("x", note="y" * 100_000)).text) <= 1000


@pytest.mark.parametrize(
    ("text", "query", "words"),
    [
        ("", "", ""),
        ("exception", "", "exception"),
        ("user:alice disk full", "user:alice", "disk full"),
        ("-state:failed event:finish", "-state:failed", "event:finish"),
        ('name:"my job" t>5m', 'name:"my job" t>5m', ""),
        ("-start", "", "-start"),
    ],
)
def test_a_filter_has_a_query_and_words(text: str, query: str, words: str) -> None:
    assert split_filter(text) == (query, words)


def test_events_of_the_jobs_that_a_query_finds() -> None:
    table = JobTable()
    table.load([{"id": 7, "state": 16, "name": "sim"}, {"id": 8, "state": 16, "name": "train"}])
    found = job_test("name:sim", table, 0.0)
    assert found is not None
    assert [found(job_event(1, jobid, entry("start"))) for jobid in (7, 8, 9)] == [
        True, False, False,
    ]  # fmt: skip
    assert not found(message_event(1, 0.0, "t", None))
    assert job_test("", table, 0.0) is None
    with pytest.raises(QueryError):
        job_test("state:x", table, 0.0)
