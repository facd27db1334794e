"""Rates of counters that are read now and then."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

SPAN: Final = 10.0
"""Seconds that a rate is the mean of, if it was read for so long."""


LEAST: Final = 1.0
"""Seconds before which there is no rate: a view that is opened is read twice at once, and what that
itself costs would look like hundreds a second.
"""


@dataclass(slots=True)
class Rates:
    """What counters were, by their names, and how fast they grow."""

    _past: dict[Hashable, deque[tuple[float, float]]] = field(default_factory=dict)

    def note(self, name: Hashable, count: float, now: float) -> float | None:
        """Take in what a counter is at ``now``; returns its growth a second, None while that is not
        known. A counter that has become less was reset, and begins anew.
        """
        past = self._past.setdefault(name, deque())
        if past and (count < past[-1][1] or now < past[-1][0]):
            past.clear()
        past.append((now, count))
        while len(past) > 2 and past[1][0] <= now - SPAN:
            past.popleft()
        since, before = past[0]
        return (count - before) / (now - since) if now - since >= LEAST else None

    def keep(self, names: Iterable[Hashable]) -> None:
        """Forget the counters that are not among ``names``."""
        wanted = set(names)
        self._past = {name: past for name, past in self._past.items() if name in wanted}
