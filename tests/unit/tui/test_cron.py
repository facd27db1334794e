"""Entries of cron as the dashboard shows them."""

from __future__ import annotations

from typing import Any

import pytest

from tui.model.cron import KEPT, CronLog, about, entries, span, spec
from tui.model.logs import LogRecord

EXITED = {"state": "Exited", "code": 0, "rank": 1, "start-time": 10.0, "end-time": 10.5}


def entry(**more: Any) -> dict[str, Any]:
    made = {"id": 3, "name": "n", "command": "true", "type": "interval", "stopped": False}
    return {"entries": [{**made, "typedata": {"interval": 5, "next_wakeup": 99.0}, **more}]}


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("interval", {"interval": 60.0, "after": 60.0}, "every 1m"),
        ("interval", {"interval": 0.2, "after": 5.0}, "every 0.2s, first after 5s"),
        ("interval", {"interval": 0, "after": 90.0}, "once after 1m30s"),
        ("event", {"topic": "hb", "nth": 0}, "on hb"),
        ("event", {"topic": "hb", "nth": 3, "after": 2, "min_interval": 60.0},
         "every 3 events hb, after 2, at most every 1m"),
        ("datetime", {"minute": 5, "hour": 4, "mday": -1}, "at 5 4 * * *"),
        ("moon", {}, "moon"),
    ],
)  # fmt: skip
def test_when_an_entry_runs(kind: str, data: dict[str, Any], text: str) -> None:
    assert spec(kind, data) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(1, "1s"), (90061, "1d1h1m1s"), (0, "0s"), (2.5, "2.5s"), (7200, "2h")]
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_run_that_is_put_off_does_not_hide_how_the_last_one_went() -> None:
    (found,) = entries(entry(tasks=[{"state": "Deferred"}, {**EXITED, "code": 3}]))
    assert found.status == "deferred"
    assert found.last is not None
    assert (found.last.outcome, found.last.bad) == ("exit 3", True)


@pytest.mark.parametrize(
    ("tasks", "status"),
    [
        ([], "not run yet"),
        ([EXITED], "success"),
        ([{**EXITED, "state": "Failed"}], "could not be run"),
        ([{"state": "Running", "start-time": 3.0}], "running"),
    ],
)
def test_status(tasks: list[dict[str, Any]], status: str) -> None:
    assert entries(entry(tasks=tasks))[0].status == status


def test_a_stopped_entry_has_no_next_run() -> None:
    assert entries(entry())[0].next_run == 99.0
    assert entries(entry(stopped=True))[0].next_run == 0.0


def test_counts_of_those_that_end() -> None:
    assert entries(entry(stats={"count": 2}, repeat=5))[0].counted == "2/5"
    assert entries(entry(stats={"count": 2000}))[0].counted == "2,000"


def test_what_others_wrote_is_fit_for_a_terminal() -> None:
    (found,) = entries(entry(name="a\x1b", command="b\x1b"))
    assert "\x1b" not in found.name + found.command
    assert not any("\x1b" in line.text for line in about(found, 0.0))


def test_lines_of_the_log_by_entry() -> None:
    log = CronLog()
    log.take(
        [
            LogRecord(1.0, 6, "cron", "0", 'cron-3[n]: rank=0: command="c": "hi"'),
            LogRecord(1.0, 3, "cron", "0", 'cron-30: "c": Failed'),
            LogRecord(1.0, 6, "kvs", "0", "cron-3 is not meant"),
            LogRecord(1.0, 6, "cron", "0", "synchronizing"),
        ]
    )
    assert [line.kind for line in log.of(3)] == ["stdout"]
    assert [line.kind for line in log.of(30)] == ["stderr"]
    assert log.of(4) == []
    log.take(LogRecord(1.0, 6, "cron", "0", f"cron-3: {i}") for i in range(2 * KEPT))
    assert len(log.of(3)) == KEPT
    log.take(LogRecord(1.0, 6, "cron", "0", f"cron-{i}: x") for i in range(3000))
    assert len(log.lines) == 1000
