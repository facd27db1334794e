"""R as ``resource.config`` describes it, in the broker that has such hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.configuration import from_tables
from broker.services.resource.service import ResourceService
from broker.services.resource.state import renumber
from broker.services.resource.stored import checked_resources
from broker.testing import ServiceHarness
from flux.resource.configured import make_r

if TYPE_CHECKING:
    from flux.job.types import RankResources, ResourceObject


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
