"""Dates that match a crontab expression, in local time (crontab(5), flux-cron(1)).

Fields are numbered as in C's struct tm: months from 0, years from 1900, Sunday is weekday 0. The
cron module finds with it when an entry is due, ``flux cron tab`` whether a line can be one.
"""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.idset import IDset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.wire.json import JsonObject

MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
WEEKDAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

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
TAB_FIELDS: Final = ("minute", "hour", "mday", "month", "weekday")
"""The fields of a crontab line, in their order."""
_NAMES: Final[dict[str, Sequence[str]]] = {"month": MONTHS, "weekday": WEEKDAYS}
_HINTS: Final = {"month": "; January is 0", "weekday": "; Sunday is 0"}
# With one of these left open, a date is a rhythm rather than a time of the day.
_RHYTHM: Final = ("second", "minute", "hour")
# A leap day falls on each weekday once in 28 years, in 40 if a century lies between.
_HORIZON_DAYS: Final = 366 * 41


def parse_field(
    text: object, low: int, high: int, names: Sequence[str] = (), hint: str = ""
) -> frozenset[int]:
    """Return the values of one field: a number, ``*``, ranges, lists and steps such as ``*/5`` or
    ``1-10/3,20``; a step after a single number changes nothing.

    ``names`` may stand for the numbers from ``low`` on: in any case, and cut short as long as it
    is clear which one is meant. A range of weekdays may end on Sunday, ``fri-sun``. Raises
    ValueError for anything else, with a sentence that ends in ``hint`` if a number is out of range.
    """
    if isinstance(text, bool) or not isinstance(text, int | str):
        raise ValueError("a number or text is needed")
    values: set[int] = set()
    for part in str(text).split(","):
        span, slash, step_text = part.partition("/")
        step = _integer(step_text) if slash else 1
        if step < 1:
            raise ValueError(f"{part[:100]}: a step is at least 1")
        values.update(_span(span, low, high, names, hint)[::step])
    return frozenset(values)


def _span(span: str, low: int, high: int, names: Sequence[str], hint: str) -> list[int]:
    """Return the values of ``*``, a single value or a range, in order."""
    if span == "*":
        return list(range(low, high + 1))
    head, dash, tail = span.partition("-")
    if not head or (dash and not tail):
        raise ValueError(f"{span[:100]}: a number is missing" if span else "a number is missing")
    first = _value(head, low, names)
    last = _value(tail, low, names) if dash else first
    if first < low or max(first, last) > high:
        raise ValueError(f"{span[:100]} is out of range {low}-{high}{hint}")
    if names is WEEKDAYS and first > last == low:
        return [*range(first, high + 1), low]
    if first > last:
        raise ValueError(f"{span[:100]}: a range goes upwards")
    return list(range(first, last + 1))


def _value(text: str, low: int, names: Sequence[str]) -> int:
    if not names or not text.isalpha():
        return _integer(text)
    found = [index for index, name in enumerate(names) if name.startswith(text.lower())]
    if not found:
        raise ValueError(f"{text[:100]} is no {'weekday' if names is WEEKDAYS else 'month'}")
    if len(found) > 1:
        meant = " or ".join(names[index].capitalize() for index in found)
        raise ValueError(f"{text[:100]} may be {meant}")
    return low + found[0]


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{text[:100]} is not a number" if text else "a number is missing")
    return int(text)


class Calendar(NamedTuple):
    """The dates at which something is due.

    A *rhythm*, one whose second, minute or hour is ``*`` or ``*/n``, follows the time that passes:
    it goes on through an hour that the clock is put back by, and leaves out what it is put forward
    by. Any other is a time of the day: it comes once, with the first of two equal hours, and in
    place of an hour that is left out it comes the same minutes after.
    """

    fields: dict[str, frozenset[int]]
    rhythm: bool = False

    @classmethod
    def from_args(cls, args: JsonObject) -> Calendar:
        """Build from ``cron.create`` arguments; a missing field means any value, missing seconds
        mean 0.

        Raises ValueError, with a sentence that names the field, for one that is malformed or
        unknown.
        """
        unknown = set(args) - {name for name, _, _ in FIELDS}
        if unknown:
            raise ValueError(f"{sorted(unknown)[0][:100]}: unknown field")
        given = {name: args.get(name, 0 if name == "second" else "*") for name, _, _ in FIELDS}
        fields = {}
        for name, low, high in FIELDS:
            names, hint = _NAMES.get(name, ()), _HINTS.get(name, "")
            try:
                fields[name] = parse_field(given[name], low, high, names, hint)
            except ValueError as exc:
                raise ValueError(f"{name}: {exc}") from None
        return cls(fields, any(str(given[name]).startswith("*") for name in _RHYTHM))

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
                # The second passage through an hour that comes twice is only for a rhythm.
                folds = (0, 1) if self.rhythm else (0,)
                found = [self._first_of_day(day, now, fold) for fold in folds]
                times = [when for when in found if when is not None]
                if times:
                    return min(times)
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

    def _first_of_day(self, day: date, now: float, fold: int) -> float | None:
        hours, minutes, seconds = (
            sorted(self.fields[name]) for name in ("hour", "minute", "second")
        )
        for hour in hours:
            if _stamp(day, hour, 59, 59, fold) <= now:
                continue
            for minute in minutes:
                when = _stamp(day, hour, minute, 59, fold)
                if when <= now or (self.rhythm and time.localtime(when).tm_hour != hour):
                    continue
                for second in seconds:
                    when = _stamp(day, hour, minute, second, fold)
                    if when > now:
                        return when
        return None


def _stamp(day: date, hour: int, minute: int, second: int, fold: int) -> float:
    """Return the time of a local date, with ``fold`` the second of two; one that daylight saving
    leaves out is counted on from the time before it.
    """
    when = datetime(day.year, day.month, day.day, hour, minute, second, fold=fold)
    return float(int(when.timestamp()))
