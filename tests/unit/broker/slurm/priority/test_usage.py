"""Usage: counted while jobs run, forgotten with time."""

from __future__ import annotations

import datetime
import math

import pytest

from broker.slurm.priority.usage import Association, UsageTable, decayed, reset_after

ALICE, BOB = Association("a", 1), Association("b", 2)
HOUR = math.log(2) / 3600


def test_running_jobs_are_counted() -> None:
    usage = UsageTable(0.0)
    usage.begin(1, ALICE, 4, 100.0)
    usage.begin(1, ALICE, 4, 150.0)
    usage.begin(2, ALICE, 1, 110.0)
    assert usage.read(110.0) == {ALICE: 40.0}
    usage.end(1, 120.0)
    usage.end(1, 130.0)
    usage.end(7, 130.0)
    assert usage.read(200.0) == {ALICE: 4 * 20 + 90.0}
    usage.end(2, 200.0)
    assert usage.read(1e9) == {ALICE: 170.0}
    assert list(usage) == [ALICE]


def test_usage_decays_by_half() -> None:
    usage = UsageTable(HOUR)
    usage.load({ALICE: 100.0}, 0.0)
    assert usage.read(3600.0)[ALICE] == pytest.approx(50.0)
    usage.load({ALICE: 50.0, BOB: 8.0}, 3600.0)
    assert usage.read(7200.0) == {ALICE: pytest.approx(50.0), BOB: pytest.approx(4.0)}


def test_usage_decays_while_it_comes() -> None:
    one, many = UsageTable(HOUR), UsageTable(HOUR)
    for usage in (one, many):
        usage.begin(1, ALICE, 10, 0.0)
    for second in range(0, 7201, 7):
        many.end(1, second)
        many.begin(1, ALICE, 10, second)
    expected = 10 * 3600 / math.log(2) * 0.75  # the integral of what is left
    assert one.read(7200.0)[ALICE] == pytest.approx(expected)
    assert many.read(7200.0)[ALICE] == pytest.approx(expected)


def test_what_is_as_good_as_nothing_is_dropped() -> None:
    usage = UsageTable(HOUR)
    usage.load({ALICE: 1.0}, 0.0)
    usage.begin(2, BOB, 1, 0.0)
    assert set(usage.read(360000.0)) == {ALICE, BOB}
    assert list(usage) == [BOB]


def test_another_half_life() -> None:
    usage = UsageTable(0.0)
    usage.load({ALICE: 100.0}, 0.0)
    usage.set_rate(HOUR, 3600.0)
    assert usage.read(7200.0)[ALICE] == pytest.approx(50.0)


def test_a_reset_leaves_what_runs() -> None:
    usage = UsageTable(0.0)
    usage.begin(1, ALICE, 2, 0.0)
    usage.load({BOB: 5.0}, 0.0)
    usage.reset(10.0)
    assert usage.read(11.0) == {ALICE: 2.0, BOB: 0.0}


def test_a_clock_that_is_put_back() -> None:
    assert decayed(8.0, 3600.0, HOUR) == pytest.approx(4.0)
    assert decayed(8.0, -3600.0, HOUR) == 8.0
    usage = UsageTable(HOUR)
    usage.begin(1, ALICE, 1, 100.0)
    assert usage.read(50.0) == {ALICE: 0.0}


@pytest.mark.parametrize(
    ("period", "last", "next_one"),
    [
        ("daily", "2026-11-26T18:00", "2026-11-27"),
        ("weekly", "2026-11-26T18:00", "2026-11-29"),
        ("weekly", "2026-11-29T00:00", "2026-12-06"),
        ("monthly", "2026-11-26T18:00", "2026-12-01"),
        ("monthly", "2026-12-26T18:00", "2027-01-01"),
        ("quarterly", "2026-11-26T18:00", "2027-01-01"),
        ("quarterly", "2026-05-01T18:00", "2026-07-01"),
        ("yearly", "2026-11-26T18:00", "2027-01-01"),
    ],
)
def test_when_usage_is_reset(period: str, last: str, next_one: str) -> None:
    then = datetime.datetime.fromisoformat(last).timestamp()
    assert reset_after(period, then) == datetime.datetime.fromisoformat(next_one).timestamp()


def test_usage_that_is_never_reset() -> None:
    assert reset_after("none", 0.0) == reset_after("now", 0.0) == math.inf
