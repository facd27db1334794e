"""How ``flux hostlist`` combines and cuts lists."""

from __future__ import annotations

import pytest

from flux.hostlist import Hostlist
from fluxctl.host_sets import COMBINATIONS, limited, nth, places_of, without

HOSTS = Hostlist("foo[1-3],bar")


@pytest.mark.parametrize(
    ("mode", "lists", "found"),
    [
        ("append", ["foo[1-3]", "foo1"], "foo[1-3,1]"),
        ("intersect", ["foo[1-3,2]", "foo[2-5]"], "foo[2-3]"),
        ("minus", ["foo[1-3,1-3]", "foo2"], "foo[1,3,1-3]"),
        ("xor", ["foo[1-3]", "foo[2-5]"], "foo[1,4-5]"),
        ("xor", ["foo[1-3]", "foo[2-5]", "foo[1-9]"], "foo[2-3,6-9]"),
    ],
)
def test_combinations(mode: str, lists: list[str], found: str) -> None:
    assert COMBINATIONS[mode]([Hostlist(one) for one in lists]).encode() == found


def test_cuts() -> None:
    assert nth(HOSTS, "0,2").encode() == "foo[1,3]"
    assert nth(HOSTS, "-1").encode() == "bar"
    assert nth(HOSTS, "-1-2").encode() == "foo3,bar"
    assert limited(HOSTS, 2).encode() == "foo[1-2]"
    assert limited(HOSTS, -2).encode() == "foo3,bar"
    assert limited(HOSTS, 0).encode() == "foo[1-3],bar"
    assert without(HOSTS, "foo[1-2]").encode() == "foo3,bar"
    assert without(HOSTS, "1-2").encode() == "foo1,bar"
    assert places_of(HOSTS, Hostlist("bar,foo2")) == [3, 1]


@pytest.mark.parametrize("places", ["4", "-0", "-5"])
def test_a_place_that_there_is_not(places: str) -> None:
    with pytest.raises(IndexError, match="Hostlist index out of range"):
        nth(HOSTS, places)


def test_a_host_that_is_not_there() -> None:
    with pytest.raises(LookupError, match="host 'foo9' not found"):
        places_of(HOSTS, Hostlist("foo9"))
