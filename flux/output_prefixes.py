"""What stands before the fields of output formats and is an instruction: ``sort:KEY,-KEY`` at the
beginning, ``?:`` before a field that goes when all of its values are empty, ``+:`` before one that
becomes as wide as its widest value, ``?+:`` for both; and what stands at the end of their specs:
``+`` for a sign that they were cut, ``::SPEC`` behind the strftime(3) format of a date.
"""

from __future__ import annotations

import re
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Container

T = TypeVar("T")

_SORT: Final = re.compile(r"sort:([^{\s]+)\s?")
_MARK: Final = re.compile(r"(\?\+|\?|\+):\Z")
_WIDTH: Final = re.compile(
    r"(?P<head>(?:.?[<>=^])?[-+ ]?#?0?)(?P<width>\d*)(?P<group>[,_]?)"
    r"(?P<precision>(?:\.\d+)?)(?P<type>[a-zA-Z%]?)(?P<suffix>h?\+?)\Z"
)


class FieldPrefix(NamedTuple):
    """The text before a field without its mark, and what the mark says."""

    text: str
    goes_if_empty: bool
    widens: bool


def split_sort(fmt: str, known: Container[str]) -> tuple[list[str], str]:
    """Return the sort keys that a format begins with, and the rest of it; raises ValueError for a
    key that is not ``known``.
    """
    found = _SORT.match(fmt)
    return (sort_keys(found[1], known), fmt[found.end() :]) if found else ([], fmt)


def sort_keys(text: str, known: Container[str]) -> list[str]:
    """Return the keys of a list with commas; one with ``-`` before it is for falling order. Raises
    ValueError for a key that is not ``known``.
    """
    keys = [key for key in text.split(",") if key]
    for key in keys:
        if key.removeprefix("-") not in known:
            raise ValueError(f"Invalid sort key: {key.removeprefix('-')}")
    return keys


def sort_by(items: list[T], keys: list[str]) -> list[T]:
    """Sort a list in place by attributes of its items, and return it; the first key counts most.

    What is missing comes first, then numbers, then anything else by its text. Raises AttributeError
    if an item has no such attribute.
    """
    for key in reversed(keys):
        value_of = attrgetter(key.removeprefix("-"))
        items.sort(key=lambda item: _rank(value_of(item)), reverse=key.startswith("-"))
    return items


def _rank(value: object) -> tuple[int, float, str]:
    if value is None or value == "":
        return (0, 0.0, "")
    if isinstance(value, int | float):
        return (1, value, "")
    return (2, 0.0, str(value))


def split_mark(text: str) -> FieldPrefix:
    """Return what the text before a field is, and says."""
    found = _MARK.search(text)
    if found is None:
        return FieldPrefix(text, False, False)
    return FieldPrefix(text[: found.start()], "?" in found[1], "+" in found[1])


def split_date_spec(spec: str) -> tuple[str, str]:
    """Return the strftime(3) format of a date's spec, and what follows its ``::``, the width and
    alignment; empty if there are none.
    """
    how, sign, shape = spec.rpartition("::")
    return (how, shape) if sign and shape and _WIDTH.match(shape) else (spec, "")


def unbounded(spec: str) -> str:
    """Return a format spec without width, and without the precision that would cut a string."""
    how, shape = split_date_spec(spec)
    if shape:
        return f"{how}::<1"
    found = _WIDTH.match(spec)
    if found is None:
        return spec
    precision = found["precision"] if _counts(found["type"]) else ""
    return f"{found['group']}{precision}{found['type']}"


def widened(spec: str, width: int) -> str:
    """Return a format spec that is at least ``width`` columns wide; a precision that cuts a string
    becomes its width.
    """
    how, shape = split_date_spec(spec)
    if shape:
        return f"{how}::{widened(shape, width)}"
    found = _WIDTH.match(spec)
    if found is None:
        return spec
    wide = max(width, int(found["width"] or 0))
    precision = found["precision"]
    if precision and not _counts(found["type"]):
        precision = f".{wide}"
    return f"{found['head']}{wide}{found['group']}{precision}{found['type']}{found['suffix']}"


def _counts(kind: str) -> bool:
    """Whether the precision of a spec of this type is that of a number."""
    return kind not in ("", "s", "h")


def cut(line: str, width: int) -> str:
    """Return a line of at most ``width`` columns; a ``+`` tells that it was longer. A negative
    width is no limit.
    """
    if width < 0 or len(line) <= width:
        return line
    return f"{line[: max(width - 1, 0)]}+"
