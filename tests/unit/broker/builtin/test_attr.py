"""Attributes that are asked for: the hosts of all ranks are put together when somebody asks."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from broker.builtin.attr import AttrService
from broker.testing import ServiceHarness


def status(ranks: str, nodelist: list[str]) -> dict[str, Any]:
    lite = [{"rank": ranks, "children": {"core": "0"}}]
    return {"R": {"version": 1, "execution": {"R_lite": lite, "nodelist": nodelist}}}


def harness(answer: object, **attrs: str) -> ServiceHarness[AttrService]:
    return ServiceHarness(
        AttrService, rank=1, size=3, rpcs={"resource.status": lambda _: answer}, attrs=attrs
    )


async def test_the_hosts_are_those_of_the_resources() -> None:
    found = await harness(status("0-2", ["n[1-2]", "m5"])).request("attr.get", {"name": "hostlist"})
    assert found == {"value": "n[1-2],m5", "flags": 1}


async def test_a_hostlist_that_is_set_counts() -> None:
    asked = harness(status("0-2", ["n[1-3]"]), hostlist="a,b,c")
    assert (await asked.request("attr.get", {"name": "hostlist"}))["value"] == "a,b,c"


@pytest.mark.parametrize(
    "answer", [{"R": None}, {}, status("0-1", ["n[1-2]"]), status("0-2", ["n1"]), None]
)
async def test_hosts_that_are_not_all_known(answer: object) -> None:
    with pytest.raises(OSError) as caught:
        await harness(answer).request("attr.get", {"name": "hostlist"})
    assert caught.value.errno == errno.ENOENT
