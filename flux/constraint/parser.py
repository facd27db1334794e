"""The short form of constraints that people type (RFC 35), such as ``ssd&(rank:0-3|-host:n7)``.

The grammar, the loosest binding first::

    any  = all { ("|" | "||" | "or") all }
    all  = one { [ "&" | "&&" | "and" ] one }
    one  = "not" one | "(" any ")" | term
    term = ["-"] [operator ":"] operand
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from flux.constraint.match import DEEPEST, NOT_HERE, check_constraint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flux.wire.json import JsonObject

_OPERATORS: Final[Mapping[str | None, str]] = {
    "properties": "properties",
    "property": "properties",
    "hostlist": "hostlist",
    "hosts": "hostlist",
    "host": "hostlist",
    "ranks": "ranks",
    "rank": "ranks",
}
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<sign>\|\|?|&&?|[()])
      | (?P<term>(?:[^\s'"&|()]|'[^']*'|"[^"]*")+)
    )""",
    re.VERBOSE,
)
_OR: Final = frozenset(("|", "||", "or"))
_AND: Final = frozenset(("&", "&&", "and"))
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class ConstraintSyntaxError(ValueError):
    """A text is no constraint; the message says why."""


class _Token(NamedTuple):
    text: str
    is_word: bool


class ConstraintParser:
    """Reads the short form; ``operator_map`` of a subclass has further names of operators, by what
    they stand for, None for terms without one, and ``split_values`` what separates the values of an
    operator.
    """

    operator_map: ClassVar[Mapping[str | None, str]] = {}
    split_values: ClassVar[Mapping[str, str]] = {}

    def parse(self, query: str) -> JsonObject:
        """Return the constraint object that ``query`` stands for; raises ConstraintSyntaxError."""
        words = _Words({**_OPERATORS, **self.operator_map}, self.split_values)
        parser = _Parser(list(_tokens(query)), words)
        found = parser.any_of(DEEPEST)
        if not parser.at_end:
            raise ConstraintSyntaxError(f"unexpected {parser.next().text!r}")
        return found


def parse_constraint(text: str) -> JsonObject:
    """Return the constraint object (RFC 31) that ``text`` stands for.

    A term without an operator names properties; several may be joined by commas, and one that
    begins with ``-`` must not be there. Raises ConstraintSyntaxError if ``text`` is malformed.
    """
    found = ConstraintParser().parse(text)
    try:
        check_constraint(found)
    except ValueError as exc:
        raise ConstraintSyntaxError(str(exc)) from None
    return found


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ConstraintSyntaxError(f"a quote is not closed in {text!r}")
        tokens.append(_Token(match["sign"] or match["term"], match["term"] is not None))
        at = match.end()
    if not tokens:
        raise ConstraintSyntaxError("the constraint is empty")
    return tokens


class _Words(NamedTuple):
    """Names of operators, and what separates the values of some."""

    operators: Mapping[str | None, str]
    separators: Mapping[str, str]


class _Parser:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[_Token], words: _Words) -> None:
        self._tokens = tokens
        self._words = words
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._tokens)

    def next(self) -> _Token:
        """Take the next token; raises ConstraintSyntaxError at the end."""
        if self.at_end:
            raise ConstraintSyntaxError("the constraint ends where something has to follow")
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return "" if self.at_end else self._tokens[self._at].text

    def any_of(self, depth: int) -> JsonObject:
        """Read alternatives."""
        if not depth:
            raise ConstraintSyntaxError("the constraint is nested too deep")
        parts = [self._all_of(depth)]
        while self._peek() in _OR:
            self.next()
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else {"or": parts}

    def _all_of(self, depth: int) -> JsonObject:
        parts = [self._one(depth)]
        while not self.at_end and self._peek() not in _OR and self._peek() != ")":
            if self._peek() in _AND:
                self.next()
            parts.append(self._one(depth))
        return _and(parts)

    def _one(self, depth: int) -> JsonObject:
        token = self.next()
        if token.text == "(":
            inner = self.any_of(depth - 1)
            if self.at_end or self.next().text != ")":
                raise ConstraintSyntaxError("a parenthesis is not closed")
            return inner
        if token.text == "not":
            if depth == 1:
                raise ConstraintSyntaxError("the constraint is nested too deep")
            return {"not": [self._one(depth - 1)]}
        if not token.is_word or token.text in _OR or token.text in _AND:
            raise ConstraintSyntaxError(f"unexpected {token.text!r}")
        if token.text == "-":
            raise ConstraintSyntaxError("- goes before a term, not before an expression")
        return _term(token.text, self._words)


def _and(parts: list[JsonObject]) -> JsonObject:
    """Join constraints; plain lists of properties become one list."""
    if len(parts) == 1:
        return parts[0]
    if all(set(part) == {"properties"} for part in parts):
        return {"properties": [name for part in parts for name in part["properties"]]}
    return {"and": parts}


def _unquoted(text: str) -> str:
    return _QUOTED.sub(lambda match: match[1] if match[1] is not None else match[2], text)


def _term(text: str, words: _Words) -> JsonObject:
    negated = text.startswith("-")
    name, colon, operand = text.removeprefix("-").partition(":")
    if not colon or name.startswith(("'", '"')):
        name, operand = words.operators.get(None, "properties"), text.removeprefix("-")
    operator = words.operators.get(name)
    if operator is None and name == words.operators.get(None):
        operator = name
    if operator is None:
        known = "properties, hostlist, ranks"
        raise ConstraintSyntaxError(f"unknown constraint operator: {name} (there are {known})")
    if not operand:
        raise ConstraintSyntaxError(f"{name}: a value is missing")
    values = [_unquoted(operand)]
    if operator == "properties":
        values = [
            f"{NOT_HERE}{value[1:]}" if value.startswith("-") else value
            for value in _unquoted(operand).split(",")
        ]
    separator = words.separators.get(operator)
    if separator is not None:
        values = [value for text in values for value in text.split(separator)]
    found: JsonObject = {operator: values}
    return {"not": [found]} if negated else found
