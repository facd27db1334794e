"""Loading and unloading the broker's modules."""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from broker.attributes import Attributes
from broker.endpoint import ServiceHost
from broker.log import LogRing
from broker.modhost import ModuleHost
from broker.router import Router
from broker.service import Service
from broker.topology import Topology
from flux.modules import MODULES, BuiltIn

if TYPE_CHECKING:
    import pathlib

    from broker.context import Context

STOPPED: list[str] = []
STARTED: list[list[str]] = []


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


class Picky(Service):
    name = "picky"

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        if args[:1] != ["good"]:
            raise OSError(errno.EINVAL, "only good arguments")

    async def start(self, args: list[str]) -> None:
        STARTED.append(args)


class Unmakable(Service):
    name = "unmakable"

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        raise OSError(errno.EINVAL, "not here")


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
    STARTED.clear()
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


async def test_a_file_that_is_no_python_file_is_said_to_be_none(
    host: ModuleHost, tmp_path: pathlib.Path
) -> None:
    for name in ("module.so", "module"):
        (tmp_path / name).write_bytes(b"\x7fELF")
        with pytest.raises(OSError, match=f"{name}: a module is a Python file") as caught:
            await host.load(str(tmp_path / name), [])
        assert caught.value.errno == errno.EINVAL
        with pytest.raises(FileNotFoundError):
            await host.load(str(tmp_path / "none" / name), [])


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


async def test_a_check_finds_what_loading_would_refuse(
    host: ModuleHost, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODULES, "picky", BuiltIn(f"{__name__}:Picky"))
    await host.load("picky", ["good"])
    await host.check("picky", ["good"])
    with pytest.raises(OSError, match="only good"):
        await host.check("picky", ["bad"])
    with pytest.raises(FileNotFoundError):
        await host.check("/nonexistent/x.py", [])
    file = tmp_path / "x.py"
    file.write_text("mod_name = 'x'\n")
    with pytest.raises(OSError, match="defines no mod_main"):
        await host.check(str(file), [])
    assert host.names == ["picky"]


async def test_a_module_comes_back_as_it_was(
    host: ModuleHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODULES, "picky", BuiltIn(f"{__name__}:Picky"))
    with pytest.raises(FileNotFoundError):
        await host.restore("picky")
    await host.load("picky", ["good", "2"])
    await host.remove("picky")
    await host.restore("picky")
    assert STARTED == [["good", "2"], ["good", "2"]]
    with pytest.raises(FileExistsError):
        await host.restore("picky")


async def test_a_service_that_cannot_be_made_leaves_no_endpoint(
    host: ModuleHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODULES, "unmakable", BuiltIn(f"{__name__}:Unmakable"))
    with pytest.raises(OSError, match="not here"):
        await host.load("unmakable", [])
    assert host.names == []
