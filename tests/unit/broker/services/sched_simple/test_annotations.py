"""What the scheduler says of requests that wait: estimates, reasons, feasibility in a queue."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import Config, from_tables
from broker.services.sched_simple.service import SchedSimpleService
from broker.testing.harness import ServiceHarness

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

RESOURCES = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-1", "children": {"core": "0-1"}}],
        "nodelist": ["n[0-1]"],
        "properties": {"a": "0"},
    },
}
Sched = ServiceHarness[SchedSimpleService]


def alloc(jobid: int, slots: int, duration: float = 0.0, **system: Any) -> dict[str, Any]:
    slot = {"type": "slot", "count": slots, "with": [{"type": "core", "count": 1}], "label": "t"}
    attributes = {"system": {"duration": duration, **system}}
    spec = {"version": 1, "resources": [slot], "attributes": attributes}
    return {"id": jobid, "priority": 16, "userid": 0, "t_submit": 1.0, "jobspec": spec}


async def started(*args: str, config: Config | None = None) -> Sched:
    h: Sched = ServiceHarness(SchedSimpleService, config=config)
    h.rpcs["resource.acquire"] = lambda _: ServiceHarness.OPEN
    h.rpcs["job-manager.sched-hello"] = lambda _: {"alloc": []}
    h.rpcs["job-manager.sched-ready"] = lambda _: {"count": 0}
    await h.start(list(args))
    await h.until(lambda: any(m.topic == "resource.acquire" for m in h.sent))
    acquire = next(m for m in h.sent if m.topic == "resource.acquire")
    h.answer(acquire, {"resources": RESOURCES, "up": "0-1"})
    await h.until(lambda: any("ready:" in entry.text for entry in h.logs))
    return h


async def annotated(h: Sched, tag: int, count: int) -> list[JsonObject]:
    """Return what was said of a request when it was ``count`` times."""
    await h.until(lambda: len(h.replies(tag)) >= count)
    return [msg.json()["annotations"]["sched"] for msg in h.replies(tag)]


async def test_the_first_that_waits_is_told_when() -> None:
    h = await started("queue-policy=easy")
    running = await h.request("sched.alloc", alloc(1, 4, 60.0))
    end = running["R"]["execution"]["expiration"]
    first = h.submit("sched.alloc", alloc(2, 4, 5.0))
    second = h.submit("sched.alloc", alloc(3, 4, 5.0))
    assert await annotated(h, first, 1) == [{"t_estimate": end}]
    told = await h.request("sched.pending-reasons", {"ids": [1, 2, 3, "x"]})
    assert told["reasons"] == [
        {"id": 2, "reason": "insufficient resources", "t_estimate": end},
        {"id": 3, "reason": "behind another job", "behind": 2},
    ]
    await h.request("sched.free", {"id": 1, "R": running["R"]})
    summary = {"resource_summary": "rank[0-1]/core[0-1]"}
    assert (await annotated(h, first, 2))[1] == {"t_estimate": None, **summary}
    (said,) = await annotated(h, second, 1)
    assert said["t_estimate"] >= end - 60.0
    h.submit("sched.cancel", {"id": 3})
    await h.until(lambda: len(h.replies(second)) == 2)
    await h.stop()


async def test_estimates_that_hold_are_told_once() -> None:
    h = await started("queue-policy=easy")
    await h.request("sched.alloc", alloc(1, 4, 60.0))
    first = h.submit("sched.alloc", alloc(2, 4, 5.0))
    for jobid in range(3, 9):
        h.submit("sched.alloc", alloc(jobid, 4, 5.0))
        await h.request("sched.pending-reasons", {"ids": [jobid]})
    assert len(await annotated(h, first, 1)) == 1
    await h.stop()


async def test_reasons_for_debugging() -> None:
    h = await started()
    await h.request("sched-simple.debug", {"op": "setbit", "flags": 2})
    running = await h.request("sched.alloc", alloc(1, 4))
    first, second = (h.submit("sched.alloc", alloc(jobid, 4)) for jobid in (2, 3))
    waits = {"reason_pending": "insufficient resources"}
    assert await annotated(h, first, 1) == [{**waits, "jobs_ahead": 0}]
    assert await annotated(h, second, 1) == [{**waits, "jobs_ahead": 1}]
    await h.request("sched.free", {"id": 1, "R": running["R"]})
    granted = (await annotated(h, first, 2))[1]
    assert granted["reason_pending"] is granted["jobs_ahead"] is None
    assert (await annotated(h, second, 2))[1] == {**waits, "jobs_ahead": 0}
    await h.request("sched-simple.debug", {"op": "clr", "flags": 0})
    h.submit("sched.prioritize", {"jobs": [[3, 20]]})
    assert (await annotated(h, second, 3))[2] == {"reason_pending": None, "jobs_ahead": None}
    await h.stop()


async def test_feasible_in_its_queue() -> None:
    queues = {"queues": {"q": {"requires": ["a"]}, "other": {}}}
    h = await started(config=from_tables(queues))

    async def ask(slots: int, topic: str = "sched.feasibility", **system: Any) -> JsonObject | None:
        spec = alloc(1, slots, **system)["jobspec"]
        return await h.request(topic, {"jobspec": spec})

    assert not await ask(2, queue="q")
    assert not await ask(4, queue="other")
    with pytest.raises(OSError, match="its constraint allows 1 of 2 nodes") as failure:
        await ask(3, "feasibility.check", queue="q")
    assert failure.value.errno == errno.EOVERFLOW
    with pytest.raises(OSError, match="request is not satisfiable"):
        await ask(5)
    with pytest.raises(OSError, match="unknown constraint operator"):
        await ask(1, constraints={"x": []})
    await h.stop()


async def test_a_reload_changes_the_policy() -> None:
    h = await started()
    await h.request("sched.alloc", alloc(1, 3, 60.0))
    h.submit("sched.alloc", alloc(2, 4, 5.0))
    short = h.submit("sched.alloc", alloc(3, 1, 5.0))
    assert not h.replies(short)
    tables = {"sched-simple": {"queue-policy": "easy"}}
    await h.request("sched-simple.config-reload", tables)
    await h.until(lambda: bool(h.replies(short)))
    assert h.replies(short)[0].json()["type"] == 0
    await h.stop()
