"""Text that others wrote, made fit for a terminal: job names, notes, log lines, events, reasons.

Control characters can move the cursor, set a title or answer in the user's name; bidirectional
overrides show one text for another. They are written as JSON escapes (``\\u001b``), so that a line
of JSON remains one with the same value. Output that *is* the data, such as that of a task or of
``flux kvs get``, does not pass through here.
"""

from __future__ import annotations

import re

_CONTROL = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    r"\udc80-\udc9f"
)
# Compiled when a text needs it, and kept by re: most commands show none that does.
_IN_TEXT = f"[{_CONTROL}]"
_IN_LINE = f"[{_CONTROL}\n]"


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def terminal_text(text: str) -> str:
    """Return ``text`` of several lines with control characters and bidirectional overrides escaped;
    newlines and tabs stay.
    """
    return text if text.isprintable() else re.sub(_IN_TEXT, _escape, text)


def terminal_line(text: str) -> str:
    """Return ``text`` as one line: as `terminal_text`, and newlines are escaped as well."""
    return text if text.isprintable() else re.sub(_IN_LINE, _escape, text)
