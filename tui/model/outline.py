"""Objects as an outline that people read: members one below the other, indented, as in YAML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tui.model.format import compact_json, printable
from tui.model.logs import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEEPEST: Final = 40
"""Levels that are shown one by one; what lies deeper stands in one line."""
_SHORT: Final = 60
"""Cells that a list of plain values may take to stand in one line."""


def outline(value: object) -> list[Line]:
    """Return the lines of a JSON value."""
    return [Line(kind, "", printable(text)) for kind, text in _lines(value, 0)]


def as_json(value: object) -> list[Line]:
    """Return the lines of a value as JSON, indented."""
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    except (RecursionError, ValueError):
        text = compact_json(value)
    return [Line("json", "", printable(line)) for line in text.split("\n")]


def _lines(value: object, depth: int) -> Iterator[tuple[str, str]]:
    pad = "  " * depth
    if isinstance(value, dict) and value and depth < _DEEPEST:
        for key, member in value.items():
            yield from _member(pad + str(key), member, depth)
    elif isinstance(value, list) and value and depth < _DEEPEST:
        for element in value:
            yield from _element(pad, element, depth)
    else:
        yield "value", pad + _plain(value)


def _member(name: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and "\n" in value:
        yield "pair", f"{name}: |"
        for line in value.splitlines():
            yield "text", "  " * (depth + 1) + line
    elif _in_line(value):
        yield "pair", f"{name}: {_plain(value)}"
    else:
        yield "pair", f"{name}:"
        yield from _lines(value, depth + 1)


def _element(pad: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    """Return an element of a list: its first line begins with a dash."""
    inner = list(_lines(value, depth + 1))
    kind, text = inner[0]
    yield kind, f"{pad}- {text[len(pad) + 2 :]}"
    yield from inner[1:]


def _in_line(value: object) -> bool:
    """Tell whether a value stands in one line with its name."""
    if isinstance(value, dict):
        return not value
    if isinstance(value, list):
        plain = not any(isinstance(element, dict | list) for element in value)
        return plain and len(_plain(value)) <= _SHORT
    return True


def _plain(value: object) -> str:
    """Return a value in one line; a text without quotes, if it cannot be taken for anything
    else.
    """
    if isinstance(value, str) and value and value == value.strip() and not _seems_other(value):
        return value
    return compact_json(value)


def _seems_other(text: str) -> bool:
    if text in ("true", "false", "null", "-") or text[0] in "[{\"'|":
        return True
    try:
        float(text)
    except ValueError:
        return not text.isprintable()
    return True
