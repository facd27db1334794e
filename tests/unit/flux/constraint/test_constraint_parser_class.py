"""Programs that have operators of their own in the short form of constraints. What is expected was
recorded on flux-core 0.88.
"""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from flux.constraint import ConstraintParser, ConstraintSyntaxError


class Jobs(ConstraintParser):
    operator_map: ClassVar = {None: "name", "u": "userid", "states": "states"}
    split_values: ClassVar = {"states": ","}
    combined_terms: ClassVar = {"userid"}


def test_operators_of_its_own() -> None:
    assert Jobs().parse("x and u:7") == {"and": [{"name": ["x"]}, {"userid": ["7"]}]}
    assert Jobs().parse("-states:a,b") == {"not": [{"states": ["a", "b"]}]}
    assert Jobs().parse("host:n1") == {"host": ["n1"]}


@pytest.mark.parametrize(
    ("text", "constraint"),
    [
        ("u:1 u:2 x", {"and": [{"userid": ["1", "2"]}, {"name": ["x"]}]}),
        ("u:1 (u:2 u:3)", {"userid": ["1", "2", "3"]}),
        ("u:1 x u:2", {"and": [{"userid": ["1"]}, {"name": ["x"]}, {"userid": ["2"]}]}),
        ("u:1|u:2", {"or": [{"userid": ["1"]}, {"userid": ["2"]}]}),
        ("x (y z)", {"and": [{"name": ["x"]}, {"and": [{"name": ["y"]}, {"name": ["z"]}]}]}),
        ("a:'b c'", {"a": ["b c"]}),
        ("a:not", {"a": ["not"]}),
        ("a: b", {"a": ["b"]}),
        ("a::b", {"a": [":b"]}),
        (":a", {"": ["a"]}),
        ("not:a", {"not": [{"": ["a"]}]}),
        ("a:-1", {"a": ["-1"]}),
        ("- x", {"not": [{"name": ["x"]}]}),
        ("'x'y", {"and": [{"name": ["x"]}, {"name": ["y"]}]}),
        ("'not' andy", {"and": [{"name": ["not"]}, {"name": ["andy"]}]}),
    ],
)
def test_what_texts_mean(text: str, constraint: dict[str, Any]) -> None:
    assert Jobs().parse(text) == constraint


def test_without_operators_of_its_own_each_stands_for_itself() -> None:
    parser = ConstraintParser(lexer=None, optimize=False, debug=False, write_tables=False)
    assert parser.parse("x:a|rank:0") == {"or": [{"x": ["a"]}, {"rank": ["0"]}]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x", 'Missing required operator in "x"'),
        ("- not x:1", "Invalid token 'not' at position 2"),
        ("--x:1", "Invalid token '-' at position 1"),
        ("a:|b", "Invalid token '\\|' at position 2"),
        ("a:", "Missing argument to token 'a:'"),
        ("a:''", "Missing argument to token 'a:'"),
        ("a:'b", 'Unclosed quote "\'" at position 3'),
        ("a:b and", "Unexpected end of input in 'a:b and'"),
        ("and:a", "Invalid token 'and' at position 0"),
        ("(a:1", "Unclosed parenthesis in position 0"),
    ],
)
def test_mistakes(text: str, problem: str) -> None:
    with pytest.raises(ConstraintSyntaxError, match=problem):
        ConstraintParser().parse(text)


def test_what_is_no_text() -> None:
    wrong: Any = 3
    with pytest.raises(TypeError, match="must be a string, not int"):
        ConstraintParser().parse(wrong)
