"""Following a job: which eventlogs are opened when, and what both drivers hand on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable
from typing import Any

import pytest

from flux.aio import AsyncFlux
from flux.job.event import EventLogEvent
from flux.job.follow import (
    ANNOUNCED,
    EXEC,
    MAIN,
    OUTPUT,
    Close,
    Ended,
    Entries,
    Failed,
    Item,
    JobFollower,
    LogEnded,
    Open,
    entries_of,
)
from flux.job.follow_async import follow
from flux.job.follow_blocking import EventlogWatcher
from flux.wire import json
from flux.wire.message import Message, response
from tests.unit.flux.job.streaming import StreamingFlux, event, life

SHELL = [event("init"), event("shell.init", 14.0, service="s"), event("done")]
CHUNKS = [event("header"), event("data", 14.5, stream="stdout", rank="0", data="hi\n")]
LOGS: dict[int | tuple[int, str], list[Any]] = {
    (7, MAIN): life(),
    (7, EXEC): SHELL,
    (7, OUTPUT): CHUNKS,
}
CANCELED = [
    event("submit", 1.0, userid=0, urgency=0, flags=0),
    event("exception", type="cancel", severity=0),
    event("clean"),
]


def entry(name: str) -> list[EventLogEvent]:
    return [EventLogEvent(event(name))]


def test_each_eventlog_is_opened_when_another_announces_it_and_only_once() -> None:
    follower = JobFollower()
    assert follower.open(MAIN) == [Open(MAIN)]
    assert follower.take(MAIN, entry("alloc")) == []
    assert follower.take(MAIN, entry("start")) == [Open(EXEC)]
    assert follower.take(MAIN, entry("start")) == []
    assert follower.take(EXEC, entry("start")) == []
    assert follower.take(EXEC, entry("shell.init")) == [Open(OUTPUT)]
    assert follower.open(OUTPUT) == []


def test_it_ends_when_all_that_was_opened_has_ended() -> None:
    follower = JobFollower()
    follower.open(MAIN)
    follower.open(EXEC)
    assert follower.end(MAIN) is None
    assert follower.end(EXEC) == Ended()


def test_the_brief_one_wants_no_more_of_the_execution_than_that_there_is_output() -> None:
    follower = JobFollower(brief=True)
    follower.open(MAIN)
    assert follower.take(MAIN, entry("start")) == [Open(EXEC)]
    assert follower.take(EXEC, entry("shell.init")) == [Open(OUTPUT), Close(EXEC)]
    assert follower.take(EXEC, entry("shell.init")) == []


def test_without_announcements_nothing_is_opened_by_itself() -> None:
    follower = JobFollower({})
    follower.open(MAIN)
    assert follower.take(MAIN, entry("start")) == []


def test_a_guest_eventlog_that_was_never_made_is_no_failure() -> None:
    follower = JobFollower()
    missing = OSError(errno.ENOENT, "No such file or directory")
    assert follower.failure(EXEC, missing) is None
    assert follower.failure(MAIN, missing) == Failed(MAIN, missing)
    lost = OSError(errno.ECONNRESET, "Connection reset by peer")
    assert follower.failure(OUTPUT, lost) == Failed(OUTPUT, lost)


@pytest.mark.parametrize(
    "text",
    [None, 5, "", "nonsense\n", '[1]\n{"name":"x"}\n{"timestamp":1,"name":"x","context":3}\n'],
)
def test_what_is_no_entry_is_skipped(text: object) -> None:
    assert entries_of(text) == []


def test_one_answer_may_hold_several_entries() -> None:
    found = entries_of('{"timestamp":1,"name":"a"}\nnonsense\n{"timestamp":2,"name":"b"}\n')
    assert [one.name for one in found] == ["a", "b"]


def blocking(
    logs: dict[int | tuple[int, str], list[Any]], follower: JobFollower | None = None
) -> tuple[list[Item], Any]:
    """Follow job 7 on a scripted handle to its end."""
    handle: Any = StreamingFlux(logs)
    items: list[Item] = []
    EventlogWatcher(handle, 7, follower or JobFollower(), items.append).start()
    handle.reactor.run()
    return items, handle


class StreamTransport:
    """The broker's side of an asyncio handle: answers watches out of a table of eventlogs."""

    def __init__(self, handle: AsyncFlux, logs: dict[int | tuple[int, str], list[Any]]) -> None:
        self.handle, self.logs = handle, logs
        self.canceled: list[int] = []

    def send(self, msg: Message) -> None:
        loop = asyncio.get_running_loop()
        payload = msg.json()
        if msg.topic == "job-info.eventlog-watch-cancel":
            self.canceled.append(payload["matchtag"])
            return
        log = self.logs.get((payload["id"], payload["path"]), self.logs.get(payload["id"]))
        for one in (
            [OSError(errno.ENOENT, "")] if log is None else [*log, OSError(errno.ENODATA, "")]
        ):
            if one is None:
                return
            if isinstance(one, OSError):
                loop.call_soon(
                    self.handle.dispatch, response(msg, errnum=one.errno or errno.EINVAL)
                )
                return
            loop.call_soon(
                self.handle.dispatch, response(msg, {"event": json.dumps(one).decode() + "\n"})
            )

    async def close(self) -> None:
        """Nothing to end."""

    def subscribe(self, prefix: str) -> asyncio.Future[None]:
        raise NotImplementedError

    def unsubscribe(self, prefix: str) -> None:
        raise NotImplementedError


