"""Eventlogs in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.job_info.logs import JobLog, JobLogs, encode
from flux import eventlog
from flux.wire import json


def decode(payload: bytes) -> str:
    line: str = json.loads(payload[:-1])["event"]
    return line


class Recorder:
    """A listener that notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_entry(self, payload: bytes) -> None:
        self.heard.append(decode(payload))

    def on_start(self) -> None:
        self.heard.append("START")

    def on_end(self) -> None:
        self.heard.append("END")


def _event(id: int, seq: int, name: str, **context: Any) -> dict[str, Any]:
    return {
        "id": id,
        "eventlog_seq": seq,
        "entry": eventlog.entry(name, context or None, float(abs(seq))),
    }


def _run(logs: JobLogs, id: int) -> None:
    logs.feed([_event(id, 0, "submit", userid=1), _event(id, 1, "start"), _event(id, 2, "clean")])


@given(st.text())
def test_payloads_keep_any_line(line: str) -> None:
    assert decode(encode(line)) == line


def test_text_is_that_of_the_kvs() -> None:
    logs = JobLogs()
    events = [_event(1, 0, "submit", userid=5, urgency=16, flags=0), _event(1, 1, "depend")]
    logs.feed(events)
    log = logs.get(1)
    assert log is not None
    assert log.text() == "".join(eventlog.encode(event["entry"]) for event in events)
    assert log.userid == 5


def test_listeners_hear_start_and_end() -> None:
    logs = JobLogs()
    logs.feed([_event(1, 0, "submit", userid=1)])
    listener = Recorder()
    log = logs.get(1)
    assert log is not None
    log.listen(listener)
    logs.feed([_event(1, 1, "start"), _event(1, 2, "clean")])
    assert listener.heard == [
        '{"timestamp":1.0,"name":"start"}\n',
        "START",
        '{"timestamp":2.0,"name":"clean"}\n',
        "END",
    ]
    assert logs.listener_count() == 0


def test_repeats_are_dropped_and_gaps_reported() -> None:
    logs = JobLogs()
    assert logs.feed([_event(1, 0, "submit", userid=1), _event(1, 0, "submit", userid=2)]) == []
    assert logs.feed([_event(1, 2, "start"), _event(1, -1, "annotations")]) == [1]
    log = logs.get(1)
    assert log is not None
    assert (len(log.lines), log.userid) == (1, 1)


def test_load_fills_a_gap() -> None:
    logs = JobLogs()
    logs.feed([_event(1, 0, "submit", userid=1)])
    text = "".join(
        eventlog.encode(_event(1, seq, name)["entry"])
        for seq, name in enumerate(["x", "depend", "clean"])
    )
    log = logs.load(1, text)
    assert [eventlog.parse(line)["name"] for line in log.text().splitlines()] == [
        "submit",
        "depend",
        "clean",
    ]
    assert log.ended
    assert logs.active() == []


def test_only_the_last_ended_jobs_are_kept() -> None:
    logs = JobLogs(recent=3)
    for id in range(10):
        _run(logs, id)
    logs.feed([_event(99, 0, "submit", userid=1)])
    assert [id for id in range(10) if logs.get(id)] == [7, 8, 9]
    assert [log.id for log in logs.active()] == [99]


def test_extend_refuses_a_malformed_log() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        JobLog(1).extend("not json\n")


def test_purged_jobs_are_forgotten_active_ones_are_not() -> None:
    logs = JobLogs(recent=2)
    _run(logs, 1)
    logs.feed([_event(2, 0, "submit", userid=0)])
    logs.forget([1, 2, 3])
    assert logs.get(1) is None
    assert logs.get(2) is not None
    for id in (4, 5, 6):
        _run(logs, id)
    assert logs.get(4) is None, "the limit still counts rightly"
    assert logs.get(5) is not None


def test_of_the_jobs_that_wait_those_are_kept_that_something_happened_to() -> None:
    logs = JobLogs(waiting=3)
    logs.feed([_event(0, 0, "submit", userid=1)])
    watched = logs.get(0)
    assert watched is not None
    listener = Recorder()
    watched.listen(listener)
    for id in range(1, 100):
        logs.feed([_event(id, 0, "submit", userid=1)])
        assert len(logs) <= 3
    assert {log.id for log in logs.active()} == {0, 98, 99}
    assert logs.feed([_event(5, 1, "depend"), _event(5, 2, "clean")]) == []
    assert logs.get(5) is None, "nobody wants to know"
    logs.feed([_event(0, 1, "clean")])
    assert listener.heard[-1] == "END"


def test_what_happens_while_an_eventlog_is_read_is_not_missed() -> None:
    logs = JobLogs(waiting=0)
    logs.feed([_event(1, 0, "submit", userid=1)])
    assert logs.get(1) is None
    text = eventlog.encode(_event(1, 0, "submit", userid=1)["entry"])
    with logs.expecting(1):
        assert logs.feed([_event(1, 1, "depend")]) == [1], "to be read again"
        log = logs.load(1, text)
    assert len(log.lines) == 1
    assert logs.feed([_event(2, 1, "depend")]) == []


def test_a_job_whose_submission_is_not_known_belongs_to_nobody() -> None:
    logs = JobLogs()
    logs.feed([_event(1, 0, "depend")])
    log = logs.get(1)
    assert log is not None
    assert log.userid == -1
