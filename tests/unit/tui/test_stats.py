"""Rates, resources, formats, job ids, reasons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.job.query.match import parsed_id
from flux.job.why import ending
from tui.model import format as fmt
from tui.model import jobid, reasons
from tui.model.columns import COLUMNS, fit
from tui.model.resources import node_and_core_count
from tui.model.stats import SPAN, Throughput
from tui.model.table import JobTable


def test_rate_over_whole_seconds() -> None:
    throughput = Throughput()
    throughput.add([100.1, 100.9, 101.5, 105.0])
    assert throughput.per_second(106.0, 10) == pytest.approx(0.4)
    assert throughput.series(106.0, 6) == [2, 1, 0, 0, 0, 1]
    assert throughput.series(106.0, 3, step=2) == [1.5, 0, 0.5]


def test_rate_forgets_what_is_older_than_the_span() -> None:
    throughput = Throughput()
    throughput.add([100.0])
    throughput.add([100.0 + SPAN])
    assert throughput.per_second(101.0 + SPAN, SPAN) == pytest.approx(1 / SPAN)
    throughput.add([50.0])
    assert throughput.per_second(101.0 + SPAN, SPAN) == pytest.approx(1 / SPAN)


@given(st.lists(st.floats(1000, 1000 + SPAN - 2), max_size=50))
def test_every_recent_end_is_counted_once(times: list[float]) -> None:
    throughput = Throughput()
    throughput.add(times)
    assert sum(throughput.series(1000.0 + SPAN - 1, SPAN - 1)) == len(times)


def test_counting_resources() -> None:
    entries = [
        {"rank": "0-3", "children": {"core": "0-1"}},
        {"rank": "9", "children": {"core": "0,4-6"}},
    ]
    assert node_and_core_count({"version": 1, "execution": {"R_lite": entries}}) == (5, 12)
    assert node_and_core_count(None) == (0, 0)
    assert node_and_core_count(
        {"execution": {"R_lite": [{"rank": "nonsense"}, 5, {"rank": "1"}]}}
    ) == (1, 0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "-"),
        (0.692, "0.69s"),
        (12.34, "12.3s"),
        (59.99, "1m00s"),
        (243, "4m03s"),
        (7500, "2h05m"),
        (273600, "3d04h"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert fmt.duration(seconds) == text


@given(st.floats(0, 1e7))
def test_a_duration_never_exceeds_its_column(seconds: float) -> None:
    assert len(fmt.duration(seconds)) <= 7


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (256, "exit code 1"),
        (9, "SIGKILL"),
        (36608, "exit code 143 (SIGTERM)"),
        (32512, "exit code 127"),
        (255 << 8, "exit code 255"),
    ],
)
def test_wait_status(status: int, text: str) -> None:
    assert ending(status) == text


@given(st.integers(0, 2**64 - 1))
def test_f58_round_trip(number: int) -> None:
    assert parsed_id(jobid.f58(number)) == number
    assert parsed_id(jobid.f58(number, ascii_only=True)) == number


def test_f58_as_flux_writes_it() -> None:
    assert jobid.f58(284138930176) == "ƒ8TuPHh1"
    assert parsed_id("0x10") == 16
    assert parsed_id("fI0") is None
    assert parsed_id("zz") is None


def one(job: dict[str, object]) -> JobTable:
    table = JobTable()
    table.load([{"id": 1, **job}])
    return table


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ({"state": 2, "dependencies": ["afterok:ƒA"]}, "depends on afterok:ƒA"),
        ({"state": 8, "urgency": 0, "priority": 0}, "held"),
        ({"state": 8, "urgency": 16, "priority": 0}, "held (priority 0)"),
        (
            {"state": 8, "priority": 0, "annotations": {"jobtap": {"reason": "tea\x1b"}}},
            "tea\\u001b",
        ),
        ({"state": 4}, "waiting for its priority"),
        ({"state": 4, "annotations": {"jobtap": {"reason": "no credit"}}}, "no credit"),
        ({"state": 8, "annotations": {"sched": {"reason_pending": "no nodes"}}}, "no nodes"),
        ({"state": 8, "annotations": {"sched": {"jobs_ahead": 3}}}, "3 jobs ahead"),
        ({"state": 8}, "waiting for resources"),
        ({"state": 64, "result": 2, "waitstatus": 768}, "exit code 3"),
        (
            {
                "state": 64,
                "result": 4,
                "exception_type": "cancel",
                "exception_severity": 0,
                "exception_note": "why",
            },
            "canceled: why",
        ),
        (
            {
                "state": 64,
                "result": 2,
                "exception_type": "exec",
                "exception_severity": 0,
                "exception_note": "lost",
            },
            "exec: lost",
        ),
    ],
)
def test_the_reason_shown(job: dict[str, object], reason: str) -> None:
    assert reasons.info(one(job), 0) == reason


def test_what_the_instance_tells_counts_most() -> None:
    table = one({"state": 8, "annotations": {"sched": {"reason_pending": "no nodes"}}})
    table.waits = {1: "queue x is stopped: \x1b[1m"}
    assert "\x1b" not in reasons.info(table, 0)
    assert reasons.info(table, 0).startswith("queue x is stopped: ")
    table.load([{"id": 1, "state": 16, "nodelist": "n1"}])
    assert reasons.info(table, 0) == "n1"


def test_the_first_that_wait() -> None:
    table = JobTable()
    table.load([{"id": one, "state": 8, "priority": 16 + one % 2} for one in range(1, 6)])
    table.load([{"id": 7, "state": 16, "priority": 31}])
    assert reasons.scheduled(table, 4) == [1, 3, 5, 2]


@pytest.mark.parametrize("width", [77, 117, 157, 197])
def test_why_a_job_waits_has_room_on_every_terminal(width: int) -> None:
    widths = {column.name: cells for column, cells in fit(COLUMNS, width)}
    assert widths["info"] > len("insufficient resources")


@given(st.integers(20, 300))
def test_columns_fill_exactly_what_they_get(width: int) -> None:
    fitted = fit(COLUMNS, width)
    names = [column.name for column, _ in fitted]
    total = sum(cells + 1 for _, cells in fitted) - 1
    assert total == width or "name" not in names
    assert total <= width
    assert names == [column.name for column in COLUMNS if column.name in names]
