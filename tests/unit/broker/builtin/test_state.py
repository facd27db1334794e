"""The state-machine service believes a broker only about the ranks below it."""

from __future__ import annotations

import asyncio
import errno
import json
from typing import TYPE_CHECKING, Any

import pytest

from broker.builtin.gathering import Gathering
from broker.builtin.state import StateMachineService
from broker.router import Router
from broker.runlevel import Runlevel
from broker.testing import ServiceHarness
from broker.topology import Topology

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.context import Context
    from broker.testing.harness import Rpc
    from flux.wire.message import Message


class Child:
    """The link to a child."""

    def __init__(self, identity: str) -> None:
        self.id = identity

    def deliver(self, msg: Message) -> None:
        pass


class Leader(StateMachineService):
    """The service of rank 0 of an instance of 8, with rank 1 connected as "one"."""

    def __init__(self, ctx: Context) -> None:
        router = Router(Topology(0, 8), lambda function: None)
        router.children[1] = Child("one")
        super().__init__(
            ctx, Runlevel(lambda: 0.0, lambda text: None, lambda state: None), router, lambda: None
        )
        self.runlevel.state = "run"


Harness = ServiceHarness[Leader]


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    harness = ServiceHarness(Leader, size=8)
    yield harness
    await harness.stop()


@pytest.mark.parametrize(
    "idset", ["-1", str(2**32), str(10**30), "2", "0", "1,5", "8", True, 3, 3.0, None]
)
async def test_ranks_that_are_not_below_the_sender_are_refused(
    harness: Harness, idset: Any
) -> None:
    with pytest.raises(OSError) as failure:
        await harness.request(
            "state-machine.online", json.dumps({"idset": idset}).encode() + b"\0", sender="one"
        )
    assert failure.value.errno in (errno.EINVAL, errno.EPROTO)
    assert harness.service.online == set()


async def test_a_broker_speaks_for_those_below_it(harness: Harness) -> None:
    for idset in ("1", "3,7"):
        await harness.request("state-machine.online", {"idset": idset}, sender="one")
    assert harness.service.online == {1, 3, 7}
    await harness.request("state-machine.lost", {"idset": "3,7"}, sender="one")
    assert harness.service.online == {1}
    with pytest.raises(OSError, match="below the broker"):
        await harness.request("state-machine.online", {"idset": "3"}, sender="a client of rank 0")


@pytest.mark.parametrize(
    "idset", ["x", "1-", "3-1", "\ud800", "2", "0-7", "8", "0-4294967294", "9" * 40, 5, None]
)
async def test_idsets_that_are_nonsense_lose_nobody(harness: Harness, idset: Any) -> None:
    await harness.request("state-machine.online", {"idset": "1"}, sender="one")
    with pytest.raises(OSError) as failure:
        await harness.request(
            "state-machine.lost", json.dumps({"idset": idset}).encode() + b"\0", sender="one"
        )
    assert failure.value.errno in (errno.EINVAL, errno.EPROTO)
    assert harness.service.online == {1}


# Word of who is online


async def test_what_comes_in_one_turn_is_one_event(harness: Harness) -> None:
    harness.service.add_online({0})
    harness.service.add_online({1, 3})
    harness.service.add_online({3})
    await harness.until(lambda: len(harness.events) == 1)
    assert [(msg.topic, msg.json()) for msg in harness.events] == [
        ("overlay.online", {"idset": "0-1,3"})
    ]


async def test_who_goes_before_it_was_online_is_told_once(harness: Harness) -> None:
    harness.service.lose({3, 7})
    harness.service.lose({1, 3, 7})
    await harness.until(lambda: bool(harness.events))
    assert [msg.json()["idset"] for msg in harness.events] == ["1,3,7"]
    answer = await harness.request("state-machine.quorum-get")
    assert answer == {"idset": "", "lost": "1,3,7"}
    harness.service.add_online({3})
    answer = await harness.request("state-machine.quorum-get")
    assert answer == {"idset": "3", "lost": "1,7"}


async def test_who_comes_and_goes_at_once_is_told_in_that_order(harness: Harness) -> None:
    harness.service.add_online({1, 3})
    harness.service.lose({3})
    harness.service.add_online({3})
    await harness.until(lambda: len(harness.events) == 3)
    assert [(msg.topic, msg.json()["idset"]) for msg in harness.events] == [
        ("overlay.online", "1,3"),
        ("overlay.offline", "3"),
        ("overlay.online", "3"),
    ]


