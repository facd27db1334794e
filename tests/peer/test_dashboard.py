"""The dashboard on a real flux-core: it follows the jobs, every view is read, keys act."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.JobID import JobID
from tests.console.driving import loaded, shows, text_of, until
from tests.console.test_live_feed import completed, eventually, following, status
from tui.app import TopApp
from tui.feed.live import LiveFeed
from tui.model.states import Status
from tui.screens.confirm import ConfirmScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.screens.listing import ListingScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tests.peer.conftest import Peer

SIZE = (160, 50)


def app_of(peer: Peer) -> TopApp:
    return TopApp(LiveFeed(peer.uri), glyphs=palette.UNICODE)


async def test_jobs_are_followed(peer: Peer) -> None:
    async with following(peer.uri) as (feed, dashboard):
        table, known = dashboard.table, {name: JobID(text) for name, text in peer.jobs.items()}
        assert status(dashboard, known["failed"]) == Status.FAILED
        assert status(dashboard, known["long"]) == Status.RUN
        assert table.where[table.row_of[known["long"]]]
        jobid = JobID(peer.theirs("submit", "--job-name=new", "sh", "-c", "echo hi")[1].strip())
        await eventually(completed(dashboard, jobid))
        row = table.row_of[jobid]
        assert (table.name[row], table.ntasks[row]) == ("new", 1)
        assert table.t_submit[row] < table.t_run[row] <= table.t_inactive[row]
        canceled = JobID(peer.theirs("submit", "sleep", "600")[1].strip())
        await eventually(lambda: status(dashboard, canceled) == Status.RUN)
        peer.theirs("cancel", str(canceled.f58))
        await eventually(lambda: status(dashboard, canceled) == Status.CANCELED)
        assert dashboard.link.up
        assert not dashboard.link.text
        assert {"jobspec", "R"} <= (await feed.lookup(jobid)).keys()


async def opened(pilot: Pilot[Any], key: str) -> None:
    await loaded(pilot)
    await pilot.press(key)
    await until(pilot, lambda: not isinstance(pilot.app.screen, JobsScreen))
    screen = pilot.app.screen
    if isinstance(screen, ListingScreen):
        await until(pilot, lambda: screen.known or bool(screen.trouble))
        assert not screen.trouble


@pytest.mark.parametrize("key", ["f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "I"])
async def test_every_view_is_read(peer: Peer, key: str) -> None:
    app = app_of(peer)
    async with app.run_test(size=SIZE) as pilot:
        await opened(pilot, key)
        await pilot.pause(2.5)  # a second time as well
        assert app.dashboard.link.up
        assert not app.dashboard.link.text
        assert "not connected" not in text_of(pilot)


async def test_every_pane_of_a_job(peer: Peer) -> None:
    app = app_of(peer)
    shown = {"1": "out", "2": "submit", "3": "shell.init", "4": "tasks", "5": "rank 0"}
    shown |= {"6": "PATH", "7": "command", "8": "jobspec"}
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press(*"/name:failed", "enter")
        await until(pilot, lambda: len(app.dashboard.view) == 1)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        for key, text in shown.items():
            await pilot.press(key)
            await until(pilot, partial(shows, pilot, text))
        assert app.dashboard.link.up


async def test_keys_act(peer: Peer) -> None:
    jobid = peer.theirs("submit", "--job-name=victim", "sleep", "600")[1].strip()
    app = app_of(peer)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press(*"/name:victim", "enter")
        await until(pilot, lambda: status(app.dashboard, JobID(jobid)) == Status.RUN)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("right", "enter")
        await until(pilot, lambda: status(app.dashboard, JobID(jobid)) == Status.CANCELED)
        await pilot.press("escape")
        await opened(pilot, "f3")
        await pilot.press("end", "d", *"loud fan", "enter")
        await until(pilot, lambda: "loud fan" in text_of(pilot))
    assert "loud fan" in peer.theirs("resource", "drain")[1]
    assert peer.theirs("resource", "undrain", "1")[0] == 0


async def test_guests_follow_the_list_of_jobs(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_HANDLE_USERID", "9999")
    monkeypatch.setenv("FLUX_HANDLE_ROLEMASK", "0x2")
    async with following(peer.uri) as (_, dashboard):
        assert dashboard.guest
        jobid = JobID(peer.theirs("submit", "--job-name=new", "sh", "-c", "exit 4")[1].strip())
        await eventually(lambda: status(dashboard, jobid) == Status.FAILED)
        table = dashboard.table
        assert table.name[table.row_of[jobid]] == "new"
        await eventually(lambda: dashboard.utilisation.known)
        assert dashboard.link.up
        assert not dashboard.link.text
