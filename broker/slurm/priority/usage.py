"""What users have used of the machine: core-seconds, which decay with time. No I/O.

Times are seconds on one clock that never goes back; the caller reads it.
"""

from __future__ import annotations

import datetime
import math
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FORGOTTEN: Final = 0.01
"""Core-seconds that are as good as none."""


class Association(NamedTuple):
    """A user as a member of an account."""

    account: str
    userid: int


class Meter(Struct):
    """One association: what it had used by ``at``, and how many cores it uses since."""

    used: float = 0.0
    cores: int = 0
    at: float = 0.0

    def read(self, now: float, rate: float) -> float:
        """Return what has been used by ``now``: what was used decays, and so does what is used
        meanwhile.
        """
        passed = max(0.0, now - self.at)
        if not rate:
            return self.used + self.cores * passed
        left = math.exp(-rate * passed)
        return self.used * left + self.cores * (1.0 - left) / rate

    def settle(self, now: float, rate: float) -> None:
        """Bring ``used`` up to date."""
        self.used, self.at = self.read(now, rate), max(now, self.at)


class UsageTable:
    """The usage of all associations; ``rate`` is the part that is forgotten in a second, as the
    exponent of e.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._meters: dict[Association, Meter] = {}
        self._running: dict[int, tuple[Association, int]] = {}

    def set_rate(self, rate: float, now: float) -> None:
        """Have usage decay at another rate from now on."""
        for meter in self._meters.values():
            meter.settle(now, self._rate)
        self._rate = rate

    def begin(self, jobid: int, association: Association, cores: int, now: float) -> None:
        """A job has its resources."""
        if jobid not in self._running:
            self._running[jobid] = (association, cores)
            self._add(association, cores, now)

    def end(self, jobid: int, now: float) -> None:
        """A job is over."""
        known = self._running.pop(jobid, None)
        if known is not None:
            association, cores = known
            self._add(association, -cores, now)

    def _add(self, association: Association, cores: int, now: float) -> None:
        meter = self._meters.get(association)
        if meter is None:
            meter = self._meters[association] = Meter(at=now)
        meter.settle(now, self._rate)
        meter.cores += cores

    def load(self, kept: Mapping[Association, float], now: float) -> None:
        """Add what was kept of an earlier instance."""
        for association, used in kept.items():
            meter = self._meters.setdefault(association, Meter(at=now))
            meter.settle(now, self._rate)
            meter.used += used

    def reset(self, now: float) -> None:
        """Forget all usage; what runs goes on being counted."""
        for meter in self._meters.values():
            meter.used, meter.at = 0.0, now

    def read(self, now: float) -> dict[Association, float]:
        """Return the usage of all associations by now; those without any are dropped."""
        found = {
            association: meter.read(now, self._rate) for association, meter in self._meters.items()
        }
        for association, used in found.items():
            if used < FORGOTTEN and not self._meters[association].cores:
                del self._meters[association]
        return found

    def __iter__(self) -> Iterator[Association]:
        return iter(self._meters)


def decayed(used: float, seconds: float, rate: float) -> float:
    """Return what is left of usage after so many seconds; all of it if a clock was put back."""
    return used * math.exp(-rate * max(0.0, seconds))


def reset_after(period: str, last: float) -> float:
    """Return when usage is to be forgotten next, in seconds since the epoch: the first beginning of
    a ``period`` after ``last``, in local time; never for ``none`` and ``now``.
    """
    if period in ("none", "now"):
        return math.inf
    start = datetime.datetime.fromtimestamp(last).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "daily":
        return (start + datetime.timedelta(days=1)).timestamp()
    if period == "weekly":
        return (start + datetime.timedelta(days=7 - (start.weekday() + 1) % 7)).timestamp()
    months = {"monthly": 1, "quarterly": 3, "yearly": 12}[period]
    first = (start.month - 1) // months * months + months
    return start.replace(year=start.year + first // 12, month=first % 12 + 1, day=1).timestamp()
