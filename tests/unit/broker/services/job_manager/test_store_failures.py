"""What the job manager does when the KVS does not store what it is given, and what it says before
it has.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_manager import journal as journal_module
from broker.testing.harness import ServiceHarness
from flux.constants import FLUX_KVS_SYNC
from flux.job.JobID import kvs_key

from .cluster import Cluster, jobspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from broker.services.job_manager.journal import Journal
    from flux.wire.message import Message

FULL = OSError(errno.ENOSPC, "No space left on device")
LIFE = ["submit", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"]


class Gate:
    """Holds back the KVS's answers to commits while it is closed; commits take effect when they are
    answered.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.waiting = 0
        self._kvs = cluster.kvs
        cluster.manager.rpcs["kvs.commit"] = self._commit

    async def _commit(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.waiting += 1
        await self.open.wait()
        self.waiting -= 1
        return self._kvs.commit(payload)


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "RETRY_FIRST", 0.01)
    monkeypatch.setattr(journal_module, "RETRY_LAST", 0.02)


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
async def held(request: pytest.FixtureRequest) -> AsyncIterator[Cluster]:
    """A cluster whose jobs start and then run until told to end."""
    cluster = Cluster(lambda _: ServiceHarness.OPEN, durable=request.param)
    await cluster.start()
    yield cluster
    cluster.kvs.fail = cluster.kvs.refuses = None
    await cluster.stop()


@pytest.fixture
async def durable() -> AsyncIterator[Cluster]:
    cluster = Cluster(lambda _: ServiceHarness.OPEN, durable=True)
    await cluster.start()
    yield cluster
    cluster.kvs.fail = None
    await cluster.stop()


def starts(cluster: Cluster, id: int) -> list[Message]:
    return [m for m in cluster.manager.sent if m.topic == "job-exec.start" and m.json()["id"] == id]


async def running(cluster: Cluster, **how: Any) -> int:
    id = await cluster.submit(**how)
    await cluster.manager.until(lambda: bool(starts(cluster, id)))
    cluster.manager.answer(starts(cluster, id)[0], {"id": id, "type": "start", "data": {}})
    await cluster.until_event(id, "start")
    return id


def end(cluster: Cluster, id: int) -> None:
    message = starts(cluster, id)[0]
    cluster.manager.answer(message, {"id": id, "type": "finish", "data": {"status": 0}})
    cluster.manager.answer(
        message, {"id": id, "type": "release", "data": {"ranks": "all", "final": True}}
    )
    cluster.manager.answer(message, errnum=errno.ENODATA)


def told(replies: list[Message], id: int) -> list[str]:
    events = [event for msg in replies for event in msg.json()["events"]]
    return [event["entry"]["name"] for event in events if event["id"] == id]


def journal(cluster: Cluster) -> Journal:
    return cluster.manager.service.core.journal


async def fails(cluster: Cluster, **how: Any) -> OSError:
    with pytest.raises(OSError, match=r".") as failure:
        await cluster.submit(**how)
    return failure.value


async def test_a_submission_that_cannot_be_stored_is_answered_and_never_was(held: Cluster) -> None:
    everything = held.manager.stream("job-manager.events-journal", {"full": True, "records": True})
    manager = held.manager
    manager.rpcs["kvs.commit"] = lambda _: (_ for _ in ()).throw(FULL)
    error = await fails(held, flags=4)
    assert (error.errno, error.strerror) == (
        errno.ENOSPC,
        "the job cannot be stored: No space left on device",
    )
    service = manager.service
    lost = service.core.machine.max_jobid
    assert lost
    assert not service.core.machine.jobs
    assert not service.core.machine.embryos
    assert not service.core.machine.queues.waiting
    assert [m.topic for m in manager.sent if m.topic in ("sched.alloc", "job-exec.start")] == []
    with pytest.raises(OSError, match="no more waitable") as nothing:
        await manager.request("job-manager.wait", {"id": -1})
    assert nothing.value.errno == errno.ECHILD
    await held.ingest.until(lambda: not [key for key in held.kvs.values if key.startswith("job.")])
    await manager.request("job-manager.drain")
    manager.rpcs["kvs.commit"] = held.kvs.commit
    after = await held.submit()
    assert after > lost, "the id is not used again"
    await held.until_event(after, "alloc")
    await manager.until(lambda: "alloc" in told(everything, after))
    assert told(everything, lost) == []


