"""The inactive jobs, as far as the job manager needs them: when each ended, oldest first, in 16
bytes a job.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class PurgeLimits(Struct, frozen=True):
    """Which inactive jobs are to be purged: those that ended before ``before`` (seconds since the
    epoch), and the oldest ones beyond the newest ``keep``. None stands for no limit; without any,
    nothing is purged.
    """

    before: float | None = None
    keep: int | None = None


class InactiveJobs:
    """Job ids and the times (seconds since the epoch) they became inactive at, the oldest first.

    ``complete`` is False while jobs of earlier instances have not been read.
    """

    def __init__(self) -> None:
        self._ids = array("Q")
        self._times = array("d")
        self.complete = False

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, id: int) -> bool:
        return id in self._ids

    def add(self, id: int, time: float) -> None:
        """A job became inactive."""
        if not self._times or time >= self._times[-1]:
            self._ids.append(id)
            self._times.append(time)
            return
        place = bisect_right(self._times, time)
        self._ids.insert(place, id)
        self._times.insert(place, time)

    def fill(self, stored: Mapping[int, float]) -> None:
        """Add the jobs of earlier instances, {id: time}; what is known already is left alone. Then
        the table is complete.
        """
        known = dict(zip(self._ids, self._times, strict=True))
        ended = sorted((time, id) for id, time in {**stored, **known}.items())
        self._ids = array("Q", (id for _, id in ended))
        self._times = array("d", (time for time, _ in ended))
        self.complete = True

    def select(self, limits: PurgeLimits, batch: int, spared: Collection[int]) -> list[int]:
        """Return the oldest jobs beyond ``limits``, at most ``batch``, leaving out those in
        ``spared``.
        """
        chosen: list[int] = []
        surplus = len(self) - limits.keep if limits.keep is not None else 0
        for place, (id, time) in enumerate(zip(self._ids, self._times, strict=True)):
            if len(chosen) >= batch or not (
                place < surplus or (limits.before is not None and time < limits.before)
            ):
                break
            if id not in spared:
                chosen.append(id)
        return chosen

    def ended_since(self, time: float) -> list[int]:
        """Return the jobs that ended at ``time`` or later."""
        return list(self._ids[bisect_left(self._times, time) :])

    def remove(self, ids: Collection[int]) -> None:
        """Forget purged jobs."""
        doomed = set(ids)
        if doomed == set(self._ids[: len(doomed)]):  # the oldest, as is usual
            del self._ids[: len(doomed)], self._times[: len(doomed)]
            return
        kept = [place for place, id in enumerate(self._ids) if id not in doomed]
        self._ids = array("Q", (self._ids[place] for place in kept))
        self._times = array("d", (self._times[place] for place in kept))
