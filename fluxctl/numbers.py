"""Numbers on a command line, read with a bound: Python's own int() has rules and words of its own
for very long ones.
"""

from __future__ import annotations


def decimal(text: str, most: int) -> int | None:
    """Return the number that ``text`` writes in ASCII digits, None if it is not one or greater than
    ``most``.
    """
    if not (text.isascii() and text.isdecimal()) or len(text.lstrip("0")) > len(str(most)):
        return None
    number = int(text.lstrip("0") or "0")
    return number if number <= most else None
