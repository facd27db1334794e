"""Text that programs may give as bytes (topics, keys, names, ids: the bindings of flux-core take
either), and numbers that they may give as text.
"""

from __future__ import annotations

import errno
import math
from typing import TypeAlias

Text: TypeAlias = str | bytes
"""Text, or its bytes in UTF-8."""

_BEYOND = 1 << 63


def as_text(value: Text, what: str) -> str:
    """Return ``value`` as text; bytes that are not UTF-8 become lone surrogates (PEP 383).

    ``what`` names the argument in errors: OSError(EINVAL) for None, TypeError for anything else
    that is neither text nor bytes.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if value is None:
        raise OSError(errno.EINVAL, f"{what} must not be None")
    raise TypeError(f"{what} must be a string or bytes, not {type(value).__name__}")


def as_optional_text(value: Text | None, what: str) -> str | None:
    """Return what `as_text` does, and None for None."""
    return None if value is None else as_text(value, what)


def as_number(value: object, what: str) -> int:
    """Return ``value``, an integer or the text of one, as an integer.

    ``what`` names the argument in errors: ValueError for other text, for fractions and for a number
    of more than 64 bits, TypeError for anything else.
    """
    try:
        number = int(value) if isinstance(value, int | float | str | bytes) else None
    except (ValueError, OverflowError):
        shown = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        raise ValueError(f"{what} must be a number, not {shown!r}") from None
    if number is None:
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    if isinstance(value, float) and value != number:
        raise ValueError(f"{what} must be a whole number, not {value}")
    return as_integer(number, what)


def as_integer(value: object, what: str) -> int:
    """Return ``value``, an integer: what is counted, a number of flags or of a node.

    ``what`` names the argument in errors: TypeError for anything else, ValueError for a number of
    more than 64 bits, which no message holds.
    """
    if not isinstance(value, int):
        raise TypeError(f"{what} must be an integer, not {type(value).__name__}")
    if not -_BEYOND <= value < 2 * _BEYOND:
        raise ValueError(f"{what} is out of range: it has more than 64 bits")
    return value


def as_seconds(value: object, what: str) -> float:
    """Return ``value``, a number or the text of one, as a number of seconds; errors are those of
    `as_number`, which NaN gets too.
    """
    if not isinstance(value, int | float | str):
        raise TypeError(f"{what} must be a number of seconds, not {type(value).__name__}")
    try:
        seconds = float(value)
    except OverflowError:
        raise ValueError(f"{what} is out of range: no float is as large") from None
    except ValueError:
        seconds = math.nan
    if math.isnan(seconds):
        raise ValueError(f"{what} must be a number of seconds, not {value!r}")
    return seconds
