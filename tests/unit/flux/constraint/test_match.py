"""What constraint objects allow (RFC 31)."""

from __future__ import annotations

from typing import Any

import pytest

from flux.constraint.match import Place, check_constraint, compile_constraint, joined, without

NODES = [
    Place(0, "n0", frozenset()),
    Place(1, "n1", frozenset({"ssd"})),
    Place(2, "n2", frozenset({"ssd", "gpu"})),
    Place(3, "n3", frozenset({"gpu"})),
]


@pytest.mark.parametrize(
    ("constraint", "ranks"),
    [
        ({}, [0, 1, 2, 3]),
        ({"properties": []}, [0, 1, 2, 3]),
        ({"properties": ["ssd"]}, [1, 2]),
        ({"properties": ["ssd", "gpu"]}, [2]),
        ({"properties": ["ssd", "^gpu"]}, [1]),
        ({"hostlist": ["n[0-1]", "n3"]}, [0, 1, 3]),
        ({"ranks": ["0", "2-9"]}, [0, 2, 3]),
        ({"and": [{"ranks": ["0-1"]}, {"properties": ["ssd"]}]}, [1]),
        ({"or": [{"ranks": ["0"]}, {"properties": ["gpu"]}]}, [0, 2, 3]),
        ({"or": []}, []),
        ({"not": [{"properties": ["ssd", "gpu"]}]}, [0, 1, 3]),
        ({"not": [{"ranks": ["0-2"]}, {"properties": ["gpu"]}]}, [0, 1, 3]),
        ({"properties": ["ssd"], "ranks": ["2"]}, [2]),
    ],
)
def test_where_a_job_may_run(constraint: dict[str, Any], ranks: list[int]) -> None:
    matches = compile_constraint(constraint)
    assert [place.rank for place in NODES if matches(place)] == ranks


@pytest.mark.parametrize(
    ("constraint", "problem"),
    [
        ([], "a constraint must be an object"),
        ({"nosuch": []}, "unknown constraint operator 'nosuch'"),
        ({"properties": "ssd"}, "properties constraint: its value must be an array"),
        ({"properties": [1]}, "its values must be strings"),
        ({"properties": ["a b"]}, "invalid property 'a b'"),
        ({"properties": ["^"]}, "invalid property ''"),
        ({"hostlist": ["n[0-"]}, "hostlist constraint: "),
        ({"ranks": ["0-x"]}, "ranks constraint: invalid idset: 0-x"),
        ({"and": ["x"]}, "a constraint must be an object"),
        ({"not": {"properties": ["a"]}}, "not constraint: its value must be an array"),
    ],
)
def test_what_is_no_constraint(constraint: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("[", r"\[")):
        check_constraint(constraint)


def test_nesting_is_bounded() -> None:
    constraint: dict[str, Any] = {"properties": ["a"]}
    for _ in range(1000):
        constraint = {"not": [constraint]}
    with pytest.raises(ValueError, match="nested too deep"):
        check_constraint(constraint)


@pytest.mark.parametrize(
    ("constraint", "properties", "result"),
    [
        (None, ["a"], {"properties": ["a"]}),
        ({}, [], {}),
        ({"properties": ["b"]}, ["a"], {"properties": ["b", "a"]}),
        ({"properties": ["a"]}, ["a"], {"properties": ["a"]}),
        ({"ranks": ["0"]}, ["a"], {"and": [{"ranks": ["0"]}, {"properties": ["a"]}]}),
    ],
)
def test_a_queue_adds_its_properties(
    constraint: object, properties: list[str], result: dict[str, Any]
) -> None:
    assert joined(constraint, properties) == result


@pytest.mark.parametrize("own", [{}, {"ranks": ["0"]}, {"properties": ["b"]}, {"and": []}])
@pytest.mark.parametrize("properties", [[], ["a"], ["a", "c"]])
def test_they_can_be_taken_away_again(own: dict[str, Any], properties: list[str]) -> None:
    assert without(joined(own, properties), properties) == own


def test_what_is_no_constraint_is_none_without_properties() -> None:
    assert without(None, ["a"]) == without([], ["a"]) == {}
