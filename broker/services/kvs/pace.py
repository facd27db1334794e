"""How soon the leader may apply the next batches: pure arithmetic, the leader has the clock."""

from __future__ import annotations

from typing import Final

# A batch that took t seconds is followed by t/2 in which the loop serves others: look-ups, jobs,
# heartbeats. What is committed meanwhile joins the next batch, so little is lost.
REST_SHARE: Final = 0.5
# A timer shorter than this costs more than the rest gives.
REST_MIN: Final = 0.001
# No commit waits longer than this for the sake of others.
REST_MAX: Final = 0.1
# Every batch writes the directories on its path anew, whole, however little changed in them. Who
# commits key by key to a large directory would have us write without end; at this rate in bytes a
# second the batches grow instead.
DIRECTORY_RATE: Final = 10e6
# So many bytes may be written at once before the rate counts: ordinary load never comes to it.
DIRECTORY_BURST: Final = 2e6
# Commits that may wait share a root with what comes within so many seconds of the last batch.
GATHERING: Final = 0.05


class Pace:
    """When the next batches may be applied. Times are seconds on one monotonic clock.

    ``debt`` is the bytes of directories that were written and not yet worked off at
    `DIRECTORY_RATE`.
    """

    def __init__(self, now: float) -> None:
        self.debt = 0.0
        self._last = now
        self._not_before = now

    def worked(self, started: float, ended: float, written: int) -> None:
        """Note that batches were applied from ``started`` to ``ended``, and that their directories
        have ``written`` bytes.
        """
        self.debt = max(0.0, self.debt - (ended - self._last) * DIRECTORY_RATE) + written
        self._last = ended
        rest = max(REST_SHARE * (ended - started), (self.debt - DIRECTORY_BURST) / DIRECTORY_RATE)
        self._not_before = ended + min(rest, REST_MAX)

    def wait(self, now: float, *, lazy: bool = False) -> float:
        """Return the seconds to wait before the next batches, 0 if it is not worth a timer;
        ``lazy`` ones may wait for others.
        """
        due = max(self._not_before, self._last + GATHERING) if lazy else self._not_before
        wait = due - now
        return wait if wait > REST_MIN else 0.0
