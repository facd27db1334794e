"""The job-list module against a scripted job manager."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.configuration import from_tables
from broker.services.job_list.service import PAGE_JOBS, JobListService
from broker.testing.harness import ServiceHarness

if TYPE_CHECKING:
    from flux.wire.message import Message


def _event(id: int, seq: int, name: str, timestamp: float = 1.0, **context: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"timestamp": timestamp, "name": name}
    if context:
        entry["context"] = context
    return {"id": id, "eventlog_seq": seq, "entry": entry}


class Scripted:
    """A job-list service whose journal the test writes."""

    def __init__(self, known: set[int] | None = None) -> None:
        self.known = known or set()
        rpcs = {
            "job-manager.events-journal": lambda payload: ServiceHarness.OPEN,
            "kvs.lookup": self._lookup,
        }
        self.harness: ServiceHarness[JobListService] = ServiceHarness(JobListService, rpcs=rpcs)

    def _lookup(self, payload: dict[str, Any]) -> dict[str, Any]:
        if not self.known:
            raise OSError(errno.ENOENT, "")
        return {"val": {}}

    async def start(self) -> None:
        await self.harness.start()
        await self.harness.until(lambda: bool(self.harness.sent))
        self.harness.answer(self.journal, {"events": [], "replayed": True})
        await self.harness.until(lambda: self.harness.service.ready)

    @property
    def journal(self) -> Message:
        return [msg for msg in self.harness.sent if msg.topic == "job-manager.events-journal"][-1]

    async def post(self, *events: dict[str, Any]) -> None:
        self.harness.answer(self.journal, {"events": list(events)})
        last = events[-1]["id"]
        await self.harness.until(lambda: last in self.harness.service.index)


async def test_list_and_stats() -> None:
    script = Scripted()
    await script.start()
    await script.post(
        _event(5, 0, "submit", userid=0, urgency=16), _event(6, 0, "submit", userid=9, urgency=0)
    )
    payload = {"max_entries": 10, "attrs": ["userid"], "userid": 9, "states": 62, "results": 0}
    assert await script.harness.request("job-list.list", payload, userid=9) == {
        "jobs": [{"id": 6, "userid": 9}]
    }
    stats = await script.harness.request("job-list.job-stats")
    assert stats["job_states"]["depend"] == 2
    await script.harness.stop()


async def test_each_configured_queue_is_counted_though_it_has_no_job() -> None:
    script = Scripted()
    script.harness.ctx.config = from_tables({"queues": {"b": {}, "a": {}}})
    await script.start()
    stats = await script.harness.request("job-list.job-stats")
    assert [queue["name"] for queue in stats["queues"]] == ["a", "b"]
    assert {queue["job_states"]["total"] for queue in stats["queues"]} == {0}
    await script.harness.stop()


async def test_queries_wait_until_an_earlier_runs_jobs_are_complete() -> None:
    script = Scripted()
    harness = script.harness
    await harness.start()
    await harness.until(lambda: bool(harness.sent))
    tag = harness.submit("job-list.list", {"max_entries": 1, "attrs": ["name", "result"]})
    bad = harness.submit("job-list.list", {"max_entries": 1, "attrs": ["nosuch"]})
    jobspec = {"tasks": [{"command": ["/bin/x"]}]}
    events = [
        {**_event(1, 0, "submit", userid=0), "jobspec": jobspec},
        _event(1, 1, "depend"),
        _event(1, 2, "priority", priority=1),
    ]
    events += [_event(1, 3, "alloc"), _event(1, 4, "finish", status=0), _event(1, 5, "clean")]
    harness.answer(script.journal, {"events": events})
    await harness.until(lambda: 1 in harness.service.index)
    assert harness.replies(tag) == []
    harness.answer(script.journal, {"events": [], "replayed": True})
    await harness.until(lambda: bool(harness.replies(bad)))
    assert harness.replies(tag)[0].json() == {"jobs": [{"id": 1, "name": "x", "result": 1}]}
    assert harness.replies(bad)[0].errnum == errno.EINVAL
    await harness.stop()


async def test_max_entries_zero_means_all() -> None:
    script = Scripted()
    await script.start()
    await script.post(*[_event(id, 0, "submit", userid=0) for id in range(1, 31)])
    payload = {"max_entries": 0, "attrs": []}
    assert len((await script.harness.request("job-list.list", payload))["jobs"]) == 30
    await script.harness.stop()


@pytest.mark.parametrize(
    ("topic", "payload", "errnum"),
    [
        ("list", {"max_entries": 1, "attrs": ["nosuch"]}, errno.EINVAL),
        ("list", {"attrs": []}, errno.EPROTO),
        ("list", {"max_entries": -1, "attrs": []}, errno.EPROTO),
        ("list", {"max_entries": 1, "attrs": {}}, errno.EPROTO),
        ("list", {"max_entries": 1, "attrs": [], "constraint": {"x": []}}, errno.EPROTO),
        ("list", {"max_entries": 1, "attrs": [], "constraint": None}, errno.EPROTO),
        ("list", {"max_entries": 1, "attrs": [], "since": "x"}, errno.EPROTO),
        ("list-id", {"id": 5, "attrs": [], "state": "run"}, errno.EPROTO),
        ("list-id", {"id": "x", "attrs": []}, errno.EPROTO),
        ("list-id", {"id": 12345, "attrs": []}, errno.ENOENT),
        ("list-inactive", {"max_entries": 1, "attrs": ["nosuch"]}, errno.EINVAL),
    ],
)
async def test_errors(topic: str, payload: dict[str, Any], errnum: int) -> None:
    script = Scripted()
    await script.start()
    with pytest.raises(OSError, match=rf"\[Errno {errnum}\]"):
        await script.harness.request(f"job-list.{topic}", payload)
    await script.harness.stop()


async def test_list_id_waits_for_a_job_that_exists() -> None:
    script = Scripted(known={7})
    await script.start()
    tag = script.harness.submit("job-list.list-id", {"id": 7, "attrs": ["state"]})
    await script.harness.until(
        lambda: any(msg.topic == "kvs.lookup" for msg in script.harness.sent)
    )
    assert script.harness.replies(tag) == []
    await script.post(_event(7, 0, "submit", userid=0))
    await script.harness.until(lambda: bool(script.harness.replies(tag)))
    assert script.harness.replies(tag)[0].json() == {"job": {"id": 7, "state": 2}}
    assert script.harness.service.stats()["idsync"] == {"lookups": 0, "waits": 0}
    await script.harness.stop()


async def test_what_the_journal_says_is_held_back_while_paused() -> None:
    script = Scripted(known={7})
    await script.start()
    stats = script.harness.service.stats
    await script.post(_event(5, 0, "submit", userid=0))
    await script.harness.request("job-list.job-state-pause")
    script.harness.answer(script.journal, {"events": [_event(7, 0, "submit", userid=0)]})
    script.harness.answer(script.journal, {"events": [_event(5, 1, "depend")]})
    tag = script.harness.submit("job-list.list-id", {"id": 7, "attrs": ["state"]})
    await script.harness.until(lambda: stats()["idsync"] == {"lookups": 0, "waits": 1})
    assert stats()["jobs"] == {"pending": 1, "running": 0, "inactive": 0}
    assert script.harness.replies(tag) == []
    await script.harness.request("job-list.job-state-unpause")
    assert script.harness.replies(tag)[0].json() == {"job": {"id": 7, "state": 2}}
    assert stats()["idsync"] == {"lookups": 0, "waits": 0}
    assert stats()["jobs"]["pending"] == 2
    wanted = {"id": 5, "attrs": ["state"]}
    assert (await script.harness.request("job-list.list-id", wanted))["job"]["state"] == 4
    with pytest.raises(OSError, match="owner"):
        await script.harness.request("job-list.job-state-pause", userid=77)
    await script.harness.stop()


async def test_list_id_waits_for_a_state() -> None:
    script = Scripted(known={7})
    await script.start()
    await script.post(_event(7, 0, "submit", userid=0))
    wanted = {"id": 7, "attrs": ["state"], "state": 8}
    tag = script.harness.submit("job-list.list-id", wanted)
    gone = script.harness.submit("job-list.list-id", wanted, sender="gone")
    script.harness.disconnect("gone")
    await script.post(_event(7, 1, "depend"))
    assert script.harness.replies(tag) == []
    assert script.harness.service.stats()["idsync"] == {"lookups": 0, "waits": 0}
    await script.post(_event(7, 2, "priority", priority=16))
    await script.harness.until(lambda: bool(script.harness.replies(tag)))
    assert script.harness.replies(tag)[0].json() == {"job": {"id": 7, "state": 8}}
    assert script.harness.replies(gone, "gone") == []
    assert await script.harness.request("job-list.list-id", wanted) == {
        "job": {"id": 7, "state": 8}
    }
    await script.harness.stop()


async def test_constraints_and_since_choose_what_is_listed() -> None:
    script = Scripted()
    await script.start()
    for job in (1, 2):
        await script.post(
            _event(job, 0, "submit", userid=job),
            _event(job, 1, "exception", 5.0 * job, type="cancel", severity=0, note=""),
            _event(job, 2, "clean", 5.0 * job),
        )
    await script.post(_event(3, 0, "submit", userid=1))

    async def ids(**payload: object) -> list[int]:
        request = {"max_entries": 0, "attrs": [], **payload}
        return [
            job["id"] for job in (await script.harness.request("job-list.list", request))["jobs"]
        ]

    assert await ids(constraint={"and": [{"userid": [1]}, {"results": ["canceled"]}]}) == [1]
    assert await ids(constraint={"userid": [1]}, states=62) == [3]
    assert await ids(since=5.0) == [3, 2]
    assert await ids(constraint={"not": []}) == []
    await script.harness.stop()


async def test_a_stream_has_pages_and_an_end() -> None:
    script = Scripted()
    await script.start()
    count = 2 * PAGE_JOBS + 1
    await script.post(*(_event(job, 0, "submit", userid=4) for job in range(count)))
    request = {"max_entries": 0, "attrs": ["userid"]}
    replies = script.harness.stream("job-list.list", request)
    await script.harness.until(lambda: bool(replies) and bool(replies[-1].errnum))
    pages = [message.json()["jobs"] for message in replies[:-1]]
    assert [len(page) for page in pages] == [PAGE_JOBS, PAGE_JOBS, 1]
    assert [job["id"] for page in pages for job in page] == list(range(count))
    assert replies[-1].errnum == errno.ENODATA
    empty = script.harness.stream("job-list.list", {**request, "constraint": {"not": []}})
    await script.harness.until(lambda: bool(empty))
    assert [message.errnum for message in empty] == [errno.ENODATA]
    await script.harness.stop()


async def test_a_stream_ends_with_its_client() -> None:
    script = Scripted()
    await script.start()
    count = 20 * PAGE_JOBS
    await script.post(*(_event(job, 0, "submit", userid=4) for job in range(count)))
    request = {"max_entries": 0, "attrs": []}
    replies = script.harness.stream("job-list.list", request)
    await script.harness.until(lambda: bool(replies))
    script.harness.disconnect("client")
    other = script.harness.submit("job-list.list", {"max_entries": 1, "attrs": []})
    await script.harness.until(lambda: bool(script.harness.replies(other)))
    assert len(replies) < 20
    await script.harness.stop()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("[:1]", [9]),
        ("[:2]", [9, 7]),
        ("[:]", [9, 7, 5]),
        ("[-1:]", [5]),
        ("[1:2]", [7]),
        ("[::2]", [9, 5]),
        ("[4:]", []),
    ],
)
async def test_history_of_a_user(text: str, ids: list[int]) -> None:
    script = Scripted()
    await script.start()
    await script.post(*(_event(job, 0, "submit", userid=4) for job in (5, 9, 7)))
    await script.post(_event(8, 0, "submit", userid=3))
    answer = await script.harness.request("job-manager.history.get", {"slice": text}, userid=4)
    assert answer == {"jobs": ids}
    await script.harness.stop()


@pytest.mark.parametrize("text", ["", "[1]", "[a:]", "[::0]", "[1:2:3:4]", "[1 :]"])
async def test_what_is_no_slice_is_refused(text: str) -> None:
    script = Scripted()
    await script.start()
    with pytest.raises(OSError, match="could not parse python-style slice expression"):
        await script.harness.request("job-manager.history.get", {"slice": text})
    await script.harness.stop()


async def test_disconnect_forgets_waiting_clients() -> None:
    script = Scripted(known={7})
    await script.start()
    script.harness.submit("job-list.list-id", {"id": 7, "attrs": []}, sender="gone")
    service = script.harness.service
    await script.harness.until(lambda: service.stats()["idsync"] == {"lookups": 0, "waits": 1})
    script.harness.disconnect("gone")
    assert service.stats()["idsync"] == {"lookups": 0, "waits": 0}
    await script.harness.stop()


async def test_a_broken_event_is_logged_and_skipped() -> None:
    script = Scripted()
    await script.start()
    await script.post(
        _event(1, 0, "submit", userid=0),
        _event(1, 1, "exception"),
        _event(2, 0, "submit", userid=0),
    )
    assert any("cannot apply event" in entry.text for entry in script.harness.logs)
    await script.harness.stop()


async def test_journal_is_followed_again_after_the_job_manager_went_away() -> None:
    script = Scripted()
    await script.start()
    await script.post(_event(1, 0, "submit", userid=0))
    script.harness.answer(script.journal, errnum=errno.ENOSYS)
    await script.harness.until(lambda: len(script.harness.sent) == 2)
    script.harness.answer(script.journal, {"events": [], "replayed": True})
    await script.post(_event(2, 0, "submit", userid=0))
    assert 1 not in script.harness.service.index
    await script.harness.stop()


def _life(id: int, status: int = 0) -> list[dict[str, Any]]:
    names: list[tuple[str, dict[str, Any]]] = [
        ("submit", {"userid": 0, "urgency": 16}),
        ("depend", {}),
        ("priority", {"priority": 16}),
        ("alloc", {}),
        ("finish", {"status": status}),
        ("clean", {}),
    ]
    return [
        _event(id, seq, name, 1.0 + seq, **context) for seq, (name, context) in enumerate(names)
    ]


async def _listed(script: Scripted) -> list[int]:
    payload = {"max_entries": 0, "attrs": [], "userid": 0, "states": 0, "results": 0}
    return [job["id"] for job in (await script.harness.request("job-list.list", payload))["jobs"]]


async def test_purged_jobs_are_forgotten() -> None:
    script = Scripted()
    await script.start()
    await script.post(*_life(5, 256), *_life(6), _event(7, 0, "submit", userid=0))
    script.harness.publish("job-purge-inactive", {"jobs": [5, 7, 99, "x"]})
    assert await _listed(script) == [7, 6], "an active job stays, whatever an event says"
    stats = await script.harness.request("job-list.job-stats")
    assert (stats["failed"], stats["job_states"]["inactive"], stats["job_states"]["total"]) == (
        0,
        1,
        2,
    )
    nonsense: object
    for nonsense in (None, [], {"jobs": 3}, {}):
        script.harness.publish("job-purge-inactive", nonsense)
    script.harness.publish("job-purge-inactive", {"jobs": [6]})
    assert await _listed(script) == [7]
    await script.harness.stop()


async def test_a_lost_journal_is_read_again_and_nothing_false_is_said_meanwhile() -> None:
    script = Scripted()
    await script.start()
    await script.post(*_life(5), *_life(6))
    first = script.journal
    script.harness.answer(first, errnum=errno.ECONNRESET)
    await script.harness.until(lambda: script.journal is not first)
    assert sorted(await _listed(script)) == [5, 6]
    script.harness.answer(script.journal, {"events": _life(5)})
    script.harness.publish("job-purge-inactive", {"jobs": [6]})
    assert sorted(await _listed(script)) == [5]
    script.harness.answer(script.journal, {"events": [*_life(8)], "replayed": True})
    await script.harness.until(lambda: 8 in script.harness.service.index)
    assert sorted(await _listed(script)) == [5, 8]
    await script.harness.stop()


@pytest.mark.parametrize("nonsense", [[None], [{}], None, 7])
async def test_a_malformed_batch_makes_it_read_the_journal_again(nonsense: Any) -> None:
    script = Scripted()
    await script.start()
    first = script.journal
    script.harness.answer(first, {"events": nonsense})
    await script.harness.until(lambda: script.journal is not first)
    script.harness.answer(script.journal, {"events": _life(8), "replayed": True})
    await script.harness.until(lambda: 8 in script.harness.service.index)
    assert await _listed(script) == [8]
    await script.harness.stop()


async def test_a_malformed_event_does_not_keep_others_from_being_taken() -> None:
    script = Scripted()
    await script.start()
    await script.post({"id": 5, "entry": {"name": "submit"}}, {"id": 5, "entry": 3}, *_life(6))
    assert 6 in await _listed(script)
    assert any("cannot apply event" in entry.text for entry in script.harness.logs)
    await script.harness.stop()


async def test_inactive_jobs_come_in_pages_too() -> None:
    script = Scripted()
    await script.start()
    count = PAGE_JOBS + 1
    for job in range(count):
        await script.post(
            _event(job, 0, "submit", userid=4),
            _event(job, 1, "exception", 5.0, type="cancel", severity=0, note=""),
            _event(job, 2, "clean", 5.0 + job),
        )
    request = {"max_entries": 0, "attrs": ["userid"], "since": 5.0}
    replies = script.harness.stream("job-list.list-inactive", request)
    await script.harness.until(lambda: bool(replies) and bool(replies[-1].errnum))
    pages = [message.json()["jobs"] for message in replies[:-1]]
    assert [job["id"] for page in pages for job in page] == list(range(count - 1, 0, -1))
    assert len(pages) == 1
    assert replies[-1].errnum == errno.ENODATA
    whole = await script.harness.request("job-list.list-inactive", {**request, "since": 0.0})
    assert len(whole["jobs"]) == count
    await script.harness.stop()
