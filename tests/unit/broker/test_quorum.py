"""Rank 0's wait for ``broker.quorum``."""

from __future__ import annotations

import asyncio
import errno

import pytest

from broker.attributes import Attributes
from broker.config import check_attributes
from broker.quorum import QuorumWait, Schedule

SOON = 60.0


def attributes(**values: str) -> Attributes:
    attrs = Attributes()
    for name, value in values.items():
        attrs.define(f"broker.{name.replace('_', '-')}", value)
    return attrs


class Wait:
    """A wait, and the sets of ranks it looks at."""

    def __init__(self, attrs: Attributes) -> None:
        self.online: set[int] = {0}
        self.lost: set[int] = set()
        self.said: list[str] = []
        self.wait = QuorumWait(attrs, lambda: self.online, lambda: self.lost, self.said.append)

    async def change(self, online: set[int], lost: set[int]) -> None:
        self.online, self.lost = online, lost
        self.wait.changed()
        await asyncio.sleep(0)


async def failure(wait: Wait) -> OSError:
    with pytest.raises(OSError, match="rank") as raised:
        await asyncio.wait_for(wait.wait.reached(), SOON)
    return raised.value


async def test_it_is_over_when_all_are_online() -> None:
    wait = Wait(attributes(quorum="0,2-3"))
    reached = asyncio.ensure_future(wait.wait.reached())
    await wait.change({0, 1, 2}, set())
    assert not reached.done()
    await wait.change({0, 2, 3}, {1})  # who is not in the quorum may be lost
    assert await asyncio.wait_for(reached, SOON) is True


async def test_a_lost_rank_of_the_quorum_fails_the_start() -> None:
    wait = Wait(attributes(quorum="0-3"))
    reached = asyncio.ensure_future(wait.wait.reached())
    await wait.change({0, 1}, {2, 3})
    with pytest.raises(OSError, match=r"ranks 2-3 of broker\.quorum were lost") as raised:
        await asyncio.wait_for(reached, SOON)
    assert raised.value.errno == errno.EHOSTUNREACH


async def test_a_host_that_may_be_started_again_is_waited_for() -> None:
    attrs = attributes(quorum="0-1", quorum_warn="1ms")
    attrs.define("config.hostlist", "fluke[0-1]")
    wait = Wait(attrs)
    wait.lost = {1}
    reached = asyncio.ensure_future(wait.wait.reached())
    async with asyncio.timeout(SOON):
        while len(wait.said) < 3:
            await asyncio.sleep(0.001)
    assert "quorum: waiting for rank 1 (fluke1) since 0." in wait.said[0]
    await wait.change({0, 1}, set())
    assert await asyncio.wait_for(reached, SOON) is True


async def test_it_ends_with_its_time() -> None:
    error = await failure(Wait(attributes(quorum="0-2", quorum_timeout="10ms")))
    assert error.errno == errno.ETIMEDOUT
    assert error.strerror == "ranks 1-2 are not online after broker.quorum-timeout, 0.010s"


async def test_it_ends_with_the_instance() -> None:
    wait = Wait(attributes(quorum="0-1"))
    reached = asyncio.ensure_future(wait.wait.reached())
    await asyncio.sleep(0)
    wait.wait.end()
    assert await asyncio.wait_for(reached, SOON) is False


def test_a_schedule() -> None:
    schedule = Schedule(timeout=100.0, warn=40.0)
    assert schedule.rest(0.0) == 40.0
    assert not schedule.warns(39.0)
    assert schedule.warns(41.0)
    assert schedule.rest(41.0) == 40.0
    assert schedule.warns(81.0)
    assert schedule.rest(81.0) == 19.0
    assert not schedule.expired(99.0)
    assert schedule.expired(100.0)
    assert Schedule.of(attributes(quorum_warn="none")).rest(5.0) is None


@pytest.mark.parametrize("value", ["x", "0", "-1", "1y", "0s"])
@pytest.mark.parametrize("name", ["quorum_timeout", "quorum_warn"])
def test_a_time_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(OSError, match="invalid value") as raised:
        check_attributes(attributes(**{name: value}))
    assert raised.value.errno == errno.EINVAL


def test_without_being_told_it_waits_as_long_as_it_takes() -> None:
    schedule = Schedule.of(attributes())
    assert (schedule.timeout, schedule.warn) == (float("inf"), 60.0)
