"""Submission: what is refused, and that nothing is half submitted."""

from __future__ import annotations

import asyncio
import errno
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from broker.context import Context
from broker.services.job_ingest.service import BATCH_JOBS, JobIngestService
from broker.services.job_ingest.turns import SLICE
from broker.testing.harness import ServiceHarness
from flux.security import sign
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SPEC: dict[str, Any] = {
    "version": 1,
    "resources": [
        {"type": "slot", "count": 1, "label": "t", "with": [{"type": "core", "count": 1}]}
    ],
    "tasks": [{"command": ["true"], "slot": "t", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
}


def payload(
    jobspec: Any = SPEC, urgency: int = 16, flags: int = 0, userid: int = 0
) -> dict[str, Any]:
    text = jobspec if isinstance(jobspec, bytes) else json.dumps(jobspec)
    return {"J": sign(text, userid).decode(), "urgency": urgency, "flags": flags}


class World:
    """job-ingest with a KVS and a job manager that can be told to fail."""

    def __init__(self, rank: int = 0) -> None:
        self.submits: list[list[dict[str, Any]]] = []
        self.refuse = ""
        self.manager_error: OSError | None = None
        rpcs = {
            "job-manager.submit": self._submit,
            "job-manager.getinfo": lambda _: {"max_jobid": 1 << 34},
            "job-ingest.getinfo": lambda _: {"timestamp": 5000},
        }
        self.h: ServiceHarness[JobIngestService] = ServiceHarness(
            JobIngestService, rank=rank, rpcs=rpcs
        )

    def _submit(self, request: dict[str, Any]) -> dict[str, Any]:
        if self.manager_error is not None:
            raise self.manager_error
        self.submits.append(request["jobs"])
        errors = (
            [[job["id"], errno.EINVAL, self.refuse] for job in request["jobs"]]
            if self.refuse
            else []
        )
        return {"errors": errors}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.h.start()
    yield world
    await world.h.stop()


async def test_accepted_job(world: World) -> None:
    answer = await world.h.request("job-ingest.submit", payload(urgency=20, flags=6))
    (job,) = world.submits[0]
    assert answer == {"id": job["id"]}
    assert answer["id"] >> 24 > (1 << 34) >> 24, "ids go on after those of an earlier instance"
    assert (job["userid"], job["urgency"], job["flags"], job["jobspec"]) == (0, 20, 6, SPEC)
    assert (job["J"], "text" in job) == (payload()["J"], False), "what leaves the broker is JSON"


@pytest.mark.parametrize(("seconds", "turns"), [(0.0, [5]), (SLICE / 2.5, [2, 2, 1])])
async def test_jobs_of_a_turn_are_passed_on_together(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: float, turns: list[int]
) -> None:
    clock = count()
    monkeypatch.setattr(Context, "loop_time", lambda _: next(clock) * seconds)
    tags = [world.h.submit("job-ingest.submit", payload()) for _ in range(5)]
    await world.h.until(lambda: all(world.h.replies(tag) for tag in tags))
    ids = [world.h.replies(tag)[0].json()["id"] for tag in tags]
    assert len(set(ids)) == 5
    assert [len(jobs) for jobs in world.submits] == turns, "a turn is as long as a slice"


@pytest.mark.parametrize(
    ("request_", "errnum", "text"),
    [
        (payload({}), errno.EPERM, "Missing key (attributes)"),
        (
            payload(b"notjson\n"),
            errno.EINVAL,
            "jobspec: invalid JSON: '[' or '{' expected near 'notjson'",
        ),
        (payload(b""), errno.EINVAL, "jobspec: invalid JSON: '[' or '{' expected near end of file"),
        (payload(urgency=32), errno.EINVAL, "urgency range is [0:31]"),
        (payload(flags=64), errno.EPROTO, "unknown job flags"),
        (payload(userid=9), errno.EPERM, "signer=9 != requestor=0"),
        ({"J": "x.y.z", "urgency": 16, "flags": 0}, errno.EINVAL, None),
        ({"urgency": 16, "flags": 0}, errno.EPROTO, None),
    ],
)
async def test_refused(
    world: World, request_: dict[str, Any], errnum: int, text: str | None
) -> None:
    with pytest.raises(OSError, match=r".") as failure:
        await world.h.request("job-ingest.submit", request_)
    assert failure.value.errno == errnum
    assert text is None or failure.value.strerror == text
    assert not world.submits


@pytest.mark.parametrize(
    ("urgency", "flags", "text"),
    [
        (17, 0, "only the instance owner can submit jobs with urgency >16"),
        (16, 4, "only the instance owner can submit with FLUX_JOB_WAITABLE"),
        (16, 8, "only the instance owner can submit with FLUX_JOB_NOVALIDATE"),
    ],
)
async def test_limits_of_guests(world: World, urgency: int, flags: int, text: str) -> None:
    with pytest.raises(OSError, match=text):
        await world.h.request(
            "job-ingest.submit", payload(urgency=urgency, flags=flags, userid=1000), userid=1000
        )
    answer = await world.h.request(
        "job-ingest.submit", payload(urgency=16, flags=2, userid=1000), userid=1000
    )
    assert world.submits[0][0]["userid"] == 1000
    assert answer["id"]


async def test_the_owner_may_skip_validation(world: World) -> None:
    assert (await world.h.request("job-ingest.submit", payload({"x": 1}, flags=8)))["id"]


async def test_rejected_job(world: World) -> None:
    world.refuse = "job submission is disabled: testing things"
    with pytest.raises(OSError, match="testing things") as failure:
        await world.h.request("job-ingest.submit", payload())
    assert failure.value.errno == errno.EINVAL
    assert world.h.service.facts() == {"submitted": 0, "rejected": 1, "waiting": 0}


async def test_job_manager_that_is_missing(world: World) -> None:
    world.manager_error = OSError(errno.ENOSYS, None)
    with pytest.raises(OSError, match=r".") as failure:
        await world.h.request("job-ingest.submit", payload())
    assert failure.value.errno == errno.ENOSYS
    assert world.h.service.facts() == {"submitted": 0, "rejected": 1, "waiting": 0}


class Manager:
    """A job manager that answers when it is told to."""

    def __init__(self, world: World) -> None:
        self.batches = world.submits
        self._answers: list[asyncio.Future[dict[str, Any]]] = []
        world.h.rpcs["job-manager.submit"] = self._submit

    def _submit(self, request: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        self.batches.append(request["jobs"])
        self._answers.append(asyncio.get_running_loop().create_future())
        return self._answers[-1]

    @property
    def jobs(self) -> int:
        return sum(map(len, self.batches))

    def has_more_than(self, batches: int) -> bool:
        return len(self.batches) > batches

    def answer(self, *, busy: bool = False) -> None:
        for answer in self._answers:
            if not answer.done():
                answer.set_result({"errors": [], "busy": busy})


async def test_batches_are_limited_and_do_not_wait_for_each_other(world: World) -> None:
    manager = Manager(world)
    count = BATCH_JOBS + 1
    tags = [world.h.submit("job-ingest.submit", payload()) for _ in range(count)]
    await world.h.until(lambda: manager.jobs == count)
    assert len(manager.batches) > 1
    assert max(map(len, manager.batches)) <= BATCH_JOBS
    assert world.h.service.facts()["waiting"] == count
    manager.answer()
    await world.h.until(lambda: all(world.h.replies(tag) for tag in tags))


async def test_while_jobs_run_one_small_batch_is_under_way(world: World) -> None:
    manager = Manager(world)
    count = 2000
    first = world.h.submit("job-ingest.submit", payload())
    await world.h.until(lambda: manager.jobs == 1)
    manager.answer(busy=True)
    await world.h.until(lambda: bool(world.h.replies(first)))
    tags = [world.h.submit("job-ingest.submit", payload()) for _ in range(count)]
    await world.h.until(lambda: manager.jobs > 1)
    facts = world.h.service.facts()
    assert facts["waiting"] == count
    batches = len(manager.batches)
    for _ in range(20):  # turns in which a second batch could follow
        await asyncio.sleep(0)
    assert len(manager.batches) == batches == 2
    while manager.jobs <= count:
        known = len(manager.batches)
        manager.answer(busy=True)
        await world.h.until(partial(manager.has_more_than, known))
    manager.answer()
    await world.h.until(lambda: all(world.h.replies(tag) for tag in tags))


async def test_what_waits_at_the_end_is_refused(world: World) -> None:
    manager = Manager(world)
    first = world.h.submit("job-ingest.submit", payload())
    await world.h.until(lambda: manager.jobs == 1)
    manager.answer(busy=True)
    await world.h.until(lambda: bool(world.h.replies(first)))
    world.h.submit("job-ingest.submit", payload())
    await world.h.until(lambda: manager.jobs == 2)
    late = world.h.submit("job-ingest.submit", payload())
    await world.h.service.stop()
    assert world.h.replies(late)[0].errnum == errno.ENOSYS
    manager.answer()


async def test_other_ranks_take_the_time_of_the_parent() -> None:
    world = World(rank=7)
    await world.h.start()
    id = (await world.h.request("job-ingest.submit", payload()))["id"]
    assert id >> 24 >= 5000
    assert id >> 10 & 0x3FFF == 7
    assert (await world.h.request("job-ingest.getinfo"))["timestamp"] >= 5000
    await world.h.stop()


@pytest.mark.parametrize("args", [["nosuch=1"], ["worker-count=0"], ["validator-plugins"]])
async def test_bad_arguments(args: list[str]) -> None:
    with pytest.raises(OSError, match=r"worker-count|unknown"):
        await World().h.start(args)


@pytest.mark.parametrize("topic", ["submit", "getinfo"])
async def test_what_comes_before_it_is_known_where_ids_begin_is_refused(topic: str) -> None:
    world = World()
    request = payload() if topic == "submit" else {}
    with pytest.raises(OSError, match="job-ingest is being loaded") as caught:
        await world.h.request(f"job-ingest.{topic}", request)
    assert caught.value.errno == errno.ENOSYS
    assert not world.submits
