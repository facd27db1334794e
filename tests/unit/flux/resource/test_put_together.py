"""Sets of resources put together, many small ones too, and taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.idset import IDset
from flux.resource.configured import make_r
from flux.resource.ResourceSet import ResourceSet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.job.types import ResourceObject

ONE = make_r(
    [{"rank": "0-1", "children": {"core": "0-1", "gpu": "0"}}], ["a", "b"], 5.0, 9.0, {"fast": "1"}
)
OTHER = make_r([{"rank": "1,3", "children": {"core": "1-2"}}], ["b", "d"], 0.0, 0.0, {"big": "3"})


def combined(parts: Iterable[ResourceObject], ranks: IDset | None = None) -> ResourceObject:
    """Return what is in one of ``parts``, of ``ranks`` only if given."""
    found = ResourceSet().add(*parts)
    return (found if ranks is None else found.copy_ranks(ranks)).to_dict()


def test_what_is_in_several_is_there_once() -> None:
    assert combined([ONE, OTHER]) == make_r(
        [
            {"rank": "0", "children": {"core": "0-1", "gpu": "0"}},
            {"rank": "1", "children": {"core": "0-2", "gpu": "0"}},
            {"rank": "3", "children": {"core": "1-2"}},
        ],
        ["a", "b", "d"],
        properties={"big": "3", "fast": "1"},
    )


def test_like_ranks_share_an_entry() -> None:
    parts = [make_r([{"rank": str(rank), "children": {"core": "0"}}], ["x"]) for rank in (4, 0, 2)]
    assert combined(parts)["execution"]["R_lite"] == [{"rank": "0,2,4", "children": {"core": "0"}}]
    assert combined(parts)["execution"]["nodelist"] == ["x,x,x"]


def test_some_ranks_only() -> None:
    part = combined([ONE, OTHER], IDset("1"))
    assert part["execution"]["R_lite"] == [{"rank": "1", "children": {"core": "0-2", "gpu": "0"}}]
    assert part["execution"].get("properties") == {"fast": "1"}


@pytest.mark.parametrize("ranks", [None, IDset("0-3")])
def test_nothing(ranks: IDset | None) -> None:
    assert combined([], ranks) == make_r([], [])


def test_adding_leaves_what_is_added_alone() -> None:
    first, second = ResourceSet(ONE), ResourceSet(OTHER)
    both = ResourceSet().add(first).add(second)
    assert (first.to_dict(), second.to_dict()) == (ONE, OTHER)
    assert (both.count("core"), both.count("gpu")) == (7, 2)
    assert (both.starttime, both.expiration) == (0.0, 0.0)
    assert first.union(second).count("core") == 7
    assert first.count("core") == 4


def test_adding_costs_what_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    large = ResourceSet(make_r([{"rank": "0-999", "children": {"core": "0"}}], []))
    copied: list[IDset] = []
    copy = IDset.copy

    def counting(ids: IDset) -> IDset:
        copied.append(ids)
        return copy(ids)

    monkeypatch.setattr(IDset, "copy", counting)
    for part in (make_r([{"rank": str(rank), "children": {"core": "1"}}], []) for rank in range(9)):
        large.add(part)
        large.append(part | {"execution": {**part["execution"], "R_lite": []}})
    assert large.count("core") == 1009
    assert len(copied) < 100
