"""The module of Flux jobs, with a broker whose answers are given: streams that break, clocks that
are set, brokers of other kinds.
"""

from __future__ import annotations

import asyncio
import errno
import time
from typing import TYPE_CHECKING, Any

import pytest

from flux import seg
from flux.aio import AsyncFlux
from flux.job import JobID
from flux.seg import GramState, StateChange, api, parse_line
from flux.seg.event_driver import Driver
from flux.seg.jobs import RETELL_SECONDS, JobEvents
from flux.seg.modules import flux as module
from flux.seg.output import SegOutput

if TYPE_CHECKING:
    from collections.abc import Sequence

PENDING, ACTIVE, DONE = GramState.PENDING, GramState.ACTIVE, GramState.DONE


def entry(name: str, at: float, **context: object) -> dict[str, Any]:
    return {"timestamp": at, "name": name, "context": context}


def answer(jobid: int, *entries: dict[str, Any], **marks: bool) -> dict[str, Any]:
    return {"events": [{"id": jobid, "entry": one} for one in entries], **marks}


def life(at: float) -> list[dict[str, Any]]:
    return [
        entry("submit", at, userid=1),
        entry("alloc", at + 1),
        entry("finish", at + 2, status=0),
        entry("clean", at + 3),
    ]


END: dict[str, Any] = {"events": [], "active": True, "replayed": True}


class Broker:
    """Answers each request for the journal with the next list; an error breaks the connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *journals: list[Any]) -> None:
        self.requests: list[dict[str, Any]] = []
        self.over = asyncio.Event()
        self._journals = list(journals)
        monkeypatch.setattr(AsyncFlux, "connect", self._connect)
        monkeypatch.setenv("FLUX_URI", "local:///a/broker")

    async def _connect(self) -> Broker:
        return self

    async def __aenter__(self) -> Broker:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def rpc(self, topic: str, payload: object = None) -> dict[str, Any]:
        raise OSError(errno.ENOSYS, f"no {topic}")

    def stream(self, topic: str, payload: dict[str, Any]) -> Broker:
        assert topic == "job-manager.events-journal"
        self.requests.append(payload)
        return self

    def __aiter__(self) -> Broker:
        return self

    async def __anext__(self) -> dict[str, Any]:
        journal = self._journals[0]
        if journal:
            what = journal.pop(0)
            if isinstance(what, asyncio.Future):
                self.over.set()
                what = await what
            if not isinstance(what, OSError):
                found: dict[str, Any] = what
                return found
            del self._journals[0]
            raise what
        if len(self._journals) > 1:
            del self._journals[0]
            raise StopAsyncIteration
        self.over.set()
        return await asyncio.Future()


class Listening:
    """A generator whose lines and reports are kept."""

    def __init__(self, timestamp: int | None, record: Sequence[StateChange] = ()) -> None:
        self.lines: list[bytes] = []
        self.reports: list[str] = []
        loop = asyncio.get_running_loop()
        self.output = SegOutput(1, lambda: None)
        self.driver = Driver(loop, self.output, self.reports.append)
        generator = seg.Generator()
        generator.set_driver(self.driver)
        generator.set_event_handler(self.lines.append)
        generator.record = record
        if timestamp is not None:
            generator.set_timestamp(timestamp)
        self._before = api.use(generator)

    async def hear(
        self, broker: Broker, over: asyncio.Event | None = None
    ) -> list[tuple[int, str, GramState]]:
        """Return what is told until the broker has no more to answer, or until ``over``."""
        jobs = module.FluxJobs({})
        task = asyncio.create_task(jobs.follow())
        await asyncio.wait_for((over or broker.over).wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.close()
        changes = [parse_line(line) for line in self.lines]
        return [(one.timestamp, one.jobid, one.state) for one in changes if one is not None]

    def close(self) -> None:
        """Let another generator be the one that modules use."""
        api.use(self._before)


def named(*events: tuple[float, int, GramState]) -> list[tuple[int, str, GramState]]:
    return [(int(at), JobID(jobid).f58, state) for at, jobid, state in events]


GONE = OSError(errno.ECONNRESET, "the broker has gone")


async def test_the_past_is_put_in_order_and_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(monkeypatch, [answer(2, *life(1002), active=True), answer(1, *life(1000)), END])
    told = await Listening(1002).hear(broker)
    assert told == named(
        (1002, 2, PENDING),
        (1003, 2, ACTIVE),
        (1003, 1, DONE),
        (1005, 2, DONE),
    )
    assert broker.requests[0]["since"] == 1002 - RETELL_SECONDS
    assert set(broker.requests[0]["allow"]) == {"submit", "alloc", "exception", "finish", "clean"}


async def test_a_broken_stream_is_read_again_and_nothing_told_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = life(1000), life(1002)
    broker = Broker(
        monkeypatch,
        [answer(1, *first[:1], active=True), END, answer(1, *first[1:2]), GONE],
        [GONE],
        [],
        [answer(2, *second, active=True), answer(1, *first), END],
    )
    listening = Listening(1000)
    told = await listening.hear(broker)
    assert told == named(
        (1000, 1, PENDING),
        (1001, 1, ACTIVE),
        (1002, 2, PENDING),
        (1003, 2, ACTIVE),
        (1003, 1, DONE),
        (1005, 2, DONE),
    )
    assert [request["since"] for request in broker.requests[1:]] == [1001 - RETELL_SECONDS] * 3
    assert listening.reports == [
        "no broker: the broker has gone: it is tried again",
        "the broker is there again",
        "no broker: the broker has gone: it is tried again",
        "the broker is there again",
        "no broker: the journal has ended: it is tried again",
        "the broker is there again",
    ]


@pytest.mark.parametrize("step", [-500.0, 500.0])
async def test_a_clock_that_is_set_while_the_broker_is_away(
    monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """What was told before is not told again, what happened since is, whatever its time."""
    now = time.time()
    broker = Broker(
        monkeypatch,
        [answer(1, *life(now - 5), active=True), END, answer(2, *life(now)), GONE],
        [
            answer(1, *life(now - 5), active=True),
            answer(2, *life(now)),
            answer(3, *life(now + step)),
            END,
        ],
    )
    told = await Listening(int(now) - 5).hear(broker)
    assert [jobid for _, jobid, _ in told] == [JobID(n).f58 for n in (1, 1, 1, 2, 2, 2, 3, 3, 3)]


async def test_a_clock_that_is_set_back_while_it_is_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = int(time.time())
    broker = Broker(monkeypatch, [END, answer(1, *life(now)), answer(2, *life(now - 9000))])
    told = await Listening(now).hear(broker)
    assert [jobid for _, jobid, _ in told] == [JobID(n).f58 for n in (1, 1, 1, 2, 2, 2)]


async def test_a_timestamp_that_is_still_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    soon = int(time.time()) + 5000
    journal = [END, answer(1, *life(soon - 4000)), answer(2, *life(soon - 2))]
    told = await Listening(soon).hear(Broker(monkeypatch, journal))
    assert told == named((soon, 2, DONE), (soon + 1, 2, DONE))[1:]


async def test_from_now_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    running, fresh = life(now - 100), life(now + 1)
    broker = Broker(
        monkeypatch,
        [answer(1, *running[:2], active=True), END, answer(1, *running[2:]), answer(2, *fresh)],
    )
    told = await Listening(None).hear(broker)
    assert [state for _, _, state in told] == [DONE, PENDING, ACTIVE, DONE]


async def test_a_record_that_has_half_a_life(monkeypatch: pytest.MonkeyPatch) -> None:
    record = [
        StateChange(1000, JobID(1).f58, PENDING, 0),
        StateChange(1001, JobID(1).f58, ACTIVE, 0),
    ]
    broker = Broker(monkeypatch, [answer(1, *life(1000), active=True), END])
    assert await Listening(1000, record).hear(broker) == named((1003, 1, DONE))


async def test_a_broker_that_marks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the past is where nothing comes for a while."""
    monkeypatch.setattr(module, "MARK_SECONDS", 0.05)
    broker = Broker(monkeypatch, [answer(2, *life(1002)), answer(1, *life(1000))])
    listening = Listening(1000)
    heard = asyncio.Event()
    listening.driver.on_told_all(heard.set)
    told = await listening.hear(broker, heard)
    assert [at for at, _, _ in told] == [1000, 1001, 1002, 1003, 1003, 1005]


