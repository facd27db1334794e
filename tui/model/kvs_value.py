"""Values of the key-value store as lines that can be read: JSON laid out, eventlogs an event a
line, text as it is, anything else in hexadecimal.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from flux import eventlog
from tui.model import format as fmt
from tui.model.logs import Line, event_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flux.wire.json import JsonMapping

LARGEST: Final = 4 << 20
"""Bytes of a value that are shown."""
WIDE: Final = 16
"""Bytes in a line of hexadecimal."""
LONGEST: Final = 4096
"""Characters of a line of text that are shown."""
MOST_LINES: Final = 50_000
"""Lines that are shown."""

JSON: Final = "JSON"
EVENTLOG: Final = "eventlog"
TEXT: Final = "text"
BINARY: Final = "binary"
EMPTY: Final = "empty"
_NOTHING: Final = Line("stdout", "", "")


def value_lines(data: bytes) -> tuple[str, list[Line]]:
    """Return what a value is, and its lines."""
    shown = data[:LARGEST]
    kind, lines = _lines(shown)
    if kind == BINARY:
        shown = data[: len(lines) * WIDE]
    elif len(lines) > MOST_LINES:
        more = fmt.count(len(lines) - MOST_LINES)
        del lines[MOST_LINES:]
        lines.append(Line("notice", "", f"... {more} more lines are not shown"))
    if len(data) > len(shown):
        rest = fmt.count(len(data) - len(shown))
        lines.append(Line("notice", "", f"... {rest} more bytes are not shown"))
    return kind, lines


def _cut(line: str) -> str:
    """Return a line as it is shown: of a very long one the beginning, and how much more it has."""
    if len(line) <= LONGEST:
        return fmt.printable(line)
    more = fmt.count(len(line) - LONGEST)
    return f"{fmt.printable(line[:LONGEST])} ... {more} more characters are not shown"


def _lines(data: bytes) -> tuple[str, list[Line]]:
    if not data:
        return EMPTY, []
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        # The end may have been cut off within a character.
        if error.start < len(data) - 3 or len(data) < LARGEST:
            return BINARY, list(_hexadecimal(data))
        text = data[: error.start].decode()
    if "\0" in text:
        return BINARY, list(_hexadecimal(data))
    events = _events(text)
    if events:
        start = float(events[0]["timestamp"])
        lines = [_event(entry, start) for entry in events[:MOST_LINES]]
        return EVENTLOG, lines + [_NOTHING] * (len(events) - len(lines))
    pretty = _pretty(text)
    kind = TEXT if pretty is None else JSON
    found = (text.rstrip("\n") if pretty is None else pretty).split("\n")
    lines = [Line("stdout", "", _cut(line)) for line in found[:MOST_LINES]]
    # What is not shown is only counted.
    return kind, lines + [_NOTHING] * (len(found) - len(lines))


def _event(entry: JsonMapping, start: float) -> Line:
    """Return an event as a line, with the seconds since the first one."""
    line = event_line(entry)
    label = f"{float(entry['timestamp']) - start:9.3f}s"
    return line._replace(label=label, text=_cut(line.text))


def _events(text: str) -> list[JsonMapping]:
    """Return the entries of an eventlog (RFC 18), none if it is not one."""
    if not text.startswith("{") or not text.endswith("\n"):
        return []
    try:
        return list(eventlog.decode(text))
    except (ValueError, OSError):
        return []


def _pretty(text: str) -> str | None:
    """Return JSON laid out, None for what is none; a single number or word stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _hexadecimal(data: bytes) -> Iterator[Line]:
    for start in range(0, min(len(data), MOST_LINES * WIDE), WIDE):
        part = data[start : start + WIDE]
        left, right = part[: WIDE // 2].hex(" "), part[WIDE // 2 :].hex(" ")
        plain = "".join(
            chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else "." for byte in part
        )
        yield Line("stdout", f"{start:08x}", f"{left:<23}  {right:<23}  |{plain}|")


def compared(lines: Sequence[Line], before: Sequence[Line]) -> list[Line]:
    """Return lines with those marked that are not as they were."""
    known = len(before)
    return [
        line._replace(kind="changed") if place >= known or before[place][1:] != line[1:] else line
        for place, line in enumerate(lines)
    ]
