"""When the journal may commit next: pure arithmetic, the journal has the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

# While several jobs run, their events are stored this many seconds apart. Each commit writes the
# directories from the jobs' up to the root anew, so that ten events in one cost little more than
# one alone; and nothing waits for them but who watches.
INTERVAL: Final = 0.005


class Rhythm:
    """Spaces out commits of several jobs' events. Times are seconds on one monotonic clock.

    The events of a job that runs alone are stored at once: there is nothing to store them with.
    """

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._jobs: frozenset[int] = frozenset()
        self._last = float("-inf")

    def committed(self, jobs: Collection[int], now: float) -> None:
        """Note that a commit of events of ``jobs`` has begun."""
        self._jobs = frozenset(jobs)
        self._last = now

    def wait(self, jobs: Collection[int], now: float) -> float:
        """Return the seconds to wait before a commit of events of ``jobs``, 0 for none."""
        if self._jobs.issuperset(jobs):
            return 0.0
        return max(0.0, self._last + self._interval - now)
