"""Times of logs for people: the minute, then seconds after the first line of that minute."""

from __future__ import annotations

from typing import Final

from flux.time_text import time_text

_MINUTE: Final = 60


class HumanTimes:
    """Turns times of a log, in its order, into text of one width; with ``delta`` the seconds are
    those after the line before.
    """

    def __init__(self, *, delta: bool = False) -> None:
        self._delta = delta
        self._minute: int | None = None
        self._base = 0.0

    def text(self, timestamp: float) -> str:
        """Return the time of a line, given in seconds since the epoch."""
        minute = int(timestamp // _MINUTE)
        if minute != self._minute:
            self._minute, self._base = minute, timestamp
            return time_text(timestamp, "[%b%d %H:%M]")
        since = timestamp - self._base
        if self._delta:
            self._base = timestamp
        return f"[{since:>+11.6f}]"
