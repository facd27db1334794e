"""The state-machine service believes a broker only about the ranks below it."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest

from broker.builtin.state import StateMachineService
from broker.router import Router
from broker.runlevel import Runlevel
from broker.testing import ServiceHarness
from broker.topology import Topology

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.context import Context
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


@pytest.mark.parametrize("rank", [-1, 2**32, 10**30, 2, 0, 5, 8, True, "3", 3.0, None])
async def test_ranks_that_are_not_below_the_sender_are_refused(harness: Harness, rank: Any) -> None:
    with pytest.raises(OSError) as failure:
        await harness.request(
            "state-machine.online", json.dumps({"rank": rank}).encode() + b"\0", sender="one"
        )
    assert failure.value.errno in (errno.EINVAL, errno.EPROTO)
    assert harness.service.online == set()


async def test_a_broker_speaks_for_those_below_it(harness: Harness) -> None:
    for rank in (1, 3, 7):
        await harness.request("state-machine.online", {"rank": rank}, sender="one")
    assert harness.service.online == {1, 3, 7}
    await harness.request("state-machine.lost", {"idset": "3,7"}, sender="one")
    assert harness.service.online == {1}
    with pytest.raises(OSError, match="not below"):
        await harness.request("state-machine.online", {"rank": 3}, sender="a client of rank 0")


@pytest.mark.parametrize(
    "idset", ["x", "1-", "3-1", "\ud800", "2", "0-7", "8", "0-4294967294", "9" * 40, 5, None]
)
async def test_idsets_that_are_nonsense_lose_nobody(harness: Harness, idset: Any) -> None:
    await harness.request("state-machine.online", {"rank": 1}, sender="one")
    with pytest.raises(OSError) as failure:
        await harness.request(
            "state-machine.lost", json.dumps({"idset": idset}).encode() + b"\0", sender="one"
        )
    assert failure.value.errno in (errno.EINVAL, errno.EPROTO)
    assert harness.service.online == {1}
