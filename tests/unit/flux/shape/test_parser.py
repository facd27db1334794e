"""Shapes of resources, the examples of RFC 46 among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.shape.parser import DEEPEST, ShapeParser, ShapeSyntaxError

if TYPE_CHECKING:
    from flux.wire.json import JsonObject


def parse(text: str) -> list[JsonObject]:
    return ShapeParser().parse(text)


def vertex(kind: str, count: int | str = 1, *inner: JsonObject, **keys: object) -> JsonObject:
    return {"type": kind, "count": count, **keys, **({"with": list(inner)} if inner else {})}


def slot(count: int | str, *inner: JsonObject, label: str = "task", **keys: object) -> JsonObject:
    return vertex("slot", count, *inner, label=label, **keys)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("slot=4/node", slot(4, vertex("node"))),
        ("slot=3-30/node", slot("3-30", vertex("node"))),
        (
            "slot=4{nodelevel}/node{-x}/socket=2+/core=4+",
            slot(
                4,
                vertex("node", 1, vertex("socket", "2+", vertex("core", "4+")), exclusive=False),
                label="nodelevel",
            ),
        ),
        (
            "cluster=2/slot/node=1+{-x}/core=30",
            vertex(
                "cluster", 2, slot(1, vertex("node", "1+", vertex("core", 30), exclusive=False))
            ),
        ),
        ("slot=4,9,16,25/node", slot("4,9,16,25", vertex("node"))),
        (
            "slot=10/[memory=2+{unit:GB};core]",
            slot(10, vertex("memory", "2+", unit="GB"), vertex("core")),
        ),
        ("slot=[1-3]/node", slot("1-3", vertex("node"))),
        ("slot/core=2-8:2:*", slot(1, vertex("core", "2-8:2:*"))),
        ("Slot / 'my core' = 2 ", slot(1, vertex("my core", 2))),
        ("slot{a,x}/node{}", slot(1, vertex("node"), label="a", exclusive=True)),
        (
            'slot/core{+a,-b,c,d:{e:1,f},"g h":"i,j",k:[1,{"l":2}],m:n:o,p:-1.5,q:null,r:true}',
            slot(
                1,
                vertex("core")
                | {"a": True, "b": False, "c": True, "d": {"e": 1, "f": True}, "g h": "i,j"}
                | {"k": [1, {"l": 2}], "m": "n:o", "p": -1.5, "q": None, "r": True},
            ),
        ),
    ],
)
def test_a_shape_is_the_list_that_it_stands_for(text: str, expected: JsonObject) -> None:
    assert parse(text) == [expected]
    assert parse(f"[{text}]") == [expected]


def test_several_slots_have_labels() -> None:
    text = "node/[slot=10{read-db}/[core;memory=4{unit:GB}];slot{db}/[core=6]]"
    slots = [
        slot(10, vertex("core"), vertex("memory", 4, unit="GB"), label="read-db"),
        slot(1, vertex("core", 6), label="db"),
    ]
    assert parse(text) == [vertex("node", 1, *slots)]
    with pytest.raises(ShapeSyntaxError, match="Multiple slots require labels"):
        parse("[slot{a}/core;slot/core]")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Unexpected end of input in ''"),
        ("slot", "Unexpected end of input in 'slot'"),
        ("slot/core/", "Unexpected end of input in 'slot/core/'"),
        ("slot=x", "Illegal character 'x' at position 5"),
        ("slot=0/node", "Illegal character '0' at position 5"),
        ("slot=2=3/node", "Illegal character '=' at position 6"),
        ("slot=/node", "Illegal character '/' at position 5"),
        ("slot=5-2/node", "Invalid count '5-2' at position 5"),
        ("slot=1,,2/node", "Invalid count '1,,2' at position 5"),
        ("slot=2/core;slot=1/core", "Invalid token ';' at position 11"),
        ("slot{x:1}/node", "Invalid token ':' at position 6"),
        ("slot{}/node", "Invalid token '}' at position 5"),
        ("slot{a}{b}/node", "Invalid token '{' at position 7"),
        ("/core", "Invalid token '/' at position 0"),
        ("slot/core{a:}", "Invalid token '}' at position 12"),
        ("slot/core{a:[1,}", "Invalid token '[' at position 12"),
        ("slot/[core", "Unclosed bracket in position 5"),
        ("slot/core{a:1", "Unclosed brace in position 9"),
        ("slot/'core", "Unclosed quote in position 5"),
        ("node/slot/core]", "Mismatched brackets starting at position 14."),
        ("a/" * DEEPEST + "slot/core", f"Nested too deeply at position {2 * DEEPEST}"),
        ("slot/core" + "{a:" * 100, "Nested too deeply at position "),
        ("slot/core{a:" + "[" * 100_000, "Invalid token '[' at position 12"),
    ],
)
def test_what_is_no_shape_says_where(text: str, reason: str) -> None:
    with pytest.raises(ShapeSyntaxError) as refused:
        parse(text)
    assert str(refused.value).startswith(reason)


@given(st.text("slot/core=123{}[];,:+-x'\"a ", max_size=20))
def test_any_text_is_a_shape_or_refused(text: str) -> None:
    try:
        found: list[Any] = parse(text)
    except ShapeSyntaxError:
        return
    assert found
    assert all(one["type"] is not None and one["count"] for one in found)
