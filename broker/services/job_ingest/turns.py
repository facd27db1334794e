"""How submissions share the broker with the jobs that run. No I/O.

A job needs a dozen turns of the event loop between its allocation and its end, and whoever keeps
the loop for long keeps it from all of them. So submissions are taken in for a few milliseconds at
a time. While no job runs the next are taken in with the next turn, however many are still being
stored. While jobs run, a small batch goes through to its end, which takes some turns that the jobs
have too, and then the broker is left to them for a moment.
"""

from __future__ import annotations

from typing import Final

SLICE: Final = 0.002
"""Seconds for which submissions are taken in at a time."""
SHORT_SLICE: Final = 0.0005
"""The same while jobs run: what is taken in together is also stored and listed together."""
REST_SHARE: Final = 0.5
"""The next batch waits for this part of the time that the last one took, for the sake of jobs that
run."""
REST_MAX: Final = 0.01
"""No batch waits for more seconds than that."""


class IntakeTurns:
    """When the next submissions may be taken in. Times are seconds on one monotonic clock.

    ``busy`` tells whether jobs run, as far as is known; ``under_way`` is how many submissions have
    been passed on and not been answered.
    """

    def __init__(self) -> None:
        self.busy = False
        self.under_way = 0
        self._begun = 0.0
        self._not_before = 0.0

    @property
    def slice(self) -> float:
        """Seconds for which submissions may be taken in now."""
        return SHORT_SLICE if self.busy else SLICE

    def passed_on(self, count: int, begun: float) -> None:
        """Note that ``count`` submissions, taken in since ``begun``, are on their way."""
        if not self.under_way:
            self._begun = begun
        self.under_way += count

    def answered(self, count: int, busy: bool, now: float) -> None:
        """Note that ``count`` submissions have been answered, and whether jobs run."""
        self.under_way -= count
        self.busy = busy
        if busy and not self.under_way:
            self._not_before = now + min(REST_SHARE * (now - self._begun), REST_MAX)

    def wait(self, now: float) -> float | None:
        """Return the seconds to wait before the next are taken in, None for: until some of those
        under way have been answered.
        """
        if not self.busy:
            return 0.0
        return None if self.under_way else max(0.0, self._not_before - now)
