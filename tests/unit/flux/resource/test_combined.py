"""R objects put together and taken apart."""

from __future__ import annotations

import pytest

from flux.idset import IDset
from flux.resource.combined import combined
from flux.resource.configured import make_r

ONE = make_r(
    [{"rank": "0-1", "children": {"core": "0-1", "gpu": "0"}}], ["a", "b"], 5.0, 9.0, {"fast": "1"}
)
OTHER = make_r([{"rank": "1,3", "children": {"core": "1-2"}}], ["b", "d"], 0.0, 0.0, {"big": "3"})


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
