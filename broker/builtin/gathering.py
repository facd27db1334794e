"""Word of brokers that are online, on its way up the tree: gathered, so that an instance of many
brokers tells rank 0 in few messages.
"""

from __future__ import annotations


class Gathering:
    """The ranks below one broker, itself included, of which word has not gone up yet.

    ``hwm`` is how many make it go up at once, ``timeout`` the seconds that it may wait for more,
    counted from the first that came; after that nothing waits. Without the one only the other
    counts (0), without both nothing waits (attributes ``hello.hwm`` and ``hello.timeout``).
    """

    def __init__(self, hwm: int, timeout: float) -> None:
        self.ranks: set[int] = set()
        self._hwm = hwm
        self._timeout = timeout
        self._until: float | None = None

    def add(self, ranks: set[int], now: float) -> None:
        """Ranks have come, ``now`` on a clock of seconds."""
        if self._until is None:
            self._until = now + self._timeout
        self.ranks |= ranks

    def drop(self, ranks: set[int]) -> None:
        """Ranks have gone again."""
        self.ranks -= ranks

    def take(self) -> set[int]:
        """Return what goes up now, and forget it."""
        taken, self.ranks = self.ranks, set()
        return taken

    def wait(self, now: float) -> float | None:
        """Return the seconds until what is there goes up, None if more has to come for that."""
        if not self.ranks:
            return None
        if self._hwm and len(self.ranks) >= self._hwm:
            return 0.0
        if not self._timeout:
            return None if self._hwm else 0.0
        return max(0.0, (self._until or 0.0) - now)
