"""Numbers and times as the dashboard writes them."""

from __future__ import annotations

import re
from typing import Final

from flux.terminal_text import terminal_line
from flux.time_text import time_text
from flux.wire import json

_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-9;?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"
)
"""Control sequences (CSI) and commands (OSC) of ECMA-48, in 7 and in 8 bits."""

TIMES: Final = "\u00d7"
"""Between tasks and nodes; screens without Unicode have an ``x`` for it."""


def duration(seconds: float) -> str:
    """Return a span in at most six characters: ``0.69s``, ``12.3s``, ``4m03s``, ``2h05m``,
    ``3d04h``.
    """
    if seconds < 0:
        return "-"
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def age(seconds: float) -> str:
    """Return a span as coarse as it is long, so that it stays true for a while: ``<1m``, ``4m``,
    ``2h05m``, ``3d04h``.
    """
    if seconds < 0:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return "<1m"
    return f"{whole // 60}m" if whole < 3600 else duration(seconds)


def count(number: int) -> str:
    """Return ``number`` with thousands apart: ``103,412``."""
    return f"{number:,}"


def clock(timestamp: float, now: float) -> str:
    """Return a wall-clock time: hours for today, the date for anything older."""
    if not timestamp:
        return "-"
    if now - timestamp < 43200 or time_text(timestamp, "%x") == time_text(now, "%x"):
        return time_text(timestamp, "%H:%M:%S")
    return time_text(timestamp, "%b%d %H:%M")


def moment(timestamp: float, now: float) -> str:
    """Return a wall-clock time to the minute: ``17:43``, with the date if it is more than half a
    day away.
    """
    return time_text(timestamp, "%H:%M" if abs(timestamp - now) < 43200 else "%b%d %H:%M")


def rate(per_second: float) -> str:
    """Return a rate with the digits that matter: ``0.4``, ``25.3``, ``310``."""
    return f"{per_second:.0f}" if per_second >= 99.5 else f"{per_second:.1f}"


def percent(part: float, whole: float) -> str:
    """Return a share in four cells, never more than it is: ``100%`` only for all of it, ``<1%`` for
    anything above nothing.
    """
    if whole <= 0 or part <= 0:
        return "  0%"
    share = min(1.0, part / whole)
    return f"{int(share * 100):3d}%" if share >= 0.01 else " <1%"


def printable(text: str) -> str:
    """Return ``text`` as one line that is fit for a terminal, whatever it holds: control characters
    and bidirectional overrides as escapes, tabs as spaces.
    """
    return text if text.isprintable() else terminal_line(text).expandtabs(8)


def compact_json(value: object) -> str:
    """Return a value as JSON in one line; words for one that is nested too deeply to be shown."""
    try:
        return json.dumps(value).decode()
    except json.JSONEncodeError:
        return "(nested too deeply to be shown)"


def output_line(text: str) -> str:
    """Return one line of a program's output as `printable`, without the colours and cursor moves it
    has for a terminal.
    """
    return text if text.isprintable() else printable(_SEQUENCE.sub("", text))
