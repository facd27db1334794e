"""R as ``resource.config`` describes it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from flux.hostlist import Hostlist
from flux.resource.configured import configured_resources, described_resources, make_r


@dataclass(frozen=True)
class Element:
    """An element of ``resource.config``."""

    hosts: tuple[str, ...]
    cores: str = ""
    gpus: str = ""
    properties: tuple[str, ...] = ()


ENTRIES = [
    Element(("n0", "n1", "n2"), "0-3"),
    Element(("n1",), gpus="0-1", properties=("fast",)),
    Element(("n2",), cores="0", properties=("slow", "fast")),
]


def test_ranks_are_in_the_order_of_hosts() -> None:
    assert configured_resources(ENTRIES, [], 3) == make_r(
        [
            {"rank": "0", "children": {"core": "0-3"}},
            {"rank": "1", "children": {"core": "0-3", "gpu": "0-1"}},
            {"rank": "2", "children": {"core": "0"}},
        ],
        ["n0", "n1", "n2"],
        properties={"fast": "1-2", "slow": "2"},
    )


def test_ranks_are_those_of_the_bootstrap_table() -> None:
    found = configured_resources(ENTRIES, ["n2", "x", "n1", "n0"], 4)
    assert [entry["rank"] for entry in found["execution"]["R_lite"]] == ["0", "2", "3"]
    assert list(Hostlist(found["execution"]["nodelist"])) == ["n2", "n1", "n0"]
    assert found["execution"]["properties"] == {"fast": "0,2", "slow": "0"}


@pytest.mark.parametrize(("hosts", "size"), [([], 2), (["n0", "n1"], 2)])
def test_a_host_without_a_broker(hosts: list[str], size: int) -> None:
    with pytest.raises(ValueError, match=r"n2 has no broker in this instance"):
        configured_resources(ENTRIES, hosts, size)


def test_a_host_without_cores() -> None:
    with pytest.raises(ValueError, match="n1 assigned no resources"):
        configured_resources([Element(("n0",), "0"), Element(("n1",), gpus="0")])


def test_a_file_is_read_as_the_broker_reads_it() -> None:
    tables = {
        "resource": {
            "config": [
                {"hosts": "n[0-2]", "cores": "0-3"},
                {"hosts": "n1", "gpus": "0-1", "properties": ["fast"]},
                {"hosts": "n2", "cores": "0", "properties": ["slow", "fast"]},
            ]
        }
    }
    assert described_resources(tables) == configured_resources(ENTRIES)
    for element, told in (
        (5, "it is no table"),
        ({"hosts": 5}, "hosts is no hostlist"),
        ({"hosts": "a", "properties": ["x!"]}, "invalid property 'x!'"),
        ({"hosts": "a", "properties": "x"}, "properties is no list of words"),
    ):
        with pytest.raises(ValueError, match=rf"config\[0\]: {told}"):
            described_resources({"resource": {"config": [element]}})