async def test_events_that_are_malformed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = [{"name": "submit"}, entry("finish", 1000.0), entry("submit", 1000.0, userid=1)]
    broker = Broker(monkeypatch, [answer(1, *bad, active=True), END])
    listening = Listening(1000)
    assert await listening.hear(broker) == named((1000, 1, PENDING))
    assert len(listening.reports) == 2
    assert listening.reports[0].startswith(f"job 1: an event is malformed: {bad[0]!r}")


async def test_answers_that_are_malformed_have_it_try_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker(monkeypatch, [{"events": 5}], [{}], [answer(1, *life(1000)), END])
    listening = Listening(1000)
    assert len(await listening.hear(broker)) == 3
    assert "malformed answer of the job manager's journal" in listening.reports[0]


async def test_what_nobody_thought_of_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that whoever started it starts it again, rather than wait for events that do not come."""

    def broken(_self: JobEvents, _jobid: int, _entry: object) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(JobEvents, "take", broken)
    listening = Listening(1000)
    failures: list[str] = []
    failed = asyncio.Event()

    def fail(sentence: str) -> None:
        failures.append(sentence)
        failed.set()

    listening.driver.on_failure(fail)
    journal = [answer(1, *life(1000), active=True), END]
    assert await listening.hear(Broker(monkeypatch, journal), failed) == []
    assert failures == ["RuntimeError: a mistake of ours"]


async def test_it_ends_when_told_so_together_with_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    coming: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    broker = Broker(monkeypatch, [answer(1, *life(1000)), coming])
    listening = Listening(1000)
    task = asyncio.create_task(module.FluxJobs({}).follow())
    await broker.over.wait()
    coming.set_result(END)
    await asyncio.sleep(0)  # it has the answer, and has not been woken yet
    task.cancel()
    _, going = await asyncio.wait([task], timeout=5)
    listening.close()
    assert not going
    assert task.cancelled()
