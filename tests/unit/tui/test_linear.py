"""Changes as lines."""

from __future__ import annotations

from tui.linear import LinePrinter
from tui.model.dashboard import Dashboard, InstanceInfo


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
