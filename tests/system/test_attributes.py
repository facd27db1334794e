"""The attributes of a live instance are those that broker/attribute_table.py declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import flux
from broker.attribute_table import ATTRIBUTES, Change
from broker.attributes import IMMUTABLE, READONLY
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 3


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(SIZE) as running:
        yield running


@pytest.fixture
def h(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.uri) as handle:
        yield handle


def names(h: flux.Flux, rank: int) -> set[str]:
    return set(h.rpc("attr.list", nodeid=rank).get()["names"])


def value(h: flux.Flux, name: str, rank: int = 0) -> tuple[str, int]:
    try:
        answer = h.rpc("attr.get", {"name": name}, nodeid=rank).get()
    except FileNotFoundError:
        return "", 0
    return answer["value"], answer["flags"]


@pytest.mark.parametrize("rank", range(SIZE))
def test_an_instance_lists_what_is_declared(h: flux.Flux, rank: int) -> None:
    declared = {
        name
        for name, entry in ATTRIBUTES.items()
        if entry.listed and (rank == 0 or not entry.leader_only)
    }
    # The path of the store is made up by the module that opens it, on rank 0.
    assert names(h, rank) | {"content.backing-path"} == declared


def test_lsattr_prints_them(instance: Instance, h: flux.Flux) -> None:
    run = instance.run("lsattr")
    assert set(run.stdout.split()) == names(h, 0)


def test_defaults_are_those_declared(h: flux.Flux) -> None:
    fixed = {name: entry.default for name, entry in ATTRIBUTES.items() if entry.fixed}
    assert {name: value(h, name)[0] for name in fixed} == fixed


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_a_change_is_refused_where_the_table_says_so(h: flux.Flux, name: str) -> None:
    entry = ATTRIBUTES[name]
    text, flags = value(h, name)
    if entry.change is Change.REFUSED and text:
        assert flags & (IMMUTABLE | READONLY)
        with pytest.raises(PermissionError):
            h.rpc("attr.set", {"name": name, "value": text}).get()
    elif entry.change in (Change.ALWAYS, Change.IGNORED):
        assert not flags & (IMMUTABLE | READONLY)
        h.rpc("attr.set", {"name": name, "value": text}).get()
        if entry.change is Change.ALWAYS:
            assert value(h, name) == (text, flags)


def test_those_of_the_start_count_from_the_start() -> None:
    chosen = {
        "tbon.fanout": "1",
        "overlay.timeout": "17",
        "content.hash": "sha256",
        "access.guest-connections": "7",
        "heartbeat.period": "1s",
        "log-stderr-level": "2",
    }
    options = [f"-o,--setattr={name}={text}" for name, text in chosen.items()]
    with running_instance(SIZE, *options) as running, flux.Flux(running.uri) as handle:
        assert {name: value(handle, name)[0] for name in chosen} == chosen
        assert value(handle, "tbon.maxlevel")[0] == "2"
        assert handle.rpc("heartbeat.get").get()["period"] == 1.0
