"""How well names match what was typed: which letters of them, and which match is better."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from flux.job.query.fields import NAMES
from flux.job.query.syntax import Either, Every, Negation, Term, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flux.job.query.syntax import Node

WHOLE, BEGINNING, PART, SCATTERED, ELSEWHERE = range(5)
"""How a name can match letters that were typed, the best first: it is they, begins with them, has
them together, has them in order; or they are in the user's name or the job id.
"""
_LONGEST: Final = 512
"""Characters of a name that are looked at."""


class NameSearch:
    """What a query has to say of names: letters that were typed, and regular expressions."""

    def __init__(self, tree: Node) -> None:
        self._letters = tuple(it.value for it in _positive(tree) if isinstance(it, Word))
        self._patterns = tuple(
            found
            for it in _positive(tree)
            if isinstance(it, Term) and it.op == "~" and NAMES.get(it.field.lower()) == "name"
            if (found := _compiled(it.value)) is not None
        )
        self.ranks = _Ranks(self._letters)

    @property
    def ranks_names(self) -> bool:
        """Whether some names match better than others."""
        return any(self._letters)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return which letters of a name, or of a user's, matched: where they begin and end, in
        order.
        """
        places: set[int] = set()
        for letters in self._letters:
            places.update(_places(letters, text[:_LONGEST]))
        for pattern in self._patterns:
            found = pattern.search(text[:_LONGEST])
            if found is not None:
                places.update(range(*found.span()))
        return _joined(sorted(places))


class _Ranks(dict[str, int]):
    """How well each name matches all letters that were typed: as well as the worst of them does.
    Found once for each name.
    """

    def __init__(self, letters: tuple[str, ...]) -> None:
        super().__init__()
        self._letters = letters

    def __missing__(self, name: str) -> int:
        found = max((_rank(letters, name) for letters in self._letters if letters), default=0)
        self[name] = found
        return found


def _positive(tree: Node) -> Iterator[Term | Word]:
    """Yield the terms that a job has to match, not those that it must not."""
    match tree:
        case Negation():
            return
        case Every(parts) | Either(parts):
            for part in parts:
                yield from _positive(part)
        case Word() | Term():
            yield tree


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error:
        return None


def _folded(letters: str, text: str) -> str:
    """Return ``text`` as the letters are compared with it: case counts if one is a capital."""
    return text.lower() if letters == letters.lower() else text


def _rank(letters: str, name: str) -> int:
    text = _folded(letters, name)
    if text == letters:
        return WHOLE
    place = text.find(letters)
    if place >= 0:
        return BEGINNING if place == 0 else PART
    return SCATTERED if _places(letters, name[:_LONGEST]) else ELSEWHERE


def _places(letters: str, name: str) -> list[int]:
    """Return where the letters are in a name: together if they are, else one after the other,
    begun as late as possible so that they are close; nothing if they are not all there.
    """
    text = _folded(letters, name)
    if len(text) != len(name):
        return []  # a letter that is two in lower case: no place would be right
    together = text.find(letters)
    if together >= 0:
        return list(range(together, together + len(letters)))
    end = 0
    for letter in letters:
        end = text.find(letter, end) + 1
        if not end:
            return []
    places = []
    for letter in reversed(letters):
        end = text.rfind(letter, 0, end)
        places.append(end)
    return places[::-1]


def _joined(places: list[int]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for place in places:
        if spans and spans[-1][1] == place:
            spans[-1] = spans[-1][0], place + 1
        else:
            spans.append((place, place + 1))
    return spans
