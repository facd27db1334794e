"""The heartbeat module."""

from __future__ import annotations

import errno

import pytest

from broker.services.heartbeat.service import HeartbeatService, period_of
from broker.testing.harness import ServiceHarness


@pytest.mark.parametrize(
    ("args", "period"), [([], 2.0), (["period=0.5s"], 0.5), (["period=1m"], 60.0)]
)
def test_period(args: list[str], period: float) -> None:
    assert period_of(args) == period


def test_attribute_counts_without_argument() -> None:
    assert period_of([], "3s") == 3.0
    assert period_of(["period=1"], "3s") == 1.0


@pytest.mark.parametrize("arg", ["period=x", "period=0", "period=inf", "nosuch=1"])
def test_bad_arguments(arg: str) -> None:
    with pytest.raises(OSError) as caught:
        period_of([arg])
    assert caught.value.errno == errno.EINVAL


async def test_rank_0_pulses() -> None:
    harness = ServiceHarness(HeartbeatService)
    await harness.start(["period=0.01s"])
    await harness.until(lambda: len(harness.events) >= 2)
    assert {msg.topic for msg in harness.events} == {"heartbeat.pulse"}
    assert await harness.request("heartbeat.get") == {"period": 0.01}
    await harness.stop()


async def test_other_ranks_are_silent() -> None:
    harness = ServiceHarness(HeartbeatService, rank=1, size=2)
    await harness.start(["period=0.01s"])
    assert not harness.ctx.tasks
    await harness.stop()
