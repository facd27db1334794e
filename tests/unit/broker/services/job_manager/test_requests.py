"""Requests to the job manager: errors, permissions, administration, waiting, the journal."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.testing.harness import ServiceHarness
from flux.wire.message import STREAMING

from .cluster import Cluster, jobspec, submission

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GUEST = 1000


@pytest.fixture
async def held() -> AsyncIterator[Cluster]:
    """A cluster whose jobs start and then run until told to end."""
    cluster = Cluster(lambda _: ServiceHarness.OPEN)
    await cluster.start()
    yield cluster
    await cluster.stop()


def execution(cluster: Cluster, id: int) -> Any:
    return next(
        m for m in cluster.manager.sent if m.topic == "job-exec.start" and m.json()["id"] == id
    )


async def running(cluster: Cluster, **how: Any) -> int:
    id = await cluster.submit(**how)
    await cluster.until_event(id, "alloc")
    await cluster.manager.until(
        lambda: any(
            m.topic == "job-exec.start" and m.json()["id"] == id for m in cluster.manager.sent
        )
    )
    cluster.manager.answer(execution(cluster, id), {"id": id, "type": "start", "data": {}})
    await cluster.until_event(id, "start")
    return id


def end(cluster: Cluster, id: int, status: int = 0) -> None:
    message = execution(cluster, id)
    cluster.manager.answer(message, {"id": id, "type": "finish", "data": {"status": status}})
    cluster.manager.answer(
        message, {"id": id, "type": "release", "data": {"ranks": "all", "final": True}}
    )
    cluster.manager.answer(message, errnum=errno.ENODATA)


async def refused(
    cluster: Cluster, topic: str, payload: dict[str, Any], **how: Any
) -> tuple[int | None, str | None]:
    with pytest.raises(OSError, match=r".") as failure:
        await cluster.manager.request(f"job-manager.{topic}", payload, **how)
    return failure.value.errno, failure.value.strerror


async def test_raise(held: Cluster) -> None:
    id = await running(held)
    note = {"id": id, "type": "foo", "severity": 7, "note": "note here"}
    assert await held.manager.request("job-manager.raise", note) == {}
    await held.manager.request("job-manager.raise", {"id": id, "type": "bar", "severity": 0})
    await held.manager.until(lambda: held.names(id).count("exception") == 2)
    contexts = [entry["context"] for entry in held.eventlog(id) if entry["name"] == "exception"]
    assert contexts == [
        {"type": "foo", "severity": 7, "userid": 0, "note": "note here"},
        {"type": "bar", "severity": 0, "userid": 0, "note": ""},
    ]
    events = [(m.topic, m.json()) for m in held.manager.events]
    assert ("job-exception", {"id": id, "type": "bar", "severity": 0}) in events
    end(held, id, 36608)
    await held.until_event(id, "clean")
    assert held.names(id)[-4:] == ["finish", "release", "free", "clean"]
    assert await refused(held, "raise", note) == (errno.ENOENT, "unknown job id")


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        (
            "raise",
            {"id": 1234, "type": "cancel", "severity": 9},
            (errno.EPROTO, "invalid exception severity"),
        ),
        (
            "raise",
            {"id": 1234, "type": "a b", "severity": 0},
            (errno.EPROTO, "invalid exception type"),
        ),
        ("raise", {"id": 1234, "type": "cancel", "severity": 0}, (errno.ENOENT, "unknown job id")),
        ("kill", {"id": 1234, "signum": 15}, (errno.EINVAL, "unknown job id")),
        ("kill", {"id": 1234, "signum": 999}, (errno.EINVAL, "Invalid signal number")),
        ("urgency", {"id": 1234, "urgency": 99}, (errno.EINVAL, "urgency value is out of range")),
        ("urgency", {"id": 1234, "urgency": 5}, (errno.EINVAL, "unknown job")),
        ("annotate", {"id": 1234, "annotations": {}}, (errno.ENOENT, "unknown job id")),
        (
            "wait",
            {"id": 1234},
            (errno.ECHILD, "invalid job id, or job may be inactive and not waitable"),
        ),
        ("wait", {"id": -1}, (errno.ECHILD, "there are no more waitable jobs")),
        ("jobtap", {"load": "nosuch.so"}, (errno.ENOENT, "nosuch.so: No such plugin found")),
        ("jobtap", {"remove": "nosuch"}, (errno.ENOENT, "Failed to find plugin to remove")),
        ("jobtap", {"load": ".begin-time"}, (errno.EEXIST, ".begin-time is already loaded")),
        ("jobtap", {}, (errno.EPROTO, "Protocol error")),
        ("sched-ready", {"mode": "x"}, (errno.EPROTO, "unknown scheduler mode x")),
        (
            "sched-ready",
            {"mode": "limited", "limit": 0},
            (errno.EPROTO, "limited mode needs a positive limit"),
        ),
    ],
)
async def test_errors(
    held: Cluster, topic: str, payload: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert await refused(held, topic, payload) == expected


async def test_guests_touch_only_their_own_jobs(held: Cluster) -> None:
    mine, theirs = await running(held, userid=GUEST), await running(held)
    for topic, more in (
        ("raise", {"type": "x", "severity": 5}),
        ("kill", {"signum": 15}),
        ("annotate", {"annotations": {}}),
    ):
        assert (
            await held.manager.request(f"job-manager.{topic}", {"id": mine, **more}, userid=GUEST)
            == {}
        )
        errnum, text = await refused(held, topic, {"id": theirs, **more}, userid=GUEST)
        assert errnum == errno.EPERM
        assert text is not None
        assert "their own jobs" in text
    assert (await refused(held, "raiseall", bulk(userid=-1), userid=GUEST))[0] == errno.EPERM
    for topic in ("submit", "wait", "drain", "idle", "sched-hello", "exec-hello", "jobtap"):
        assert (await refused(held, topic, {}, userid=GUEST))[0] == errno.EPERM
    change = {"query_only": False, "enable": False, "reason": ""}
    for topic in ("submit-admin", "alloc-admin"):
        assert (await refused(held, topic, change, userid=GUEST))[0] == errno.EPERM
        assert (
            await held.manager.request(
                f"job-manager.{topic}", {**change, "query_only": True}, userid=GUEST
            )
        )["enable"]


def bulk(**more: Any) -> dict[str, Any]:
    return {
        "dry_run": False,
        "userid": 0,
        "states": 62,
        "severity": 0,
        "type": "cancel",
        "note": "",
        **more,
    }


async def test_raiseall_and_killall(held: Cluster) -> None:
    first, waiting = await running(held), await held.submit(urgency=0)
    await running(held, userid=GUEST)
    assert await held.manager.request("job-manager.raiseall", bulk(dry_run=True)) == {
        "count": 2,
        "errors": 0,
    }
    assert (await held.manager.request("job-manager.raiseall", bulk(dry_run=True, userid=-1)))[
        "count"
    ] == 3
    assert (await held.manager.request("job-manager.raiseall", bulk(dry_run=True, states=14)))[
        "count"
    ] == 1
    kill = {"dry_run": False, "userid": 0, "signum": 15}
    assert await held.manager.request("job-manager.killall", kill) == {"count": 1, "errors": 0}
    await held.manager.until(
        lambda: any(m.topic == f"shell-{first}.kill" for m in held.manager.events)
    )
    assert (await held.manager.request("job-manager.raiseall", bulk()))["count"] == 2
    await held.until_event(waiting, "clean")
    await held.until_event(first, "exception")
    assert (await held.manager.request("job-manager.raiseall", bulk()))["count"] == 1, (
        "it is in CLEANUP"
    )


async def test_kill_needs_a_running_job(held: Cluster) -> None:
    id = await held.submit(urgency=0)
    assert await refused(held, "kill", {"id": id, "signum": 9}) == (
        errno.EINVAL,
        "job is not running",
    )


async def test_urgency(held: Cluster) -> None:
    id = await held.submit(urgency=0)
    assert await held.manager.request("job-manager.urgency", {"id": id, "urgency": 20}) == {
        "old_urgency": 0
    }
    await held.until_event(id, "alloc")
    assert held.names(id) == ["submit", "depend", "priority", "urgency", "priority", "alloc"]
    text = "urgency cannot be changed once resources are allocated"
    assert await refused(held, "urgency", {"id": id, "urgency": 31}) == (errno.EINVAL, text)
    guests = await held.submit(urgency=0, userid=GUEST)
    assert (await refused(held, "urgency", {"id": guests, "urgency": 17}, userid=GUEST))[
        0
    ] == errno.EPERM
    assert (
        await held.manager.request(
            "job-manager.urgency", {"id": guests, "urgency": 16}, userid=GUEST
        )
    ) == {"old_urgency": 0}


async def test_wait(held: Cluster) -> None:
    plain = await running(held)
    assert await refused(held, "wait", {"id": plain}) == (
        errno.ECHILD,
        "job was not submitted with FLUX_JOB_WAITABLE",
    )
    id = await running(held, flags=4)
    tag = held.manager.submit("job-manager.wait", {"id": id})
    assert not held.manager.replies(tag)
    end(held, id, 256)
    await held.manager.until(lambda: bool(held.manager.replies(tag)))
    answer = {"id": id, "success": False, "errstr": "task(s) exited with exit code 1"}
    assert held.manager.replies(tag)[0].json() == answer
    assert held.names(id)[-1] == "clean", "who is told finds the eventlog complete"


async def test_disabled_submission(held: Cluster) -> None:
    disable = {"query_only": False, "enable": False, "reason": "testing things"}
    assert await held.manager.request("job-manager.submit-admin", disable) == {
        "enable": False,
        "reason": "testing things",
    }
    with pytest.raises(OSError, match="job submission is disabled: testing things") as failure:
        await held.submit()
    assert failure.value.errno == errno.EINVAL
    await held.ingest.until(lambda: not [key for key in held.kvs.values if key.startswith("job.")])
    enable = {"query_only": False, "enable": True, "reason": ""}
    assert await held.manager.request("job-manager.submit-admin", enable) == {
        "enable": True,
        "reason": "",
    }
    assert await held.submit()


async def test_stopped_queue(held: Cluster) -> None:
    admin = {"query_only": False, "enable": False, "reason": "maint"}
    answer = await held.manager.request("job-manager.alloc-admin", admin)
    counts = {"queue_length": 0, "alloc_pending": 0, "free_pending": 0, "running": 0}
    assert answer == {"enable": False, "reason": "maint", **counts}
    id = await held.submit()
    query = await held.manager.request("job-manager.alloc-admin", {**admin, "query_only": True})
    assert query["queue_length"] == 1
    answer = await held.manager.request("job-manager.alloc-admin", {**admin, "enable": True})
    assert answer == {"enable": True, "reason": "", **counts, "queue_length": 1}
    await held.until_event(id, "alloc")


async def test_drain_and_idle(held: Cluster) -> None:
    assert await held.manager.request("job-manager.drain") == {}
    assert await held.manager.request("job-manager.idle") == {"pending": 0}
    id, waiting = await running(held), await held.submit(urgency=0)
    idle, drain = held.manager.submit("job-manager.idle"), held.manager.submit("job-manager.drain")
    end(held, id)
    await held.manager.until(lambda: bool(held.manager.replies(idle)))
    assert held.manager.replies(idle)[0].json() == {"pending": 1}
    assert not held.manager.replies(drain)
    await held.manager.request(
        "job-manager.raise", {"id": waiting, "type": "cancel", "severity": 0}
    )
    await held.manager.until(lambda: bool(held.manager.replies(drain)))
    assert held.manager.replies(drain)[0].errnum == 0


async def test_annotations_reach_the_journal(held: Cluster) -> None:
    id = await held.submit(urgency=0)
    replies = held.manager.stream("job-manager.events-journal", {"allow": {"annotations": 1}})
    await held.manager.request(
        "job-manager.annotate", {"id": id, "annotations": {"user": {"k": "v"}}}
    )
    await held.manager.until(lambda: len(replies) == 2)
    (event,) = replies[1].json()["events"]
    assert (event["id"], event["eventlog_seq"]) == (id, -1)
    assert event["entry"]["context"] == {"annotations": {"user": {"k": "v"}}}


async def test_a_memo_is_kept_in_the_eventlog_unless_it_is_volatile(held: Cluster) -> None:
    id = await held.submit(urgency=0)
    replies = held.manager.stream("job-manager.events-journal", {"deny": {"submit": 1}})
    for memo, volatile in (({"a": "b", "c": 1}, False), ({"v": 2}, True), ({"c": None}, False)):
        payload = {"id": id, "volatile": volatile, "memo": memo}
        assert await held.manager.request("job-manager.memo", payload) == {}
    await held.until_event(id, "memo")
    kept = [entry["context"] for entry in held.eventlog(id) if entry["name"] == "memo"]
    assert kept == [{"a": "b", "c": 1}, {"c": None}]
    (job,) = (await held.manager.request("job-manager.list", {"max_entries": 0}))["jobs"]
    assert job["annotations"] == {"user": {"a": "b", "v": 2}}
    assert ("annotations", -1) in [(name, seq) for _, seq, name in told(replies)]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"id": 1234, "memo": {}}, (errno.ENOENT, "unknown job id")),
        ({"id": 1234, "volatile": False}, (errno.EPROTO, "Protocol error")),
        ({"id": 1234, "memo": 3}, (errno.EPROTO, "Protocol error")),
        ({"id": 1234, "memo": {"x": "y" * (1 << 16)}}, (errno.EINVAL, "a memo takes at most")),
    ],
)
async def test_memos_that_are_refused(
    held: Cluster, payload: dict[str, Any], expected: tuple[int, str]
) -> None:
    errnum, text = await refused(held, "memo", payload)
    assert errnum == expected[0]
    assert (text or "").startswith(expected[1])


@pytest.mark.parametrize("key", ["allow", "deny"])
async def test_filters_of_the_journal_are_objects(held: Cluster, key: str) -> None:
    (reply,) = held.manager.stream("job-manager.events-journal", {key: 3})
    assert (reply.errnum, reply.text()) == (
        errno.EPROTO,
        f"job-manager.events {key} should be an object",
    )


async def test_a_memo_is_for_a_jobs_owner(held: Cluster) -> None:
    id = await held.submit(urgency=0)
    answer = await refused(held, "memo", {"id": id, "memo": {"a": 1}}, userid=GUEST)
    assert answer == (errno.EPERM, "guests can only add a memo to their own jobs")


def told(replies: list[Any]) -> list[tuple[int, int, str]]:
    return [
        (event["id"], event["eventlog_seq"], event["entry"]["name"])
        for message in replies
        if not message.errnum
        for event in message.json()["events"]
    ]


async def test_journal_catches_up_and_follows(held: Cluster) -> None:
    over = await running(held)
    end(held, over)
    await held.until_event(over, "clean")
    id = await running(held)
    live = held.manager.stream("job-manager.events-journal", {"full": False, "together": True})
    full = held.manager.stream("job-manager.events-journal", {"full": True, "together": True})
    denied = held.manager.stream(
        "job-manager.events-journal",
        {"deny": {"submit": 1, "depend": 1, "priority": 1}, "full": False},
    )
    await held.manager.until(lambda: all((live, full, denied)))
    end(held, id)
    names = ["submit", "depend", "priority", "alloc", "start", "finish", "release", "free", "clean"]
    expected = [(id, seq, name) for seq, name in enumerate(names)]
    await held.manager.until(lambda: len(told(live)) == len(names))
    assert told(live) == expected
    await held.manager.until(lambda: len(told(full)) == 2 * len(names))
    assert sorted(told(full)) == sorted(
        [(over, seq, name) for seq, name in enumerate(names)] + expected
    )
    assert told(denied) == expected[3:]
    extras = {
        event["entry"]["name"]: event for message in full for event in message.json()["events"]
    }
    assert extras["submit"]["jobspec"]["tasks"][0]["command"] == ["true"]
    assert "environment" not in extras["submit"]["jobspec"]["attributes"]["system"]
    assert extras["alloc"]["R"]["execution"]["R_lite"] == [{"rank": "0", "children": {"core": "0"}}]


async def test_a_reader_of_old_is_told_what_ended_lately(held: Cluster) -> None:
    over = await running(held)
    note = {"id": over, "annotations": {"user": {"k": "v"}}}
    await held.manager.request("job-manager.annotate", note)
    end(held, over)
    await held.until_event(over, "clean")
    id = await running(held)
    await held.manager.request("job-manager.annotate", {**note, "id": id})
    replies = held.manager.stream("job-manager.events-journal", {})
    names = ["submit", "depend", "priority", "alloc", "start"]
    ending = ["finish", "release", "free", "clean"]
    expected = [(over, seq, name) for seq, name in enumerate(names + ending)]
    expected += [(id, seq, name) for seq, name in enumerate(names)]
    expected.append((id, -1, "annotations"))
    await held.manager.until(lambda: len(told(replies)) == len(expected) + 1)
    found = told(replies)
    found.remove((over, -1, "annotations"))  # somewhere among the others
    assert found == expected
    allowed = held.manager.stream("job-manager.events-journal", {"allow": {"clean": 1}})
    await held.manager.until(lambda: told(allowed) == [(over, 8, "clean")])
    await held.manager.request("job-manager.purge-id", {"id": over, "force": True})
    after = held.manager.stream("job-manager.events-journal", {})
    await held.manager.until(lambda: bool(told(after)))
    assert {event[0] for event in told(after)} == {id}


async def test_so_many_events_are_recent(held: Cluster) -> None:
    recent = held.manager.service.core.journal.recent
    assert recent.maxlen == 1000
    for _ in range(120):
        id = await running(held)
        end(held, id)
        await held.until_event(id, "clean")
    assert len(recent) == 1000
    assert [event.entry["name"] for event in recent][-1] == "clean"


async def test_journal_stream_is_canceled(held: Cluster) -> None:
    tag = held.manager.submit("job-manager.events-journal", {}, flags=STREAMING)
    replies = held.manager.replies(tag)
    held.manager.submit("job-manager.events-journal-cancel", {"matchtag": tag})
    await held.manager.until(lambda: replies[-1].errnum == errno.ENODATA)
    held.manager.stream("job-manager.events-journal", {}, sender="gone")
    held.manager.disconnect("gone")
    assert held.manager.service.stats()["journal"]["listeners"] == 0


async def test_execution_service_that_fails(held: Cluster) -> None:
    id = await running(held)
    held.manager.answer(execution(held, id), "it fell over", errnum=errno.EIO)
    exception = await held.until_event(id, "exception")
    await held.until_event(id, "clean")
    assert exception["context"] == {
        "type": "exec",
        "severity": 0,
        "userid": -1,
        "note": "it fell over",
    }


async def test_timeout_reported_by_execution(held: Cluster) -> None:
    id = await running(held, spec=jobspec(duration=1))
    note = {"type": "timeout", "severity": 0, "note": "resource allocation expired"}
    held.manager.answer(execution(held, id), {"id": id, "type": "exception", "data": note})
    end(held, id, 36352)
    await held.until_event(id, "clean")
    exception = await held.until_event(id, "exception")
    assert exception["context"] == {
        "type": "timeout",
        "severity": 0,
        "userid": -1,
        "note": note["note"],
    }


async def test_waiters_of_a_client_that_left(held: Cluster) -> None:
    id = await running(held, flags=4)
    held.manager.submit("job-manager.wait", {"id": id}, sender="gone")
    held.manager.disconnect("gone")
    end(held, id)
    await held.until_event(id, "clean")
    assert (await held.manager.request("job-manager.wait", {"id": id}))["success"]


async def test_queries() -> None:
    cluster = Cluster()
    await cluster.start()
    id = await cluster.submit()
    assert await cluster.manager.request("job-manager.getinfo") == {"max_jobid": id}
    names = [".priority-default", ".dependency-after", ".begin-time"]
    assert await cluster.manager.request("job-manager.jobtap", {"query_only": True}) == {
        "plugins": names
    }
    assert await cluster.manager.request("job-manager.jobtap-query", {"name": names[0]}) == {
        "name": names[0],
        "path": "builtin",
    }
    await cluster.manager.request("job-manager.jobtap", {"remove": ".priority-default"})
    with pytest.raises(FileNotFoundError, match=f"{names[0]}: plugin not found"):
        await cluster.manager.request("job-manager.jobtap-query", {"name": names[0]})
    assert (await cluster.manager.request("job-manager.jobtap", {"query_only": True}))[
        "plugins"
    ] == names[1:]
    stuck = await cluster.submit()
    assert cluster.manager.service.core.machine.jobs[stuck].priority == -1
    await cluster.manager.request("job-manager.jobtap", {"load": ".priority-default"})
    await cluster.until_event(stuck, "clean")
    await cluster.stop()


GOOD = submission(1 << 24, jobspec(), urgency=16)


@pytest.mark.parametrize("jobs", [None, [{}], [None], ["x"], [GOOD, {"id": "7"}], [{"id": True}]])
async def test_submissions_without_an_id(held: Cluster, jobs: Any) -> None:
    with pytest.raises(OSError, match=r".") as failure:
        await held.manager.request("job-manager.submit", {"jobs": jobs})
    assert failure.value.errno == errno.EPROTO
    assert "internal" not in (failure.value.strerror or "")
    assert not held.manager.service.core.machine.jobs


@pytest.mark.parametrize(
    "wrong",
    [
        {"userid": None},
        {"urgency": "x"},
        {"t_submit": []},
        {"id": -7},
        {"J": "x"},
        {"J": "x.!.none"},
        {"jobspec": []},
        {"jobspec": {"attributes": [1]}},
        {"jobspec": {"attributes": {"system": "x"}}},
        {"jobspec": {"attributes": {"system": {"dependencies": [7]}}}},
        {"jobspec": {"attributes": {"system": {"dependencies": "after"}}}},
    ],
)
async def test_a_malformed_submission_fails_alone(held: Cluster, wrong: dict[str, Any]) -> None:
    bad = {**GOOD, "id": 2 << 24, **wrong}
    answer = await held.manager.request("job-manager.submit", {"jobs": [bad, GOOD]})
    ((id, errnum, text),) = answer["errors"]
    assert id == bad["id"]
    assert errnum in (errno.EPROTO, errno.EINVAL)
    assert text
    assert list(held.manager.service.core.machine.jobs) == [GOOD["id"]]


async def test_a_plugin_that_breaks_on_a_job_does_not_leave_half_of_it(
    held: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_job: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(held.manager.service.core.plugins, "introduce", broken)
    answer = await held.manager.request("job-manager.submit", {"jobs": [GOOD]})
    assert answer["errors"] == [[GOOD["id"], errno.EINVAL, "the job cannot be taken in"]]
    machine = held.manager.service.core.machine
    assert not machine.jobs
    assert not machine.embryos
    monkeypatch.undo()
    assert await held.submit()


async def test_a_note_that_would_bloat_the_eventlog(held: Cluster) -> None:
    id = await running(held)
    for topic, more in (
        ("raise", {"id": id}),
        ("raiseall", {"dry_run": True, "userid": 0, "states": 62}),
    ):
        payload = {"type": "x", "severity": 5, "note": "n" * 16385, **more}
        assert (await refused(held, topic, payload))[0] == errno.E2BIG


NOTHING = {"id": -1, "events": [], "active": True, "replayed": True}


async def test_clients_of_today_are_told_of_one_job_at_a_time(held: Cluster) -> None:
    over = await running(held)
    end(held, over)
    await held.until_event(over, "clean")
    id = await running(held)
    replies = held.manager.stream("job-manager.events-journal", {"full": True})
    await held.manager.until(lambda: bool(replies) and replies[-1].json() == NOTHING)
    past = [msg.json() for msg in replies]
    assert [answer["id"] for answer in past] == [id, over, -1]
    assert [entry["name"] for entry in past[1]["events"]][-1] == "clean"
    assert [past[0]["events"][0]["name"], past[0]["jobspec"]["version"]] == ["submit", 1]
    assert past[1]["R"]["version"] == 1
    end(held, id)
    await held.until_event(id, "clean")
    await held.manager.until(lambda: replies[-1].json()["events"][-1:] != [])
    new = [msg.json() for msg in replies[3:]]
    assert {answer["id"] for answer in new} == {id}
    names = [entry["name"] for answer in new for entry in answer["events"]]
    assert names == ["finish", "release", "free", "clean"]
    (first,) = held.manager.stream("job-manager.events-journal", {"full": False})
    assert first.json() == NOTHING