async def collect(logs: dict[int | tuple[int, str], list[Any]]) -> list[Item]:
    handle = AsyncFlux()
    handle.transport = StreamTransport(handle, logs)
    async with contextlib.aclosing(follow(handle, 7)) as items:
        return [item async for item in items]


Driver = Callable[[dict[int | tuple[int, str], list[Any]]], list[Item]]
DRIVERS: list[Driver] = [lambda logs: blocking(logs)[0], lambda logs: asyncio.run(collect(logs))]


def names(items: list[Item], path: str) -> list[str]:
    return [
        one.name
        for item in items
        if isinstance(item, Entries) and item.path == path
        for one in item.entries
    ]


@pytest.mark.parametrize("driver", DRIVERS, ids=["blocking", "asyncio"])
def test_a_job_is_followed_to_its_last_output(driver: Driver) -> None:
    items = driver(LOGS)
    assert names(items, MAIN) == [one["name"] for one in life()]
    assert names(items, EXEC) == ["init", "shell.init", "done"]
    assert names(items, OUTPUT) == ["header", "data"]
    assert {item.path for item in items if isinstance(item, LogEnded)} == {MAIN, EXEC, OUTPUT}
    assert items[-1] == Ended()
    assert items.count(Ended()) == 1


@pytest.mark.parametrize("driver", DRIVERS, ids=["blocking", "asyncio"])
def test_a_job_that_never_ran_has_one_eventlog(driver: Driver) -> None:
    items = driver({(7, MAIN): CANCELED})
    assert [item for item in items if not isinstance(item, Entries)] == [LogEnded(MAIN), Ended()]


@pytest.mark.parametrize("driver", DRIVERS, ids=["blocking", "asyncio"])
def test_an_unknown_job_is_told_as_such(driver: Driver) -> None:
    failed, *rest = driver({})
    assert isinstance(failed, Failed)
    assert (failed.path, failed.error.errno) == (MAIN, errno.ENOENT)
    assert rest == [LogEnded(MAIN), Ended()]


@pytest.mark.parametrize("driver", DRIVERS, ids=["blocking", "asyncio"])
def test_guest_eventlogs_that_are_missing_end_quietly(driver: Driver) -> None:
    items = driver({(7, MAIN): life()})
    assert not [item for item in items if isinstance(item, Failed)]
    assert items[-1] == Ended()


@pytest.mark.parametrize("driver", DRIVERS, ids=["blocking", "asyncio"])
def test_a_failure_in_the_middle_of_the_output_is_told(driver: Driver) -> None:
    items = driver({**LOGS, (7, OUTPUT): [*CHUNKS, OSError(errno.EPROTO, "")]})
    (failed,) = [item for item in items if isinstance(item, Failed)]
    assert (failed.path, failed.error.errno) == (OUTPUT, errno.EPROTO)
    assert names(items, OUTPUT) == ["header", "data"]


def test_the_brief_one_cancels_its_watch() -> None:
    items, handle = blocking(
        {**LOGS, (7, EXEC): [*SHELL[:2], None]}, JobFollower(ANNOUNCED, brief=True)
    )
    assert names(items, OUTPUT) == ["header", "data"]
    assert [topic for topic, _ in handle.sent].count("job-info.eventlog-watch-cancel") == 1


def test_whoever_hears_the_end_of_a_log_may_open_another() -> None:
    handle: Any = StreamingFlux(LOGS)
    items: list[Item] = []

    def take(item: Item) -> None:
        items.append(item)
        if item == LogEnded(MAIN):
            watcher.open(OUTPUT)

    watcher = EventlogWatcher(handle, 7, JobFollower({}), take)
    watcher.start()
    handle.reactor.run()
    assert names(items, OUTPUT) == ["header", "data"]
    assert items[-1] == Ended()
    assert items.count(Ended()) == 1


async def test_leaving_the_iteration_cancels_the_watches() -> None:
    handle = AsyncFlux()
    transport = handle.transport = StreamTransport(handle, {**LOGS, (7, MAIN): [*life()[:5], None]})
    async with contextlib.aclosing(follow(handle, 7)) as items:
        async for item in items:
            if names([item], OUTPUT) == ["data"]:
                break
    assert len(transport.canceled) >= 1
    assert len(asyncio.all_tasks()) == 1
