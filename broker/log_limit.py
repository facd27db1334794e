"""A bound on log lines that others cause: so many in a period, then one line that says how many
were left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LineLimit:
    """Passes on at most ``most`` lines in ``period`` seconds.

    ``now`` returns seconds; ``log`` takes a line. What was left out is told with the first line
    that is passed on later, or by `flush`.
    """

    def __init__(
        self, most: int, period: float, now: Callable[[], float], log: Callable[[str], None]
    ) -> None:
        self._most = most
        self._period = period
        self._now = now
        self._log = log
        self._began = float("-inf")
        self._count = 0
        self.left_out = 0

    def __call__(self, line: str) -> None:
        """Log ``line``, or count it."""
        now = self._now()
        if now - self._began >= self._period:
            self.flush()
            self._began, self._count = now, 0
        if self._count < self._most:
            self._count += 1
            self._log(line)
        else:
            self.left_out += 1

    def flush(self) -> None:
        """Tell how many lines were left out, if any."""
        left_out, self.left_out = self.left_out, 0
        if left_out:
            self._log(f"{left_out} more messages like these were left out")
