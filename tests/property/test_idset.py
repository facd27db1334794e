"""IDset behaves as a set of integers and its string form round-trips (RFC 22)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flux.idset import IDset, IDsetIterator

ids = st.sets(st.integers(0, 200), max_size=60)
spans = st.tuples(st.integers(0, 220), st.integers(0, 20))


@given(ids)
def test_string_round_trip(values: set[int]) -> None:
    made = IDset(values)
    assert IDset(made.encode()) == made
    assert IDset(made.encode(flags=0)) == made
    assert IDset(made.encode(flags=3)) == made
    assert made.expand() == sorted(values) == list(IDsetIterator(made))


@given(ids, ids)
def test_operations_agree_with_sets(a: set[int], b: set[int]) -> None:
    left, right = IDset(a), IDset(b)
    assert set(left | right) == a | b
    assert set(left & right) == a & b
    assert set(left - right) == a - b
    assert len(left) == len(a)
    assert (left == right) == (a == b)
    assert (left.expand(), right.expand()) == (sorted(a), sorted(b))


@given(ids, st.lists(st.tuples(st.booleans(), spans)))
def test_ranges_stay_disjoint_and_apart(
    values: set[int], steps: list[tuple[bool, tuple[int, int]]]
) -> None:
    made = IDset(values)
    for add, (first, length) in steps:
        span = range(first, first + length + 1)
        if add:
            made.set(first, first + length)
            values |= set(span)
        else:
            made.clear(first, first + length)
            values -= set(span)
        ranges = list(made.ranges())
        assert all(b < c - 1 for (_, b), (c, _) in pairwise(ranges))
    assert set(made) == values
    assert all(made.test(i) == (i in values) for i in range(250))


@given(st.text(alphabet="0123456789-,[] x", max_size=12))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        made = IDset(text)
    except ValueError:
        return
    assert IDset(str(made)) == made
