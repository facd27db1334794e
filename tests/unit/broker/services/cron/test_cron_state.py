"""Calendars, triggers and entries of the cron module as data."""

from __future__ import annotations

import errno
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.services.cron.calendar import FIELDS, Calendar, parse_field
from broker.services.cron.entry import EntryOptions, RegisteredCommand, Stats, options_of
from broker.services.cron.triggers import DateTrigger, EventTrigger, IntervalTrigger, make_trigger

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (5, {5}),
        ("*", set(range(60))),
        ("*/20", {0, 20, 40}),
        ("1-3,10", {1, 2, 3, 10}),
        ("50/5", {50, 55}),
        ("1-9/4", {1, 5, 9}),
    ],
)
def test_field(text: Any, values: set[int]) -> None:
    assert parse_field(text, 0, 59) == values


@pytest.mark.parametrize("text", ["", "x", "60", "-1", "5-3", "*/0", "1,,2", True, 1.5, None])
def test_bad_field(text: Any) -> None:
    with pytest.raises(ValueError, match=r"out of range|not a number|number or text"):
        parse_field(text, 0, 59)


def _local(text: str) -> float:
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S"))


def _next(now: str, **args: Any) -> str:
    found = Calendar.from_args(args).next_after(_local(now))
    return "never" if found is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ({}, "2026-11-21 00:20:00"),
        ({"minute": 30}, "2026-11-21 00:30:00"),
        ({"minute": 10}, "2026-11-21 01:10:00"),
        ({"hour": 0, "minute": 0}, "2026-11-22 00:00:00"),
        ({"weekday": "1", "hour": 8, "minute": 15}, "2026-11-23 08:15:00"),
        ({"month": 1, "mday": 29, "hour": 12, "minute": 0}, "2028-02-29 12:00:00"),
        (
            {"year": 126, "month": 10, "mday": 21, "hour": 1, "minute": 20, "second": 57},
            "2026-11-21 01:20:57",
        ),
        ({"year": 120}, "never"),
        ({"month": 1, "mday": 30}, "never"),
        ({"year": 140, "month": 0, "mday": 1}, "2040-01-01 00:00:00"),
    ],
)
def test_next_date(args: dict[str, Any], expected: str) -> None:
    assert _next("2026-11-21 00:19:30", **args) == expected


def test_hour_that_daylight_saving_leaves_out() -> None:
    assert _next("2026-03-29 01:59:59", hour=2, minute=30) == "2026-03-29 03:30:00"


def test_calendar_tells_its_fields() -> None:
    told = Calendar.from_args({"minute": "*/30"}).to_json()
    assert told["minute"] == "0,30"
    assert (told["second"], told["year"], told["mday"]) == ("0", "0-1100", "1-31")
    with pytest.raises(ValueError, match="decade: unknown field"):
        Calendar.from_args({"decade": 1})


_fields = st.fixed_dictionaries(
    {},
    optional={
        name: st.integers(low, min(high, 28)) for name, low, high in FIELDS if name != "year"
    },
)


@given(_fields, st.integers(0, 4 * 10**9))
def test_next_date_matches_and_lies_ahead(args: dict[str, int], now: int) -> None:
    found = Calendar.from_args(args).next_after(now)
    if found is None:
        return
    assert found > now
    when = time.localtime(found)
    actual = {
        "second": when.tm_sec,
        "minute": when.tm_min,
        "mday": when.tm_mday,
        "month": when.tm_mon - 1,
        "weekday": (when.tm_wday + 1) % 7,
    }
    for name, value in args.items():
        if name != "hour":
            assert actual[name] == value
    assert datetime.fromtimestamp(found, UTC).microsecond == 0


def test_interval() -> None:
    trigger = IntervalTrigger(10.0, 1.0)
    trigger.start(100.0)
    assert trigger.due() == 101.0
    trigger.fire(101.0)
    assert trigger.due() == 111.0
    trigger.stop(105.0)
    assert trigger.due() is None
    assert trigger.to_json(200.0) == {"interval": 10.0, "after": 1.0, "next_wakeup": 206.0}
    trigger.start(200.0)
    assert trigger.due() == 206.0


def test_interval_skips_what_it_missed() -> None:
    trigger = IntervalTrigger(10.0)
    trigger.start(0.0)
    trigger.fire(35.0)
    assert trigger.due() == 40.0


