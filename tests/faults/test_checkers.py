"""The checkers can fail: hand-made bad histories, and random ones against a search by brute
force.
"""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.linearizable import INITIAL, Op, check


def w(value: str, start: float, end: float = math.inf) -> Op:
    return Op(True, value, start, end, "w")


def r(value: str, start: float, end: float) -> Op:
    return Op(False, value, start, end, "r")


GOOD = {
    "empty": [],
    "read sees the write before it": [w("a", 0, 1), r("a", 2, 3)],
    "read beside the write sees it": [w("a", 0, 5), r("a", 1, 2), r("a", 6, 7)],
    "read beside the write sees the old value": [w("a", 0, 5), r(INITIAL, 1, 2), r("a", 3, 4)],
    "writes beside each other": [w("a", 0, 5), w("b", 0, 5), r("b", 6, 7)],
    "unknown write never seen": [w("a", 0, 1), w("b", 2), r("a", 3, 4)],
    "unknown write seen late": [w("a", 0, 1), w("b", 2), r("a", 3, 4), r("b", 9, 10)],
}
BAD = {
    "value from nowhere": [r("x", 0, 1)],
    "read before its write": [r("a", 0, 1), w("a", 2, 3)],
    "stale read": [w("a", 0, 1), w("b", 2, 3), r("a", 4, 5)],
    "acknowledged write undone": [w("a", 0, 1), r(INITIAL, 2, 3)],
    "new value, then the old": [w("a", 0, 9), r("a", 1, 2), r(INITIAL, 3, 4)],
    "two readers disagree": [
        w("a", 0, 9),
        w("b", 0, 9),
        *(r(v, t, t + 1) for v, t in zip("aba", (10, 12, 14), strict=True)),
    ],
    "unknown write undone": [w("a", 0, 1), w("b", 2), r("b", 3, 4), r("a", 5, 6)],
    "write lost between reads": [w("a", 0, 1), r("a", 2, 3), w("b", 4, 5), r("a", 6, 7)],
}


@pytest.mark.parametrize("name", GOOD)
def test_good_histories_pass(name: str) -> None:
    assert check(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_bad_histories_are_found(name: str) -> None:
    assert check(BAD[name])


def test_a_value_written_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="written twice"):
        check([w("a", 0, 1), w("a", 2, 3)])


def explained(ops: list[Op]) -> bool:
    """Search all orders for one that explains a history; writes of unknown outcome may be left
    out.
    """
    unknown = [op for op in ops if op.write and math.isinf(op.end)]
    for count in range(len(unknown) + 1):
        for left_out in itertools.combinations(unknown, count):
            kept = [op for op in ops if op not in left_out]
            if any(_valid(order) for order in itertools.permutations(kept)):
                return True
    return False


def _valid(order: tuple[Op, ...]) -> bool:
    if any(b.end < a.start for a, b in itertools.combinations(order, 2)):
        return False
    value = INITIAL
    for op in order:
        if op.write:
            value = op.value
        elif op.value != value:
            return False
    return True


@st.composite
def histories(draw: st.DrawFn) -> list[Op]:
    values = draw(st.integers(1, 3))
    times = draw(st.permutations(range(14)))
    spans = [sorted(times[2 * i : 2 * i + 2]) for i in range(6)]
    ops = [
        Op(True, str(i), spans[i][0], draw(st.sampled_from([spans[i][1], math.inf])))
        for i in range(values)
    ]
    seen = st.sampled_from([INITIAL, *map(str, range(values))])
    reads = draw(st.integers(1, 3))
    return ops + [Op(False, draw(seen), low, high) for low, high in spans[values : values + reads]]


@settings(max_examples=300, deadline=None)
@given(histories())
def test_the_checker_agrees_with_a_search_of_all_orders(ops: list[Op]) -> None:
    assert (check(ops) == []) == explained(ops)
