"""When the journal may commit next: pure arithmetic, the journal has the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

# While several jobs run, their events are stored this many seconds apart, the longer the more there
# were of them: what is gathered costs little more than one event alone, for each commit writes the
# directories from the jobs' up to the root anew; and nothing waits but who watches.
SHORTEST: Final = 0.005
LONGEST: Final = 0.02
PER_EVENT: Final = 0.001


class Rhythm:
    """Spaces out commits of several jobs' events, ``shortest`` to ``longest`` seconds.

    Times are seconds on one monotonic clock. The events of a job that runs alone are stored at
    once: there is nothing to store them with.
    """

    def __init__(self, shortest: float = SHORTEST, longest: float = LONGEST) -> None:
        self._shortest = shortest
        self._longest = max(longest, shortest)
        self._jobs: frozenset[int] = frozenset()
        self._due = float("-inf")

    def committed(self, jobs: Collection[int], events: int, now: float) -> None:
        """Note that a commit of ``events`` events of ``jobs`` has begun."""
        self._jobs = frozenset(jobs)
        self._due = now + min(max(self._shortest, events * PER_EVENT), self._longest)

    def wait(self, jobs: Collection[int], now: float) -> float:
        """Return the seconds to wait before a commit of events of ``jobs``, 0 for none."""
        if len(self._jobs.union(jobs)) <= 1:
            return 0.0
        return max(0.0, self._due - now)
