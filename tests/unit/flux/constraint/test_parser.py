"""The short form of constraints (RFC 35)."""

from __future__ import annotations

from typing import Any

import pytest

from flux.constraint.parser import ConstraintSyntaxError, parse_constraint


def prop(*names: str) -> dict[str, Any]:
    return {"properties": list(names)}


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("a", prop("a")),
        ("a,b", prop("a", "b")),
        ("a,-b", prop("a", "^b")),
        ("a b c", prop("a", "b", "c")),
        ("a&b&&c and d", prop("a", "b", "c", "d")),
        ("a|b|c", {"or": [prop("a"), prop("b"), prop("c")]}),
        ("a or b || c", {"or": [prop("a"), prop("b"), prop("c")]}),
        ("a|b&c", {"or": [prop("a"), prop("b", "c")]}),
        ("a|b c", {"and": [{"or": [prop("a"), prop("b")]}, prop("c")]}),
        ("a|b c|d", {"or": [{"and": [{"or": [prop("a"), prop("b")]}, prop("c")]}, prop("d")]}),
        ("(a|b)&c", {"and": [{"or": [prop("a"), prop("b")]}, prop("c")]}),
        ("(a|-b)&c", {"and": [{"or": [prop("a"), {"not": [prop("b")]}]}, prop("c")]}),
        ("b|not c", {"or": [prop("b"), {"not": [prop("c")]}]}),
        ("not (a|b)", {"not": [{"or": [prop("a"), prop("b")]}]}),
        ("host:fluke[1-5]", {"hostlist": ["fluke[1-5]"]}),
        ("hosts:a,b", {"hostlist": ["a,b"]}),
        ("-host:fluke7", {"not": [{"hostlist": ["fluke7"]}]}),
        ("rank:0", {"ranks": ["0"]}),
        ("ranks:0-3,7 a", {"and": [{"ranks": ["0-3,7"]}, prop("a")]}),
        ("properties:a,b", prop("a", "b")),
        ("'a'", prop("a")),
        ('rank:"0-1"', {"ranks": ["0-1"]}),
        ("nota and orb", prop("nota", "orb")),
        (" ( a ) ", prop("a")),
    ],
)
def test_meaning(text: str, constraint: dict[str, Any]) -> None:
    assert parse_constraint(text) == constraint


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Unexpected end of input in ''"),
        ("  ", "Unexpected end of input in '  '"),
        ("a|", "Unexpected end of input in 'a.'"),
        ("&a", "Invalid token '&' at position 0"),
        ("a)", "Mismatched parentheses starting at position 1"),
        (")", "Mismatched parentheses starting at position 0"),
        ("a & )", "Mismatched parentheses starting at position 4"),
        ("(a", "Unclosed parenthesis in position 0"),
        ("(", "Unclosed parenthesis in position 0"),
        ("a (", "Unclosed parenthesis in position 2"),
        ("((a)", "Unclosed parenthesis in position 1"),
        ("-(a|b)", "Invalid token '\\(' at position 1"),
        ("a or and b", "Invalid token 'and' at position 5"),
        ("size:3", "unknown constraint operator 'size'"),
        ("rank:", "Missing argument to token 'rank:'"),
        ("rank:x", "ranks constraint: invalid idset: x"),
        ("host:n[1-", "hostlist constraint"),
        ("'a", 'Unclosed quote "\'" at position 1'),
        ("a,,b", "invalid property ''"),
        ("a!", "invalid property 'a!'"),
        ("(" * 100 + "a" + ")" * 100, "nested too deep"),
        ("not " * 100 + "a", "nested too deep"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    with pytest.raises(ConstraintSyntaxError, match=problem):
        parse_constraint(text)
