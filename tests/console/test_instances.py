"""The tree of instances: drawn, entered, opened in tabs, and what cannot be looked into."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import loaded, text_of, until
from tests.console.test_snapshots import SIZES
from tui.app import TopApp
from tui.feed.instances import AT_ONCE, MOST, inner_of, look_around
from tui.feed.synthetic import SyntheticFeed
from tui.model.facts import StateCounts
from tui.model.instances import (
    ASCII_BRANCHES,
    DEEPEST,
    InnerInstance,
    InstanceLook,
    instance_listing,
    tree,
)
from tui.model.jobid import f58
from tui.screens.instances import InstancesScreen
from tui.widgets.listing import ListingView

if TYPE_CHECKING:
    from textual.pilot import Pilot

MakeApp = Callable[..., TopApp]
NOW = 1_795_220_449.0


def inner(jobid: int, name: str = "batch.sh") -> InnerInstance:
    return InnerInstance(jobid, name, 1, f"ssh://n1/tmp/{jobid}", NOW - 3600, 2, 2)


def three_levels(feed: SyntheticFeed) -> None:
    feed.looks = {
        "": InstanceLook(StateCounts(running=3, pending=4), (inner(10), inner(20, "alloc"))),
        inner(10).uri: InstanceLook(
            StateCounts(running=1, completed=5, failed=2), (inner(30, "deep"),)
        ),
        inner(30).uri: InstanceLook(StateCounts(pending=7)),
    }


async def opened(pilot: Pilot[Any]) -> InstancesScreen:
    await loaded(pilot)
    await pilot.press("I")
    screen = pilot.app.screen
    assert isinstance(screen, InstancesScreen)
    await until(pilot, lambda: screen.known)
    assert isinstance(pilot.app, TopApp)
    pilot.app.repaint()
    await pilot.pause()
    return screen


async def test_the_tree_shows_what_runs_in_what(make_app: MakeApp, feed: SyntheticFeed) -> None:
    three_levels(feed)
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        lines = [line.rstrip() for line in text_of(pilot).splitlines()]
        at = next(n for n, line in enumerate(lines) if f"├─ {f58(10)}" in line)
        assert "vm" in lines[at - 1]
        assert f"│  └─ {f58(30)}" in lines[at + 1]
        assert f"└─ {f58(20)}" in lines[at + 2]
        assert "nobody answers" in lines[at + 2]
        assert "1h00m" in lines[at]
        assert screen.listing.total == 4


def test_jobs_that_were_canceled_did_not_fail() -> None:
    looks: dict[tuple[int, ...], InstanceLook] = {
        (): InstanceLook(StateCounts(completed=5, failed=2, canceled=90, timeout=3))
    }
    cells = {column.title: column.text for column in instance_listing(lambda: NOW).columns}
    (line,) = tree("vm", looks)
    assert (cells["FAIL"](line), cells["OVER"](line)) == ("5", "100")


async def test_enter_goes_in_and_escape_comes_back(make_app: MakeApp, feed: SyntheticFeed) -> None:
    three_levels(feed)
    reached: list[str] = []

    def connect(uri: str) -> SyntheticFeed:
        reached.append(uri)
        return SyntheticFeed(feed.jobs[:2])

    app = make_app(connect=connect)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("j", "j", "enter")
        await until(pilot, lambda: len(app.dashboard.table) == 2)
        assert reached == [inner(30).uri]
        await pilot.press("q")
        assert isinstance(app.screen, InstancesScreen)
        await pilot.press("t")
        await until(pilot, lambda: len(app.tabs) == 2)
        assert app.session.name == f58(30)


async def test_what_cannot_be_read_is_told(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("I")
        await until(pilot, lambda: "nobody answers" in text_of(pilot))
        assert not app.screen.query_one("#rows", ListingView).listing.total


@SIZES
def test_picture(
    snap_compare: Callable[..., bool],
    make_app: MakeApp,
    feed: SyntheticFeed,
    size: tuple[int, int],
) -> None:
    three_levels(feed)

    async def run(pilot: Pilot[Any]) -> None:
        await opened(pilot)

    assert snap_compare(make_app(), terminal_size=size, run_before=run)


def test_records_of_jobs_that_are_no_instances_are_left_out() -> None:
    jobs: list[dict[str, Any]] = [
        {"id": 1, "annotations": {"user": {"uri": "ssh://n1/x"}}, "name": "b", "t_run": 5.0},
        {"id": 2, "annotations": {"user": {}}},
        {"id": 3, "annotations": {"sched": {"t_estimate": 1}}},
        {"id": 4},
        {"id": 5, "annotations": {"user": {"uri": 7}}},
    ]
    assert [(job.jobid, job.uri, job.started) for job in inner_of(jobs)] == [(1, "ssh://n1/x", 5.0)]


@pytest.mark.parametrize("deep", [1, DEEPEST, DEEPEST + 3])
async def test_levels_are_looked_into_down_to_the_deepest(deep: int) -> None:
    feed = SyntheticFeed()
    feed.looks = {"": InstanceLook(StateCounts(), (inner(1),))}
    for level in range(1, deep):
        feed.looks[inner(level).uri] = InstanceLook(StateCounts(), (inner(level + 1),))
    feed.looks[inner(deep).uri] = InstanceLook(StateCounts())
    looks = await look_around(feed)
    assert max(map(len, looks)) == min(deep, DEEPEST)
    lines = tree("top", looks, ASCII_BRANCHES)
    assert len(lines) == min(deep, DEEPEST + 1) + 1
    assert lines[1].branch == "`- "


async def test_a_thousand_instances_are_not_all_looked_into_nor_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = SyntheticFeed()
    now, most = 0, 0

    async def look(uri: str = "") -> InstanceLook:
        nonlocal now, most
        if not uri:
            return InstanceLook(StateCounts(), tuple(map(inner, range(1000))))
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1
        return InstanceLook(StateCounts())

    monkeypatch.setattr(feed, "look", look)
    looks = await look_around(feed)
    assert most <= AT_ONCE
    assert sum(1 for found in looks.values() if found.counts is not None) == MOST
    assert looks[999,].trouble == "too many to look into"
    assert len(tree("top", looks)) == 1001


async def test_one_that_hangs_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.feed.instances.PATIENCE", 0.05)
    feed = SyntheticFeed()

    async def look(uri: str = "") -> InstanceLook:
        if uri == inner(1).uri:
            await asyncio.Event().wait()
        return InstanceLook(StateCounts(), () if uri else (inner(1), inner(2)))

    monkeypatch.setattr(feed, "look", look)
    looks = await look_around(feed)
    assert looks[1,].trouble == "does not answer"
    assert looks[2,].counts == StateCounts()
