"""The short form of constraints that people type (RFC 35), such as ``ssd&(rank:0-3|-host:n7)``.

The grammar::

    any   = one { ("|" | "||" | "or") all | [ "&" | "&&" | "and" ] one }
    all   = one { ("&" | "&&" | "and") one }
    one   = "not" one | "(" any ")" | ["-"] term
    term  = [operator ":"] operand

What stands side by side without a sign is joined to all that is before it: ``a|b c`` is
``(a|b)&c``, as flux-core reads it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from flux.constraint.match import DEEPEST, NOT_HERE, check_constraint

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flux.wire.json import JsonObject

_TOKEN: Final = re.compile(
    r"""(?P<sign>\|\|?|&&?|[()]|(?:and|or|not)(?![^\s'"&|():]))
      | (?P<minus>-)
      | (?P<operator>[^\s'"&|():]*:)
      | (?P<quoted>'[^']*'|"[^"]*")
      | (?P<word>[^\s'"&|()]+)""",
    re.VERBOSE,
)
_OPERAND: Final = re.compile(r"""\s*(?:(?P<quoted>'[^']*'|"[^"]*")|(?P<word>[^\s'"&|()]+))""")
_BLANK: Final = re.compile(r"\s*")
_OR: Final = frozenset(("|", "||", "or"))
_AND: Final = frozenset(("&", "&&", "and"))


class ConstraintSyntaxError(ValueError):
    """A text is no constraint; the message says why."""


class _Token(NamedTuple):
    """A sign (``not``, ``-``, ``(`` and so on), or a term if there is an operand."""

    text: str
    at: int
    operator: str | None = None
    operand: str | None = None


class ConstraintParser:
    """Reads the short form of constraints; subclasses say with which operators.

    ``operator_map`` has what the names of operators stand for, None for terms without one, which
    are refused if it has not; names that it has not stand for themselves. ``split_values`` has what
    separates the values of an operator, and of operators in ``combined_terms`` terms that stand
    side by side become one. The arguments are flux-core's, for the tools that its parser is made
    with, and change nothing here.
    """

    operator_map: ClassVar[Mapping[str | None, str]] = {}
    split_values: ClassVar[Mapping[str, str]] = {}
    combined_terms: ClassVar[Collection[str]] = frozenset()

    def __init__(
        self,
        lexer: object = None,
        optimize: bool = True,
        debug: bool = False,
        write_tables: bool = False,
        **kw_args: object,
    ) -> None:
        del lexer, optimize, debug, write_tables, kw_args

    def parse(self, query: str, **kw_args: object) -> JsonObject:
        """Return the constraint object that ``query`` stands for; raises ConstraintSyntaxError,
        TypeError if ``query`` is no string.
        """
        if not isinstance(query, str):
            raise TypeError(f"a constraint must be a string, not {type(query).__name__}")
        parser = _Parser(query, self)
        found = parser.any_of(DEEPEST)
        parser.expect_the_end()
        return found

    def term(self, token_text: str, operator: str | None, operand: str) -> JsonObject:
        """Return the constraint of one term; raises ConstraintSyntaxError if it has no operator and
        needs one.
        """
        if operator not in self.operator_map and operator is None:
            raise ConstraintSyntaxError(f'Missing required operator in "{token_text}"')
        name = self.operator_map.get(operator, operator or "")
        separator = self.split_values.get(name)
        return {name: [operand] if separator is None else operand.split(separator)}

    def joined(self, one: JsonObject, other: JsonObject) -> JsonObject:
        """Return the constraint that demands both, made of the two."""
        (name,) = one
        if name in self.combined_terms and set(other) == {name}:
            one[name] += other[name]
            return one
        return _with(one, "and", other)


class _PlaceParser(ConstraintParser):
    """Reads constraints on where a job may run."""

    operator_map: ClassVar = {
        None: "properties",
        "property": "properties",
        "hosts": "hostlist",
        "host": "hostlist",
        "rank": "ranks",
    }
    split_values: ClassVar = {"properties": ","}
    combined_terms: ClassVar = {"properties"}

    def term(self, token_text: str, operator: str | None, operand: str) -> JsonObject:
        """Return the constraint of one term; properties that begin with ``-`` are forbidden."""
        found = super().term(token_text, operator, operand)
        names = found.get("properties")
        if names is None:
            return found
        return {"properties": [_property(name) for name in names]}


def _with(one: JsonObject, sign: str, other: JsonObject) -> JsonObject:
    """Return what joins two constraints, the first of which may be such a list already."""
    if sign in one:
        one[sign].append(other)
        return one
    return {sign: [one, other]}


def _property(name: str) -> str:
    return f"{NOT_HERE}{name[1:]}" if name.startswith("-") else name


def parse_constraint(text: str) -> JsonObject:
    """Return the constraint object (RFC 31) that ``text`` stands for.

    A term without an operator names properties; several may be joined by commas, and one that
    begins with ``-`` must not be there. Raises ConstraintSyntaxError if ``text`` is malformed.
    """
    found = _PlaceParser().parse(text)
    try:
        check_constraint(found)
    except ValueError as exc:
        raise ConstraintSyntaxError(str(exc)) from None
    return found


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = _skip(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unclosed(text, at)
        end = match.end()
        if match["operator"] is not None:
            operand = _OPERAND.match(text, end)
            if operand is None:
                raise _without_operand(text, at, end)
            value = _value(operand)
            if not value:
                raise _without_operand(text, at, end)
            tokens.append(_Token(text[at : operand.end()], at, match["operator"][:-1], value))
            end = operand.end()
        elif match["sign"] is not None or match["minus"] is not None:
            tokens.append(_Token(match[0], at))
        elif value := _value(match):
            tokens.append(_Token(value, at, None, value))
        at = _skip(text, end)
    return tokens


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _value(match: re.Match[str]) -> str:
    """Return a word, or what stands in quotes."""
    quoted: str | None = match["quoted"]
    return match["word"] if quoted is None else quoted[1:-1]


def _unclosed(text: str, at: int) -> ConstraintSyntaxError:
    return ConstraintSyntaxError(f'Unclosed quote "{text[at]}" at position {at + 1}')


def _without_operand(text: str, at: int, end: int) -> ConstraintSyntaxError:
    """Return the error about what follows the operator from ``at`` to ``end``."""
    after = _skip(text, end)
    if text[after : after + 1] in ("'", '"') and text[after] not in text[after + 1 :]:
        return _unclosed(text, after)
    if text[after : after + 1] in tuple("|&()"):
        return ConstraintSyntaxError(f"Invalid token '{text[after]}' at position {after}")
    return ConstraintSyntaxError(f"Missing argument to token '{text[at:end]}'")


def _mismatched(token: _Token) -> ConstraintSyntaxError:
    return ConstraintSyntaxError(f"Mismatched parentheses starting at position {token.at}.")


class _Parser:
    """Reads the tokens of a text from left to right."""

    def __init__(self, text: str, words: ConstraintParser) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._words = words
        self._at = 0

    def expect_the_end(self) -> None:
        """Raise ConstraintSyntaxError if something is left."""
        token = self._peek()
        if token is not None:
            if token.text == ")":
                raise _mismatched(token)
            raise ConstraintSyntaxError(f"Invalid token '{token.text}' at position {token.at}")

    def _unclosed(self) -> ConstraintSyntaxError:
        """Return the error of a parenthesis that is not closed, by the last one, as flux-core."""
        at = max(one.at for one in self._tokens if one.text == "(" and one.operand is None)
        return ConstraintSyntaxError(f"Unclosed parenthesis in position {at}")

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> _Token:
        token = self._peek()
        if token is None:
            if self._tokens and self._tokens[-1].text == "(" and self._tokens[-1].operand is None:
                raise self._unclosed()
            raise ConstraintSyntaxError(f"Unexpected end of input in '{self._text}'")
        self._at += 1
        return token

    def _takes(self, signs: Collection[str]) -> bool:
        """Take the next token if it is one of some signs."""
        token = self._peek()
        found = token is not None and token.operand is None and token.text in signs
        self._at += found
        return found

    def any_of(self, depth: int) -> JsonObject:
        """Read up to a closing parenthesis or the end."""
        if not depth:
            raise ConstraintSyntaxError("the constraint is nested too deep")
        found = self._one(depth)
        while True:
            token = self._peek()
            if token is None or (token.operand is None and token.text == ")"):
                return found
            if self._takes(_OR):
                found = _with(found, "or", self._all_of(depth))
            else:
                self._takes(_AND)
                found = self._words.joined(found, self._one(depth))

    def _all_of(self, depth: int) -> JsonObject:
        found = self._one(depth)
        while self._takes(_AND):
            found = self._words.joined(found, self._one(depth))
        return found

    def _one(self, depth: int) -> JsonObject:
        if not depth:
            raise ConstraintSyntaxError("the constraint is nested too deep")
        token = self._next()
        if token.operand is not None:
            return self._words.term(token.text, token.operator, token.operand)
        if token.text == "not":
            return {"not": [self._one(depth - 1)]}
        if token.text == "(":
            found = self.any_of(depth - 1)
            if not self._takes(")"):
                raise self._unclosed()
            return found
        if token.text == ")":
            raise _mismatched(token)
        if token.text == "-":
            term = self._next()
            if term.operand is not None:
                return {"not": [self._words.term(term.text, term.operator, term.operand)]}
            token = term
        raise ConstraintSyntaxError(f"Invalid token '{token.text}' at position {token.at}")
