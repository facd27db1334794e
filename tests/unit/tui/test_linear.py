"""Changes as lines."""

from __future__ import annotations

import json

from tui.linear import SPARE, LinePrinter, ObjectPrinter
from tui.model.dashboard import Dashboard
from tui.model.facts import InstanceInfo


def test_one_line_for_each_change() -> None:
    dashboard = Dashboard(lambda: 100.0)
    printer = LinePrinter(dashboard)
    assert printer.lines()[0].endswith("# connecting")
    dashboard.instance = InstanceInfo(size=4)
    dashboard.replace(
        [{"id": 284138930176, "state": 16, "name": "true", "t_submit": 1.0, "t_run": 2.0}]
    )
    dashboard.utilisation.set(8, 1, 0, 4, 0)
    dashboard.set_link(True)
    first = printer.lines()
    assert first[0].endswith("# connected")
    assert "4 brokers, 1 of 8 cores in use; jobs: 1 running, 0 pending" in first[1]
    assert printer.lines() == []
    dashboard.apply(
        [
            {
                "id": 284138930176,
                "entry": {"timestamp": 5.0, "name": "finish", "context": {"status": 256}},
            },
            {"id": 284138930176, "entry": {"timestamp": 5.1, "name": "clean"}},
        ]
    )
    (line,) = printer.lines()
    assert line.split(" ", 1)[1] == "ƒ8TuPHh1 failed true 3.00s exit code 1"


def test_purged_jobs_are_forgotten() -> None:
    dashboard = Dashboard(lambda: 100.0)
    printer = LinePrinter(dashboard)
    dashboard.replace([])
    dashboard.set_link(True)
    printer.lines()
    told = 0
    for first in range(1, 10_000, 1000):
        ids = range(first, first + 1000)
        dashboard.load([{"id": number, "state": 64, "result": 1} for number in ids])
        told += len(printer.lines())
        dashboard.forget(set(ids))
        assert len(printer._told) <= SPARE + 2000  # noqa: SLF001 - it is about what is kept
    assert told == 10_000


def test_the_filter_holds_for_lines_too() -> None:
    dashboard = Dashboard(lambda: 100.0)
    dashboard.set_query("name:wanted")
    printer = LinePrinter(dashboard)
    dashboard.replace([])
    dashboard.set_link(True)
    printer.lines()
    dashboard.load(
        [{"id": 1, "state": 8, "name": "wanted"}, {"id": 2, "state": 8, "name": "other"}]
    )
    assert [line.split()[3] for line in printer.lines()] == ["wanted"]


JOB = {"id": 284138930176, "state": 16, "name": "a\u202eb\x9b", "t_submit": 1.0, "t_run": 2.0}
ENDED = [
    {
        "id": 284138930176,
        "entry": {"timestamp": 5.0, "name": "finish", "context": {"status": 256}},
    },
    {"id": 284138930176, "entry": {"timestamp": 5.1, "name": "clean"}},
]


def test_programs_get_objects() -> None:
    dashboard = Dashboard(lambda: 100.0)
    printer = ObjectPrinter(dashboard)
    assert [json.loads(line)["text"] for line in printer.lines()] == ["connecting"]
    dashboard.instance = InstanceInfo(size=4)
    dashboard.replace([JOB])
    dashboard.utilisation.set(8, 1, 0, 4, 0)
    dashboard.set_link(True)
    connected, summary = map(json.loads, printer.lines())
    assert connected == {"timestamp": 100.0, "type": "connection", "text": "connected"}
    assert summary["cores"] == {"all": 8, "allocated": 1}
    assert summary["jobs"]["running"] == 1
    dashboard.apply(ENDED)
    (line,) = printer.lines()
    assert line.isascii()
    assert json.loads(line) == {
        "timestamp": 5.1,
        "type": "job",
        "id": 284138930176,
        "jobid": "ƒ8TuPHh1",
        "userid": -1,
        "username": "",
        "state": "failed",
        "name": "a\\u202eb\\u009b",
        "runtime": 3.0,
        "reason": "exit code 1",
    }


def test_queues_and_silence_are_told_once_each() -> None:
    now = 100.0
    dashboard = Dashboard(lambda: now)
    printer = LinePrinter(dashboard)
    dashboard.replace([])
    dashboard.set_link(True)
    dashboard.set_notices(["the queue is stopped"])
    assert printer.lines()[-1].endswith("# the queue is stopped")
    assert printer.lines() == []
    dashboard.set_notices([])
    assert [line[9:] for line in printer.lines()] == ["# no longer so: the queue is stopped"]
    dashboard.ask()
    now = 120.0
    assert [line[9:] for line in printer.lines()] == ["# the instance does not answer"]
    assert printer.lines() == []
    dashboard.hear()
    assert [line[9:] for line in printer.lines()] == ["# the instance answers again"]
