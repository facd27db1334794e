"""Loading and unloading the broker's modules."""

from __future__ import annotations

import asyncio
import errno
import time
from typing import ClassVar

import pytest

from broker.attributes import Attributes
from broker.endpoint import ServiceHost
from broker.log import LogRing
from broker.modhost import ModuleHost
from broker.router import Router
from broker.service import Service
from broker.topology import Topology
from flux.modules import MODULES, BuiltIn

STOPPED: list[str] = []


class First(Service):
    name = "first"
    also: ClassVar[tuple[str, ...]] = ("alias",)

    async def stop(self) -> None:
        STOPPED.append(self.name)


class Second(First):
    name = "second"
    also = ()


class Stuck(Service):
    name = "stuck"

    async def stop(self) -> None:
        await asyncio.Event().wait()


class Losing(Service):
    name = "losing"

    async def stop(self) -> None:
        raise OSError(errno.ENOSPC, "the disk is full")


class Refusing(Service):
    name = "refusing"

    async def start(self, args: list[str]) -> None:
        raise OSError(errno.EINVAL, f"no such option {args}")


@pytest.fixture
def attrs() -> Attributes:
    return Attributes()


@pytest.fixture
def ring(attrs: Attributes) -> LogRing:
    return LogRing(0, attrs)


@pytest.fixture
async def host(attrs: Attributes, ring: LogRing, monkeypatch: pytest.MonkeyPatch) -> ModuleHost:
    for service in (First, Second, Stuck, Losing, Refusing):
        monkeypatch.setitem(MODULES, service.name, BuiltIn(f"{__name__}:{service.__name__}"))
    STOPPED.clear()
    router = Router(Topology(0, 1), asyncio.get_running_loop().call_soon)
    services = ServiceHost(router, attrs, ring, 0)
    ctx, _ = services.context("broker")
    return ModuleHost(services, ctx.log)


async def test_modules_are_listed_and_unloaded_in_reverse(host: ModuleHost) -> None:
    await host.load("first", [])
    await host.load("/usr/lib/flux/modules/second.so", [])
    assert [(mod["name"], mod["services"]) for mod in host.list()] == [
        ("first", ["first", "alias"]),
        ("second", ["second"]),
    ]
    assert all(mod["size"] > 0 and len(mod["digest"]) == 40 for mod in host.list())
    await host.unload_all("none")
    assert (STOPPED, host.names) == (["second", "first"], [])


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("nosuch", errno.ENOENT),
        ("/nonexistent/x.py", errno.ENOENT),
        ("first", errno.EEXIST),
        ("refusing", errno.EINVAL),
    ],
)
async def test_what_cannot_be_loaded_is_refused_and_leaves_nothing(
    host: ModuleHost, name: str, number: int
) -> None:
    await host.load("first", [])
    with pytest.raises(OSError, match=r".") as caught:
        await host.load(name, [])
    assert caught.value.errno == number
    assert host.names == ["first"]
    await host.remove("first")


async def test_removing_twice_is_an_error(host: ModuleHost) -> None:
    await host.load("first", [])
    await host.remove("first")
    with pytest.raises(FileNotFoundError):
        await host.remove("first")


async def test_a_module_that_does_not_stop_does_not_hold_the_others(
    host: ModuleHost, ring: LogRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "stop_timeout", 0.05)
    await host.load("first", [])
    await host.load("stuck", [])
    started = time.monotonic()
    assert await host.unload_all("none") == 1
    assert time.monotonic() - started < 5
    assert STOPPED == ["first"]
    assert any("stuck: did not stop within 0.05s" in entry.text for entry in ring)


async def test_a_module_that_fails_to_stop_is_gone_and_counted(
    host: ModuleHost, ring: LogRing
) -> None:
    await host.load("first", [])
    await host.load("losing", [])
    assert await host.unload_all("none") == 1
    assert (STOPPED, host.names) == (["first"], [])
    assert [entry.text for entry in ring if "disk" in entry.text] == ["losing: the disk is full"]
    await host.load("losing", [])
    with pytest.raises(OSError, match="the disk is full"):
        await host.remove("losing")
    assert host.names == []
    await host.load("losing", [])
    await host.unload_all("none")
