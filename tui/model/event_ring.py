"""The newest events of all jobs, kept as they come for whoever lists them later."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping

KEPT: Final = 5000
"""Events of jobs that are kept for who asks later."""


class EventRing:
    """The newest events of all jobs; ``total`` counts those that were noted, ever."""

    def __init__(self) -> None:
        self.total = 0
        self._ring: deque[tuple[int, JsonMapping]] = deque(maxlen=KEPT)

    def note(self, jobid: int, entry: JsonMapping) -> None:
        """Keep an event."""
        self.total += 1
        self._ring.append((jobid, entry))

    def since(self, total: int) -> list[tuple[int, JsonMapping]]:
        """Return the events that came after the first ``total``, as far as they are kept."""
        fresh = min(self.total - total, len(self._ring))
        return list(islice(self._ring, len(self._ring) - fresh, None)) if fresh > 0 else []