async def test_one_job_that_the_store_refuses_leaves_the_others_alone(held: Cluster) -> None:
    gate = Gate(held)
    gate.open.clear()
    first = asyncio.ensure_future(held.submit())
    await held.manager.until(lambda: gate.waiting == 1)
    others = [asyncio.ensure_future(held.submit(urgency=0)) for _ in range(3)]
    await held.manager.until(lambda: len(held.manager.service.core.machine.embryos) == 4)
    victim = sorted(held.manager.service.core.machine.embryos)[2]
    held.kvs.refuses = lambda op: op["key"].startswith(kvs_key(victim))
    gate.open.set()
    ids = [await first, await others[0], await others[2]]
    with pytest.raises(OSError, match="the job cannot be stored: bad key") as failure:
        await others[1]
    assert failure.value.errno == errno.EINVAL
    assert victim not in ids
    for id in ids:
        assert held.names(id).count("submit") == 1
    assert sorted(held.manager.service.core.machine.jobs) == sorted(ids)


async def test_nothing_is_done_about_a_job_before_it_is_stored(held: Cluster) -> None:
    gate = Gate(held)
    gate.open.clear()
    submission = asyncio.ensure_future(held.submit(flags=4))
    await held.manager.until(lambda: gate.waiting == 1)
    id = next(iter(held.manager.service.core.machine.embryos))
    with pytest.raises(OSError, match="unknown job id"):
        await held.manager.request("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    bulk = {
        "dry_run": False,
        "userid": 0,
        "states": 62,
        "severity": 0,
        "type": "cancel",
        "note": "",
    }
    assert (await held.manager.request("job-manager.raiseall", bulk))["count"] == 0
    assert not [m for m in held.manager.sent if m.topic == "sched.alloc"]
    gate.open.set()
    assert await submission == id
    await held.until_event(id, "alloc")


@pytest.mark.parametrize("half_done", [False, True])
async def test_events_wait_for_the_store_and_are_stored_once(
    held: Cluster, half_done: bool
) -> None:
    reader = held.manager.stream("job-manager.events-journal")
    id = await running(held, flags=4)
    waiter = held.manager.submit("job-manager.wait", {"id": id})
    drain = held.manager.submit("job-manager.drain")
    await held.manager.until(lambda: journal(held).idle)
    held.kvs.fail, held.kvs.fails_after_applying = FULL, half_done
    end(held, id)
    await held.manager.until(lambda: not held.manager.service.core.machine.jobs)
    await held.manager.until(lambda: journal(held).commits > 8)
    assert told(reader, id) == LIFE[:5]
    assert not held.manager.replies(waiter)
    assert not held.manager.service.core.inactive
    held.kvs.fail = None
    await held.manager.until(lambda: journal(held).idle)
    assert held.names(id) == LIFE
    assert told(reader, id) == LIFE
    assert held.manager.replies(waiter)[0].json()["success"]
    assert id in held.manager.service.core.inactive
    assert held.manager.replies(drain)[0].errnum == errno.ENOSPC, (
        "who waits for quiet is told why it does not come"
    )
    texts = [entry.text for entry in held.manager.logs if "eventlog commit" in entry.text]
    assert len(texts) == 2, "logged once, and once when it is over"
    assert texts[0].startswith("eventlog commit failed: No space left on device")
    assert texts[1].startswith("eventlog commits work again")


