"""Arrays of objects, decoded piece by piece."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flux.wire import json
from flux.wire.json_pieces import array_pieces

VALUES = st.recursive(
    st.one_of(st.integers(-9, 9), st.text('ab{}[],:"\\é\udc80', max_size=9), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "x", '},{"id":']), inner, max_size=3),
    ),
    max_leaves=9,
)
JOBS = st.lists(
    st.builds(lambda number, more: {"id": number, "more": more}, st.integers(0, 99), VALUES),
    max_size=12,
)


@given(JOBS, st.integers(0, 60))
def test_pieces_are_the_array(jobs: list[Any], size: int) -> None:
    text = json.dumps({"jobs": jobs, "after": [{"id": 1}, {"id": 2}]})
    assert [job for piece in array_pieces(text, "jobs", size) for job in piece] == jobs


def test_a_long_array_comes_in_pieces_of_about_a_size() -> None:
    jobs = [{"id": number, "name": "x" * 80} for number in range(1000)]
    pieces = list(array_pieces(json.dumps({"jobs": jobs}), "jobs", 10_000))
    assert 8 < len(pieces) < 12
    assert max(map(len, pieces)) < 110


def test_objects_inside_an_element_do_not_end_it() -> None:
    inner = [{"id": number} for number in range(5000)]
    jobs = [{"id": 1, "inner": inner}, {"id": 2, "inner": []}]
    assert [
        job for piece in array_pieces(json.dumps({"jobs": jobs}), "jobs", 9) for job in piece
    ] == jobs


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b'{"jobs":null}',
        b'{"other":[{"id":1}]}',
        b'{"jobs":[]}',
        b"3",
        b'{"jobs":[ ]}',
    ],
)
def test_what_is_no_such_array_is_an_empty_one(text: bytes) -> None:
    assert [job for piece in array_pieces(text, "jobs", 4) for job in piece] == []


def test_another_layout_comes_in_one_piece() -> None:
    text = b' { "total": 2, "jobs" : [ {"id":1} , {"id":2} ] } '
    assert list(array_pieces(text, "jobs", 1)) == [[{"id": 1}, {"id": 2}]]
    spaced = b' { "jobs" : [ { "id" : 1 }, { "id" : 2 } ], "x": 1 } '
    assert [job["id"] for piece in array_pieces(spaced, "jobs", 1) for job in piece] == [1, 2]


def test_what_is_no_json_is_refused_when_it_is_reached() -> None:
    pieces = array_pieces(b'{"jobs":[{"id":1},{"id":2},{"id":', "jobs", 1)
    assert next(pieces) == [{"id": 1}]
    with pytest.raises(json.JSONDecodeError):
        list(pieces)
