"""A queue of jobs in the order the scheduler should see them: highest priority first, then
oldest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from broker.ordered import OrderedKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_ID: Final = 0xFFFFFFFFFFFFFFFF


class JobQueue:
    """Job ids ordered by priority, then age; the best one is last."""

    def __init__(self) -> None:
        self._order: OrderedKeys[tuple[int, int]] = OrderedKeys()
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
        self._order.add((priority, MAX_ID - id))

    def discard(self, id: int) -> bool:
        """Take a job out; returns False if it was not in the queue."""
        priority = self._priority.pop(id, None)
        if priority is None:
            return False
        self._order.remove((priority, MAX_ID - id))
        return True

    def best(self) -> int | None:
        """Return the job to be served next, None for an empty queue."""
        return MAX_ID - self._order.last[1] if self._order else None

    def worst(self) -> int | None:
        """Return the job to be served last, None for an empty queue."""
        return MAX_ID - self._order.first[1] if self._order else None

    def priority(self, id: int) -> int:
        """Return the priority a job is queued with; raises KeyError if it is not in the queue."""
        return self._priority[id]

    def pop(self) -> int:
        """Take the best job out; raises IndexError for an empty queue."""
        id = MAX_ID - self._order.last[1]
        self.discard(id)
        return id
