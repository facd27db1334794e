"""Times that others wrote, as text: users write eventlogs and limits, and may write any number."""

from __future__ import annotations

import time

ISO = "%Y-%m-%dT%H:%M:%S"
"""The strftime(3) format of a date and a time of ISO 8601."""


def time_text(seconds: float, how: str = ISO, *, utc: bool = False) -> str:
    """Return a time in ``seconds`` since the epoch in the strftime(3) format ``how``, local or of
    ``utc``; the number itself if no calendar holds that time.
    """
    try:
        return time.strftime(how, time.gmtime(seconds) if utc else time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g}"
