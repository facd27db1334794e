"""Calendars, triggers and entries of the cron module as data."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from broker.services.cron.entry import EntryOptions, RegisteredCommand, Stats, options_of
from broker.services.cron.triggers import DateTrigger, EventTrigger, IntervalTrigger, make_trigger


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
        (32512, False, "Failed", 127),
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
        ({"rank": -9}, errno.EINVAL),
        ({"rank": 1 << 32}, errno.EINVAL),
        ({"repeat": -1}, errno.EINVAL),
        ({"task-history-count": 0}, errno.EINVAL),
        ({"environ": []}, errno.EPROTO),
    ],
)
def test_bad_options(payload: dict[str, Any], errnum: int) -> None:
    with pytest.raises(OSError) as caught:
        options_of(payload)
    assert caught.value.errno == errnum
