"""Commands over a real instance: sub-commands of flux, what their words may become, submitting a
job again, the end of a job.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from flux import Flux
from flux.job import JobspecV1, submit
from flux.job.JobID import JobID
from flux.testing.instance import Instance, running_instance
from tests.console.driving import text_of, until
from tests.console.test_commands import output, typed
from tui import processes
from tui.app import TopApp
from tui.feed.live import LiveFeed
from tui.model.states import Status
from tui.screens.command_bar import CommandBar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.pilot import Pilot

SIZE = (120, 40)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    """One instance for the whole file."""
    with running_instance(1) as running:
        yield running


@pytest.fixture
def steady_world() -> None:
    """A real instance has real users and the real time."""


def run_job(uri: str, *words: str) -> str:
    """Submit a command and return the job's id."""
    handle = Flux(uri)
    jobspec = JobspecV1.from_command(list(words))
    jobspec.cwd, jobspec.environment = "/", {"PATH": os.environ["PATH"]}
    jobid = JobID(submit(handle, jobspec)).f58
    handle.close()
    return str(jobid)


async def shown(pilot: Pilot[Any], app: TopApp, jobid: str, status: Status) -> None:
    number = int(JobID(jobid))

    def there() -> bool:
        row = app.dashboard.table.row_of.get(number)
        return row is not None and app.dashboard.table.status[row] == status

    await until(pilot, there)


async def test_a_job_is_looked_at_canceled_and_its_end_is_told(instance: Instance) -> None:
    jobid = run_job(instance.uri, "sleep", "600")
    app = TopApp(LiveFeed(instance.uri), query=f"id:{jobid}")
    async with app.run_test(size=SIZE) as pilot:
        await shown(pilot, app, jobid, Status.RUN)
        await until(pilot, lambda: len(app.dashboard.view) == 1)
        await typed(pilot, "job eventlog {id}")
        lines = await output(pilot)
        assert any("submit" in line for line in lines)
        assert lines[-1].startswith("exit code 0")
        await pilot.press("escape")
        await pilot.press("b")
        await typed(pilot, "job cancel {id} not needed")
        assert (await output(pilot))[-1].startswith("exit code 0")
        await pilot.press("escape")
        await until(pilot, lambda: app.message.text.startswith(f"{jobid} sleep canceled"))


async def test_words_come_from_the_flux_command(instance: Instance) -> None:
    app = TopApp(LiveFeed(instance.uri))
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.dashboard.link.up)
        await pilot.press("colon", *"kvs namespace l")
        screen = app.screen
        assert isinstance(screen, CommandBar)
        await until(pilot, lambda: "List the namespaces" in text_of(pilot))
        await pilot.press("tab")
        assert screen.input.value == "kvs namespace list "
        await pilot.press("enter")
        assert any("primary" in line for line in await output(pilot))


async def test_the_command_of_a_job_submits_one_like_it(instance: Instance) -> None:
    jobid = run_job(instance.uri, "printf", "%s\\n", "it's two words")
    app = TopApp(LiveFeed(instance.uri), query=f"id:{jobid}")
    async with app.run_test(size=SIZE) as pilot:
        await shown(pilot, app, jobid, Status.COMPLETED)
        await until(pilot, lambda: len(app.dashboard.view) == 1)
        await pilot.press("Y")
        await until(pilot, lambda: "copied flux mini submit" in app.message.text)
        words = [processes.flux_program(), *shlex.split(app.clipboard)[1:]]
    run = subprocess.run(
        [*words[:2], "run", *words[3:]],
        env=processes.environment(instance.uri),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert run.stdout == "it's two words\n"
