"""The line that says what a job waits for while somebody who attached to it waits: decisions only,
no input or output.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flux.job.event import EventLogEvent

WAITS_FOR: Final = {
    "submit": "submitted",
    "validate": "resolving dependencies",
    "dependency-add": "resolving dependencies",
    "depend": "waiting for priority assignment",
    "priority": "waiting for resources",
    "alloc": "starting",
    "start": "started",
}
"""What a job does from an event of its eventlog on, until it has started."""
CLEAR: Final = b"\r\x1b[K"
PERIOD: Final = 1.0
"""Seconds after which the line is written again."""
_LEAST: Final = 9
"""Columns that the text keeps in a narrow terminal."""


class StatusLine:
    """The last line of a terminal, written over and over: job, what it waits for, time since it was
    submitted. Once the job has started the line is left behind, and all output comes below it.

    ``job`` is the job's name for people, ``columns`` how wide the terminal is. Nothing is seen for
    the first ``after`` seconds: most jobs have started by then, and need no line.
    """

    def __init__(self, job: str, columns: int = 80, after: float = 0.0) -> None:
        self.after = after
        self._head = f"flux-job: {job} "
        self._columns = columns
        self._wanted = after <= 0
        self._submitted: float | None = None
        self._text: str | None = None
        self._over = False
        self._shown = False

    def event(self, event: EventLogEvent) -> bytes:
        """Take an event of the job's own eventlog; returns what to write, maybe nothing."""
        if self._over:
            return b""
        if self._submitted is None:
            self._submitted = event.timestamp
        self._text = WAITS_FOR.get(event.name, self._text)
        self._over = event.name in ("start", "finish", "clean")
        if not self._wanted or self._text is None or event.name not in WAITS_FOR:
            return b""
        line = self._line(event.timestamp)
        if self._over:
            self._shown = False
            return line + b"\n"
        return line

    def tick(self, now: float) -> bytes:
        """Return what to write at the time ``now``, in seconds since the epoch, of which `after`
        and then every `PERIOD` seconds are told.
        """
        self._wanted = True
        return b"" if self._over or self._text is None else self._line(now)

    def cleared(self) -> bytes:
        """Return what gives up the line for other text; the next event or tick shows it again."""
        shown, self._shown = self._shown, False
        return CLEAR if shown else b""

    def _line(self, now: float) -> bytes:
        self._shown = True
        since = max(0.0, now - (self._submitted or now))
        seconds = math.floor(since)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        # One column stays free: in the last one some terminals begin a new line.
        room = max(self._columns - 1 - len(self._head) - 1 - len(clock), _LEAST)
        text = (self._text or "")[:room]
        return f"\r{self._head}{text:<{room}} {clock}\r".encode()
