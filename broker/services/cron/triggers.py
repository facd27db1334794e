"""What sets a cron entry off: time that passes, a date, an event. A trigger tells when it is due;
the service has the clock.
"""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING

from flux.crontab import Calendar
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

MAX_SECONDS = 1e10
"""Longest time, more than three hundred years: what timers and dates can still express."""


class IntervalTrigger:
    """Every ``interval`` seconds, the first time ``after`` seconds from the start.

    An interval of 0 means once, and needs ``after``. Raises OSError(EINVAL).
    """

    def __init__(self, interval: float, after: float | None = None) -> None:
        if interval < 0 or (after is not None and after < 0):
            raise OSError(errno.EINVAL, "intervals must not be negative")
        if not interval and after is None:
            raise OSError(errno.EINVAL, "an interval of 0 needs a time to run after")
        self.interval = interval
        self.after = interval if after is None else after
        self._left = self.after
        self._next: float | None = None

    def start(self, now: float) -> None:
        """Begin, with the time that was left when it was stopped."""
        self._next = now + self._left

    def stop(self, now: float) -> None:
        """Pause."""
        if self._next is not None:
            self._left = max(0.0, self._next - now) or self.interval
            self._next = None
        if not self.interval:
            self._left = self.after

    def due(self) -> float | None:
        """Return the time of the next run."""
        return self._next

    def fire(self, now: float) -> None:
        """Look ahead to the next run; runs that were missed are skipped."""
        assert self._next is not None
        if not self.interval:
            self._next = None
            return
        missed = max(0, int((now - self._next) / self.interval))
        self._next += (missed + 1) * self.interval

    def to_json(self, now: float) -> dict[str, object]:
        """Return interval, first delay and next run, 0 if there is none."""
        upcoming = self._next
        if upcoming is None:
            upcoming = now + self._left if self.interval else 0.0
        return {"interval": self.interval, "after": self.after, "next_wakeup": upcoming}


class DateTrigger:
    """At every date that matches."""

    def __init__(self, calendar: Calendar, now: float) -> None:
        self.calendar = calendar
        self._next = calendar.next_after(now)
        if self._next is None:
            raise OSError(errno.EINVAL, "no date in the future matches")
        self._stopped = True

    def start(self, now: float) -> None:
        """Look for the next date."""
        self._stopped = False
        self._next = self.calendar.next_after(now)

    def stop(self, now: float) -> None:
        """Pause."""
        self._stopped = True

    def due(self) -> float | None:
        """Return the next date."""
        return None if self._stopped else self._next

    def fire(self, now: float) -> None:
        """Look for the date after this one."""
        self._next = self.calendar.next_after(now)

    def to_json(self, now: float) -> dict[str, object]:
        """Return the fields and the next date."""
        return {"next_wakeup": self._next or 0.0, **self.calendar.to_json()}


class EventTrigger:
    """On every ``nth`` event, the first time at event number ``after``, at most once in
    ``min_interval`` seconds.
    """

    def __init__(self, topic: str, nth: int = 0, after: int = 0, min_interval: float = 0.0) -> None:
        if not topic or nth < 0 or after < 0 or min_interval < 0:
            raise OSError(errno.EINVAL, "a topic and counts that are not negative are needed")
        self.topic = topic
        self.nth = nth
        self.after = after
        self.min_interval = min_interval
        self.counter = 0
        self._last: float | None = None
        self._later: float | None = None
        self._stopped = True

    def start(self, now: float) -> None:
        """Begin to count, or go on."""
        self._stopped = False

    def stop(self, now: float) -> None:
        """Pause."""
        self._stopped = True
        self._later = None

    def due(self) -> float | None:
        """Return when a run that came too soon is made up for."""
        return self._later

    def fire(self, now: float) -> None:
        """The delayed run takes place."""
        self._later = None
        self._last = now

    def arrived(self, now: float) -> bool:
        """Count an event; returns whether the command runs now."""
        if self._stopped:
            return False
        self.counter += 1
        if self.counter < self.after:
            return False
        if self.nth > 1 and (self.counter - self.after) % self.nth and self.counter != self.after:
            return False
        if self.min_interval and self._last is not None and now - self._last < self.min_interval:
            self._later = self._last + self.min_interval
            return False
        self._last = now
        return True

    def to_json(self, now: float) -> dict[str, object]:
        """Return topic, counts and the least time between runs."""
        return {
            "topic": self.topic,
            "nth": self.nth,
            "after": self.after,
            "counter": self.counter,
            "min_interval": self.min_interval,
        }


def _number(value: object) -> float:
    """Return a number of seconds or events; raises OSError(EINVAL) if it is out of range, TypeError
    if it is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= MAX_SECONDS:
        raise OSError(errno.EINVAL, "a number is out of range")
    return number


def make_trigger(
    kind: str, args: JsonObject, now: float
) -> IntervalTrigger | DateTrigger | EventTrigger:
    """Return the trigger that ``cron.create`` describes; raises OSError: EPROTO, EINVAL."""
    try:
        if kind == "interval":
            after = args.get("after")
            return IntervalTrigger(
                _number(args["interval"]), None if after is None else _number(after)
            )
        if kind == "datetime":
            return DateTrigger(Calendar.from_args(args), now)
        if kind == "event":
            counts = {name: int(_number(args.get(name, 0))) for name in ("nth", "after")}
            return EventTrigger(
                str(args["topic"]), **counts, min_interval=_number(args.get("min_interval", 0.0))
            )
    except (KeyError, TypeError):
        raise os_error(errno.EPROTO) from None
    except ValueError as exc:
        raise OSError(errno.EINVAL, str(exc)) from None
    raise OSError(errno.EINVAL, f"{kind}: unknown type of cron entry")
