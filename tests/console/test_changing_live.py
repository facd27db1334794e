"""Changing jobs and entering instances, on a real broker."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.JobID import JobID
from flux.testing.instance import Instance, running_instance
from flux.uri.forms import reachable
from tests.console.driving import until
from tests.console.test_live_feed import eventually, following, run_job, status
from tui.app import TopApp
from tui.feed import actions
from tui.feed.instances import look_around
from tui.feed.live import LiveFeed
from tui.model.jobid import f58
from tui.model.states import Status
from tui.screens.jobs import JobsScreen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from textual.pilot import Pilot

    from tui.model.dashboard import Dashboard


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """One broker for the whole file."""
    with running_instance(1) as running:
        yield running


@pytest.fixture
def steady_world() -> None:
    """A real instance has real users and the real time."""


def column(dashboard: Dashboard, jobid: int, name: str) -> Any:
    return getattr(dashboard.table, name)[dashboard.table.row_of[jobid]]


async def test_a_held_job_is_released_limited_annotated_and_run_again(instance: Instance) -> None:
    async with following(instance.uri) as (feed, dashboard):
        jobid = run_job(instance.uri, "sleep 300")
        await eventually(lambda: status(dashboard, jobid) == Status.RUN)
        await actions.set_time_limit(feed, jobid, 3600.0)
        started = column(dashboard, jobid, "t_run")
        await eventually(lambda: abs(column(dashboard, jobid, "expiration") - started - 3600) < 60)
        await actions.annotate(feed, jobid, {"note": "kept for Bob"})
        await actions.raise_exception(feed, jobid, "check", 3, "odd numbers")
        again = await actions.run_again(feed, jobid)
        await eventually(lambda: again in dashboard.table.row_of)
        assert again != jobid
        await actions.raise_exception(feed, jobid, "cancel", 0, "")
        await actions.raise_exception(feed, again, "cancel", 0, "")
        await eventually(lambda: status(dashboard, jobid) == Status.CANCELED)
        with pytest.raises(OSError, match=r"."):
            await actions.set_urgency(feed, jobid, 5)


async def test_urgency_holds_and_releases(instance: Instance) -> None:
    instance.run("queue", "stop")
    try:
        async with following(instance.uri) as (feed, dashboard):
            jobid = run_job(instance.uri, "true")
            await eventually(lambda: status(dashboard, jobid) == Status.SCHED)
            await actions.set_urgency(feed, jobid, 0)
            await eventually(lambda: column(dashboard, jobid, "urgency") == 0)
            instance.run("queue", "start")
            await actions.set_urgency(feed, jobid, 16)
            await eventually(lambda: status(dashboard, jobid) == Status.COMPLETED)
            assert column(dashboard, jobid, "urgency") == 16
    finally:
        instance.run("queue", "start")


async def _entered(pilot: Pilot[Any], app: TopApp, jobid: int) -> None:
    """Press the key until the job is an instance: nothing tells when it has become one."""
    outer = app.dashboard
    deadline = time.monotonic() + 60
    while app.dashboard is outer:
        assert time.monotonic() < deadline
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        screen.set_filter(f"id:{f58(jobid)}")
        await pilot.press("i")
        await pilot.pause(0.2)


async def test_the_instance_in_a_batch_job_is_entered(instance: Instance, tmp_path: Path) -> None:
    script = tmp_path / "batch.sh"
    script.write_text("#!/bin/sh\nflux mini run true\nsleep 300\n")
    script.chmod(0o755)
    done = instance.run("mini", "batch", "-n1", f"--output={tmp_path}/out", str(script))
    jobid = int(JobID(done.stdout.strip()))
    app = TopApp(LiveFeed(instance.uri, reachable), connect=lambda uri: LiveFeed(reachable(uri)))
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: jobid in app.dashboard.table.row_of)
            outer = app.dashboard
            await _entered(pilot, app, jobid)
            await until(pilot, lambda: app.dashboard.counts.completed == 1)
            assert app.dashboard.instance.size == 1
            await pilot.press("q")
            await pilot.pause()
            assert app.dashboard is outer
            looks = await look_around(app.feed)
            assert [job.jobid for job in looks[()].inner] == [jobid]
            counts = looks[jobid,].counts
            assert counts is not None
            assert counts.completed == 1
    finally:
        instance.run("job", "cancel", f58(jobid))
