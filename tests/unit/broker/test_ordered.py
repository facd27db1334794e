"""Keys in order: the same as a sorted list, without its price."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import ordered
from broker.ordered import OrderedKeys


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "PIECE", 3)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=200))
def test_it_is_a_sorted_list(steps: list[tuple[bool, int]]) -> None:
    keys: OrderedKeys[tuple[int, ...]] = OrderedKeys()
    model: set[tuple[int, ...]] = set()
    for adds, number in steps:
        key = (number % 3, number)
        if adds and key not in model:
            keys.add(key)
            model.add(key)
        elif not adds and key in model:
            keys.remove(key)
            model.discard(key)
        elif not adds:
            with pytest.raises(KeyError):
                keys.remove(key)
        assert len(keys) == len(model)
        if model:
            assert (keys.first, keys.last) == (min(model), max(model))
    assert list(keys) == sorted(model)
    assert list(reversed(keys)) == sorted(model, reverse=True)


def test_none_is_left_without_a_first() -> None:
    keys: OrderedKeys[tuple[int, int]] = OrderedKeys()
    keys.add((1, 2))
    keys.remove((1, 2))
    with pytest.raises(IndexError):
        _ = keys.first
    with pytest.raises(IndexError):
        _ = keys.last


@pytest.mark.parametrize("backwards", [False, True])
def test_no_piece_grows_with_the_number_of_keys(backwards: bool) -> None:
    keys: OrderedKeys[tuple[int, int]] = OrderedKeys()
    numbers = range(1000)
    for number in reversed(numbers) if backwards else numbers:
        keys.add((0, number))
        assert max(keys.pieces) <= 2 * ordered.PIECE
    assert len(keys.pieces) <= 1000 / ordered.PIECE + 1
