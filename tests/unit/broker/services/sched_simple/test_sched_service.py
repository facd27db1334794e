"""The scheduler module by itself."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.sched_simple.service import SchedSimpleService
from broker.testing.harness import ServiceHarness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RESOURCES = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-3", "children": {"core": "0-1"}}],
        "starttime": 0.0,
        "expiration": 0.0,
        "nodelist": ["vm,vm,vm,vm"],
    },
}
EMPTY = {
    "version": 1,
    "execution": {"R_lite": [], "starttime": 0.0, "expiration": 0.0, "nodelist": [""]},
}


def spec(slots: int = 1, duration: float = 0.0) -> dict[str, Any]:
    slot = {"type": "slot", "count": slots, "with": [{"type": "core", "count": 1}], "label": "t"}
    return {"version": 1, "resources": [slot], "attributes": {"system": {"duration": duration}}}


def alloc(jobid: int, priority: int = 16, **how: Any) -> dict[str, Any]:
    return {
        "id": jobid,
        "priority": priority,
        "userid": 0,
        "t_submit": float(jobid),
        "jobspec": spec(**how),
    }


async def started(
    args: list[str] | None = None, hello: list[dict[str, Any]] | None = None
) -> ServiceHarness[SchedSimpleService]:
    h: ServiceHarness[SchedSimpleService] = ServiceHarness(SchedSimpleService)
    h.rpcs["resource.acquire"] = lambda _: ServiceHarness.OPEN
    h.rpcs["job-manager.sched-hello"] = lambda _: {"alloc": hello or []}
    h.rpcs["job-manager.sched-ready"] = lambda _: {"count": 0}
    await h.start(args)
    await h.until(lambda: any(m.topic == "resource.acquire" for m in h.sent))
    update(h, {"resources": RESOURCES, "up": "0-3"})
    await h.until(lambda: any("ready:" in entry.text for entry in h.logs))
    return h


def update(h: ServiceHarness[SchedSimpleService], payload: dict[str, Any]) -> None:
    h.answer(next(m for m in h.sent if m.topic == "resource.acquire"), payload)


@pytest.fixture
async def sched() -> AsyncIterator[ServiceHarness[SchedSimpleService]]:
    h = await started()
    yield h
    await h.stop()


async def test_allocation(sched: ServiceHarness[SchedSimpleService]) -> None:
    answer = await sched.request("sched.alloc", alloc(1, slots=4))
    assert answer["type"] == 0
    assert answer["annotations"] == {"sched": {"resource_summary": "rank[0-1]/core[0-1]"}}
    assert answer["R"]["execution"]["R_lite"] == [{"rank": "0-1", "children": {"core": "0-1"}}]
    assert answer["R"]["execution"]["nodelist"] == ["vm,vm"]
    assert answer["R"]["execution"]["expiration"] == 0.0
    assert (await sched.request("sched.free", {"id": 1, "R": answer["R"]})) == {"id": 1}
    texts = [entry.text for entry in sched.logs]
    assert "req: 1: spec={0,4,1} duration=0.0" in texts
    assert "alloc: 1: rank[0-1]/core[0-1]" in texts
    assert "free: rank[0-1]/core[0-1]" in texts
    assert "ready: 8 of 8 cores: rank[0-3]/core[0-1]" in texts


async def test_free_without_a_look_at_r() -> None:
    h = await started(["test-free-nolookup"])
    await h.request("sched.alloc", alloc(1, slots=4))
    before = await h.request("sched.resource-status")
    assert before["allocated"]["execution"]["R_lite"]
    assert await h.request("sched.free", {"id": 1, "R": {"version": "junk"}}) == {"id": 1}
    assert "free: R is NULL" in [entry.text for entry in h.logs]
    after = await h.request("sched.resource-status")
    assert not after["allocated"]["execution"]["R_lite"]
    await h.stop()


async def test_expiration_of_a_limited_job(sched: ServiceHarness[SchedSimpleService]) -> None:
    execution = (await sched.request("sched.alloc", alloc(1, duration=60.0)))["R"]["execution"]
    assert execution["expiration"] - execution["starttime"] == 60.0


def _logged(h: ServiceHarness[SchedSimpleService], text: str) -> bool:
    return any(text in entry.text for entry in h.logs)


async def test_resources_that_expire() -> None:
    """Jobs without a time limit end with them, but nothing is planned on that."""
    h = await started()
    for expiration in (5000.0, 7000.0):
        update(h, {"expiration": expiration})
        told = f'"expiration":{expiration}'
        await h.until(partial(_logged, h, told))
        status = await h.request("sched.resource-status")
        assert status["all"]["execution"]["expiration"] == expiration
        execution = (await h.request("sched.alloc", alloc(int(expiration))))["R"]["execution"]
        assert execution["expiration"] == expiration
        assert execution["starttime"] > 0
    limited = (await h.request("sched.alloc", alloc(3, duration=60.0)))["R"]["execution"]
    assert limited["expiration"] - limited["starttime"] == 60.0
    await h.stop()


async def test_denial(sched: ServiceHarness[SchedSimpleService]) -> None:
    need = "need 9 slot(s) of 1 core(s), only 8 such slot(s) available (total cores: 8)"
    note = f"unsatisfiable request: {need}"
    denied = await sched.request("sched.alloc", alloc(1, slots=9))
    assert denied == {"id": 1, "type": 2, "note": note}
    for topic, text, gpus, number in (
        (
            "sched.feasibility",
            "request is not satisfiable",
            "Unsupported resource type 'gpu'",
            errno.EINVAL,
        ),
        ("feasibility.check", "unsatisfiable request", "total GPUs: 0", errno.EOVERFLOW),
    ):
        with pytest.raises(OSError, match=text) as failure:
            await sched.request(topic, {"jobspec": spec(9)})
        assert failure.value.errno == errno.EOVERFLOW
        assert await sched.request(topic, {"jobspec": spec(8)}) == {}
        with_gpu = spec(1)
        with_gpu["resources"][0]["with"].append({"type": "gpu", "count": 1})
        with pytest.raises(OSError, match=gpus) as failure:
            await sched.request(topic, {"jobspec": with_gpu})
        assert failure.value.errno == number
    bad = await sched.request("sched.alloc", {**alloc(2), "jobspec": {}})
    assert (bad["id"], bad["type"]) == (2, 2)


async def test_waiting_in_priority_order(sched: ServiceHarness[SchedSimpleService]) -> None:
    await sched.request("sched.alloc", alloc(1, slots=8))
    low, high = (
        sched.submit("sched.alloc", alloc(2, 10)),
        sched.submit("sched.alloc", alloc(3, 5, slots=8)),
    )
    sched.submit("sched.prioritize", {"jobs": [[3, 20], [99, 1]]})
    await sched.request("sched.free", {"id": 1})
    await sched.until(lambda: bool(sched.replies(high)))
    assert sched.replies(high)[0].json()["type"] == 0
    assert not sched.replies(low), "a job of lower priority waits for the one before it"
    await sched.request("sched.free", {"id": 3})
    await sched.until(lambda: bool(sched.replies(low)))


async def test_cancel(sched: ServiceHarness[SchedSimpleService]) -> None:
    await sched.request("sched.alloc", alloc(1, slots=8))
    waiting = sched.submit("sched.alloc", alloc(2))
    sched.submit("sched.cancel", {"id": 2})
    sched.submit("sched.cancel", {"id": 77})
    await sched.until(lambda: bool(sched.replies(waiting)))
    assert sched.replies(waiting)[0].json() == {"id": 2, "type": 3}


async def test_ranks_go_and_come(sched: ServiceHarness[SchedSimpleService]) -> None:
    update(sched, {"down": "0-3"})
    await sched.until(lambda: any('{"down":"0-3"}' in entry.text for entry in sched.logs))
    waiting = sched.submit("sched.alloc", alloc(1))
    status = await sched.request("sched.resource-status")
    assert status == {"all": RESOURCES, "allocated": EMPTY, "down": RESOURCES}
    assert not sched.replies(waiting)
    update(sched, {"up": "2"})
    await sched.until(lambda: bool(sched.replies(waiting)))
    assert (
        sched.replies(waiting)[0].json()["annotations"]["sched"]["resource_summary"]
        == "rank2/core0"
    )


async def test_hello_counts_what_jobs_hold() -> None:
    held = {
        "id": 5,
        "priority": 16,
        "userid": 0,
        "R": {"version": 1, "execution": {"R_lite": [{"rank": "0", "children": {"core": "0-1"}}]}},
    }
    h = await started(["mode=unlimited"], [held, {"id": 6, "R": held["R"]}])
    ready = next(m for m in h.sent if m.topic == "job-manager.sched-ready")
    assert ready.json() == {"mode": "unlimited"}
    answer = await h.request("sched.alloc", alloc(1))
    assert answer["annotations"]["sched"]["resource_summary"] == "rank1/core0"
    assert any("hello: job 6" in entry.text for entry in h.logs), "a double claim is logged"
    await h.stop()


async def test_unloading_fails_what_waits() -> None:
    h = await started()
    await h.request("sched.alloc", alloc(1, slots=8))
    waiting = h.submit("sched.alloc", alloc(2))
    await h.stop()
    assert h.replies(waiting)[0].errnum == errno.ENOSYS


async def test_bad_arguments() -> None:
    h: ServiceHarness[SchedSimpleService] = ServiceHarness(SchedSimpleService)
    with pytest.raises(OSError, match="Unknown module option: 'nosuch=1'"):
        await h.start(["nosuch=1"])


async def test_a_mode_that_there_is_not_is_told_and_the_scheduler_works() -> None:
    h: ServiceHarness[SchedSimpleService] = ServiceHarness(
        SchedSimpleService, rpcs={"resource.acquire": lambda payload: ServiceHarness.OPEN}
    )
    await h.start(["mode=foobar"])
    assert [entry.text for entry in h.logs if "mode" in entry.text] == ["unknown mode: foobar"]
    await h.until(lambda: any(msg.topic == "resource.acquire" for msg in h.sent))
    await h.stop()


async def test_only_the_owner_allocates(sched: ServiceHarness[SchedSimpleService]) -> None:
    with pytest.raises(OSError, match="owner") as failure:
        await sched.request("sched.alloc", alloc(1), userid=1000)
    assert failure.value.errno == errno.EPERM
    assert (await sched.request("sched.resource-status", userid=1000))["all"] == RESOURCES


async def test_a_new_job_manager_is_told_again() -> None:
    h = await started()
    await h.request("sched.alloc", alloc(1, slots=8))
    waiting = h.submit("sched.alloc", alloc(2))
    await h.request("sched.hello-again")
    assert h.replies(waiting)[0].json() == {"id": 2, "type": 3}
    assert [m.topic for m in h.sent].count("job-manager.sched-ready") == 2
    assert (await h.request("sched.alloc", alloc(3, slots=8)))["type"] == 0, (
        "what the old one held is free"
    )
    await h.stop()


async def test_hello_again_before_there_are_resources() -> None:
    h: ServiceHarness[SchedSimpleService] = ServiceHarness(SchedSimpleService)
    h.rpcs["resource.acquire"] = lambda _: ServiceHarness.OPEN
    await h.start()
    assert await h.request("sched.hello-again") == {}
    assert not [m for m in h.sent if m.topic == "job-manager.sched-hello"]
    await h.stop()


@pytest.mark.parametrize(
    "jobs", [[None], [[1]], [[1, "x"]], [[True, 1]], [[1, 2, 3]], [{}], None, [[[], []]]]
)
async def test_malformed_priorities(sched: ServiceHarness[SchedSimpleService], jobs: Any) -> None:
    with pytest.raises(OSError, match=r".") as failure:
        await sched.request("sched.prioritize", {"jobs": jobs})
    assert failure.value.errno == errno.EPROTO
    assert "internal" not in (failure.value.strerror or "")


@pytest.mark.parametrize(
    ("payload", "errnum"),
    [
        ({"id": 1, "expiration": 5.0}, errno.ENOENT),
        ({"id": 1, "expiration": -1}, errno.EINVAL),
        ({"id": 1, "expiration": True}, errno.EINVAL),
        ({"id": 1}, errno.EPROTO),
        ({"id": "x", "expiration": 1}, errno.EPROTO),
    ],
)
async def test_an_expiration_that_cannot_be(payload: dict[str, Any], errnum: int) -> None:
    h = await started()
    with pytest.raises(OSError, match=rf"\[Errno {errnum}\]"):
        await h.request("sched.expiration", payload)
    await h.stop()


async def test_a_scheduler_that_is_unloaded_gives_nothing_any_more() -> None:
    """A turn is due, and the cancellation of a request is on its way."""
    h = await started()
    await h.request("sched.alloc", alloc(1, slots=8))
    waiting = [h.submit("sched.alloc", alloc(jobid, slots=4)) for jobid in (2, 3)]
    await h.request("sched.free", {"id": 1})
    h.service._schedule_soon()  # noqa: SLF001 - what any request leads to
    await h.service.stop()
    assert [h.replies(one)[0].errnum for one in waiting] == [errno.ENOSYS] * 2
    assert await h.request("sched.resource-status")
    h.submit("sched.cancel", {"id": 2})
    h.service._schedule()  # noqa: SLF001
    assert not h.service._sched.held  # noqa: SLF001
    assert not [entry for entry in h.logs if "KeyError" in entry.text]
    await h.stop()
