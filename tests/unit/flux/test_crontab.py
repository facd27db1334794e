"""Dates of crontab expressions."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.crontab import FIELDS, MONTHS, WEEKDAYS, Calendar, parse_field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def berlin(zone: Callable[[str], None]) -> None:
    zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (5, {5}),
        ("*", set(range(60))),
        ("*/20", {0, 20, 40}),
        ("1-3,10", {1, 2, 3, 10}),
        ("50/5", {50}),
        ("0/15", {0}),
        ("1-9/4", {1, 5, 9}),
    ],
)
def test_field(text: Any, values: set[int]) -> None:
    assert parse_field(text, 0, 59) == values


@pytest.mark.parametrize("text", ["", "x", "60", "-1", "5-3", "*/0", "1,,2", True, 1.5, None])
def test_bad_field(text: Any) -> None:
    with pytest.raises(
        ValueError, match=r"out of range|not a number|number or text|upwards|at least 1|missing"
    ):
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


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Dec", {11}),
        ("december", {11}),
        ("JAN-mar", {0, 1, 2}),
        ("jan,Jul,D", {0, 6, 11}),
        ("feb-nov/3", {1, 4, 7, 10}),
        ("0-feb", {0, 1}),
    ],
)
def test_months_have_names(text: str, values: set[int]) -> None:
    assert parse_field(text, 0, 11, MONTHS) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("mon-fri", {1, 2, 3, 4, 5}),
        ("Mon,Wed,Fri", {1, 3, 5}),
        ("SUN", {0}),
        ("Monday", {1}),
        ("fri-sun", {5, 6, 0}),
        ("mon-sun/2", {1, 3, 5, 0}),
        ("sun-tue", {0, 1, 2}),
    ],
)
def test_weekdays_have_names(text: str, values: set[int]) -> None:
    assert parse_field(text, 0, 6, WEEKDAYS) == values


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("minute", "60", "minute: 60 is out of range 0-59"),
        ("minute", "jan", "minute: jan is not a number"),
        ("minute", "?", "minute: ? is not a number"),
        ("hour", "1.5", "hour: 1.5 is not a number"),
        ("hour", "-1", "hour: -1: a number is missing"),
        ("mday", "L", "mday: L is not a number"),
        ("mday", "5-3", "mday: 5-3: a range goes upwards"),
        ("month", "12", "month: 12 is out of range 0-11; January is 0"),
        ("month", "ju", "month: ju may be June or July"),
        ("month", "mon", "month: mon is no month"),
        ("weekday", "7", "weekday: 7 is out of range 0-6; Sunday is 0"),
        ("weekday", "t", "weekday: t may be Tuesday or Thursday"),
        ("weekday", "jan", "weekday: jan is no weekday"),
        ("weekday", "fri-mon", "weekday: fri-mon: a range goes upwards"),
        ("weekday", "*/0", "weekday: */0: a step is at least 1"),
        ("hour", True, "hour: a number or text is needed"),
    ],
)
def test_what_is_wrong_is_said_with_the_field(field: str, text: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        Calendar.from_args({field: text})


def _dates(now: str, count: int, **args: Any) -> list[str]:
    calendar, when, found = Calendar.from_args(args), _local(now), []
    for _ in range(count):
        after = calendar.next_after(when)
        assert after is not None
        when = after
        found.append(time.strftime("%d %H:%M %Z", time.localtime(when)))
    return found


def test_a_rhythm_goes_on_through_the_hour_that_comes_twice(zone: Callable[[str], None]) -> None:
    zone("America/New_York")
    assert _dates("2027-11-07 00:55:00", 5, minute="*/30") == [
        "07 01:00 EDT",
        "07 01:30 EDT",
        "07 01:00 EST",
        "07 01:30 EST",
        "07 02:00 EST",
    ]
    hourly = ["07 01:00 EDT", "07 01:00 EST", "07 02:00 EST"]
    assert _dates("2027-11-07 00:55:00", 3, minute="0") == hourly
    both = ["07 01:00 EDT", "07 01:30 EDT", "07 01:00 EST", "07 01:30 EST", "08 01:00 EST"]
    assert _dates("2027-11-07 00:55:00", 5, minute="*/30", hour=1) == both


def test_a_time_of_the_day_comes_once_in_autumn(zone: Callable[[str], None]) -> None:
    zone("America/New_York")
    once = ["07 01:30 EDT", "08 01:30 EST"]
    assert _dates("2027-11-07 00:55:00", 2, minute=30, hour=1) == once
    assert _dates("2027-11-07 00:55:00", 2, minute=30, hour="1,4") == [once[0], "07 04:30 EST"]


def test_in_spring_a_rhythm_leaves_out_what_a_time_of_the_day_makes_up_for(
    zone: Callable[[str], None],
) -> None:
    zone("America/New_York")
    expected = ["14 01:30 EST", "14 03:00 EDT", "14 03:30 EDT", "14 04:00 EDT"]
    assert _dates("2027-03-14 01:10:00", 4, minute="*/30") == expected
    assert _dates("2027-03-14 01:10:00", 2, minute="*/30", hour=2) == [
        "15 02:00 EDT",
        "15 02:30 EDT",
    ]
    assert _dates("2027-03-14 01:10:00", 2, minute=30, hour=2) == ["14 03:30 EDT", "15 02:30 EDT"]


def test_a_leap_day_of_a_certain_weekday_is_found_however_far_it_is() -> None:
    assert _next("2026-11-21 00:00:00", month=1, mday=29, weekday="mon", hour=0, minute=0) == (
        "2044-02-29 00:00:00"
    )
