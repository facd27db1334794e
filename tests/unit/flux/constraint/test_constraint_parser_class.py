"""Programs that have operators of their own in the short form of constraints."""

from __future__ import annotations

from typing import ClassVar

import pytest

from flux.constraint import ConstraintParser, ConstraintSyntaxError


class Jobs(ConstraintParser):
    operator_map: ClassVar = {None: "name", "u": "userid", "userid": "userid", "states": "states"}
    split_values: ClassVar = {"states": ","}


def test_operators_of_its_own() -> None:
    assert Jobs().parse("x and u:7") == {"and": [{"name": ["x"]}, {"userid": ["7"]}]}
    assert Jobs().parse("-states:a,b") == {"not": [{"states": ["a", "b"]}]}
    assert Jobs().parse("host:n1") == {"hostlist": ["n1"]}


def test_without_any_it_reads_what_everybody_types() -> None:
    assert ConstraintParser().parse("ssd|rank:0") == {
        "or": [{"properties": ["ssd"]}, {"ranks": ["0"]}]
    }
    for wrong in ("x:y", "(a", "", "a b )"):
        with pytest.raises(ConstraintSyntaxError):
            ConstraintParser().parse(wrong)
