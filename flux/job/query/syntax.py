"""The grammar of queries: text to a tree of terms.

    query  = branch { ( "OR" | "|" ) branch }
    branch = factor { [ "AND" | "&" ] factor }
    factor = ( "-" | "!" | "NOT" ) factor | "(" query ")" | term
    term   = field op value | word
    op     = ":" | "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"

A value or a word ends at a blank or a parenthesis unless it is in double quotes, inside which
``\\"`` and ``\\\\`` stand for themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_MAX: Final = 50
"""Parentheses and negations inside one another."""

_TOKENS: Final = r"""(?P<blank>\s+)
      | (?P<open>\() | (?P<close>\)) | (?P<or>\||OR(?=[\s()]|$)) | (?P<and>&|AND(?=[\s()]|$))
      | (?P<not>!(?!=)|-(?=[^\s\d.]|\d+[A-Za-z]*[:=<>])|NOT(?=[\s()]|$))
      | (?P<term>
          (?: (?P<field>[A-Za-z_][A-Za-z_0-9.]*) (?P<op>!=|<=|>=|[:=<>~]) )?
          (?P<value> (?: "(?:\\.|[^"\\])*(?:"|$) | [^\s()"] )* )
        )"""
_ESCAPED: Final = re.compile(r'\\(["\\])')
_QUOTED: Final = re.compile(r'"((?:\\.|[^"\\])*)(?:"|$)')


@cache
def _token() -> re.Pattern[str]:
    """Compiled when a query is read: most starts of the dashboard have none."""
    return re.compile(_TOKENS, re.VERBOSE)


class QueryError(ValueError):
    """A query that cannot be read: ``text`` from ``start`` to ``end`` is wrong.

    ``replacement``, if any, is what was probably meant there.
    """

    def __init__(self, reason: str, start: int, end: int, replacement: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.start = start
        self.end = max(end, start + 1)
        self.replacement = replacement

    def caret(self) -> str:
        """Return the line that goes below the text and points at the mistake."""
        return " " * self.start + "^" * (self.end - self.start)


class Term(NamedTuple):
    """``field op value``; ``value`` is without its quotes, ``start`` and ``end`` are its place in
    the text, ``value_start`` that of the value as written. A value that is missing yet is empty.
    """

    field: str
    op: str
    value: str
    start: int
    end: int
    value_start: int
    quoted: bool


class Word(NamedTuple):
    """A word without a field; an empty one says nothing."""

    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Negation:
    """What must not hold."""

    part: Node


@dataclass(frozen=True, slots=True)
class Every:
    """What must hold together; nothing at all holds for every job."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Of what at least one must hold."""

    parts: tuple[Node, ...]


Node: TypeAlias = Term | Word | Negation | Every | Either


class _QueryToken(NamedTuple):
    kind: str
    start: int
    end: int
    found: re.Match[str]


def parse(text: str) -> Node:
    """Return the tree of a query; the empty query is an `Every` of nothing. Raises `QueryError`."""
    parser = _QueryParser(text)
    tree = parser.query(0)
    if parser.kind == "close":
        parser.fail("there is no parenthesis that this one closes")
    return tree


def terms(tree: Node) -> Iterator[Term | Word]:
    """Yield the terms and words of a tree in their order."""
    match tree:
        case Negation(part):
            yield from terms(part)
        case Every(parts) | Either(parts):
            for part in parts:
                yield from terms(part)
        case _:
            yield tree


class _QueryParser:
    """Reads a text from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [token for token in _tokens(text) if token.kind != "blank"]
        self._next = 0

    @property
    def kind(self) -> str:
        """The kind of the next token, empty at the end."""
        return self._tokens[self._next].kind if self._next < len(self._tokens) else ""

    def take(self) -> _QueryToken:
        """Return the next token and go on."""
        self._next += 1
        return self._tokens[self._next - 1]

    def fail(self, reason: str) -> NoReturn:
        """Raise the error for the next token, or for the end."""
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            raise QueryError(reason, token.start, token.end)
        end = len(self._text)
        raise QueryError(reason, end, end)

    def query(self, depth: int) -> Node:
        """Read branches with OR between them."""
        branches = [self.branch(depth)]
        while self.kind == "or":
            operator = self.take()
            if branches[-1] == Every(()):
                raise QueryError("OR needs something before it", operator.start, operator.end)
            branches.append(self.branch(depth))
            if branches[-1] == Every(()):
                raise QueryError("OR needs something after it", operator.start, operator.end)
        return branches[0] if len(branches) == 1 else Either(tuple(branches))

    def branch(self, depth: int) -> Node:
        """Read factors, all of which must hold."""
        factors: list[Node] = []
        operator: _QueryToken | None = None
        while True:
            if self.kind == "and":
                if operator is not None or not factors:
                    self.fail("AND needs something before it")
                operator = self.take()
                continue
            if self.kind in ("", "or", "close"):
                break
            factors.append(self.factor(depth))
            operator = None
        if operator is not None:
            raise QueryError("AND needs something after it", operator.start, operator.end)
        return factors[0] if len(factors) == 1 else Every(tuple(factors))

    def factor(self, depth: int) -> Node:
        """Read a term, its negation, or a query in parentheses."""
        if depth > DEPTH_MAX:
            self.fail(f"there are more than {DEPTH_MAX} levels here")
        if self.kind == "not":
            operator = self.take()
            if self.kind in ("", "or", "and", "close"):
                raise QueryError("there is nothing to negate", operator.start, operator.end)
            return Negation(self.factor(depth + 1))
        token = self.take()
        if token.kind == "open":
            tree = self.query(depth + 1)
            if self.kind != "close":
                raise QueryError("this parenthesis is not closed", token.start, token.end)
            self.take()
            return tree
        return _term(token)


def _tokens(text: str) -> Iterator[_QueryToken]:
    position = 0
    while position < len(text):
        found = _token().match(text, position)
        assert found is not None  # a term matches whatever nothing else does
        if found.end() == position:
            raise QueryError("this cannot be read", position, position + 1)
        yield _QueryToken(found.lastgroup or "", position, found.end(), found)
        position = found.end()


def _term(token: _QueryToken) -> Term | Word:
    found = token.found
    written = found["value"]
    value = _QUOTED.sub(lambda quoted: _ESCAPED.sub(r"\1", quoted[1]), written)
    if found["field"] is None:
        if value in ("-", "!"):
            value = ""  # what it is to negate is still to be typed
        return Word(value, token.start, token.end)
    start = found.start("value")
    return Term(found["field"], found["op"], value, token.start, token.end, start, '"' in written)
