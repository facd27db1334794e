"""The tree of brokers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.topology import Topology


def test_a_binary_tree_of_four() -> None:
    assert [Topology(rank, 4).parent for rank in range(4)] == [None, 0, 0, 1]
    assert Topology(0, 4).children == (1, 2)
    assert Topology(0, 4).descendants == 3
    assert [Topology(rank, 4).level for rank in range(4)] == [0, 1, 1, 2]
    assert Topology(0, 4).maxlevel == 2


@given(st.integers(1, 200), st.integers(1, 8), st.data())
def test_every_rank_is_reached_by_following_the_children(
    size: int, fanout: int, data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, size - 1))
    rank, hops = 0, 0
    while rank != target:
        step = Topology(rank, size, fanout).child_towards(target)
        assert step is not None
        assert Topology(step, size, fanout).parent == rank
        rank, hops = step, hops + 1
    assert hops == Topology(target, size, fanout).level


@given(st.integers(1, 200), st.integers(1, 8))
def test_the_subtrees_of_the_children_and_the_root_are_everyone(size: int, fanout: int) -> None:
    root = Topology(0, size, fanout)
    below = [rank for child in root.children for rank in root.subtree(child)]
    assert sorted([0, *below]) == list(range(size))


def test_a_rank_elsewhere_has_no_child_towards_it() -> None:
    assert Topology(1, 7).child_towards(2) is None
    assert Topology(1, 7).child_towards(0) is None


@pytest.mark.parametrize(("rank", "size", "fanout"), [(-1, 1, 2), (1, 1, 2), (0, 1, 0)])
def test_impossible_places_are_refused(rank: int, size: int, fanout: int) -> None:
    with pytest.raises(ValueError, match="no rank"):
        Topology(rank, size, fanout)
