"""Flux standard durations (RFC 23) and the date expressions of the commands."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_DURATION = re.compile(
    r"\s*([0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(ms|s|m|h|d|)\s*\Z",
    re.ASCII,
)
_UNITS = {"ms": 1e-3, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_fsd(fsd_string: str) -> float:
    """Return a Flux standard duration (RFC 23) in seconds.

    ``fsd_string`` is a non-negative number with an optional unit, ``ms``, ``s``, ``m``, ``h`` or
    ``d`` (seconds without one), or ``inf`` for an infinite time. Raises ValueError for any other
    text, and for a number too large for a float; TypeError for what is not a string.
    """
    if not isinstance(fsd_string, str):
        raise TypeError(f"a duration must be a string, not {type(fsd_string).__name__}")
    if fsd_string.strip().lower() in ("inf", "infinity"):
        return math.inf
    match = _DURATION.match(fsd_string)
    seconds = float(match[1]) * _UNITS[match[2]] if match else math.inf
    if math.isinf(seconds):
        raise ValueError("invalid Flux standard duration")
    return seconds


def fsd(secs: float, digits: int = 4) -> str:
    """Return seconds as a Flux standard duration of about so many digits, such as ``0.692s`` or
    ``2.5m``.
    """
    if secs < 1e-3:
        return "0s"
    if secs == math.inf:
        return "inf"
    if secs < 10:
        return f"{secs:.{digits - 1}f}s"
    for limit, unit, divisor in ((60, "s", 1), (3600, "m", 60), (86400, "h", 3600)):
        if secs < limit:
            return f"{secs / divisor:.{digits}g}{unit}"
    return f"{secs / 86400:.{digits}g}d"


def parse_datetime(string: str, now: datetime | None = None) -> datetime:
    """Return the date and time that a user's expression means, in local time.

    The expression is ``+FSD`` for an offset, ``now``, or anything the parsedatetime module
    understands, such as ``2021-06-21 8am``, ``in an hour`` or ``tomorrow morning``. Relative ones
    start from ``now``, by default the current time. Raises ValueError if the expression is not
    understood.
    """
    from datetime import datetime, timedelta

    start = datetime.now() if now is None else now
    if string == "now":
        return start
    try:
        if string.startswith("+"):
            return start + timedelta(seconds=parse_fsd(string[1:]))
        from parsedatetime import VERSION_CONTEXT_STYLE, Calendar

        result, context = Calendar(version=VERSION_CONTEXT_STYLE).parseDT(string, sourceTime=start)
    except OverflowError:
        raise ValueError(f'Invalid datetime: "{string}": too far away') from None
    if not context.hasDateOrTime:
        raise ValueError(f'Invalid datetime: "{string}"')
    found: datetime = result
    return found
