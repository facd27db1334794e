"""Numbers on a command line, in ASCII digits and read with a bound: what Python's own int() and
float() take and say is not what a person expects of a command.
"""

from __future__ import annotations

import re

_INTEGER = re.compile(r"\s*([-+]?)0*([0-9]+)\s*", re.ASCII)
_REAL = re.compile(
    r"\s*[-+]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|inf|infinity|nan)\s*",
    re.ASCII | re.IGNORECASE,
)
DIGITS_MAX = 30
BEYOND = 10**DIGITS_MAX
"""What stands for an integer of more digits: greater than any bound."""


def decimal(text: str, most: int) -> int | None:
    """Return the number that ``text`` writes in ASCII digits, None if it is not one or greater than
    ``most``.
    """
    if not (text.isascii() and text.isdecimal()) or len(text.lstrip("0")) > len(str(most)):
        return None
    number = int(text.lstrip("0") or "0")
    return number if number <= most else None


def integer(text: str) -> int | None:
    """Return the number that ``text`` writes in ASCII digits, with a sign or without, None if it is
    not one.

    Blanks around it are allowed. A number of very many digits counts as `BEYOND`.
    """
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    number = int(match[2]) if len(match[2]) <= DIGITS_MAX else BEYOND
    return -number if match[1] == "-" else number


def real(text: str) -> float | None:
    """Return the number that ``text`` writes in decimal or scientific notation, infinite and "not a
    number" ones too; None if it writes none.
    """
    return float(text) if _REAL.fullmatch(text) else None
