"""R as ``resource.config`` describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.configuration import from_tables
from broker.configuration.tables import ResourceEntry
from broker.services.resource.configured import configured_resources
from broker.services.resource.service import ResourceService
from broker.services.resource.state import make_r, renumber
from broker.services.resource.stored import checked_resources
from broker.testing import ServiceHarness
from flux.hostlist import Hostlist

if TYPE_CHECKING:
    from flux.job.types import RankResources, ResourceObject

ENTRIES = [
    ResourceEntry(("n0", "n1", "n2"), "0-3"),
    ResourceEntry(("n1",), gpus="0-1", properties=("fast",)),
    ResourceEntry(("n2",), cores="0", properties=("slow", "fast")),
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
    with pytest.raises(OSError, match=r"n2 has no broker in this instance"):
        configured_resources(ENTRIES, hosts, size)


async def test_the_module_uses_it() -> None:
    table = [{"hosts": "n0", "cores": "0-9", "properties": ["a"]}]
    h: ServiceHarness[ResourceService] = ServiceHarness(
        ResourceService,
        rpcs={"state-machine.quorum-get": lambda _: {"idset": "0"}, "kvs.commit": lambda _: {}},
        config=from_tables({"resource": {"config": table, "noverify": True}}),
    )
    await h.start()
    status = await h.request("resource.status")
    assert status["R"]["execution"]["properties"] == {"a": "0"}
    assert status["R"]["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0-9"}}]
    await h.stop()


def with_properties(properties: dict[str, str]) -> ResourceObject:
    lite: list[RankResources] = [{"rank": "2-5", "children": {"core": "0"}}]
    return make_r(lite, ["a", "b", "c", "d"], properties=properties)


def test_properties_are_renumbered_with_their_ranks() -> None:
    found = renumber(with_properties({"x": "3,5"}))
    assert found["execution"]["properties"] == {"x": "1,3"}


def test_properties_that_make_no_sense() -> None:
    with pytest.raises(OSError, match="property x is of ranks 7, which R does not have"):
        checked_resources(with_properties({"x": "7"}), 8)
    with pytest.raises(ValueError, match="invalid property 'x!'"):
        checked_resources(with_properties({"x!": "2"}), 8)
