"""Failures of Python files that others wrote, modules and plugins: what they may raise, and how it
is told.
"""

from __future__ import annotations

import asyncio
import traceback
from typing import Final

FAILURES: Final = (Exception, SystemExit, asyncio.CancelledError)
"""What the code of others may end with and the broker must outlive: ``sys.exit()`` is not its, nor
is the end of a task that a callback has looked at.
"""

MAX_TEXT: Final = 1024
"""Characters of an exception's text that are told."""
PLUGIN_MODULE: Final = "flux_jobtap_"
"""How the names of the modules of jobtap plugins begin."""


def described(exc: BaseException, path: str) -> str:
    """Return an exception with the line of the file ``path`` that it came from."""
    frames = traceback.extract_tb(exc.__traceback__)
    place = next((frame for frame in reversed(frames) if frame.filename == path), None)
    where = f" ({place.filename}:{place.lineno})" if place is not None else ""
    if isinstance(exc, SyntaxError):
        where = f" ({exc.filename}:{exc.lineno})"
    return f"{type(exc).__name__}: {_text(exc)}{where}"


def _text(exc: BaseException) -> str:
    """Return what an exception says, bounded; it may fail to say anything."""
    try:
        text = exc.msg if isinstance(exc, SyntaxError) else str(exc)
    except FAILURES:
        return "(no text)"
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."
