"""How many jobs of each queue are in each state, so that nobody has to look at all of them. No
I/O.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from broker.services.job_manager.states import Job


class Census:
    """The active jobs, embryos among them."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()
        self._queues: Counter[str] = Counter()

    def enter(self, job: Job) -> None:
        """A job has come."""
        self._counts[job.queue, job.state] += 1
        self._queues[job.queue] += 1

    def moved(self, job: Job, before: int) -> None:
        """A job was in the state ``before`` and is in another one."""
        self._counts[job.queue, before] -= 1
        self._counts[job.queue, job.state] += 1

    def leave(self, job: Job) -> None:
        """A job has gone."""
        self._counts[job.queue, job.state] -= 1
        self._queues[job.queue] -= 1

    def count(self, states: Iterable[int] | None = None, queue: str | None = None) -> int:
        """Return how many jobs are in ``states``, in any if it is None, of one queue or of all."""
        queues = self._queues if queue is None else (queue,)
        if states is None:
            return sum(self._queues[name] for name in queues)
        return sum(self._counts[name, state] for name in tuple(queues) for state in states)
