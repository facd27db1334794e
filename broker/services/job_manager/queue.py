"""A queue of jobs in the order the scheduler should see them: highest priority first, then
oldest.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ID: Final = 0xFFFFFFFFFFFFFFFF


class JobQueue:
    """Job ids ordered by priority, then age. The best one is last in the list, so that taking it
    costs nothing.
    """

    def __init__(self) -> None:
        self._order: list[tuple[int, int]] = []
        self._priority: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, id: int) -> bool:
        return id in self._priority

    def __iter__(self) -> Iterator[int]:
        """Iterate over the ids, best first."""
        return (MAX_ID - age for _, age in reversed(self._order))

    def add(self, id: int, priority: int) -> None:
        """Insert a job, or move it if it is in the queue with another priority."""
        if id in self._priority:
            self.discard(id)
        self._priority[id] = priority
        insort(self._order, (priority, MAX_ID - id))

    def discard(self, id: int) -> bool:
        """Take a job out; returns False if it was not in the queue."""
        priority = self._priority.pop(id, None)
        if priority is None:
            return False
        del self._order[bisect_left(self._order, (priority, MAX_ID - id))]
        return True

    def best(self) -> int | None:
        """Return the job to be served next, None for an empty queue."""
        return MAX_ID - self._order[-1][1] if self._order else None

    def worst(self) -> int | None:
        """Return the job to be served last, None for an empty queue."""
        return MAX_ID - self._order[0][1] if self._order else None

    def priority(self, id: int) -> int:
        """Return the priority a job is queued with; raises KeyError if it is not in the queue."""
        return self._priority[id]

    def pop(self) -> int:
        """Take the best job out; raises IndexError for an empty queue."""
        id = MAX_ID - self._order.pop()[1]
        del self._priority[id]
        return id