def test_event_nth() -> None:
    trigger = EventTrigger("foo", nth=2)
    trigger.start(0.0)
    assert [trigger.arrived(1.0) for _ in range(6)] == [False, True] * 3


def test_event_after() -> None:
    trigger = EventTrigger("foo", after=3)
    assert not trigger.arrived(0.0)
    trigger.start(0.0)
    assert [trigger.arrived(1.0) for _ in range(5)] == [False, False, True, True, True]
    assert trigger.to_json(0.0)["counter"] == 5


def test_event_minimum_interval_makes_up_for_a_run_that_came_too_soon() -> None:
    trigger = EventTrigger("foo", min_interval=5.0)
    trigger.start(0.0)
    assert trigger.arrived(10.0)
    assert not trigger.arrived(12.0)
    assert trigger.due() == 15.0
    trigger.fire(15.0)
    assert trigger.due() is None
    assert not trigger.arrived(19.0)


@pytest.mark.parametrize(
    ("kind", "args", "errnum"),
    [
        ("interval", {}, errno.EPROTO),
        ("interval", {"interval": 0}, errno.EINVAL),
        ("interval", {"interval": "x"}, errno.EINVAL),
        ("event", {}, errno.EPROTO),
        ("event", {"topic": ""}, errno.EINVAL),
        ("datetime", {"minute": "x"}, errno.EINVAL),
        ("datetime", {"year": 100}, errno.EINVAL),
        ("nosuch", {}, errno.EINVAL),
    ],
)
def test_bad_trigger(kind: str, args: dict[str, Any], errnum: int) -> None:
    with pytest.raises(OSError) as caught:
        make_trigger(kind, args, 1.0e9)
    assert caught.value.errno == errnum


def test_date_is_told_with_its_fields() -> None:
    trigger = make_trigger("datetime", {}, 100.0)
    assert isinstance(trigger, DateTrigger)
    assert trigger.due() is None
    trigger.start(100.0)
    assert trigger.due() == 120.0
    trigger.fire(120.0)
    assert trigger.to_json(0.0)["next_wakeup"] == 180.0


def _entry(**options: Any) -> RegisteredCommand:
    return RegisteredCommand(1, "x", "false", "interval", EntryOptions(**options), Stats(1.0, 1.0))


def test_repeat_stops_the_entry() -> None:
    entry = _entry(repeat=2)
    first = entry.new_task(1.0)
    assert not entry.stopped
    first.exited(0, 2.0)
    entry.finish(first)
    entry.new_task(3.0)
    assert entry.stopped
    entry.restart(4.0)
    assert (entry.stopped, entry.stats.count, entry.stats.total) == (False, 0, 2)


def test_failures_stop_the_entry() -> None:
    entry = _entry(stop_on_failure=2)
    for _ in range(2):
        task = entry.new_task(1.0)
        entry.begin(task, 1.0)
        task.exited(256, 2.0)
        entry.finish(task)
    assert entry.stopped
    assert (entry.stats.failure, entry.stats.success) == (2, 0)


def test_history_is_limited() -> None:
    entry = _entry(history=2)
    for _ in range(5):
        task = entry.new_task(1.0)
        task.failed(2.0)
        entry.finish(task)
    assert [task.state for task in entry.tasks] == ["Exec Failure"] * 2


@pytest.mark.parametrize(
    ("status", "timedout", "state", "code"),
    [
        (0, False, "Exited", 0),
        (768, False, "Exited", 3),
        (9, False, "Exited", 137),
        (15, True, "Timeout", 143),
    ],
)
def test_task_end(status: int, timedout: bool, state: str, code: int) -> None:
    entry = _entry()
    task = entry.new_task(1.0)
    task.timedout = timedout
    task.exited(status, 2.0)
    assert (task.state, task.code, task.succeeded) == (state, code, code == 0)
    assert not entry.busy


@pytest.mark.parametrize(
    ("payload", "errnum"),
    [
        ({"rank": "x"}, errno.EPROTO),
        ({"rank": 9}, errno.EHOSTUNREACH),
        ({"repeat": -1}, errno.EINVAL),
        ({"task-history-count": 0}, errno.EINVAL),
        ({"environ": []}, errno.EPROTO),
    ],
)
def test_bad_options(payload: dict[str, Any], errnum: int) -> None:
    with pytest.raises(OSError) as caught:
        options_of(payload, 4)
    assert caught.value.errno == errnum
