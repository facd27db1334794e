"""What plugins say while they look at a job: lines for the log, lines for whoever submits it."""

from __future__ import annotations

from syslog import LOG_DEBUG, LOG_ERR, LOG_INFO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LEVELS: Final = {-2: LOG_ERR, -1: LOG_ERR, 0: LOG_INFO}
"""Severities (syslog(3)) of Slurm's levels: -1 error, 0 info, 1 verbose, 2 and more debug."""
MAX_LINES: Final = 100
MAX_TEXT: Final = 1 << 14


class Talk:
    """Where plugins talk to; ``log`` writes a line with a severity, and there are ``lines`` for the
    user.
    """

    def __init__(self, log: Callable[[int, str], object]) -> None:
        self._log = log
        self.lines: list[str] = []

    def say(self, level: int, text: str) -> None:
        """Log a line with a level of Slurm."""
        self._log(_LEVELS.get(level, LOG_DEBUG), text)

    def tell(self, text: str) -> None:
        """Tell the user something, a line or several; empty lines are left out."""
        self.lines += [line for line in text.splitlines() if line]

    def taken(self) -> list[str]:
        """Return what the user is to be told, bounded, and begin anew."""
        lines, self.lines = self.lines, []
        if len(lines) > MAX_LINES:
            lines = [*lines[:MAX_LINES], "..."]
        return [line[:MAX_TEXT] for line in lines]
