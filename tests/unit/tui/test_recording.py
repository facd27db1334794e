"""What is recorded is shown again as it was, at any moment, whatever became of the file."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.event import EventLogEvent
from flux.job.follow import EXEC, MAIN, OUTPUT, Entries, Failed
from tui.feed import replay
from tui.feed.recorder import Recorder
from tui.feed.recording import RecordedFeed
from tui.feed.replay import ReplayFeed
from tui.feed.synthetic import SyntheticFeed
from tui.model import recorded, sample
from tui.model.dashboard import Dashboard
from tui.model.facts import StateCounts
from tui.model.nodestrip import NodeUse
from tui.model.recorded import NotARecording
from tui.model.stats import ResourceCounts
from tui.model.tape import play

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tui.feed.base import JobItem

NOW = 1_795_220_449.0


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def shown(dashboard: Dashboard) -> dict[str, Any]:
    """All that a dashboard shows."""
    table = dashboard.table
    jobs = {table.ids[row]: table.record(row) for row in range(len(table))}
    return {
        "jobs": jobs,
        "counts": dashboard.counts,
        "waits": table.waits,
        "notices": dashboard.notices,
        "use": dashboard.utilisation.counts,
        "link": dashboard.link,
        "stale": dashboard.stale,
        "instance": dashboard.instance,
        "ended": table.counts[:],
    }


class World:
    """An instance that changes, recorded: what was shown at each moment is kept."""

    def __init__(self, path: Path, jobs: int = 40) -> None:
        self.clock = Clock()
        self.dashboard = Dashboard(self.clock)
        self.feed = SyntheticFeed(sample.jobs(jobs, NOW))
        self.told: list[str] = []
        self.recorder = Recorder(path, self.dashboard, self.told.append)
        self.moments: dict[float, dict[str, Any]] = {}

    def load(self) -> None:
        self.feed.load(self.dashboard)
        self.step(0)

    def step(self, seconds: float, changes: int = 0) -> None:
        """Let time pass, then things happen."""
        self.dashboard.settle()
        while self.dashboard.rebuild_some():
            pass
        self.moments[self.clock.now] = shown(self.dashboard)
        self.clock.now = round(self.clock.now + seconds, 3)
        if changes:
            self.dashboard.apply(self.feed.changes(self.dashboard, changes))
        self.dashboard.settle()
        while self.dashboard.rebuild_some():
            pass
        self.moments[self.clock.now] = shown(self.dashboard)

    def live(self) -> None:
        """A while in which everything changes that can."""
        dashboard, table = self.dashboard, self.dashboard.table
        for number in range(60):
            self.step(1.5, 5)
            if number == 20:
                dashboard.set_waits({table.ids[3]: "no nodes", table.ids[4]: "held"})
                dashboard.set_notices(["the queue is stopped"])
            if number == 25:
                dashboard.set_waits({table.ids[4]: "held", table.ids[5]: "begins in 5m"})
                uses = (NodeUse(0, 4, 2, False, False), NodeUse(1, 4, 0, True, True))
                dashboard.set_resources(ResourceCounts(8, 2, 4, 2, 1, 1, uses))
            if number == 30:
                dashboard.ask()
                self.step(4)
                self.step(4)
                dashboard.hear()
            if number == 40:
                dashboard.set_link(False, "lost connection", self.clock.now + 4, 1)
                self.step(2)
                dashboard.set_loading(StateCounts(running=60))
                dashboard.replace([table.record(row) for row in range(20)])
                self.step(0.5)
                dashboard.load([table.record(row) for row in range(20, 40)])
                dashboard.set_loading(None)
                dashboard.set_link(True)
                table = dashboard.table
        self.step(1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "day.jsonl"


@pytest.fixture
def world(path: Path) -> World:
    return World(path)


def opened(path: Path) -> tuple[ReplayFeed, Dashboard]:
    feed = ReplayFeed(str(path))
    while feed._read():  # noqa: SLF001 - as its run does
        pass
    feed._read()  # noqa: SLF001
    dashboard = Dashboard(feed.clock)
    dashboard.chronicle = None
    return feed, dashboard


def go(feed: ReplayFeed, dashboard: Dashboard, moment: float) -> None:
    feed.seek(moment)
    feed._advance(dashboard, 0)  # noqa: SLF001 - as its run does
    dashboard.settle()


@pytest.mark.parametrize("order", ["on", "back", "about"])
@pytest.mark.parametrize("spacing", [10, 100_000])
def test_every_moment_is_shown_as_it_was(
    world: World, path: Path, order: str, spacing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "SPACING", spacing)
    world.load()
    world.live()
    world.recorder.close()
    feed, dashboard = opened(path)
    assert feed.index.unreadable == 0
    moments = sorted(world.moments)
    if order == "back":
        moments.reverse()
    elif order == "about":
        moments = moments[::2] + moments[1::2]
    for moment in moments:
        go(feed, dashboard, moment + 0.0004)
        found = shown(dashboard)
        for name, what in world.moments[moment].items():
            assert found[name] == what, (moment - NOW, name)
        assert len(dashboard.view) == len(dashboard.table)
    feed.lines.close()


def test_what_was_before_the_recording_is_in_it(path: Path) -> None:
    clock = Clock()
    dashboard = Dashboard(clock)
    feed = SyntheticFeed(sample.jobs(2500, NOW))
    feed.load(dashboard)
    dashboard.set_notices(["stopped"])
    dashboard.set_waits({dashboard.table.ids[1]: "no nodes"})
    dashboard.settle()
    recorder = Recorder(path, dashboard)
    clock.now += 1
    dashboard.apply(feed.changes(dashboard, 50))
    dashboard.settle()
    clock.now += 1
    dashboard.settle()
    recorder.close()
    assert dashboard.tape is None
    replayed, other = opened(path)
    go(replayed, other, clock.now)
    assert shown(other) == shown(dashboard)
    replayed.lines.close()


def test_states_are_kept_within_bounds(
    world: World, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorded, "SPACING", 1)
    monkeypatch.setattr(recorded, "STATES", 6)
    world.load()
    world.live()
    world.recorder.close()
    feed, dashboard = opened(path)
    assert 2 <= len(feed.index.states) <= 6
    for moment in list(world.moments)[::7]:
        go(feed, dashboard, moment + 0.0004)
        assert shown(dashboard)["jobs"] == world.moments[moment]["jobs"]
    feed.lines.close()


def test_the_trends_of_all_of_it_are_there(world: World, path: Path) -> None:
    world.load()
    world.live()
    world.recorder.close()
    feed, _ = opened(path)
    trends, lived = feed.index.trends, world.dashboard.trends
    for second in (30, 70):
        at = int(NOW) + second
        assert trends.rings[0].moment(at, at + 1).cores == lived.rings[0].moment(at, at + 1).cores
        assert trends.rings[0].moment(at, at + 1).depth is not None
    done = sum(lived.rings[2].completed)
    assert done > 30
    # Made-up jobs that ended before they were told of count or not.
    assert sum(trends.rings[2].completed) == pytest.approx(done, abs=3)
    feed.lines.close()


@pytest.mark.parametrize("name", ["cut.jsonl", "cut.jsonl.gz"])
def test_of_a_file_that_is_cut_off_what_is_whole_is_shown(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    world = World(path)
    world.load()
    world.recorder._flush()  # noqa: SLF001 - as each second
    kept = path.stat().st_size
    world.live()
    world.recorder.close()
    middle = (kept + path.stat().st_size) // 2
    os.truncate(path, middle)
    feed, dashboard = opened(path)
    go(feed, dashboard, NOW + 1e6)
    assert feed.at_end
    assert feed.remark in ("cut off here", "not ended: may still grow")
    assert len(feed.index) > 8
    assert feed.index.end >= NOW
    feed.lines.close()


def test_lines_that_are_damaged_are_left_out_and_counted(world: World, path: Path) -> None:
    world.load()
    world.live()
    world.recorder.close()
    lines = path.read_bytes().split(b"\n")
    lines[10] = lines[10][: len(lines[10]) // 2]
    lines[12] = b'{"t":1e9,"k":"resources","counts":[1]}'
    lines[14] = b"\x00\xff" * 20
    lines[16] = b"[]"
    lines[18] = b'{"t":"soon","k":"time"}'
    lines.insert(20, b'{"t":0,"k":"of later times","more":1}')
    path.write_bytes(b"\n".join(lines))
    feed, dashboard = opened(path)
    assert feed.index.unreadable == 5
    go(feed, dashboard, world.clock.now)
    assert feed.remark == "5 damaged lines left out, end"
    assert dashboard.link.up
    assert len(dashboard.table) > 40
    feed.lines.close()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"hello\n", "not a recording of flux top"),
        (b'{"t":1,"k":"time"}\n', "not a recording of flux top"),
        (b'{"t":1,"k":"flux-top-recording","version":99}\n', "a recording of version 99"),
        (b"\x28\xb5\x2f\xfd1234", "compressed by zstd"),
        (gzip.compress(b"hello\n", mtime=0), "not a recording of flux top"),
    ],
    ids=["text", "json", "later", "zstd", "gzip"],
)
def test_what_is_no_recording_is_refused(path: Path, data: bytes, why: str) -> None:
    path.write_bytes(data)
    with pytest.raises(NotARecording) as caught:
        ReplayFeed(str(path))
    assert str(caught.value.strerror).startswith(why)


@pytest.mark.parametrize("name", ["x.jsonl.zst", "x.xz", "x.jsonl.bz2"])
def test_a_name_that_promises_another_compression_is_refused(
    world: World, tmp_path: Path, name: str
) -> None:
    with pytest.raises(OSError, match=r"compressed by gzip: x.*gz would be"):
        Recorder(tmp_path / name, world.dashboard)
    assert not (tmp_path / name).exists()


def test_a_file_that_is_there_is_not_written_over(world: World, path: Path) -> None:
    with pytest.raises(FileExistsError):
        Recorder(path, world.dashboard)
    assert path.stat().st_mode & 0o777 == 0o600
    world.recorder.close()


def test_a_full_disk_ends_the_recording_with_whole_lines(
    world: World, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    world.recorder._flush()  # noqa: SLF001 - as each second
    before = path.read_bytes()
    write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) <= 30:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data[:30])

    monkeypatch.setattr(os, "write", full)
    world.step(1, 5)
    world.recorder._flush()  # noqa: SLF001
    monkeypatch.undo()
    assert world.told == [f"recording ended: {path}: No space left on device"]
    assert path.read_bytes() == before
    assert world.dashboard.tape is None
    world.step(1, 5)
    world.recorder.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize("packed", [False, True])
def test_a_recording_that_grows_is_followed(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("grows.jsonl.gz" if packed else "grows.jsonl")
    world = World(path)
    world.load()
    world.recorder._flush()  # noqa: SLF001 - as each second
    feed, dashboard = opened(path)
    go(feed, dashboard, NOW + 100)
    for _ in range(3):
        world.step(2, 5)
        world.recorder._flush()  # noqa: SLF001
        while feed._read():  # noqa: SLF001
            pass
        go(feed, dashboard, NOW + 100)
        assert shown(dashboard) == world.moments[world.clock.now]
        assert feed.remark == "not ended: may still grow"
    world.recorder.close()
    while feed._read():  # noqa: SLF001
        pass
    assert feed.remark == "end"
    feed.lines.close()


def test_out_of_a_pipe(world: World, path: Path) -> None:
    world.load()
    world.recorder.close()
    data = path.read_bytes()
    ours, theirs = os.pipe()
    os.write(theirs, data[:300])
    feed = ReplayFeed("-", ours)
    assert feed.lines.progress is None
    os.write(theirs, data[300:])
    os.close(theirs)
    dashboard = Dashboard(feed.clock)
    while feed._read():  # noqa: SLF001 - as its run does
        pass
    go(feed, dashboard, NOW + 10)
    assert len(dashboard.table) == 40
    feed.lines.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def later(feed: ReplayFeed, moment: float) -> bool:
    return feed.position > moment


async def test_it_plays_at_every_speed(world: World, path: Path) -> None:
    world.load()
    world.live()
    world.recorder.close()
    passed = [0.0]
    feed = ReplayFeed(str(path), timer=lambda: passed[0])
    dashboard = Dashboard(feed.clock)
    task = asyncio.create_task(feed.run(dashboard))
    try:
        await until(lambda: dashboard.read_only)
        await asyncio.sleep(0)
        for step, speed in ((0, 1.0), (1, 2.0), (2, 8.0), (-9, 0.5)):
            feed.faster(step)
            assert feed.speed == speed
            before = feed.position
            passed[0] += 2
            await until(partial(later, feed, before))
            assert feed.position == pytest.approx(before + 2 * speed)
        feed.paused = True
        before = feed.position
        passed[0] += 2
        await asyncio.sleep(3 * replay.TURN)
        assert feed.position == before
        feed.paused = False
        feed.skip(1e6)
        await until(lambda: feed.at_end)
        assert feed.remark == "end"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await feed.close()


def test_failures_are_gone_to(world: World, path: Path) -> None:
    world.feed.jobs = [job for job in world.feed.jobs if job["state"] < 64]
    world.load()
    table = world.dashboard.table
    failed = []
    for row in sorted(table.active)[:3]:
        world.step(5)
        entry = {"timestamp": world.clock.now, "name": "exception"}
        entry["context"] = {"type": "exec", "severity": 0, "note": "broken"}
        ended = {"timestamp": world.clock.now, "name": "clean"}
        told = [{"id": table.ids[row], "entry": one} for one in (entry, ended)]
        world.dashboard.apply(told)
        failed.append(world.clock.now)
    world.step(5)
    world.recorder.close()
    feed, dashboard = opened(path)
    go(feed, dashboard, NOW)
    for moment in failed:
        assert feed.next_failure(1)
        go(feed, dashboard, feed._wanted or 0)  # noqa: SLF001
        assert feed.position == moment
    assert not feed.next_failure(1)
    assert feed.next_failure(-1)
    go(feed, dashboard, feed._wanted or 0)  # noqa: SLF001
    assert feed.position == failed[1]
    feed.lines.close()


async def some(feed: ReplayFeed, jobid: int, number: int) -> list[JobItem]:
    found = []
    async for item in feed.job_entries(jobid):
        found.append(item)
        if len(found) == number:
            break
    return found


async def test_what_was_asked_is_answered_as_it_was(world: World, path: Path) -> None:
    world.feed.entries = {
        MAIN: [{"timestamp": NOW, "name": "submit"}],
        OUTPUT: [{"timestamp": NOW, "name": "header"}, {"timestamp": NOW, "name": "data"}],
    }
    world.feed.stored = {"jobspec": {"version": 1}}
    world.feed.log_lines = ["one", "two"]
    world.feed.answers = {"a.b": lambda payload, rank: {"got": [payload, rank]}}
    world.feed.streams = {"s.t": [{"n": 1}, {"n": 2}], "e.v": [{"m": 1}]}
    world.load()
    inner = RecordedFeed(world.feed, world.recorder)
    jobid = world.dashboard.table.ids[0]
    async for _ in inner.job_entries(jobid):
        pass
    await inner.lookup(jobid)
    await inner.ask("a.b", {"x": 1}, 3)
    with pytest.raises(OSError, match="no service answers"):
        await inner.ask("c.d")
    log, streamed, events = inner.log(), inner.listen("s.t"), inner.events("e.")
    assert await anext(log) == ["one", "two"]
    assert [await anext(streamed), await anext(streamed)] == [{"n": 1}, {"n": 2}]
    assert await anext(events) == ("e.v", {"m": 1})
    world.step(1)
    world.recorder.close()
    feed, dashboard = opened(path)
    with pytest.raises(OSError, match="nobody had asked") as caught:
        await feed.ask("a.b", {"x": 1}, 3)
    assert caught.value.errno == errno.ENODATA
    go(feed, dashboard, world.clock.now)
    assert await feed.ask("a.b", {"x": 1}, 3) == {"got": [{"x": 1}, 3]}
    with pytest.raises(OSError, match="no service answers") as caught:
        await feed.ask("c.d")
    assert caught.value.errno == errno.ENOSYS
    with pytest.raises(OSError, match="not recorded"):
        await feed.ask("a.b", {"x": 2}, 3)
    assert await feed.lookup(jobid) == {"jobspec": {"version": 1}}
    items = {type(item): item for item in await some(feed, jobid, 3)}
    failed, entries = items[Failed], items[Entries]
    assert isinstance(failed, Failed)
    assert failed.path == EXEC
    assert isinstance(entries, Entries)
    assert await anext(feed.log()) == ["one", "two"]
    assert await anext(feed.listen("s.t")) == {"n": 1}
    assert await anext(feed.events("e.")) == ("e.v", {"m": 1})
    for refused in (feed.cancel(jobid), feed.kill(jobid, 9)):
        with pytest.raises(OSError, match="a recording cannot be changed"):
            await refused
    feed.lines.close()


async def test_the_events_of_every_job_are_there(
    world: World, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "BLOCK", 100)
    world.load()
    jobid = max(world.dashboard.table.ids) + 1
    told = [EventLogEvent({"timestamp": NOW + n, "name": name}) for n, name in enumerate("abcd")]
    for entry in told:
        world.dashboard.apply([{"id": jobid, "entry": entry}, {"id": jobid + 1, "entry": entry}])
        world.step(1)
    world.recorder.close()
    feed, dashboard = opened(path)
    go(feed, dashboard, NOW + 1.5)
    (first,) = await some(feed, jobid, 1)
    assert isinstance(first, Entries)
    assert list(first.entries) == told[:2]
    items = feed.job_entries(jobid)
    assert await anext(items) == first
    go(feed, dashboard, NOW + 10)
    names = [item async for item in _until_main(items)]
    assert names == [told[2:]]
    go(feed, dashboard, NOW)
    with pytest.raises(OSError, match="wound back"):
        async for _ in items:
            pass
    feed.lines.close()


async def _until_main(items: Any) -> Any:
    async for item in items:
        if isinstance(item, Entries) and item.path == MAIN:
            yield list(item.entries)
            return


def test_unknown_kinds_are_left_out_and_nonsense_is_told() -> None:
    dashboard = Dashboard(Clock())
    play(dashboard, {"t": 1, "k": "of later times"})
    for note in ({"k": "jobs"}, {"k": "events", "events": [5]}, {"k": "resources", "counts": []}):
        with pytest.raises(ValueError, match=r"makes no sense|expected"):
            play(dashboard, {"t": 1, **note})


def test_lines_are_json(world: World, path: Path) -> None:
    world.load()
    world.live()
    world.recorder.close()
    notes = [json.loads(line) for line in path.read_text().splitlines()]
    assert notes[0]["k"] == "flux-top-recording"
    assert notes[-1]["k"] == "end"
    assert [note["t"] for note in notes] == sorted(note["t"] for note in notes)
