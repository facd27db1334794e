"""Resource sets: R version 1 as recorded, set operations, refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flux.resource import ResourceSet, Rlist

FOUR = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-3", "children": {"core": "0-1"}}],
        "starttime": 0.0,
        "expiration": 0.0,
        "nodelist": ["vm,vm,vm,vm"],
    },
}
ONE_CORE = {
    "version": 1,
    "execution": {"R_lite": [{"rank": "1", "children": {"core": "0"}}], "nodelist": ["vm"]},
}


def test_round_trip_and_counts() -> None:
    rset = ResourceSet(json.dumps(FOUR))
    assert json.loads(rset.encode()) == FOUR
    assert (rset.nnodes, rset.ncores, rset.ngpus, str(rset.ranks), str(rset.nodelist)) == (
        4,
        8,
        0,
        "0-3",
        "vm,vm,vm,vm",
    )
    assert json.loads(ResourceSet().encode())["execution"]["nodelist"] == [""]


def test_short_form() -> None:
    made = (
        Rlist()
        .add_rank(0, "foo0", "0-3")
        .add_child(0, "gpu", "0")
        .add_rank(1, "foo1", "0-3")
        .add_child(1, "gpu", "0")
    )
    assert made.dumps() == "rank[0-1]/core[0-3],gpu0"
    assert str(made.nodelist()) == "foo[0-1]"
    assert str(made.ranks("foo1")) == "1"
    with pytest.raises(ValueError, match="nosuch"):
        made.ranks("nosuch")


def test_set_operations() -> None:
    all_of_it, core = ResourceSet(FOUR), ResourceSet(ONE_CORE)
    rest = all_of_it - core
    assert str(rest) == "rank[0,2-3]/core[0-1] rank1/core1"
    assert str(all_of_it & core) == "rank1/core0"
    assert str(rest | core) == str(rest.copy().append(core)) == str(all_of_it)
    with pytest.raises(ValueError, match="exists already"):
        all_of_it.append(core)
    assert str(all_of_it.copy().remove_ranks("0-2")) == "rank3/core[0-1]"


def test_remap() -> None:
    made = Rlist(ONE_CORE).union(Rlist().add_rank(7, "b", "2-3")).remap()
    assert made.dumps() == "rank0/core0 rank1/core[0-1]"


def execution(r_lite: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"version": 1, "execution": {"R_lite": r_lite, **more}}


@pytest.mark.parametrize(
    ("r", "reason"),
    [
        ("{}", "missing version"),
        ({"version": 2}, "invalid version: 2"),
        ({"version": 1, "execution": {}}, "missing execution.R_lite"),
        (execution([{"rank": "0"}]), "needs rank and children"),
        (execution([{"rank": "0-1", "children": {}}], nodelist=["a"]), "number of ranks"),
        (execution([{"rank": "0", "children": {}}] * 2), "rank 0 appears twice"),
    ],
)
def test_malformed(r: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ResourceSet(r)


def test_wrong_kind() -> None:
    number: Any = 1
    with pytest.raises(TypeError):
        ResourceSet(number)
    with pytest.raises(ValueError, match="R version 2 not supported"):
        ResourceSet(version=2)


def with_properties() -> Rlist:
    return Rlist(json.dumps(FOUR)).set_property("all").set_property("odd", "1,3")


def test_properties() -> None:
    made = with_properties()
    assert made.to_dict()["execution"]["properties"] == {"all": "0-3", "odd": "1,3"}
    assert Rlist(made.encode()).encode() == made.encode()
    rset = ResourceSet(made)
    assert rset.properties == "all,odd"
    assert rset.properties_by_rank()[1] == {"all", "odd"}
    assert "properties" not in ResourceSet(FOUR).impl.encode()


def test_properties_stay_with_their_ranks() -> None:
    made = with_properties()
    assert made.copy().properties() == made.properties()
    assert str(made.diff(Rlist(ONE_CORE)).properties()["odd"]) == "1,3"
    assert str(made.intersect(Rlist(ONE_CORE)).properties()["odd"]) == "1"
    assert str(Rlist(ONE_CORE).union(made).properties()["odd"]) == "1,3"
    assert str(made.copy().remove_ranks("0-1").remap().properties()["odd"]) == "1"


def test_properties_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="property x: rank 7 does not exist"):
        Rlist(json.dumps(FOUR)).set_property("x", "7")
    with pytest.raises(ValueError, match="invalid property 'a b'"):
        Rlist(json.dumps(FOUR)).set_property("a b")
    broken = json.loads(json.dumps(FOUR))
    broken["execution"]["properties"] = ["x"]
    with pytest.raises(ValueError, match="properties must be an object"):
        Rlist(broken)
