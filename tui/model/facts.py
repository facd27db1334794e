"""What is known of an instance as a whole, and of the connection to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True)
class InstanceInfo:
    """The instance the dashboard shows."""

    uri: str = ""
    size: int = 0
    version: str = ""
    started: float = 0.0
    owner: int = -1
    hostname: str = ""


@dataclass(slots=True)
class Connection:
    """The connection: ``up`` once loaded; otherwise ``text`` says why not and ``retry_at`` when it
    is tried again.
    """

    up: bool = False
    text: str = "connecting"
    retry_at: float = 0.0
    attempts: int = 0


class StateCounts(NamedTuple):
    """How many jobs are in which state; ``read`` of them are in the table, fewer while it is
    loaded.
    """

    running: int = 0
    pending: int = 0
    completed: int = 0
    failed: int = 0
    canceled: int = 0
    timeout: int = 0
    read: int = 0

    @property
    def over(self) -> int:
        """Jobs that have ended, however."""
        return self.completed + self.failed + self.canceled + self.timeout

    @property
    def unsuccessful(self) -> int:
        """Jobs that failed or ran out of time."""
        return self.failed + self.timeout

    @property
    def total(self) -> int:
        """All jobs."""
        return self.running + self.pending + self.over

    @property
    def complete(self) -> bool:
        """Whether all jobs are in the table."""
        return self.read >= self.total