class Inner(StateMachineService):
    """The service of rank 1 of 8, with its children 3 and 4 connected."""

    def __init__(self, ctx: Context) -> None:
        router = Router(Topology(1, 8), lambda function: None)
        router.children = {3: Child("three"), 4: Child("four")}
        super().__init__(
            ctx, Runlevel(lambda: 0.0, lambda text: None, lambda state: None), router, lambda: None
        )


def inner(**attrs: str) -> ServiceHarness[Inner]:
    settings = {name.replace("_", "."): text for name, text in attrs.items()}
    answer: dict[str, Rpc] = {
        "state-machine.online": lambda _: {},
        "state-machine.lost": lambda _: {},
    }
    return ServiceHarness(Inner, rank=1, size=8, rpcs=answer, attrs=settings)


def words(harness: ServiceHarness[Inner]) -> list[tuple[str | None, str]]:
    return [(msg.topic, msg.json()["idset"]) for msg in harness.sent]


async def test_word_goes_up_when_enough_are_there() -> None:
    harness = inner(hello_hwm="4", hello_timeout="0")
    own = asyncio.create_task(harness.service.go_online())
    three = asyncio.create_task(
        harness.request("state-machine.online", {"idset": "3,7"}, sender="three")
    )
    await asyncio.sleep(0)
    assert words(harness) == []
    await harness.request("state-machine.online", {"idset": "4"}, sender="four")
    await asyncio.gather(own, three)
    assert words(harness) == [("state-machine.online", "1,3-4,7")]
    await harness.stop()


async def test_word_goes_up_when_it_has_waited_long_enough() -> None:
    harness = inner(hello_hwm="4", hello_timeout="0.01")
    await harness.service.go_online()
    await harness.request("state-machine.online", {"idset": "3"}, sender="three")
    assert words(harness) == [("state-machine.online", "1"), ("state-machine.online", "3")]
    await harness.stop()


async def test_who_goes_while_word_waits_is_not_in_it() -> None:
    harness = inner(hello_hwm="3", hello_timeout="0")
    own = asyncio.create_task(harness.service.go_online())
    gone = asyncio.create_task(
        harness.request("state-machine.online", {"idset": "3"}, sender="three")
    )
    await asyncio.sleep(0)
    await harness.request("state-machine.lost", {"idset": "3"}, sender="three")
    four = asyncio.create_task(
        harness.request("state-machine.online", {"idset": "4"}, sender="four")
    )
    await harness.request("state-machine.online", {"idset": "7"}, sender="three")
    await asyncio.gather(own, gone, four)
    assert words(harness) == [("state-machine.lost", "3"), ("state-machine.online", "1,4,7")]
    await harness.stop()


async def test_who_waits_is_told_when_word_does_not_get_up() -> None:
    harness = ServiceHarness(Inner, rank=1, size=8)
    with pytest.raises(OSError) as failure:
        await harness.service.go_online()
    assert failure.value.errno == errno.ENOSYS
    await harness.stop()


@pytest.mark.parametrize(
    ("hwm", "timeout", "counts", "expected"),
    [
        (3, 1.0, [1], 1.0),
        (3, 1.0, [3], 0.0),
        (3, 0.0, [2], None),
        (3, 0.0, [3], 0.0),
        (0, 1.0, [9], 1.0),
        (0, 0.0, [1], 0.0),
        (3, 1.0, [], None),
    ],
)
def test_number_and_time_decide(
    hwm: int, timeout: float, counts: list[int], expected: float | None
) -> None:
    gathering = Gathering(hwm, timeout)
    for count in counts:
        gathering.add(set(range(count)), 10.0)
    assert gathering.wait(10.0) == expected


def test_after_the_time_nothing_waits() -> None:
    gathering = Gathering(3, 1.0)
    gathering.add({1}, 10.0)
    assert gathering.take() == {1}
    gathering.add({2}, 12.0)
    assert gathering.wait(12.0) == 0.0


async def test_a_loss_does_not_overtake_the_word_of_who_is_online() -> None:
    harness = inner()
    online = asyncio.create_task(harness.service.go_online())
    await asyncio.sleep(0)  # now the word waits for its turn, and the loss comes right after it
    asyncio.get_running_loop().call_later(0, harness.service.lose, {3})
    await harness.until(lambda: len(harness.sent) == 2)
    assert words(harness) == [("state-machine.online", "1"), ("state-machine.lost", "3")]
    await online
    await harness.stop()
