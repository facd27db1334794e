"""Regular expressions that people type."""

from __future__ import annotations

import re
import warnings


def compiled(text: str) -> re.Pattern[str]:
    """Return a regular expression, compiled; raises ValueError, which says why, if it cannot be."""
    try:
        with warnings.catch_warnings():
            # They are meant for those who write programs, and name our own line.
            warnings.simplefilter("ignore")
            return re.compile(text)
    except re.error as error:
        where = "" if error.pos is None else f" at position {error.pos}"
        raise ValueError(f"{error.msg}{where}") from None
    except OverflowError:
        raise ValueError("a number in it is too large") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
