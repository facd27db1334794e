"""Numbers and times as the dashboard writes them."""

from __future__ import annotations

import re
import signal
import time
from typing import Final

from flux.waitstatus import SIGNALED, exit_code_of, signal_of

_CONTROL: Final = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


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


def count(number: int) -> str:
    """Return ``number`` with thousands apart: ``103,412``."""
    return f"{number:,}"


def clock(timestamp: float, now: float) -> str:
    """Return a wall-clock time: hours for today, the date for anything older."""
    if not timestamp:
        return "-"
    local = time.localtime(timestamp)
    if now - timestamp < 43200 or local[:3] == time.localtime(now)[:3]:
        return time.strftime("%H:%M:%S", local)
    return time.strftime("%b%d %H:%M", local)


def rate(per_second: float) -> str:
    """Return a rate with the digits that matter: ``0.4``, ``25.3``, ``310``."""
    return f"{per_second:.0f}" if per_second >= 99.5 else f"{per_second:.1f}"


def signal_name(number: int) -> str:
    """Return ``SIGTERM`` for 15; the number itself for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def wait_status(status: int) -> str:
    """Return a wait status in words: ``exit 3`` or ``SIGKILL``; a shell's 128+n counts as signal
    n.
    """
    signum, code = signal_of(status), exit_code_of(status)
    if signum:
        return signal_name(signum)
    if SIGNALED < code < SIGNALED + signal.NSIG:
        return f"exit {code} ({signal_name(code - SIGNALED)})"
    return f"exit {code}"


def printable(text: str) -> str:
    """Return ``text`` without escape sequences and control characters, tabs as spaces: fit for one
    table cell.
    """
    return _CONTROL.sub("", text).expandtabs(8)
