"""What each subtree is said to miss, and since when."""

from __future__ import annotations

import pytest

from broker.builtin.health import TreeHealth
from broker.topology import Topology


def made(size: int = 7, *there: int) -> TreeHealth:
    health = TreeHealth(Topology(0, size), 0.0)
    health.came(there, 1.0)
    return health


def statuses(health: TreeHealth, size: int = 7) -> str:
    return " ".join(health.status(rank) for rank in range(size))


def test_a_tree_becomes_full_from_below_and_above() -> None:
    health = made(7, 0)
    assert statuses(health) == "partial" + " offline" * 6
    health.came([1, 3], 2.0)
    assert statuses(health) == "partial partial offline full offline offline offline"
    health.came([4, 2, 5, 6], 3.0)
    assert statuses(health) == " ".join(["full"] * 7)


@pytest.mark.parametrize(
    ("orderly", "above", "own"), [(False, "degraded", "lost"), (True, "partial", "offline")]
)
def test_who_goes_is_missed_above_only(orderly: bool, above: str, own: str) -> None:
    health = made(7, *range(7))
    health.went([4], orderly, 5.0)
    assert statuses(health) == f"{above} {above} full full {own} full full"


def test_one_that_is_lost_weighs_more_than_one_that_ended() -> None:
    health = made(7, *range(7))
    health.went([3], True, 5.0)
    health.went([4], False, 6.0)
    assert health.status(1) == "degraded"
    health.came([4], 7.0)
    assert (health.status(1), health.status(0)) == ("partial", "partial")


def test_a_status_counts_from_when_it_began() -> None:
    health = made(7, *range(7))
    health.went([3], False, 5.0)
    health.went([4], False, 8.0)  # degraded already
    assert [health.duration(rank, 10.0) for rank in (0, 1, 2, 3, 4)] == [5.0, 5.0, 9.0, 5.0, 2.0]


def test_a_subtree_that_goes_at_once_and_comes_back() -> None:
    health = made(7, *range(7))
    health.went([1, 3, 4], False, 5.0)
    health.went([1, 3, 4], False, 6.0)  # told twice
    health.came([4, 1], 7.0)
    health.came([3], 8.0)
    assert statuses(health) == " ".join(["full"] * 7)
