"""The ranges that an idset consists of: read from text, made of numbers, merged (RFC 22)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TERM = re.compile(r"(0|[1-9][0-9]{0,9})(?:-(0|[1-9][0-9]{0,9}))?\Z", re.ASCII)
MAX_ID = 2**32 - 2
MAX_SHOWN = 200
"""Characters of a bad idset that its error shows."""


def invalid(text: object) -> ValueError:
    """Return the error about what is not an idset, or not an id."""
    shown = str(text)
    return ValueError(
        f"IDset(): Invalid argument: "
        f"{shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + '...'}"
    )


def parse_ranges(text: str) -> list[tuple[int, int]]:
    """Return the inclusive ranges of an idset string, in the order of the text."""
    body = text
    if body.startswith("[") or body.endswith("]"):
        if len(body) < 2 or not (body.startswith("[") and body.endswith("]")):
            raise invalid(text)
        body = body[1:-1]
    if not body:
        return []
    ranges = []
    for term in body.split(","):
        match = _TERM.match(term)
        if match is None:
            raise invalid(text)
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first or last > MAX_ID:
            raise invalid(text)
        ranges.append((first, last))
    return ranges


def normalize(ranges: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Sort ranges and merge those that overlap or touch; return their firsts and lasts."""
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(ranges):
        if lasts and first <= lasts[-1] + 1:
            if last > lasts[-1]:
                lasts[-1] = last
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


def ranges_of(ids: Iterable[int | str]) -> tuple[list[int], list[int]]:
    """Return firsts and lasts of the ranges of numbers and idset strings; raises TypeError,
    ValueError if one is neither an id nor such a string.
    """
    checked: list[tuple[int, int]] = []
    for i in ids:
        if isinstance(i, str):
            checked.extend(parse_ranges(i))
            continue
        if not isinstance(i, int):
            raise TypeError(f"IDset(): expected an iterable of integers, got {type(i).__name__}")
        if i < 0 or i > MAX_ID:
            raise invalid(i)
        checked.append((i, i))
    return normalize(checked)
