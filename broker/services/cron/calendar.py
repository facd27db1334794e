"""Dates that match a crontab expression, in local time (crontab(5), flux-cron(1)).

Fields are numbered as in C's struct tm: months from 0, years from 1900, Sunday is weekday 0.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from flux.idset import IDset

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

#: Field, smallest and greatest value; in the order a date is narrowed down.
FIELDS: Final = (
    ("second", 0, 59),
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("mday", 1, 31),
    ("month", 0, 11),
    ("year", 0, 1100),
    ("weekday", 0, 6),
)
_HORIZON_DAYS: Final = (
    366 * 9
)  # over every combination of day, month and weekday, leap days included


def parse_field(text: object, low: int, high: int) -> frozenset[int]:
    """Return the values of one field: a number, ``*``, ranges, lists and steps such as ``*/5`` or
    ``1-10/3,20``.

    Raises ValueError for anything else and for values out of range.
    """
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise ValueError("a crontab field is a number or text")
    values: set[int] = set()
    for part in str(text).split(","):
        span, slash, step_text = part.partition("/")
        step = _integer(step_text) if slash else 1
        if span == "*":
            first, last = low, high
        else:
            head, dash, tail = span.partition("-")
            first = _integer(head)
            last = _integer(tail) if dash else (high if slash else first)
        if step < 1 or first < low or last > high or first > last:
            raise ValueError(f"{part[:100]}: out of range")
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _integer(text: str) -> int:
    if not (text.isascii() and text.strip().isdecimal() and len(text) < 10):
        raise ValueError(f"{text[:100]}: not a number")
    return int(text)


@dataclass(frozen=True)
class Calendar:
    """The dates at which something is due."""

    fields: dict[str, frozenset[int]]

    @classmethod
    def from_args(cls, args: JsonObject) -> Calendar:
        """Build from ``cron.create`` arguments; a missing field means any value, missing seconds
        mean 0.

        Raises ValueError for a malformed or unknown field.
        """
        unknown = set(args) - {name for name, _, _ in FIELDS}
        if unknown:
            raise ValueError(f"{sorted(unknown)[0][:100]}: unknown field")
        default = {"second": 0}
        return cls(
            {
                name: parse_field(args.get(name, default.get(name, "*")), low, high)
                for name, low, high in FIELDS
            }
        )

    def to_json(self) -> dict[str, str]:
        """Return each field as an idset string."""
        return {name: IDset(self.fields[name]).encode() for name, _, _ in FIELDS}

    def next_after(self, now: float) -> float | None:
        """Return the first time after ``now`` (seconds since the epoch) that matches, None if there
        is none.
        """
        start = time.localtime(now)
        day = date(start.tm_year, start.tm_mon, start.tm_mday)
        years = self.fields["year"]
        if max(years) + 1900 < day.year:
            return None
        if min(years) + 1900 > day.year:
            day = date(min(years) + 1900, 1, 1)
        for _ in range(_HORIZON_DAYS):
            if self._matches_day(day):
                found = self._first_of_day(day, now)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _matches_day(self, day: date) -> bool:
        fields = self.fields
        return (
            day.month - 1 in fields["month"]
            and day.day in fields["mday"]
            and day.year - 1900 in fields["year"]
            and day.isoweekday() % 7 in fields["weekday"]
        )

    def _first_of_day(self, day: date, now: float) -> float | None:
        hours, minutes, seconds = (
            sorted(self.fields[name]) for name in ("hour", "minute", "second")
        )
        for hour in hours:
            if _stamp(day, hour, 59, 59) <= now:
                continue
            for minute in minutes:
                if _stamp(day, hour, minute, 59) <= now:
                    continue
                for second in seconds:
                    when = _stamp(day, hour, minute, second)
                    if when > now:
                        return when
        return None


def _stamp(day: date, hour: int, minute: int, second: int) -> float:
    """Return the time of a local date; an hour that daylight saving leaves out counts as the next
    one.
    """
    return time.mktime((day.year, day.month, day.day, hour, minute, second, 0, 0, -1))
