"""Whether the instance answers, and of when what is shown is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.model.facts import Connection

if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE: Final = 5.0
"""Seconds without an answer after which what is shown counts as old."""


class Liveness:
    """The connection and what was heard by it; ``clock`` is the wall clock, replaced in tests."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.on_change: Callable[[], object] | None = None
        """Called when what is shown may have changed."""
        self._revision = 0
        self.link = Connection()
        self.heard = clock()
        """When the instance last told something."""
        self.asked = 0.0
        """Since when it owes an answer, 0 if it owes none."""

    @property
    def revision(self) -> int:
        """Counts up with all that may be seen; to be painted by the time and this alone."""
        return self._revision

    @revision.setter
    def revision(self, number: int) -> None:
        self._revision = number
        if self.on_change is not None:
            self.on_change()

    def ask(self) -> None:
        """Record that the instance was asked something and has to answer."""
        self.asked = self.asked or self.clock()

    def hear(self) -> None:
        """Record that the instance answered or told something."""
        if self.silence:
            self.revision += 1
        self.heard, self.asked = self.clock(), 0.0

    def connect(self, link: Connection) -> None:
        """Record that the connection came up or went down."""
        if link.up:
            self.hear()
        else:
            self.asked = 0.0
        self.link = link

    @property
    def silence(self) -> float:
        """How many seconds the instance has owed an answer, 0 while that is not worth a word."""
        waited = self.clock() - self.asked if self.asked else 0.0
        return waited if waited >= SILENCE else 0.0

    @property
    def stale(self) -> bool:
        """Whether what is shown is how things were at ``heard`` and may no longer be so."""
        return not self.link.up or self.silence > 0

    @property
    def moment(self) -> float:
        """The time that what is shown is of: now, or when the instance was last heard of."""
        return self.heard if self.stale else self.clock()
