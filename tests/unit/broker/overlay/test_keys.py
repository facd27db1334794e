"""CURVE keys: who may connect."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from zmq.utils import z85

from broker.attributes import Attributes
from broker.log import Logger
from broker.overlay.keys import Authenticator, KeyPair
from broker.overlay.network import Overlay
from broker.router import Router
from broker.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.logline import Entry


def zap(public: str, mechanism: bytes = b"CURVE") -> list[bytes]:
    return [b"1.0", b"7", b"", b"", b"", mechanism, z85.decode(public.encode())]


def test_a_known_key_is_let_in_under_its_name() -> None:
    keys, auth = KeyPair.generate(), Authenticator()
    auth.allow(keys.public, "2")
    reply, name = auth.decide(zap(keys.public))
    assert (name, reply[1:5]) == ("2", [b"7", b"200", b"OK", b"2"])


@pytest.mark.parametrize(
    "frames",
    [zap(KeyPair.generate().public), zap(KeyPair.generate().public, b"NULL"), [b"1.0", b"7"], []],
    ids=["unknown", "mechanism", "short", "empty"],
)
def test_everyone_else_is_refused(frames: list[bytes]) -> None:
    reply, name = Authenticator().decide(frames)
    assert (name, reply[2]) == (None, b"400")


class Side:
    """One end of a link in this process."""

    def __init__(self, rank: int, fanout: int = 2, size: int = 2) -> None:
        self.logs: list[Entry] = []
        log = Logger("broker", self.logs.append, rank, time.time)
        self.router = Router(Topology(rank, size, fanout), asyncio.get_running_loop().call_soon)
        self.keys = KeyPair.generate()
        self.overlay = Overlay(self.router, f"uuid{rank}", self.keys, log)
        self.attrs = Attributes()

    def logged(self, text: str) -> bool:
        return any(text in entry.text for entry in self.logs)


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_child_with_the_right_key_joins_and_its_loss_is_noticed(tmp_path: object) -> None:
    parent, child = Side(0), Side(1)
    left: list[tuple[int, bool]] = []
    parent.overlay.child_left = lambda rank, orderly: left.append((rank, orderly))
    endpoint = parent.overlay.bind(f"ipc://{tmp_path}/up")
    parent.overlay.auth.allow(child.keys.public, "1")
    child.overlay.connect(endpoint, parent.keys.public)
    parent.overlay.start()
    child.overlay.start()
    parent.overlay.set_ready()
    await asyncio.wait_for(child.overlay.join("0.29.0"), 60)
    assert parent.overlay.online_children == [1]
    assert parent.logged("hello from rank 1")
    await child.overlay.close()
    await until(lambda: left == [(1, True)])
    await parent.overlay.close()


async def test_time_in_which_a_broker_did_not_run_is_no_silence_of_its_neighbours(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, child = Side(0), Side(1)
    left: list[tuple[int, bool]] = []
    parent.overlay.child_left = lambda rank, orderly: left.append((rank, orderly))
    child.overlay.parent_lost = lambda: left.append((0, False))
    looks = 0

    def looked(now: float) -> None:
        nonlocal looks
        looks += 1
        check(now)

    check = parent.overlay._check_links  # noqa: SLF001 - to see when it has looked
    monkeypatch.setattr(parent.overlay, "_check_links", looked)
    for side in (parent, child):
        side.overlay.timeout = 0.3
    endpoint = parent.overlay.bind(f"ipc://{tmp_path}/up")
    parent.overlay.auth.allow(child.keys.public, "1")
    child.overlay.connect(endpoint, parent.keys.public)
    parent.overlay.start()
    child.overlay.start()
    parent.overlay.set_ready()
    await asyncio.wait_for(child.overlay.join("0.29.0"), 60)
    time.sleep(0.6)  # both stand still, as on a machine that does
    looks = 0
    await until(lambda: looks >= 3)
    assert left == []
    await child.overlay.close()
    await parent.overlay.close()


async def test_a_child_with_an_unknown_key_is_refused_and_logged(tmp_path: object) -> None:
    parent, child = Side(0), Side(1)
    endpoint = parent.overlay.bind(f"ipc://{tmp_path}/up")
    child.overlay.connect(endpoint, parent.keys.public)
    parent.overlay.start()
    child.overlay.start()
    parent.overlay.set_ready()
    with pytest.raises(OSError, match="ended before this broker had joined"):
        await asyncio.wait_for(child.overlay.join("0.29.0"), 60)
    assert parent.logged("unknown key refused")
    assert parent.overlay.online_children == []
    await child.overlay.close()
    await parent.overlay.close()


async def test_a_hello_from_a_rank_that_is_no_child_is_rejected(tmp_path: object) -> None:
    parent, child = Side(0, fanout=1, size=4), Side(3, fanout=1, size=4)
    endpoint = parent.overlay.bind(f"ipc://{tmp_path}/up")
    parent.overlay.auth.allow(child.keys.public, "3")
    child.overlay.connect(endpoint, parent.keys.public)
    parent.overlay.start()
    child.overlay.start()
    parent.overlay.set_ready()
    with pytest.raises(PermissionError):
        await asyncio.wait_for(child.overlay.join("0.29.0"), 60)
    assert parent.logged("hello from rank 3 rejected")
    await child.overlay.close()
    await parent.overlay.close()


async def test_another_broker_of_the_same_rank_takes_the_place_of_the_first(
    tmp_path: object,
) -> None:
    """As when a host lost its power and is up again before its silence was noticed."""
    parent, first, second = Side(0), Side(1), Side(1)
    second.overlay.id = "uuid1-again"
    left: list[tuple[int, bool]] = []
    lost: list[bool] = []
    parent.overlay.child_left = lambda rank, orderly: left.append((rank, orderly))
    first.overlay.parent_lost = lambda: lost.append(True)
    endpoint = parent.overlay.bind(f"ipc://{tmp_path}/up")
    for child in (first, second):
        parent.overlay.auth.allow(child.keys.public, "1")
        child.overlay.connect(endpoint, parent.keys.public)
        child.overlay.start()
    parent.overlay.start()
    parent.overlay.set_ready()
    await asyncio.wait_for(first.overlay.join("0.29.0"), 60)
    await asyncio.wait_for(second.overlay.join("0.29.0"), 60)
    assert parent.overlay.online_children == [1]
    assert parent.router.children[1].id == "uuid1-again"
    assert left == [(1, False)]
    assert parent.logged("rank 1 is replaced by another broker of that rank")
    await until(lambda: lost == [True])
    for side in (first, second, parent):
        await side.overlay.close()


async def test_of_two_that_wait_for_a_parent_the_later_one_counts(tmp_path: object) -> None:
    parent, first, second = Side(0), Side(1), Side(1)
    second.overlay.id = "uuid1-again"
    endpoint = parent.overlay.bind(f"ipc://{tmp_path}/up")
    parent.overlay.start()
    joins = []
    for child in (first, second):
        parent.overlay.auth.allow(child.keys.public, "1")
        child.overlay.connect(endpoint, parent.keys.public)
        child.overlay.start()
        joins.append(asyncio.ensure_future(child.overlay.join("0.29.0")))
        await until(lambda: len([x for x in parent.logs if "hello" in x.text]) == len(joins))
    with pytest.raises(OSError, match="refused this broker, or is ending"):
        await asyncio.wait_for(joins[0], 60)
    parent.overlay.set_ready()
    await asyncio.wait_for(joins[1], 60)
    assert parent.router.children[1].id == "uuid1-again"
    for side in (first, second, parent):
        await side.overlay.close()


async def test_an_endpoint_that_cannot_be_bound_or_reached_is_named() -> None:
    side = Side(0)
    with pytest.raises(OSError, match=r"cannot listen at tcp://nosuch0:1: "):
        side.overlay.bind("tcp://nosuch0:1")
    with pytest.raises(OSError, match=r"cannot connect to nonsense: "):
        side.overlay.connect("nonsense", side.keys.public)
    await side.overlay.close()
