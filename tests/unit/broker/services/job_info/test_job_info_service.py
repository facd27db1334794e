"""The job-info module against a scripted broker."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_info.service import JobInfoService
from broker.testing.harness import ServiceHarness
from flux import eventlog, treeobj
from flux.wire import json

if TYPE_CHECKING:
    from flux.wire.message import Message

ID = 7
DIRECTORY = "job.0000.0000.0000.0007"


def _event(seq: int, name: str, **context: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "eventlog_seq": seq,
        "entry": eventlog.entry(name, context or None, float(seq)),
    }


def _lines(*names: str) -> str:
    return "".join(eventlog.encode(eventlog.entry(name, None, 1.0)) for name in names)


class Scripted:
    """A job-info service whose journal and KVS the test writes."""

    def __init__(self, rank: int = 0) -> None:
        self.values: dict[str, str] = {}
        self.slow = False  # lookups are answered by the test
        rpcs = {
            "job-manager.events-journal": lambda payload: ServiceHarness.OPEN,
            "kvs-watch.lookup": lambda payload: ServiceHarness.OPEN,
            "kvs.lookup": self._lookup,
        }
        self.harness: ServiceHarness[JobInfoService] = ServiceHarness(
            JobInfoService, rank=rank, size=2, rpcs=rpcs
        )

    def _lookup(self, payload: dict[str, Any]) -> Any:
        if self.slow:
            return ServiceHarness.OPEN
        if payload["key"] not in self.values:
            raise OSError(errno.ENOENT, "")
        return {"val": treeobj.val(self.values[payload["key"]].encode())}

    async def start(self) -> None:
        await self.harness.start()
        if self.harness.ctx.rank == 0:
            await self.sent("job-manager.events-journal")

    async def sent(self, topic: str) -> Message:
        """Wait for a request of the service and return the last of that topic."""
        await self.harness.until(lambda: any(msg.topic == topic for msg in self.harness.sent))
        return [msg for msg in self.harness.sent if msg.topic == topic][-1]

    async def post(self, *events: dict[str, Any]) -> None:
        """Have the journal tell of events."""
        self.harness.answer(await self.sent("job-manager.events-journal"), {"events": list(events)})
        log_of = self.harness.service.logs.get

        def arrived() -> bool:
            log = log_of(ID)
            return log is not None and len(log.lines) > events[-1]["eventlog_seq"]

        await self.harness.until(arrived)

    def watch(self, path: str = "eventlog", **how: Any) -> list[Message]:
        return self.harness.stream(
            "job-info.eventlog-watch", {"id": ID, "path": path, "flags": 0}, **how
        )


def _names(replies: list[Message]) -> list[str]:
    return [eventlog.parse(msg.json()["event"])["name"] for msg in replies if not msg.errnum]


async def _running() -> Scripted:
    script = Scripted()
    await script.start()
    await script.post(_event(0, "submit", userid=77), _event(1, "start"))
    return script


async def test_main_eventlog_past_and_future() -> None:
    script = await _running()
    replies = script.watch()
    assert _names(replies) == ["submit", "start"]
    await script.post(_event(2, "finish"), _event(3, "clean"))
    assert _names(replies) == ["submit", "start", "finish", "clean"]
    assert replies[-1].errnum == errno.ENODATA
    assert _names(script.watch()) == ["submit", "start", "finish", "clean"]
    assert script.harness.service.stats()["watchers"] == 0
    await script.harness.stop()


async def test_guest_eventlog_ends_with_done() -> None:
    script = await _running()
    replies = script.watch("guest.exec.eventlog")
    request = await script.sent("kvs-watch.lookup")
    assert request.json() == {"key": "exec.eventlog", "namespace": "job-7", "flags": 268}
    script.harness.answer(request, {"val": treeobj.val(_lines("init", "starting").encode())})
    script.harness.answer(request, {"val": treeobj.val(_lines("complete", "done").encode())})
    assert _names(replies) == ["init", "starting", "complete", "done"]
    assert replies[-1].errnum == errno.ENODATA
    assert (await script.sent("kvs-watch.cancel")).json() == {"matchtag": request.matchtag}
    await script.harness.stop()


async def test_guest_eventlog_is_continued_from_the_moved_copy() -> None:
    script = await _running()
    replies = script.watch("guest.output")
    request = await script.sent("kvs-watch.lookup")
    script.harness.answer(request, {"val": treeobj.val(_lines("header").encode())})
    script.values[f"{DIRECTORY}.guest.output"] = _lines("header", "data", "data")
    script.harness.answer(request, errnum=errno.ENOTSUP)
    await script.harness.until(lambda: replies[-1].errnum != 0)
    assert _names(replies) == ["header", "data", "data"]
    assert replies[-1].errnum == errno.ENODATA
    await script.harness.stop()


@pytest.mark.parametrize("gone", [errno.ENOTSUP, errno.ENOSYS])  # the namespace, or kvs-watch
async def test_guest_eventlog_waits_for_the_move(gone: int) -> None:
    script = await _running()
    replies = script.watch("guest.output")
    script.harness.answer(await script.sent("kvs-watch.lookup"), errnum=gone)
    await script.sent("kvs.lookup")
    script.values[f"{DIRECTORY}.guest.output"] = _lines("header")
    await script.post(_event(2, "clean"))
    await script.harness.until(lambda: bool(replies) and replies[-1].errnum != 0)
    assert _names(replies) == ["header"]
    await script.harness.stop()


async def test_guest_eventlog_moved_while_it_is_looked_for() -> None:
    script = await _running()
    replies = script.watch("guest.output")
    script.slow = True
    script.harness.answer(await script.sent("kvs-watch.lookup"), errnum=errno.ENOTSUP)
    early = await script.sent("kvs.lookup")
    await script.post(_event(2, "clean"))
    script.slow = False
    script.values[f"{DIRECTORY}.guest.output"] = _lines("header", "data")
    script.harness.answer(early, errnum=errno.ENOENT)
    await script.harness.until(lambda: bool(replies) and replies[-1].errnum != 0)
    assert _names(replies) == ["header", "data"]
    assert replies[-1].errnum == errno.ENODATA
    await script.harness.stop()


async def test_guest_eventlog_of_a_job_that_never_ran() -> None:
    script = Scripted()
    await script.start()
    await script.post(_event(0, "submit", userid=0))
    replies = script.watch("guest.exec.eventlog")
    await script.post(_event(1, "exception"), _event(2, "clean"))
    await script.harness.until(lambda: bool(replies))
    assert [msg.errnum for msg in replies] == [errno.ENODATA]
    assert not any(msg.topic == "kvs-watch.lookup" for msg in script.harness.sent)
    await script.harness.stop()


async def test_a_job_of_an_earlier_run_is_read_from_the_kvs() -> None:
    script = Scripted()
    await script.start()
    submit = eventlog.encode(eventlog.entry("submit", {"userid": 77}, 1.0))
    script.values[f"{DIRECTORY}.eventlog"] = submit + _lines("start", "clean")
    script.values[f"{DIRECTORY}.guest.output"] = _lines("header")
    assert [
        eventlog.parse(item["event"])["name"]
        for item in await script.harness.finish(script.watch())
    ] == [
        "submit",
        "start",
        "clean",
    ]
    assert len(await script.harness.finish(script.watch("guest.output", userid=77))) == 1
    assert script.harness.service.stats()["eventlogs"] == 0
    await script.harness.stop()


@pytest.mark.parametrize(
    ("payload", "userid", "errnum"),
    [
        ({"id": 12345, "path": "eventlog", "flags": 0}, 0, errno.ENOENT),
        ({"id": 12345, "path": "guest.output", "flags": 0}, 0, errno.ENOENT),
        ({"id": ID, "path": "jobspec", "flags": 0}, 0, errno.ENOENT),
        ({"id": ID, "path": "eventlog", "flags": 0}, 78, errno.EPERM),
        ({"id": ID, "path": "eventlog", "flags": 0, "userid": 77}, 78, errno.EPERM),
        ({"id": "x", "path": "eventlog"}, 0, errno.EPROTO),
        ({"id": ID}, 0, errno.EPROTO),
    ],
)
async def test_watch_errors(payload: dict[str, Any], userid: int, errnum: int) -> None:
    script = await _running()
    with pytest.raises(OSError, match=rf"\[Errno {errnum}\]"):
        await script.harness.finish(
            script.harness.stream("job-info.eventlog-watch", payload, userid=userid)
        )
    assert script.harness.service.stats()["watchers"] == 0
    await script.harness.stop()


async def test_cancel_and_disconnect_leave_nothing() -> None:
    script = await _running()
    first, second = script.watch(sender="a"), script.watch("guest.output", sender="b")
    await script.sent("kvs-watch.lookup")
    assert script.harness.service.stats()["watchers"] == 2
    script.harness.submit(
        "job-info.eventlog-watch-cancel", {"matchtag": script.harness._tag - 1}, sender="a", flags=4
    )
    assert first[-1].errnum == errno.ENODATA
    script.harness.disconnect("b")
    await script.sent("kvs-watch.cancel")
    assert second == []
    stats = script.harness.service.stats()
    assert (stats["watchers"], stats["listeners"]) == (0, 0)
    await script.harness.stop()


async def test_cancel_before_the_watch_began() -> None:
    script = Scripted()
    await script.start()
    script.values[f"{DIRECTORY}.eventlog"] = eventlog.encode(
        eventlog.entry("submit", {"userid": 0}, 1.0)
    )
    replies = script.watch()
    script.harness.submit(
        "job-info.eventlog-watch-cancel", {"matchtag": script.harness._tag}, flags=4
    )
    assert await script.harness.finish(replies) == []
    await script.sent("kvs.lookup")
    await script.harness.until(lambda: len(script.harness.ctx.tasks) == 1)
    assert script.harness.service.stats()["watchers"] == 0
    await script.harness.stop()


async def test_lookup() -> None:
    script = await _running()
    script.values[f"{DIRECTORY}.jobspec"] = '{"version": 1}'
    answer = await script.harness.request(
        "job-info.lookup", {"id": ID, "keys": ["jobspec", "eventlog"], "flags": 0}
    )
    assert json.loads(answer["jobspec"]) == {"version": 1}
    assert len(answer["eventlog"].splitlines()) == 2
    for payload, userid, errnum in (
        ({"id": ID, "keys": ["nosuch"], "flags": 0}, 0, errno.ENOENT),
        ({"id": ID, "keys": ["jobspec"], "flags": 0}, 78, errno.EPERM),
        ({"id": 12345, "keys": ["eventlog"], "flags": 0}, 78, errno.ENOENT),
        ({"id": ID, "keys": [3], "flags": 0}, 0, errno.EPROTO),
    ):
        with pytest.raises(OSError, match=rf"\[Errno {errnum}\]"):
            await script.harness.request("job-info.lookup", payload, userid=userid)
    await script.harness.stop()


async def test_an_eventlog_has_what_others_appended_to_it() -> None:
    script = await _running()
    asked = {"id": ID, "keys": ["eventlog"], "flags": 0}
    told = (await script.harness.request("job-info.lookup", asked))["eventlog"]
    mine = '{"timestamp":1.0,"name":"mine"}\n'
    script.values[f"{DIRECTORY}.eventlog"] = told + mine
    assert (await script.harness.request("job-info.lookup", asked))["eventlog"] == told + mine
    await script.harness.stop()


async def test_resources_come_from_the_journal() -> None:
    script = await _running()
    await script.post({**_event(2, "alloc"), "R": {"version": 1}})
    answer = await script.harness.request(
        "job-info.lookup", {"id": ID, "keys": ["R"], "flags": 0}, userid=77
    )
    assert answer == {"R": '{"version":1}'}
    await script.harness.stop()


async def test_other_ranks_ask_rank_0_for_their_clients() -> None:
    script = Scripted(rank=1)
    await script.start()
    script.harness.rpcs["job-info.eventlog-watch"] = lambda payload: ServiceHarness.OPEN
    replies = script.watch(userid=77)
    request = await script.sent("job-info.eventlog-watch")
    assert (request.nodeid, request.json()["userid"]) == (0, 77)
    script.harness.answer(request, {"event": _lines("submit")})
    assert _names(replies) == ["submit"]
    script.harness.submit(
        "job-info.eventlog-watch-cancel", {"matchtag": script.harness._tag}, userid=77, flags=4
    )
    assert replies[-1].errnum == errno.ENODATA
    assert (await script.sent("job-info.eventlog-watch-cancel")).json() == {
        "matchtag": request.matchtag
    }
    script.harness.rpcs["job-info.lookup"] = lambda payload: payload
    answer = await script.harness.request(
        "job-info.lookup", {"id": ID, "keys": ["R"], "flags": 0, "userid": 5}
    )
    assert "userid" not in answer
    await script.harness.stop()


# Updates

DURATION = "attributes.system.duration"
STORED_R = {"version": 1, "execution": {"expiration": 10.0}}
STORED_JOBSPEC = {"version": 1, "attributes": {"system": {"duration": 5}}}


async def _updated(*, at_hand: bool = True, told: bool = True) -> Scripted:
    """A job with one update of its jobspec and one of its R; its log is with the service or only
    in the store.
    """
    script = Scripted()
    await script.start()
    script.values[f"{DIRECTORY}.jobspec"] = json.dumps_str(STORED_JOBSPEC)
    script.values[f"{DIRECTORY}.R"] = json.dumps_str(STORED_R)
    events = [
        _event(0, "submit", userid=77),
        _event(1, "alloc") | ({"R": STORED_R} if told else {}),
        _event(2, "start"),
        _event(3, "jobspec-update", **{DURATION: 6}),
        _event(4, "resource-update", expiration=11.0),
    ]
    if at_hand:
        await script.post(*events)
    else:
        text = "".join(eventlog.encode(event["entry"]) for event in events)
        script.values[f"{DIRECTORY}.eventlog"] = text + _lines("clean")
    return script


def _found(answer: dict[str, Any]) -> tuple[Any, Any]:
    values = {
        key: json.loads(value) if isinstance(value, str) else value for key, value in answer.items()
    }
    jobspec, resources = values["jobspec"], values["R"]
    return jobspec["attributes"]["system"]["duration"], resources["execution"]["expiration"]


@pytest.mark.parametrize("at_hand", [True, False])
@pytest.mark.parametrize("told", [True, False])
async def test_what_holds_now_and_what_is_stored(at_hand: bool, told: bool) -> None:
    script = await _updated(at_hand=at_hand, told=told)
    for flags, kind, values in (
        (0, str, (5, 10)),
        (1, dict, (5, 10)),
        (2, str, (6, 11)),
        (3, dict, (6, 11)),
    ):
        asked: dict[str, Any] = {"id": ID, "keys": ["jobspec", "R"], "flags": flags}
        answer = await script.harness.request("job-info.lookup", asked)
        assert {type(answer[key]) for key in asked["keys"]} == {kind}
        assert _found(answer) == values
    answer = await script.harness.request("job-info.update-lookup", {"id": ID, "key": "R"})
    assert answer == {"id": ID, "R": {"version": 1, "execution": {"expiration": 11.0}}}
    await script.harness.stop()


async def test_what_was_never_updated_is_told_as_it_is_stored() -> None:
    script = await _running()
    script.values[f"{DIRECTORY}.jobspec"] = text = '{ "version" : 1 }'
    asked = {"id": ID, "keys": ["jobspec"], "flags": 2}
    assert await script.harness.request("job-info.lookup", asked) == {"id": ID, "jobspec": text}
    await script.harness.stop()


async def test_a_watch_of_updates() -> None:
    script = await _updated()
    watches = {
        key: script.harness.stream("job-info.update-watch", {"id": ID, "key": key, "flags": 0})
        for key in ("jobspec", "R")
    }
    await script.harness.until(lambda: all(watches.values()))
    more = _event(6, "resource-update", expiration=12.0)
    await script.post(_event(5, "jobspec-update", **{DURATION: 7}), more, _event(7, "memo"))
    await script.post(_event(8, "clean"))
    told = [msg.json()["jobspec"]["attributes"]["system"] for msg in watches["jobspec"][:-1]]
    assert told == [{"duration": 6}, {"duration": 7}]
    ends = [msg.json()["R"]["execution"]["expiration"] for msg in watches["R"][:-1]]
    assert ends == [11.0, 12.0]
    assert {replies[-1].errnum for replies in watches.values()} == {errno.ENODATA}
    await script.harness.stop()


async def test_a_watch_of_updates_ends_when_it_is_cancelled() -> None:
    script = await _updated()
    replies = script.harness.stream("job-info.update-watch", {"id": ID, "key": "R"})
    await script.harness.until(lambda: bool(replies))
    tag = replies[0].matchtag
    script.harness.submit("job-info.update-watch-cancel", {"matchtag": tag}, flags=4)
    await script.harness.until(lambda: replies[-1].errnum == errno.ENODATA)
    assert script.harness.service.stats()["watchers"] == 0
    await script.harness.stop()


@pytest.mark.parametrize(
    ("topic", "payload", "userid", "errnum"),
    [
        ("lookup", {"keys": ["R"], "flags": 4}, 0, errno.EPROTO),
        ("lookup", {"keys": ["R"], "flags": 2}, 78, errno.EPERM),
        ("update-lookup", {"key": "jobspec"}, 0, errno.EINVAL),
        ("update-lookup", {"key": "R"}, 78, errno.EPERM),
        ("update-watch", {"key": "eventlog"}, 0, errno.EINVAL),
        ("update-watch", {"key": "R", "flags": 1}, 0, errno.EPROTO),
        ("update-watch", {"key": "R"}, 78, errno.EPERM),
        ("update-watch", {"key": "R", "id": 12345}, 0, errno.ENOENT),
        ("update-watch", {}, 0, errno.EPROTO),
    ],
)
async def test_refused_questions_about_updates(
    topic: str, payload: dict[str, Any], userid: int, errnum: int
) -> None:
    script = await _updated()
    asked = {"id": ID, **payload}
    if topic == "update-watch":
        replies = script.harness.stream(f"job-info.{topic}", asked, userid=userid)
        await script.harness.until(lambda: bool(replies))
        assert replies[-1].errnum == errnum
    else:
        with pytest.raises(OSError, match=rf"\[Errno {errnum}\]"):
            await script.harness.request(f"job-info.{topic}", asked, userid=userid)
    await script.harness.stop()


async def test_a_stored_object_that_is_none() -> None:
    script = await _updated()
    script.values[f"{DIRECTORY}.jobspec"] = "[1"
    asked = {"id": ID, "keys": ["jobspec"], "flags": 2}
    with pytest.raises(OSError, match="malformed jobspec"):
        await script.harness.request("job-info.lookup", asked)
    await script.harness.stop()
