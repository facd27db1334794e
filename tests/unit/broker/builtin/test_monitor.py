"""What ``state-machine.monitor`` and ``quorum-get`` tell."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.builtin.state import StateMachineService
from broker.router import Router
from broker.runlevel import Runlevel
from broker.testing import ServiceHarness
from broker.topology import Topology
from flux.wire.message import STREAMING

if TYPE_CHECKING:
    from broker.context import Context


class Machine(StateMachineService):
    """The service with a runlevel that a test moves on."""

    def __init__(self, ctx: Context) -> None:
        runlevel = Runlevel(lambda: 0.0, lambda line: None, lambda state: self.entered())
        router = Router(Topology(ctx.rank, ctx.size), lambda function: None)
        super().__init__(ctx, runlevel, router, lambda: None)


async def test_a_monitor_gets_the_state_and_each_change_until_the_end() -> None:
    harness = ServiceHarness(Machine)
    post = harness.service.runlevel.post
    for event in ("start", "parent-none"):
        post(event)
    replies = harness.stream("state-machine.monitor")
    assert await harness.request("state-machine.monitor") == {"state": 2}
    for event in ("rc1-none", "quorum-full", "rc2-success", "cleanup-none", "children-none"):
        post(event)
    await harness.service.stop()
    states = [body["state"] for body in await harness.finish(replies)]
    assert states == [2, 3, 4, 5, 6, 7]


async def test_a_monitor_can_be_cancelled_and_goes_with_its_client() -> None:
    harness = ServiceHarness(Machine)
    tag = harness.submit("state-machine.monitor", flags=STREAMING)
    harness.submit("state-machine.monitor", sender="other", flags=STREAMING)
    await harness.request("state-machine.ping")
    harness.submit("state-machine.monitor-cancel", {"matchtag": tag})
    assert harness.replies(tag)[-1].errnum == errno.ENODATA
    harness.disconnect("other")
    assert len(harness.service.streams) == 0


async def test_the_quorum_is_an_idset_with_brackets_for_several() -> None:
    harness = ServiceHarness(Machine, size=4)
    found = []
    for rank in (0, 1, 2):
        harness.service.add_online({rank})
        found.append((await harness.request("state-machine.quorum-get"))["idset"])
    assert found == ["0", "[0-1]", "[0-2]"]


async def test_only_rank_0_knows_the_quorum() -> None:
    harness = ServiceHarness(Machine, rank=1, size=4)
    with pytest.raises(OSError, match="quorum-get RPC is only available on rank 0"):
        await harness.request("state-machine.quorum-get")
