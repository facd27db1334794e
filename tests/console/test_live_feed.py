"""The dashboard over a real instance: loading, following, acting, losing the connection and coming
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import signal
import time
from collections.abc import AsyncGenerator
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from flux import Flux
from flux.aio import AsyncFlux
from flux.job import JobspecV1, submit
from flux.job.follow import EXEC, MAIN, OUTPUT, Entries, Failed
from flux.job.JobID import JobID
from flux.security import sign
from flux.testing.instance import Instance, running_instance
from flux.wire.message import Raw, request, response
from tests.console.driving import shows, text_of, until
from tui.app import TopApp
from tui.feed import live, polling
from tui.feed.job_list import job_pages
from tui.feed.live import LiveFeed
from tui.model import purging, reasons
from tui.model.dashboard import Dashboard
from tui.model.liveness import SILENCE
from tui.model.logs import parse_log
from tui.model.states import DONE, Status
from tui.screens.confirm import ConfirmScreen
from tui.screens.job import JobScreen
from tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from flux.job.event import EventLogEvent
    from flux.wire.json import JsonObject
    from flux.wire.message import Message
    from tui.feed.base import JobItem


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """One instance of two brokers for the whole file."""
    with running_instance(2) as running:
        yield running


@pytest.fixture
def steady_world() -> None:
    """A real instance has real users and the real time."""


def run_job(uri: str, script: str, **settings: Any) -> int:
    """Submit a shell script and return the job's id."""
    handle = Flux(uri)
    jobspec = JobspecV1.from_command(["sh", "-c", script])
    jobspec.cwd, jobspec.environment = "/", {"PATH": os.environ["PATH"]}
    for name, value in settings.items():
        setattr(jobspec, name, value)
    try:
        return int(submit(handle, jobspec))
    finally:
        handle.close()


@contextlib.asynccontextmanager
async def following(uri: str) -> AsyncIterator[tuple[LiveFeed, Dashboard]]:
    """A feed that keeps a dashboard up to date."""
    feed, dashboard = LiveFeed(uri), Dashboard(time.time)
    task = asyncio.create_task(feed.run(dashboard))
    try:
        await eventually(lambda: dashboard.link.up)
        yield feed, dashboard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await feed.close()


async def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until ``condition`` holds; fails after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.01)


def status(dashboard: Dashboard, jobid: int) -> Status | None:
    row = dashboard.table.row_of.get(jobid)
    return None if row is None else Status(dashboard.table.status[row])


def completed(dashboard: Dashboard, jobid: int) -> Callable[[], bool]:
    return lambda: status(dashboard, jobid) == Status.COMPLETED


async def test_what_was_annotated_of_running_jobs_is_there_from_the_start(
    instance: Instance,
) -> None:
    # A volatile memo is in no eventlog, and the journal begins with those of active jobs.
    jobid = run_job(instance.uri, "sleep 1000")
    uri = "ssh://somewhere/run/flux/local"
    handle = Flux(instance.uri)
    async with following(instance.uri) as (_, dashboard):
        await eventually(lambda: status(dashboard, jobid) == Status.RUN)
        memo = {"id": jobid, "memo": {"uri": uri}, "volatile": True}
        handle.rpc("job-manager.memo", memo).get()
        table = dashboard.table
        await eventually(lambda: table.uri_of(table.row_of[jobid]) == uri)
    async with following(instance.uri) as (_, again):
        table = again.table
        assert table.uri_of(table.row_of[jobid]) == uri
        assert table.where[table.row_of[jobid]]
        handle.rpc("job-manager.raise", {"id": jobid, "type": "cancel", "severity": 0}).get()
        await eventually(lambda: status(again, jobid) == Status.CANCELED)
    handle.close()


async def test_loads_what_was_and_follows_what_comes(instance: Instance) -> None:
    before = run_job(instance.uri, "exit 3")
    async with following(instance.uri) as (_, dashboard):
        await eventually(lambda: status(dashboard, before) == Status.FAILED)
        after = run_job(instance.uri, "true")
        await eventually(completed(dashboard, after))
        table = dashboard.table
        row = table.row_of[after]
        assert (table.name[row], table.ntasks[row], table.userid[row]) == ("sh", 1, os.getuid())
        assert table.t_submit[row] <= table.t_run[row] <= table.t_inactive[row]
        assert table.waitstatus[table.row_of[before]] == 3 << 8
        assert dashboard.instance.size == 2
        assert dashboard.instance.version
        assert dashboard.utilisation.total > 0
        assert dashboard.utilisation.nodes == 2
        handle = Flux(instance.uri)
        jobs = handle.rpc("job-list.job-stats").get()["job_states"]
        handle.close()
        assert jobs["total"] == len(table)
        assert jobs["inactive"] == dashboard.total(DONE)


