"""The dashboard of somebody who does not own the instance: jobs are followed by the list of jobs,
and what is the owner's is told as such.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import pytest

from flux.aio import AsyncFlux
from flux.job.JobID import JobID
from flux.testing.instance import Instance, running_instance
from tests.console.driving import loaded, shows, text_of, until
from tests.console.test_live_feed import completed, eventually, following, status
from tui.app import TopApp
from tui.feed import list_follower
from tui.feed.list_follower import ListFollower
from tui.feed.live import LiveFeed
from tui.model.refusals import NO_EVENTS, OTHERS_JOB, OWNERS_ONLY
from tui.model.states import DONE, Status
from tui.screens.confirm import ConfirmScreen
from tui.screens.jobs import JobsScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = (160, 50)
GUEST = "9999"


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def steady_world() -> None:
    """A real instance has real users and the real time."""


@pytest.fixture(autouse=True)
def guest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects from here is a guest; commands of the instance are the owner's."""
    monkeypatch.setenv("FLUX_HANDLE_USERID", GUEST)
    monkeypatch.setenv("FLUX_HANDLE_ROLEMASK", "0x2")


def submit(instance: Instance, *words: str) -> JobID:
    return JobID(instance.run("submit", *words).stdout.strip())


async def test_jobs_are_followed(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_follower, "PACE", 0.2)
    before = submit(instance, "sh", "-c", "exit 3")
    instance.run("job", "wait-event", str(before.f58), "clean")
    async with following(instance.uri) as (_, dashboard):
        table = dashboard.table
        assert dashboard.guest
        assert not dashboard.read_only
        assert status(dashboard, before) == Status.FAILED
        long = submit(instance, "--job-name=long", "-t10m", "sleep", "600")
        await eventually(lambda: status(dashboard, long) == Status.RUN)
        row = table.row_of[long]
        assert (table.name[row], table.ntasks[row]) == ("long", 1)
        assert table.userid[row] == os.getuid()
        quick = [submit(instance, "true") for _ in range(5)]
        for jobid in quick:
            await eventually(completed(dashboard, jobid))
        dashboard.settle()
        rates = dashboard.throughput
        assert rates.per_second(dashboard.clock(), 60) > 0
        instance.run("cancel", str(long.f58))
        await eventually(lambda: status(dashboard, long) == Status.CANCELED)
        assert dashboard.link.up
        assert not dashboard.link.text
        assert dashboard.total(DONE) == len(table)


async def test_what_changes_without_a_new_state_is_seen_too(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_follower, "PACE", 0.1)
    monkeypatch.setattr(list_follower, "REFRESH", 0.3)
    held = submit(instance, "--urgency=hold", "true")
    async with following(instance.uri) as (_, dashboard):
        row = dashboard.table.row_of[held]
        instance.run("job", "memo", "--volatile", str(held.f58), "note=hello")
        await eventually(lambda: "hello" in str(dashboard.table.annotations_of(row)))
        assert dashboard.link.up
    instance.run("cancel", str(held.f58))


async def test_jobs_that_are_purged_unseen_are_forgotten(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_follower, "PACE", 0.1)
    held = submit(instance, "--urgency=hold", "true")
    async with following(instance.uri) as (_, dashboard):
        looked: list[bool] = []
        look = ListFollower.look

        async def late(follower: ListFollower) -> bool:
            if not looked:  # meanwhile the job ends, and is purged
                instance.run("cancel", str(held.f58))
                instance.run("job", "wait-event", str(held.f58), "clean")
                instance.run("job", "purge", "--force", str(held.f58))
            looked.append(await look(follower))
            return looked[-1]

        monkeypatch.setattr(ListFollower, "look", late)
        await eventually(lambda: held not in dashboard.table.row_of)
        assert dashboard.link.up


async def test_the_list_is_read_when_the_counts_have_changed(instance: Instance) -> None:
    async with following(instance.uri) as (_, dashboard):
        handle = await AsyncFlux.connect(instance.uri)
        follower = ListFollower(handle, dashboard, ("name", "state"))
        assert await follower.look()
        assert not await follower.look()
        jobid = submit(instance, "true")
        instance.run("job", "wait-event", str(jobid.f58), "clean")
        assert await follower.look()
        assert not await follower.look()
        await handle.close()


async def test_what_is_the_owners_is_told_as_such(instance: Instance) -> None:
    jobid = submit(instance, "--job-name=theirs", "sleep", "600")
    app = TopApp(LiveFeed(instance.uri), glyphs=palette.UNICODE)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        assert "guest" in text_of(pilot)
        footer = text_of(pilot).splitlines()[-1]
        assert "Cancel" in footer  # of jobs of one's own
        for key, sentence in (("f5", OWNERS_ONLY), ("f6", OWNERS_ONLY), ("f9", OWNERS_ONLY)):
            await pilot.press(key)
            await until(pilot, partial(shows, pilot, sentence))
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        await pilot.press("f8")
        await until(pilot, lambda: NO_EVENTS in text_of(pilot))
        await pilot.press("escape", "f3")
        await until(pilot, lambda: "2 up" in text_of(pilot))
        assert "Drain" not in text_of(pilot).splitlines()[-1]
        await pilot.press("escape", *"/name:theirs", "enter", "enter")
        await until(pilot, lambda: OTHERS_JOB[:30] in text_of(pilot))
        await pilot.press("escape", "c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("right", "enter")
        await until(pilot, lambda: "guests can only" in text_of(pilot))
        assert status(app.dashboard, jobid) == Status.RUN
    instance.run("cancel", str(jobid.f58))
