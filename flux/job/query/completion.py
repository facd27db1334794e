"""Completing a query that is being typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from flux.job.query.fields import FIELDS, NAMES, STATE, STATE_WORDS, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LAST: Final = re.compile(
    r"""(?P<lead>[-!(]*) (?P<field>[A-Za-z_]\w*)? (?P<op>!=|<=|>=|[:=<>~])?
        (?P<value>[^\s()]*)$""",
    re.VERBOSE,
)
_NEEDS_QUOTES: Final = re.compile(r'[\s()",]')


class Completion(NamedTuple):
    """What may stand from ``start`` to ``end`` of the text instead of what stands there."""

    start: int
    end: int
    choices: list[str]


def complete(text: str, cursor: int, values: Callable[[str], Iterable[str]]) -> Completion:
    """Return what the word before ``cursor`` may become: a field with its colon, or a value of its
    field.

    ``values`` tells the values that are known of a text field.
    """
    found = _LAST.search(text[:cursor])
    if found is None:
        return Completion(cursor, cursor, [])
    if found["op"] is None:
        typed = (found["field"] or "") + found["value"]
        start = cursor - len(typed)
        choices = [f"{name}:" for name in FIELDS if name.startswith(typed.lower())]
        return Completion(start, cursor, choices)
    name = NAMES.get((found["field"] or "").lower())
    begun = found["value"].rpartition(",")[2]
    start = cursor - len(begun)
    if name is None:
        return Completion(start, cursor, [])
    known: Iterable[str] = ()
    if FIELDS[name].kind == STATE:
        known = (word for word in STATE_WORDS if len(word) > 2)
    elif FIELDS[name].kind == TEXT:
        known = sorted({_written(value) for value in values(name) if value})
    low = begun.lower()
    return Completion(start, cursor, [word for word in known if word.lower().startswith(low)])


def _written(value: str) -> str:
    """Return a value as a query has it: in quotes if it needs them."""
    if not _NEEDS_QUOTES.search(value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
