"""Entries of eventlogs for people: `EventLogFormatter`, which `flux.eventlog` has by that name, too
(``--format``, ``--time-format`` and ``--color`` of flux-job(1)'s eventlog).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, ClassVar, Final

from flux.job.event import EventLogEvent
from flux.terminal_text import terminal_line
from flux.time_text import ISO, time_text
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORMATS: Final = ("text", "json")
_TIMES: Final = ("raw", "iso", "offset", "human")
_WHEN: Final = ("auto", "always", "never")
_NEAR: Final = 60.0
"""Seconds: what is nearer than this to the last full time is told by its distance."""
_RESET: Final = "\033[0m"


class EventLogFormatter:
    """Turns the entries of one eventlog into lines.

    ``format`` is ``text`` or ``json``. Times are ``raw``, in seconds since the epoch, ``iso``, in
    the local time zone, ``offset``, in seconds since the first entry, or ``human``: date and time
    of day, and after it, for less than a minute, seconds since then. There is ``color`` in text
    ``always``, ``never`` or, with ``auto``, on a terminal unless NO_COLOR is set. Raises ValueError
    for other words.
    """

    BOLD: ClassVar = "\033[1m"
    RED: ClassVar = "\033[31m"
    GREEN: ClassVar = "\033[32m"
    YELLOW: ClassVar = "\033[33m"
    BLUE: ClassVar = "\033[34m"
    MAGENTA: ClassVar = "\033[35m"
    GRAY: ClassVar = "\033[37m"
    eventlog_colors: ClassVar[dict[str, str]] = {
        "name": YELLOW,
        "time": GREEN,
        "timebreak": BOLD + GREEN,
        "key": BLUE,
        "value": MAGENTA,
        "number": GRAY,
        "exception": BOLD + RED,
    }

    def __init__(
        self,
        format: str = "text",  # noqa: A002 - the name of the interface
        timestamp_format: str = "raw",
        color: str = "auto",
    ) -> None:
        for word, name, words in (
            (format, "entry_fmt", _FORMATS),
            (timestamp_format, "timestamp_fmt", _TIMES),
            (color, "color", _WHEN),
        ):
            if word not in words:
                raise ValueError(f"Invalid {name}: {word}")
        self._json = format == "json"
        self._times = timestamp_format
        self._colors = color == "always" or (
            color == "auto" and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        )
        self._start: float | None = None

    def format(self, entry: Mapping[str, object] | str) -> str:
        """Return the line of an entry, without a newline and fit for a terminal; raises ValueError
        if it is not an entry (RFC 18).
        """
        event = EventLogEvent(entry)
        if self._json:
            return terminal_line(
                _encode({key: value for key, value in event.items() if value != {}})
            )
        role = "exception" if event.name == "exception" else "name"
        parts = [self._timestamp(event.timestamp), self._paint(role, event.name)]
        for key, value in event.context.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            text = self._paint("number" if is_number else "value", _encode(value))
            parts.append(f"{self._paint('key', key)}={text}")
        return " ".join(parts)

    def _paint(self, role: str, text: str) -> str:
        shown = terminal_line(text)
        return f"{self.eventlog_colors[role]}{shown}{_RESET}" if self._colors else shown

    def _timestamp(self, timestamp: float) -> str:
        if self._times == "human":
            return self._distance(timestamp)
        if self._times == "iso":
            return self._paint("time", _iso(timestamp))
        if self._times == "raw":
            return self._paint("time", f"{timestamp:11.6f}")
        if self._start is None:
            self._start = timestamp
        return self._paint("time", f"{timestamp - self._start:15.6f}")

    def _distance(self, timestamp: float) -> str:
        """Return a time for people; one that is far from the last full one is full itself."""
        if self._start is not None and timestamp - self._start < _NEAR:
            return self._paint("time", f"[{timestamp - self._start:+11.6f}]")
        self._start = timestamp
        return self._paint("timebreak", time_text(timestamp, "[%b%d %H:%M]"))


def _encode(value: object) -> str:
    return json.dumps(value).decode()


def _iso(timestamp: float) -> str:
    fraction = int((timestamp - int(timestamp)) * 1e6)
    return time_text(timestamp, f"{ISO}.{fraction:06d}%z").replace("+0000", "Z")