async def test_submissions_are_refused_at_once_while_events_wait(held: Cluster) -> None:
    id = await running(held)
    held.kvs.fail = FULL
    end(held, id)
    await held.manager.until(lambda: journal(held).trouble is not None)
    held.ingest.rpcs["kvs.commit"] = lambda _: {"rootref": "", "rootseq": 0}
    commits = journal(held).backlog
    assert (await fails(held)).errno == errno.ENOSPC
    assert journal(held).backlog <= commits + 2, "nothing of it is kept"
    held.kvs.fail = None
    await held.manager.until(lambda: journal(held).trouble is None and journal(held).idle)
    held.ingest.rpcs["kvs.commit"] = held.kvs.commit
    await held.submit()


async def test_too_many_unsaved_events_stop_what_makes_more(
    held: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "BACKLOG_MAX", 5)
    id, waiting = await running(held), await held.submit(urgency=0)
    held.kvs.fail = FULL
    bad: set[int | None] = set()
    for _ in range(12):
        try:
            await held.manager.request("job-manager.raise", {"id": id, "type": "x", "severity": 3})
        except OSError as exc:
            bad.add(exc.errno)
        await asyncio.sleep(0)
    await held.manager.until(lambda: journal(held).trouble is not None)
    assert bad <= {errno.ENOSPC}
    for topic, payload in (
        ("raise", {"id": id, "type": "x", "severity": 3}),
        ("urgency", {"id": waiting, "urgency": 3}),
        ("annotate", {"id": id, "annotations": {"a": 1}}),
    ):
        with pytest.raises(OSError, match="cannot be stored: No space left on device"):
            await held.manager.request(f"job-manager.{topic}", payload)
    before = held.manager.service.core.machine.jobs[id].exception
    assert before is None
    cancel = held.manager.submit("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    await held.manager.until(lambda: bool(held.manager.replies(cancel)))
    assert held.manager.service.core.machine.jobs[id].exception == ("cancel", "")


async def test_a_stop_with_unsaved_events_fails() -> None:
    cluster = Cluster(lambda _: ServiceHarness.OPEN)
    await cluster.start()
    id = await running(cluster)
    await cluster.manager.until(lambda: journal(cluster).idle)
    cluster.kvs.fail = FULL
    end(cluster, id)
    await cluster.manager.until(lambda: journal(cluster).trouble is not None)
    with pytest.raises(
        OSError, match="4 job events are not stored: No space left on device"
    ) as failure:
        await cluster.manager.service.stop()
    assert failure.value.errno == errno.ENOSPC
    cluster.kvs.fail = None
    await cluster.stop()
    assert cluster.names(id) == LIFE, "a second try finds the store well"


async def test_every_commit_of_events_is_synchronous_when_the_store_survives(
    durable: Cluster,
) -> None:
    id = await running(durable)
    end(durable, id)
    await durable.until_event(id, "clean")
    assert set(durable.kvs.flags) == {FLUX_KVS_SYNC}


async def test_a_job_is_handed_to_execution_after_its_alloc_event_is_stored(
    durable: Cluster,
) -> None:
    id = await durable.submit(urgency=0)
    gate = Gate(durable)
    gate.open.clear()
    urgency = durable.manager.submit("job-manager.urgency", {"id": id, "urgency": 16})
    await durable.manager.until(lambda: durable.manager.service.core.machine.jobs[id].state == 16)
    assert not starts(durable, id)
    assert not durable.manager.replies(urgency), "it is acknowledged when it is safe"
    gate.open.set()
    await durable.manager.until(lambda: bool(starts(durable, id)))
    assert "alloc" in durable.names(id)
    assert durable.manager.replies(urgency)[0].json() == {"old_urgency": 0}
    assert durable.manager.service.stats()["running"] == 1


async def test_a_job_canceled_before_its_alloc_event_is_stored_is_not_started(
    durable: Cluster,
) -> None:
    id = await durable.submit(urgency=0)
    gate = Gate(durable)
    gate.open.clear()
    durable.manager.submit("job-manager.urgency", {"id": id, "urgency": 16})
    await durable.manager.until(lambda: durable.manager.service.core.machine.jobs[id].state == 16)
    durable.manager.submit("job-manager.raise", {"id": id, "type": "cancel", "severity": 0})
    await durable.manager.until(lambda: id not in durable.manager.service.core.machine.jobs)
    gate.open.set()
    await durable.until_event(id, "clean")
    assert durable.names(id)[-4:] == ["alloc", "exception", "free", "clean"]
    assert not starts(durable, id)
    assert durable.manager.service.stats()["running"] == 0


async def test_an_exception_is_told_when_it_is_stored_but_ends_the_tasks_all_the_same(
    durable: Cluster,
) -> None:
    id = await running(durable)
    await durable.manager.until(lambda: journal(durable).idle)
    durable.kvs.fail = FULL
    with pytest.raises(
        OSError, match="done, but not stored yet: No space left on device"
    ) as failure:
        await durable.manager.request(
            "job-manager.raise", {"id": id, "type": "cancel", "severity": 0}
        )
    assert failure.value.errno == errno.ENOSPC
    await durable.manager.until(
        lambda: any(m.topic == "job-exec.abort" for m in durable.manager.sent)
    )
    assert not [m for m in durable.manager.events if m.topic == "job-exception"]
    durable.kvs.fail = None
    await durable.manager.until(
        lambda: any(m.topic == "job-exception" for m in durable.manager.events)
    )
    assert durable.names(id)[-1] == "exception"


async def test_a_plugin_keeps_nothing_of_a_job_that_was_not_stored(held: Cluster) -> None:
    plugins = held.manager.service.core.plugins
    plugin = plugins.plugins[0]
    plugin.add_handler("job.new", lambda p, topic, args: p.job_aux_set(args["id"], "mine", 1))
    held.manager.rpcs["kvs.commit"] = lambda _: (_ for _ in ()).throw(FULL)
    await fails(held)
    assert plugin.job_aux_get(held.manager.service.core.machine.max_jobid, "mine") is None


async def test_a_dependency_on_a_job_that_is_not_stored_is_refused(held: Cluster) -> None:
    gate = Gate(held)
    gate.open.clear()
    first = asyncio.ensure_future(held.submit())
    await held.manager.until(lambda: gate.waiting == 1)
    id = next(iter(held.manager.service.core.machine.embryos))
    with pytest.raises(OSError, match="job not found"):
        await held.submit(jobspec(dependencies=[{"scheme": "afterok", "value": str(id)}]))
    gate.open.set()
    await first


async def test_a_submission_is_answered_after_its_own_commit_whatever_else_waits() -> None:
    """Many events of others fill the batch that is open when a job comes, so that its events go
    into a later one.
    """
    cluster = Cluster(lambda _: ServiceHarness.OPEN)
    await cluster.start()
    ids = [await cluster.submit(urgency=0) for _ in range(2)]
    gate = Gate(cluster)
    gate.open.clear()
    for number in range(600):
        cluster.manager.submit(
            "job-manager.raise", {"id": ids[0], "type": "x", "severity": 5, "note": str(number)}
        )
    await cluster.manager.until(lambda: gate.waiting == 1)
    submission = asyncio.ensure_future(cluster.submit(urgency=0))
    await cluster.manager.until(lambda: bool(cluster.manager.service.core.machine.embryos))
    gate.open.set()
    id = await submission
    assert cluster.names(id) == LIFE[:3]
    await cluster.stop()


async def test_a_submission_is_refused_though_its_commit_holds_events_that_are_tried_again(
    held: Cluster,
) -> None:
    id = await running(held)
    await held.manager.until(lambda: journal(held).idle)
    gate = Gate(held)
    gate.open.clear()
    held.manager.submit("job-manager.raise", {"id": id, "type": "x", "severity": 5})
    await held.manager.until(lambda: gate.waiting == 1)
    end(held, id)
    submission = asyncio.ensure_future(held.submit())
    await held.manager.until(lambda: bool(held.manager.service.core.machine.embryos))
    held.kvs.fail = FULL
    gate.open.set()
    with pytest.raises(OSError, match="cannot be stored: No space left"):
        await submission
    assert journal(held).trouble is not None
    held.kvs.fail = None
    await held.until_event(id, "clean")
