"""Eventlog entries (RFC 18)."""

from __future__ import annotations

import pytest

from flux.job.event import EventLogEvent, JobException, parse_eventlog


def test_entry() -> None:
    event = EventLogEvent('{"timestamp":1.5,"name":"priority","context":{"priority":16}}')
    assert (event.timestamp, event.name, event.context) == (1.5, "priority", {"priority": 16})
    assert event["name"] == "priority"
    assert event.context_string == '{"priority":16}'
    assert EventLogEvent({"timestamp": 1, "name": "x"}).context == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not a JSON object"),
        ("{}", "no timestamp or name"),
        ('{"timestamp":1}', "no timestamp or name"),
        ("nojson", "entry is not JSON"),
    ],
)
def test_malformed(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        EventLogEvent(text)


def test_eventlog() -> None:
    events = parse_eventlog('{"timestamp":1,"name":"a"}\n{"timestamp":2,"name":"b"}\n')
    assert [event.name for event in events] == ["a", "b"]


def test_exception() -> None:
    context = {"type": "cancel", "severity": 0, "note": "because"}
    error = JobException({"timestamp": 1.0, "name": "exception", "context": context})
    assert (error.type, error.severity, error.note, error.timestamp) == (
        "cancel",
        0,
        "because",
        1.0,
    )
    assert str(error) == "job.exception: type=cancel: because"
