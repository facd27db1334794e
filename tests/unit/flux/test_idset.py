"""IDset beyond what the properties say: errors, flags, size."""

from __future__ import annotations

import operator
import time
from typing import Any

import pytest

from flux.constants import IDSET_FLAG_BRACKETS, IDSET_FLAG_RANGE, IDSET_INVALID_ID
from flux.idset import IDset, decode


@pytest.mark.parametrize(
    "text", ["x", "1-", "-1", "2-1", "01", "1,,2", "[1", "1]", "1 2", "4294967295"]
)
def test_malformed_text(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid argument"):
        IDset(text)


@pytest.mark.parametrize("arg", [[b"a"], 1.5, [1.5], None])
def test_wrong_kind(arg: Any) -> None:
    with pytest.raises(TypeError, match=r"IDset\(\)"):
        IDset(arg)
    with pytest.raises(TypeError, match=r"IDset.union\(\)"):
        IDset.arg_to_set(arg, "union")


def test_negative_ids() -> None:
    with pytest.raises(ValueError, match="Invalid argument: -1"):
        IDset([-1])
    with pytest.raises(ValueError, match=r"negative index passed to IDset\.test"):
        IDset("1").test(-1)


def test_flags() -> None:
    ids = IDset("0-3,7")
    assert ids.encode() == "0-3,7"
    assert ids.encode(0) == "0,1,2,3,7"
    assert ids.encode(IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS) == "[0-3,7]"
    ids.set_flags(IDSET_FLAG_RANGE | IDSET_FLAG_BRACKETS)
    assert str(ids) == "[0-3,7]"
    assert IDset("5").encode(IDSET_FLAG_BRACKETS) == "5"


def test_first_last_next() -> None:
    ids = decode("2-3,9")
    assert (ids.first(), ids.last(), ids.next(2), ids.next(3), ids.count()) == (2, 9, 3, 9, 3)
    assert ids.next(9) == IDset().first() == IDset().last() == IDSET_INVALID_ID == 2**32 - 2


def test_set_and_clear_return_the_set() -> None:
    assert str(IDset().set(0, 3)) == "0-3"
    assert str(IDset("0-9").clear(0, 3)) == "4-9"


def test_a_hundred_thousand_scattered_ids() -> None:
    start = time.process_time()
    even = IDset(range(0, 200_000, 2))
    odd = IDset(range(1, 200_000, 2))
    assert len(even & odd) == 0
    assert str(even | odd) == "0-199999"
    assert (even | odd) - odd == even
    assert IDset(even.encode()) == even
    assert time.process_time() - start < 5


def test_operands_are_refused_in_the_name_of_the_method() -> None:
    assert IDset.arg_to_set("0-1", "union") == IDset([0, 1])
    with pytest.raises(ValueError, match=r"IDset.union\(\): Invalid argument: x"):
        IDset.arg_to_set("x", "union")


def test_an_id_is_there_or_not() -> None:
    ids = IDset("0-3")
    assert (ids[1], ids[9]) == (True, False)
    ids[9] = True
    ids[1] = False
    assert str(ids) == "0,2-3,9"
    wrong: Any = "1"
    with pytest.raises(TypeError, match="must be bool or 0,1"):
        ids[1] = wrong
    with pytest.raises(ValueError, match=r"negative index passed to IDset\.test"):
        _ = ids[-1]
    with pytest.raises(TypeError, match=r"IDset\.set supports integers, not"):
        ids.set(wrong)
    with pytest.raises(ValueError, match="can't set range with 12 > 9"):
        ids.set(12, 9)


def test_strings_among_the_members() -> None:
    assert IDset(["1-3", 7]) == IDset("1-3,7")


def test_subsets_and_intersections() -> None:
    small, large, other = IDset("1-2,7"), IDset("0-9"), IDset("20")
    assert small <= large
    assert small < large
    assert large >= small
    assert large > small
    assert small <= IDset("1,2,7")
    assert not small < IDset("1,2,7")
    assert not large <= small
    assert small.has_intersection("7-8")
    assert not small.has_intersection(other)
    assert not IDset().has_intersection(small)
    assert IDset() <= small
    assert small ^ IDset("2-3") == IDset("1,3,7")
    changed = IDset("0-5")
    changed &= "4-9"
    assert changed == IDset("4-5")
    assert changed.clear_all() == IDset()
    assert str(IDset(b"[1-3]")) == "1-3"
    with pytest.raises(TypeError):
        operator.le(small, 5)
