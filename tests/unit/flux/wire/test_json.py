"""The one JSON decoder and encoder: its bounds, and what goes both ways."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.wire import json

MARK = "\U0010fffd"


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("99999999999999999999", 1e20),
        ('{"a":1,"a":2}', {"a": 2}),
        (r'"\udcff"', "\udcff"),
        (
            r'{"\udC80":["\\udcff","\udbff\udffd","\ud83d\ude00"]}',
            {"\udc80": [r"\udcff", MARK, "😀"]},
        ),
        (rf'"{MARK}80\udc80{MARK}00"', f"{MARK}80\udc80{MARK}00"),
        (r'"a\u0000b"', "a\0b"),
    ],
)
def test_what_is_read(text: str, value: Any) -> None:
    assert json.loads(text) == value
    assert json.loads(text.encode()) == value
    assert json.loads(memoryview(text.encode())) == value


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "NaN", "[Infinity]", "1e400", "'a'", '{"a":1}x', r'"\ud800"', r'"\udc00"',
     r'["\udcff","\ud800"]', r'["\udcff",NaN]', "\ud800", '"\ud800"'],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)
    with pytest.raises(json.JSONDecodeError):
        json.loads(text.encode("utf-8", "surrogatepass"))


def test_bytes_that_are_not_utf8_are_refused() -> None:
    with pytest.raises(json.JSONDecodeError):
        json.loads(b'"\xff"')


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_nesting_is_bounded(opening: str, closing: str) -> None:
    levels = json.DEPTH_MAX // (opening.count("[") + opening.count("{"))
    middle = "1" if "{" in opening else ""
    for wanted in (levels, levels + 1, 400, 1500, 100_000):
        text = opening * wanted + middle + closing * wanted
        if wanted == levels:
            json.loads(text)
            continue
        for form in (text, text.encode(), bytearray(text.encode())):
            with pytest.raises(json.JSONDecodeError):
                json.loads(form)


def test_nesting_is_bounded_beside_undecodable_bytes() -> None:
    with pytest.raises(json.JSONDecodeError, match="deeper"):
        json.loads(r'["\udcff",' + nested(json.DEPTH_MAX) + "]")


def test_brackets_in_strings_are_no_nesting() -> None:
    text = '["' + "[{" * 500 + r"\"[" + '",' + ",".join(["[]"] * 500) + "]"
    assert len(json.loads(text)) == 501


def test_many_siblings_are_no_nesting() -> None:
    assert len(json.loads("[" + ",".join(['{"a":[]}'] * 10_000) + "]")) == 10_000


def test_what_was_read_can_be_sent_inside_something() -> None:
    value = json.loads(nested(json.DEPTH_MAX))
    for _ in range(50):
        value = {"payload": value}
    assert json.dumps(value)


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": (1, Pair(2, 3))}, b'{"a":[1,[2,3]]}'),
        ({1: "a", None: "b", False: "c", 1.5: []}, b'{"1":"a","null":"b","false":"c","1.5":[]}'),
        (
            ["\udcff", MARK, "\udc80" + MARK + "80"],
            rf'["\udcff","{MARK}","\udc80{MARK}80"]'.encode(),
        ),
        ([float("nan"), float("inf")], b"[null,null]"),
        (2**64 - 1, b"18446744073709551615"),
    ],
)
def test_what_is_written(value: Any, text: bytes) -> None:
    assert json.dumps(value) == text
    assert json.dumps_str(value) == text.decode()


def _deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        2**64,
        -(2**63) - 1,
        "\ud800",
        {"\udc00": 1},
        b"bytes",
        object(),
        {1, 2},
        {(1,): 2},
        _deep(300),
        _deep(900),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_written(value: Any) -> None:
    for form in (value, [value]):
        with pytest.raises(json.JSONEncodeError):
            json.dumps(form)


TEXT = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from([MARK, "\udc80", "\udcff", "\\", '"', "0"])
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert json.loads(json.dumps(value)) == value
    assert json.loads(json.dumps_str(value)) == value
