"""``[resource]``: resources of a file, excluded ranks, and what a reload changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import Config
from broker.configuration.tables import ResourceConfig
from broker.services.resource.service import ResourceService
from broker.testing.harness import ServiceHarness
from tests.unit.broker.services.resource.test_resource_service import Store

if TYPE_CHECKING:
    import pathlib


async def complete(harness: ServiceHarness[ResourceService]) -> None:
    """Have the second of two brokers report."""
    item = {"rank": 1, "host": "node1", "cores": "0-3", "gpus": "", "xml": "d"}
    payload = {"reports": [item], "xml": {"d": "<topology/>"}}
    await harness.request("resource.topo-reduce", payload)
    harness.publish("overlay.online", {"idset": "1"})
    await harness.until(lambda: harness.service.state.resources is not None)


def configured(**keys: Any) -> Config:
    return Config(resource=ResourceConfig(**keys))


async def leader(config: Config, size: int = 2) -> ServiceHarness[ResourceService]:
    store = Store()
    harness = ServiceHarness(
        ResourceService,
        size=size,
        rpcs={
            "kvs.commit": store.commit,
            "kvs.lookup": store.lookup,
            "state-machine.quorum-get": lambda _: {"idset": ""},
        },
        config=config,
    )
    await harness.start()
    return harness


def posted(harness: ServiceHarness[ResourceService]) -> list[str]:
    return [entry.text for entry in harness.logs if "event posted" in entry.text]


async def test_excluded_ranks_by_configuration_and_reload() -> None:
    harness = await leader(configured(exclude="1"))
    await complete(harness)
    replies = harness.stream("resource.acquire")
    assert replies[0].json()["up"] == "0"
    assert (await harness.request("resource.status"))["exclude"] == "1"

    await harness.request("resource.config-reload", {"resource": {"exclude": "0"}})
    assert (await harness.request("resource.status"))["exclude"] == "0"
    await harness.until(lambda: len(replies) == 2)
    assert replies[1].json() == {"up": "1", "down": "0"}

    await harness.request("resource.config-reload", {})
    await harness.until(lambda: len(replies) == 3)
    assert replies[2].json() == {"up": "0"}
    await harness.until(lambda: len([line for line in posted(harness) if "exclude" in line]) == 3)

    for text, said in (
        ("0-4", "exclusion idset is out of range"),
        ("nosuch", "error decoding exclude set nosuch: invalid targets: invalid hosts: nosuch"),
    ):
        with pytest.raises(OSError, match=said):
            await harness.request("resource.config-reload", {"resource": {"exclude": text}})
    assert (await harness.request("resource.status"))["exclude"] == ""
    await harness.stop()


async def test_excluded_hosts_are_found_when_all_have_reported() -> None:
    harness = await leader(configured(exclude="node1"))
    assert (await harness.request("resource.status"))["exclude"] == ""
    await complete(harness)
    replies = harness.stream("resource.acquire")
    assert replies[0].json()["up"] == "0"
    assert (await harness.request("resource.status"))["exclude"] == "1"
    await harness.stop()


async def test_a_host_that_no_broker_has_ends_the_instance() -> None:
    harness = await leader(configured(exclude="nosuch"))
    await complete(harness)
    await harness.until(lambda: any("fatal error" in entry.text for entry in harness.logs))
    (shutdown,) = [msg for msg in harness.sent if msg.topic == "state-machine.shutdown"]
    assert shutdown.json() == {"exit_code": 1}
    await harness.stop()


async def test_excluded_ranks_out_of_range_fail_the_start() -> None:
    with pytest.raises(OSError, match="exclude set 0-4 is out of range"):
        await leader(configured(exclude="0-4"))


def given_r(cores: str = "0-3", ranks: str = "0-1") -> dict[str, Any]:
    return {
        "version": 1,
        "execution": {
            "R_lite": [{"rank": ranks, "children": {"core": cores}}],
            "nodelist": ["node[0-1]"],
            "starttime": 0,
            "expiration": 0,
        },
    }


async def test_resources_of_a_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "R"
    path.write_text(json.dumps(given_r("0-9999")))
    harness = await leader(configured(path=str(path), exclude="node1"))
    replies = harness.stream("resource.acquire")
    assert replies[0].json()["resources"] == given_r("0-9999")
    await harness.until(lambda: any("missing resources: core[" in x.text for x in harness.logs))
    status = await harness.request("resource.status")
    assert status["exclude"] == "1"
    assert next(iter(status["drain"].values()))["reason"].startswith("missing resources: core[")
    await harness.stop()

    harness = await leader(configured(path=str(path), noverify=True))
    await complete(harness)
    assert (await harness.request("resource.status"))["drain"] == {}
    await harness.stop()


async def test_a_rank_that_the_file_leaves_out_is_drained(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "R"
    text = given_r("0", "1")
    text["execution"]["nodelist"] = ["node1"]
    path.write_text(json.dumps(text))
    harness = await leader(configured(path=str(path)))
    await harness.until(
        lambda: "draining: rank 0 not found in expected ranks" in [x.text for x in harness.logs]
    )
    drained = (await harness.request("resource.status"))["drain"]
    assert [(ranks, entry["reason"]) for ranks, entry in drained.items()] == [
        ("0", "not found in expected ranks")
    ]
    await harness.stop()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file or directory"),
        ('{"version": 42}', "error parsing R: invalid version=42"),
        ("{", "error parsing R: invalid R"),
        (json.dumps(given_r(ranks="0-2")), "R contains ranks that are not part of this instance"),
    ],
)
async def test_a_file_that_is_not_fit(tmp_path: pathlib.Path, text: str | None, said: str) -> None:
    path = tmp_path / "R"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OSError, match=f"{path}: {said}"):
        await leader(configured(path=str(path)))
