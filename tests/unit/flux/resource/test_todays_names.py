"""What today's programs ask of resource sets, of the status of ranks and of counts."""

from __future__ import annotations

from typing import Any

import pytest

from flux.hostlist import Hostlist
from flux.idset import IDset
from flux.resource import ResourceCount, ResourceSet, ResourceStatus, Rv1Set
from flux.resource.list import SchedResourceList

R: dict[str, Any] = {
    "version": 1,
    "execution": {
        "R_lite": [
            {"rank": "0-1", "children": {"core": "0-3"}},
            {"rank": "2", "children": {"core": "0-1", "gpu": "0"}},
        ],
        "starttime": 1.0,
        "expiration": 99.0,
        "nodelist": ["a[0-2]"],
        "properties": {"x": "0-1", "y": "2"},
    },
    "scheduling": {"some": "thing"},
}


def test_parts_of_a_set() -> None:
    whole = ResourceSet(R)
    assert whole.copy_ranks("0-1").dumps() == "rank[0-1]/core[0-3]"
    assert whole.copy_ranks(2).expiration == 99.0
    assert whole.copy_constraint({"properties": ["y"]}).dumps() == "rank2/core[0-1],gpu0"
    assert whole.copy_constraint('{"hostlist": ["a[1-2]"]}').ranks == IDset("1-2")
    assert whole.nnodes == 3
    with pytest.raises(ValueError, match="unknown constraint operator"):
        whole.copy_constraint({"x": []})


def test_facts_of_a_set() -> None:
    found = ResourceSet(R)
    assert found.get_properties() == '{"x":"0-1","y":"2"}'
    assert found.set_property("z", "0").to_dict()["execution"]["properties"]["z"] == "0"
    assert (found.starttime, found.expiration) == (1.0, 99.0)
    found.starttime, found.expiration = 2.0, 5.0
    assert (found.starttime, found.expiration) == (2.0, 5.0)
    assert ResourceSet(found.encode()).expiration == 5.0
    with pytest.raises(ValueError, match="a!b"):
        found.set_property("a!b")


def test_hosts_have_ranks() -> None:
    found = ResourceSet(R)
    assert found.host_ranks("a[2,0]") == [2, 0]
    with pytest.raises(FileNotFoundError, match="host 'b' not found"):
        found.host_ranks("b")
    assert found.host_ranks("a0,b", ignore_nomatch=True) == [0]


def test_what_is_there_already_is_added_once() -> None:
    some = ResourceSet(R).copy_ranks("0")
    assert some.add(ResourceSet(R), ResourceSet(R)).dumps() == ResourceSet(R).dumps()
    with pytest.raises(ValueError, match="exists already"):
        some.append(ResourceSet(R))


def test_a_version_1_set_keeps_the_schedulers_data_if_asked() -> None:
    assert Rv1Set(R).scheduling is None
    assert Rv1Set(R, keep_scheduling=True).scheduling == {"some": "thing"}
    assert ResourceSet(Rv1Set(R)).ncores == 10


def test_a_resource_list_is_filtered() -> None:
    for include in ("0-1", IDset("0-1"), "a[0-1]", Hostlist("a[0-1]")):
        found = SchedResourceList({"all": R, "down": ResourceSet(R).copy_ranks("1").to_dict()})
        found.filter(include)
        assert (str(found.all.ranks), str(found.up.ranks)) == ("0-1", "0")
    found = SchedResourceList({"all": R})
    assert found.copy_constraint({"ranks": ["2"]}).free.ngpus == 1
    with pytest.raises(FileNotFoundError):
        found.filter("b1")


def test_the_status_of_ranks() -> None:
    answer = {
        "R": R,
        "online": "0-1",
        "offline": "2",
        "exclude": "",
        "drain": {"0-1": {"timestamp": 3.0, "reason": "why"}},
    }
    found = ResourceStatus(answer, IDset("1"))
    assert (str(found["draining"]), str(found["drained"])) == ("1", "0")
    assert found.get_idset("offline", "drained") == IDset("0,2")
    info = found.get_drain_info(0)
    assert info is not None
    assert (str(info.ranks), info.timestamp, info.reason) == ("0-1", 3.0, "why")
    assert found.get_drain_info(2) is None
    with pytest.raises(KeyError):
        found.get_idset("nosuch")
    found.filter("a1")
    assert (str(found.all), str(found.drain), str(found.online)) == ("1", "1", "1")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (4, [4]),
        (None, [1]),
        ("2,4-5", [5, 4, 2]),
        ({"min": 2}, [6, 5, 4, 3, 2]),
        ({"min": 2, "max": 4, "operator": "+", "operand": 1}, [4, 3, 2]),
        ({"min": 1, "max": 64, "operator": "*", "operand": 2}, [4, 2, 1]),
        ({"min": 2, "max": 300, "operator": "^", "operand": 2}, [4, 2]),
    ],
)
def test_counts(spec: object, expected: list[int]) -> None:
    assert ResourceCount.from_count_spec(spec).valid_counts(6) == expected


def test_counts_are_scaled_and_checked() -> None:
    twice = ResourceCount.from_count_spec("1,3").scaled(2)
    assert (twice.min, twice.max, twice.values) == (2, 6, (2, 6))
    specs: list[object] = [True, [], "", {"max": 1}, {"min": 1, "max": 2, "operator": "%"}]
    for wrong in specs:
        with pytest.raises(ValueError, match=r"count|idset"):
            ResourceCount.from_count_spec(wrong)