def as_today(answer: JsonObject) -> Iterator[JsonObject]:
    """Answers of the journal as later flux-cores give them: the job is named once for its events,
    what comes with them stands beside them, and an answer without events ends the past.
    """
    for told in answer["events"]:
        extra = {key: told[key] for key in ("jobspec", "R") if key in told}
        yield {"id": told["id"], "events": [told["entry"]], **extra}
    yield {"id": -1, "events": []}


async def test_the_journal_of_todays_flux_core_is_followed(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = AsyncFlux.stream

    @contextlib.asynccontextmanager
    async def stream(handle: AsyncFlux, topic: str, *args: Any, **options: Any) -> Any:
        async def answers() -> AsyncGenerator[JsonObject]:
            async for answer in told:
                for one in as_today(answer):
                    yield one

        async with opened(handle, topic, *args, **options) as told:
            yield answers() if topic == "job-manager.events-journal" else told

    monkeypatch.setattr(AsyncFlux, "stream", stream)
    active = run_job(instance.uri, "sleep 1000")
    async with following(instance.uri) as (_, dashboard):
        after = run_job(instance.uri, "exit 3")
        await eventually(lambda: status(dashboard, after) == Status.FAILED)
        await eventually(lambda: status(dashboard, active) == Status.RUN)
        table = dashboard.table
        assert (table.name[table.row_of[after]], table.ntasks[table.row_of[after]]) == ("sh", 1)
        assert dashboard.link.up
        assert not dashboard.link.text
        instance.run("job", "cancel", str(active))
        await eventually(lambda: status(dashboard, active) == Status.CANCELED)


async def test_why_jobs_wait(instance: Instance) -> None:
    first = JobID(instance.run("mini", "submit", "-N2", "-n2", "-x", "sleep", "inf").stdout.strip())
    second, third = (
        JobID(instance.run("mini", "submit", "-N2", "-n2", "-x", "true").stdout.strip())
        for _ in range(2)
    )
    async with following(instance.uri) as (_, dashboard):
        table = dashboard.table

        def reason(jobid: int) -> str:
            row = table.row_of.get(jobid)
            return "" if row is None else reasons.info(table, row)

        await eventually(lambda: reason(second) == "insufficient resources")
        await eventually(lambda: reason(third) == f"behind job {second.f58}")
        instance.run("queue", "stop", "maint")
        await eventually(lambda: reason(third) == "the queue is stopped: maint")
        instance.run("queue", "start")
        for jobid in (first, second, third):
            instance.run("job", "cancel", str(jobid))
        await eventually(lambda: status(dashboard, third) in DONE)
        await eventually(lambda: not table.waits)
        assert dashboard.link.up


async def entries_of(feed: LiveFeed, jobid: int) -> list[JobItem]:
    return [item async for item in feed.job_entries(jobid)]


async def test_eventlogs_and_output_of_a_job(instance: Instance) -> None:
    jobid = run_job(instance.uri, "echo out; echo err >&2")
    async with following(instance.uri) as (feed, _):
        items = await asyncio.wait_for(entries_of(feed, jobid), 60)
        stored = await feed.lookup(jobid)
    entries: dict[str, list[EventLogEvent]] = {MAIN: [], EXEC: [], OUTPUT: []}
    for item in items:
        assert isinstance(item, Entries)
        entries[item.path] += item.entries
    names = {path: [event.name for event in events] for path, events in entries.items()}
    assert names["eventlog"][0] == "submit"
    assert names["eventlog"][-1] == "clean"
    assert names["guest.exec.eventlog"][0] == "init"
    assert names["guest.output"][0] == "header"
    texts = {event.context.get("data") for event in entries[OUTPUT]}
    assert {"out\n", "err\n"} <= texts
    assert stored["jobspec"]["tasks"][0]["command"][0] == "sh"


async def test_eventlog_of_a_job_that_does_not_exist_is_an_error(instance: Instance) -> None:
    async with following(instance.uri) as (feed, _):
        (item,) = await asyncio.wait_for(entries_of(feed, 12345), 60)
    assert isinstance(item, Failed)
    assert (item.path, item.error.errno) == (MAIN, errno.ENOENT)


async def test_broker_log(instance: Instance) -> None:
    async with following(instance.uri) as (feed, _):
        log = feed.log()
        first = await asyncio.wait_for(anext(log), 60)
        assert isinstance(log, AsyncGenerator)
        await log.aclose()
    assert first
    assert parse_log(first[0]) is not None


async def test_cancel_and_kill(instance: Instance) -> None:
    canceled, killed = run_job(instance.uri, "sleep 100"), run_job(instance.uri, "exec sleep 100")
    async with following(instance.uri) as (feed, dashboard):
        await eventually(lambda: status(dashboard, killed) == Status.RUN)
        await feed.cancel(canceled)
        await eventually(lambda: status(dashboard, canceled) == Status.CANCELED)
        async for item in feed.job_entries(killed):
            if isinstance(item, Entries) and any(
                event.name == "shell.start" for event in item.entries
            ):
                break
        await feed.kill(killed, 9)
        await eventually(lambda: status(dashboard, killed) == Status.FAILED)
        with pytest.raises(OSError, match=r"job|Invalid"):
            await feed.kill(killed, 9)


class Proxy:
    """Stands between the dashboard and the broker, so that the connection can be cut."""

    def __init__(self, uri: str, path: Path) -> None:
        self._target = uri.removeprefix("local://")
        self.path = path
        self.uri = f"local://{path}"
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_unix_server(self._accept, str(self.path))

    async def cut(self) -> None:
        """Close every connection and accept no more."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        for writer in self._writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._writers.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_in, there_out = await asyncio.open_unix_connection(self._target)
        self._writers += [writer, there_out]
        for source, sink in ((reader, there_out), (there_in, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()


async def test_lost_connection_comes_back_without_gap_or_double(
    instance: Instance, tmp_path: Path
) -> None:
    proxy = Proxy(instance.uri, tmp_path / "s")
    await proxy.open()
    try:
        async with following(proxy.uri) as (_, dashboard):
            await proxy.cut()
            await eventually(lambda: not dashboard.link.up)
            assert dashboard.link.text
            assert dashboard.link.retry_at > 0
            missed = run_job(instance.uri, "exit 5")
            await proxy.open()
            await eventually(lambda: dashboard.link.up)
            await eventually(lambda: status(dashboard, missed) == Status.FAILED)
            assert len(set(dashboard.table.ids)) == len(dashboard.table)
            assert sum(dashboard.table.counts) == len(dashboard.table)
            later = run_job(instance.uri, "true")
            await eventually(lambda: status(dashboard, later) == Status.COMPLETED)
    finally:
        await proxy.cut()


async def test_no_broker_at_all_is_told_and_tried_again(tmp_path: Path) -> None:
    dashboard = Dashboard(time.time)
    task = asyncio.create_task(LiveFeed(f"local://{tmp_path}/nothing").run(dashboard))
    await eventually(lambda: dashboard.link.attempts >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not dashboard.link.up
    assert "No such file" in dashboard.link.text


async def test_dashboard_cancels_a_job_and_shows_its_output(instance: Instance) -> None:
    jobid = run_job(instance.uri, "echo hello from the job; exec sleep 100")
    app = TopApp(LiveFeed(instance.uri))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: status(app.dashboard, jobid) == Status.RUN)
        await pilot.press("2", "enter")
        screen = app.screen
        assert isinstance(screen, JobScreen)
        assert screen.jobid == jobid
        await until(pilot, lambda: "hello from the job" in text_of(pilot))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("right", "enter")
        await until(pilot, lambda: status(app.dashboard, jobid) == Status.CANCELED)
        await until(
            pilot,
            lambda: any(
                line.text == "clean" for line in screen.query_one("#eventlog", LogView).content
            ),
        )
        assert "canceled" in text_of(pilot)


class OldBroker:
    """What a 0.29 broker says: its journal names neither jobspec nor R, so new jobs must be
    looked up.
    """

    size, closed = 1, False

    def __init__(self) -> None:
        self.lookups: list[int] = []
        self.on_close: Callable[[], None] | None = None
        self._journal: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def event(self, jobid: int, name: str, **context: Any) -> None:
        """Send one journal event."""
        entry = {"timestamp": 5.0, "name": name, "context": context}
        self._journal.put_nowait({"events": [{"id": jobid, "eventlog_seq": 0, "entry": entry}]})

    async def attr_get(self, name: str) -> str:
        if name == "broker.starttime":
            raise OSError(2, "No such file or directory")
        known = {"version": "0.29.0", "security.owner": str(os.getuid()), "hostname": "h"}
        return known[name]

    def send(self, *events: dict[str, Any]) -> None:
        """Send journal events as they are."""
        self._journal.put_nowait({"events": [*events]})

    async def rpc_message(self, topic: str, payload: Any = None, **_: Any) -> Message:
        answer = await self.rpc(topic, payload)
        return response(request(topic), Raw(json.dumps(answer).encode()))

    async def rpc(self, topic: str, payload: Any = None, **_: Any) -> dict[str, Any]:
        if topic == "job-list.list-id":
            self.lookups.append(payload["id"])
            return {"job": {"id": payload["id"], "name": "looked-up", "ntasks": 4, "state": 8}}
        if topic == "job-list.list":
            return {"jobs": [{"id": 1, "state": 16, "name": "old", "t_run": 2.0}]}
        raise OSError(38, "Function not implemented")

    @contextlib.asynccontextmanager
    async def stream(
        self, topic: str, *_: Any, **__: Any
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        async def answers() -> AsyncIterator[dict[str, Any]]:
            while True:
                yield await self._journal.get()

        assert topic == "job-manager.events-journal"
        yield answers()

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("signed", ["none", "broken", "refused"])
async def test_an_environment_that_is_not_in_the_jobspec_is_what_was_signed(
    monkeypatch: pytest.MonkeyPatch, signed: str
) -> None:
    stored = {"attributes": {"system": {"cwd": "/"}}}
    original = {"attributes": {"system": {"cwd": "/elsewhere", "environment": {"A": "1"}}}}

    async def rpc(topic: str, payload: Any = None, **_: Any) -> dict[str, Any]:
        assert topic == "job-info.lookup"
        match payload["keys"]:
            case ["jobspec"]:
                return {"jobspec": json.dumps(stored)}
            case ["J"] if signed != "refused":
                wrapped = sign(json.dumps(original).encode()).decode()
                return {"J": wrapped if signed == "none" else wrapped[::-1]}
        raise OSError(1, "Operation not permitted")

    broker, feed = OldBroker(), LiveFeed("local:///nowhere")
    monkeypatch.setattr(broker, "rpc", rpc)
    monkeypatch.setattr(feed, "_handle", broker)
    system = (await feed.lookup(9))["jobspec"]["attributes"]["system"]
    assert system == {"cwd": "/", **({"environment": {"A": "1"}} if signed == "none" else {})}


async def test_jobs_known_from_events_alone_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, feed, dashboard = OldBroker(), LiveFeed("local:///nowhere"), Dashboard(time.time)

    async def connect() -> None:
        monkeypatch.setattr(feed, "_handle", broker)

    monkeypatch.setattr(feed, "_connect", connect)
    task = asyncio.create_task(feed.run(dashboard))
    await eventually(lambda: dashboard.link.up)
    broker.event(9, "submit", userid=0, urgency=16, flags=0)
    broker.event(9, "depend")
    await eventually(
        lambda: (
            9 in dashboard.table.row_of and dashboard.table.name[dashboard.table.row_of[9]] != ""
        )
    )
    row = dashboard.table.row_of[9]
    assert (dashboard.table.name[row], dashboard.table.ntasks[row]) == ("looked-up", 4)
    assert broker.lookups == [9]
    assert dashboard.table.undescribed == set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("jobid", "entry"),
    [
        (-5, {"timestamp": 5.0, "name": "submit", "context": {}}),
        ("five", {"timestamp": 5.0, "name": "submit", "context": {}}),
        (5, {"timestamp": "soon", "name": "submit", "context": {}}),
        (5, {"timestamp": 5.0, "name": "submit", "context": {"userid": 1 << 63}}),
        (5, {"timestamp": 5.0, "name": ["submit"], "context": {}}),
        (1, {"timestamp": 5.0, "name": "priority", "context": [1]}),
    ],
)
async def test_what_makes_no_sense_costs_a_connection_and_not_the_dashboard(
    monkeypatch: pytest.MonkeyPatch, jobid: object, entry: object
) -> None:
    feed, dashboard = LiveFeed("local:///nowhere"), Dashboard(time.time)
    brokers: list[OldBroker] = []

    async def connect() -> None:
        brokers.append(OldBroker())
        monkeypatch.setattr(feed, "_handle", brokers[-1])

    monkeypatch.setattr(feed, "_connect", connect)
    task = asyncio.create_task(feed.run(dashboard))
    await eventually(lambda: dashboard.link.up)
    brokers[0].send({"id": jobid, "eventlog_seq": 0, "entry": entry})
    await eventually(lambda: not dashboard.link.up or task.done())
    assert not task.done()
    sentences = "the broker sent something unexpected|malformed answer of the job manager's journal"
    assert re.match(sentences, dashboard.link.text)
    await eventually(lambda: dashboard.link.up)
    assert len(brokers) == 2
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_broker_that_hangs_is_noticed_and_forgiven(instance: Instance) -> None:
    pid = int(instance.run("getattr", "broker.pid").stdout)
    async with following(instance.uri) as (_, dashboard):
        await eventually(lambda: dashboard.utilisation.known)
        os.kill(pid, signal.SIGSTOP)
        try:
            await eventually(lambda: dashboard.silence > 0)
            assert dashboard.stale
            assert dashboard.moment < time.time() - SILENCE
        finally:
            os.kill(pid, signal.SIGCONT)
        await eventually(lambda: not dashboard.stale)
        assert dashboard.link.up


async def test_closed_queues_and_drained_nodes_are_told(instance: Instance) -> None:
    instance.run("queue", "disable", "full")
    instance.run("queue", "stop", "cables")
    instance.run("resource", "drain", "1", "broken")
    try:
        async with following(instance.uri) as (_, dashboard):
            assert dashboard.notices == (
                "the queue is stopped: cables",
                "the queue takes no submissions: full",
            )
            use = dashboard.utilisation
            assert (use.nodes, use.nodes_down, use.drained) == (2, 1, 1)
            for command in (("queue", "enable"), ("queue", "start"), ("resource", "undrain", "1")):
                instance.run(*command)
            await eventually(lambda: dashboard.notices == () and use.drained == 0)
    finally:
        for command in (("queue", "enable"), ("queue", "start"), ("resource", "undrain", "1")):
            instance.run(*command)


async def test_until_all_jobs_are_read_the_instance_counts(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        run_job(instance.uri, "exit 1")
    read, listed = [], job_pages

    async def watched(
        handle: AsyncFlux, entries: int, version: str, attrs: tuple[str, ...]
    ) -> AsyncGenerator[list[JsonObject]]:
        if not entries:
            read.append(dashboard.counts)
        async for page in listed(handle, entries, version, attrs):
            yield page

    monkeypatch.setattr(live, "FIRST_PAGE", 2)
    monkeypatch.setattr(live, "job_pages", watched)
    feed, dashboard = LiveFeed(instance.uri), Dashboard(time.time)
    task = asyncio.create_task(feed.run(dashboard))
    try:
        await eventually(lambda: dashboard.link.up and bool(read) and dashboard.loading is None)
        assert read[0].read == 2
        assert read[0].total > 3
        assert not read[0].complete
        assert dashboard.counts.complete
        assert dashboard.counts.total == len(dashboard.table) >= read[0].total
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await feed.close()


async def test_the_cores_in_use_follow_the_jobs_and_not_only_the_poll(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 3600.0)
    async with following(instance.uri) as (feed, dashboard):
        before = dashboard.utilisation.allocated
        jobid = run_job(instance.uri, "sleep 300")
        await eventually(lambda: dashboard.utilisation.allocated == before + 1)
        await feed.cancel(jobid)
        await eventually(lambda: dashboard.utilisation.allocated == before)
        assert dashboard.utilisation.total >= before + 1


async def test_everything_that_is_stored_of_a_job_is_on_its_screen(instance: Instance) -> None:
    jobid = run_job(instance.uri, "echo fine; echo dear me >&2; exit 3")
    app = TopApp(LiveFeed(instance.uri), jobid=jobid)
    async with app.run_test(size=(130, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        screen = app.screen
        assert isinstance(screen, JobScreen)
        await until(pilot, lambda: screen.composed and screen.finished)
        await until(pilot, lambda: "err dear me" in text_of(pilot))
        assert "exit code 3" in text_of(pilot)
        assert [phase.name for phase in screen.following.lines.story.phases] == [
            "depend", "priority", "queued", "run", "cleanup",
        ]  # fmt: skip
        for key, words in (("5", "R_lite:"), ("6", "PATH="), ("8", "guest.exec.eventlog")):
            await pilot.press(key)
            await until(pilot, partial(shows, pilot, words))
        await pilot.press("7")
        await until(pilot, lambda: "because:        exit code 3" in text_of(pilot))


async def test_jobs_that_were_purged_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(purging, "SURE", -60.0)
    with running_instance(1) as own:
        ids = [run_job(own.uri, "true") for _ in range(3)]
        kept = run_job(own.uri, "sleep 100")
        async with following(own.uri) as (_, dashboard):
            await eventually(lambda: dashboard.table.counts[Status.COMPLETED] == 3)
            dashboard.settle()
            own.run("job", "purge", "--force", "--num-limit=1")
            await eventually(lambda: len(dashboard.table) == 2)
            (left,) = dashboard.table.row_of.keys() - {kept}
            assert left in ids
            assert status(dashboard, kept) == Status.RUN
            later = run_job(own.uri, "true")
            await eventually(lambda: status(dashboard, later) == Status.COMPLETED)
