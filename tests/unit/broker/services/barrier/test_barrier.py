"""Barriers: the table as data, the service against a scripted broker."""

from __future__ import annotations

import errno

import pytest

from broker.services.barrier.service import BarrierService
from broker.services.barrier.state import BarrierTable, Report
from broker.testing.harness import ServiceHarness
from flux.wire.message import UPSTREAM


def test_counts_members_and_children() -> None:
    table = BarrierTable()
    assert table.enter("b", 3, 0, "one")
    assert not table.add(Report("b", 1, 3, 0))
    assert table.complete(["b"]) == []
    table.enter("b", 3, 0, "two")
    assert table.complete(["b"]) == ["b"]
    table.enter("b", 3, 0, "one too many")
    assert table.complete(["b"]) == []
    assert table.end("b") == 3
    assert table.end("b") is None


def test_reports_only_what_is_new() -> None:
    table = BarrierTable()
    table.enter("b", 9, 0, "one")
    assert table.take_reports() == [Report("b", 1, 9, 0)]
    assert table.take_reports() == []
    table.add(Report("b", 4, 9, 0))
    table.enter("b", 9, 0, "two")
    assert table.take_reports() == [Report("b", 5, 9, 0)]


@pytest.mark.parametrize(
    ("nprocs", "userid", "member", "errnum"),
    [
        (0, 0, "x", errno.EINVAL),
        (4, 0, "x", errno.EINVAL),
        (3, 7, "x", errno.EPERM),
        (3, 0, "one", errno.EEXIST),
    ],
)
def test_refusals(nprocs: int, userid: int, member: str, errnum: int) -> None:
    table = BarrierTable()
    table.enter("b", 3, 0, "one")
    with pytest.raises(OSError) as caught:
        table.enter("b", nprocs, userid, member)
    assert caught.value.errno == errnum
    assert table.complete(["b"]) == []


async def _root() -> ServiceHarness[BarrierService]:
    harness = ServiceHarness(BarrierService, rank=0, size=3)
    await harness.start()
    return harness


async def test_last_client_releases_all() -> None:
    harness = await _root()
    first = harness.submit("barrier.enter", {"name": "b", "nprocs": 2}, sender="a")
    second = harness.submit("barrier.enter", {"name": "b", "nprocs": 2}, sender="b")
    await harness.until(lambda: bool(harness.events))
    assert harness.events[0].json() == {"name": "b", "errnum": 0}
    assert harness.replies(first, "a") == []
    harness.publish("barrier.exit", harness.events[0].json())
    assert [msg.errnum for msg in harness.replies(first, "a") + harness.replies(second, "b")] == [
        0,
        0,
    ]
    assert harness.service.facts() == {"barriers": 0, "waiting": 0}


async def test_disconnect_breaks_the_barrier() -> None:
    harness = await _root()
    waiting = harness.submit("barrier.enter", {"name": "b", "nprocs": 3}, sender="a")
    harness.submit("barrier.enter", {"name": "b", "nprocs": 3}, sender="b")
    harness.disconnect("b")
    await harness.until(lambda: bool(harness.events))
    assert harness.events[0].json() == {"name": "b", "errnum": errno.ECONNABORTED}
    harness.publish("barrier.exit", harness.events[0].json())
    assert harness.replies(waiting, "a")[0].errnum == errno.ECONNABORTED


async def test_other_ranks_report_upstream_once_a_turn() -> None:
    harness = ServiceHarness(
        BarrierService, rank=1, size=3, rpcs={"barrier.enter": lambda payload: None}
    )
    await harness.start()
    for name in ("a", "b"):
        harness.submit("barrier.enter", {"name": "b", "nprocs": 5}, sender=name)
    await harness.until(lambda: bool(harness.sent))
    assert [msg.json()["count"] for msg in harness.sent] == [2]
    assert harness.sent[0].flags & UPSTREAM


async def test_guests_may_not_report() -> None:
    harness = await _root()
    with pytest.raises(OSError) as caught:
        await harness.request(
            "barrier.enter", {"name": "b", "nprocs": 2, "count": 2, "internal": True}, userid=99
        )
    assert caught.value.errno == errno.EPERM


async def test_malformed_request() -> None:
    harness = await _root()
    with pytest.raises(OSError) as caught:
        await harness.request("barrier.enter", {"name": "b"})
    assert caught.value.errno == errno.EPROTO
