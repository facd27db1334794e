"""The module's arguments, and an R that was put into the KVS."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.resource.options import ModuleOptions, parse_options
from broker.services.resource.service import ResourceService
from broker.services.resource.state import Inventory
from broker.services.resource.stored import checked_resources, lacking
from broker.testing import ServiceHarness
from flux import treeobj
from flux.resource.configured import make_r
from flux.wire import json
from flux.wire.message import event

if TYPE_CHECKING:
    from broker.testing.harness import Rpc

GIVEN = make_r([{"rank": "0-1", "children": {"core": "0-3", "gpu": "0"}}], ["a0", "a1"])


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ([], ModuleOptions("", True, False)),
        (["noverify"], ModuleOptions("", False, False)),
        (["exclude=0-1", "monitor-force-up"], ModuleOptions("0-1", True, True)),
    ],
)
def test_arguments(args: list[str], options: ModuleOptions) -> None:
    assert parse_options(args) == options


@pytest.mark.parametrize("arg", ["foo=bar", "noverify=1", "", "monitor-force-up=x"])
def test_an_unknown_argument_is_named(arg: str) -> None:
    with pytest.raises(OSError, match=f"unknown option: {arg}") as caught:
        parse_options([arg])
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("cores", "gpus", "missing"),
    [
        ("0-3", "0", ""),
        ("0-7", "0-1", ""),
        ("0-1", "0", "missing resources: core[2-3]"),
        ("0-2", "", "missing resources: core3,gpu0"),
    ],
)
def test_what_a_rank_lacks(cores: str, gpus: str, missing: str) -> None:
    assert lacking(GIVEN, Inventory(1, "a1", cores, gpus, "x")) == missing
    assert lacking(GIVEN, Inventory(2, "a2", "", "", "x")) == "not found in expected ranks"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 42}, "invalid version=42"),
        ({"execution": {"R_lite": []}}, "not part of this instance"),
        ({"execution": {"R_lite": [{"rank": "5", "children": {}}]}}, "not part of this instance"),
        (
            {"execution": {**GIVEN["execution"], "nodelist": ["one"]}},
            "does not match its number of ranks",
        ),
    ],
)
def test_an_r_of_another_instance_is_refused(change: dict[str, Any], said: str) -> None:
    resources: Any = {**GIVEN, **change}
    with pytest.raises(OSError, match=said) as caught:
        checked_resources(resources, 2)
    assert caught.value.errno == errno.EINVAL


async def started(
    entries: str, value: bytes | None, *args: str, attrs: dict[str, str] | None = None
) -> ServiceHarness[ResourceService]:
    """Return the leader of two ranks, started with an eventlog and an R in the KVS."""
    found = {"resource.eventlog": entries.encode() or None, "resource.R": value}

    def lookup(request: dict[str, Any]) -> dict[str, Any]:
        data = found[request["key"]]
        if data is None:
            raise OSError(errno.ENOENT, "no such key")
        return {"val": treeobj.val(data)}

    rpcs: dict[str, Rpc] = {
        "kvs.lookup": lookup,
        "kvs.commit": lambda _: {},
        "state-machine.quorum-get": lambda _: {"idset": ""},
    }
    harness = ServiceHarness(ResourceService, size=2, rpcs=rpcs, attrs=attrs)
    await harness.start(list(args))
    return harness


@pytest.mark.parametrize("method", ["dynamic-discovery", "reload"])
async def test_in_recovery_what_was_known_is_down_and_stays_as_it_was(method: str) -> None:
    line = {"timestamp": 1.0, "name": "resource-define", "context": {"method": method}}
    given = make_r([{"rank": "0-7", "children": {"core": "0-3"}}], [f"a{n}" for n in range(8)])
    log = json.dumps_str(line) + "\n"
    harness = await started(log, json.dumps(given), attrs={"broker.recovery-mode": "1"})
    status = await harness.request("resource.status")
    assert (status["R"], status["online"], status["offline"]) == (given, "", "0-7")
    harness.service.on_online(event("overlay.online", {"idset": "0-1"}))
    assert (await harness.request("resource.status"))["online"] == ""
    assert harness.stream("resource.acquire")[0].json()["up"] == ""
    stored = [put for msg in harness.sent if msg.topic == "kvs.commit" for put in msg.json()["ops"]]
    defined = [put for put in stored if b"resource-define" in treeobj.decode_val(put["dirent"])]
    assert [method.encode() in treeobj.decode_val(put["dirent"]) for put in defined] == [True]
    await harness.stop()


async def test_all_ranks_are_up_at_once_when_that_is_asked_for() -> None:
    harness = await started("", json.dumps(GIVEN), "noverify", "monitor-force-up")
    first = harness.stream("resource.acquire")[0].json()
    assert (first["up"], first["resources"]["execution"]["nodelist"]) == ("0-1", ["a[0-1]"])
    await harness.stop()


@pytest.mark.parametrize(("method", "used"), [("dynamic-discovery", False), ("reload", True)])
async def test_an_r_that_an_earlier_module_found_out_is_found_out_again(
    method: str, used: bool
) -> None:
    line = {"timestamp": 1.0, "name": "resource-define", "context": {"method": method}}
    harness = await started(json.dumps_str(line) + "\n", json.dumps(GIVEN))
    assert (harness.service.state.resources is not None) == used
    await harness.stop()


@pytest.mark.parametrize("value", [b"", b"x", b"[]", b'{"version":1}'])
async def test_what_is_not_an_r_fails_the_module(value: bytes) -> None:
    with pytest.raises(OSError) as caught:
        await started("", value)
    assert caught.value.errno == errno.EINVAL
