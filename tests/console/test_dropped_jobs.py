"""Jobs that the instance drops (``flux job purge``) while something shows them: rows, sets and
lines have other numbers from then on, and the job on the screen may be among those that are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import loaded, shows, until
from tui.model.jobid import f58
from tui.model.lines import SetLine
from tui.model.states import INACTIVE, RUN, Status
from tui.screens.confirm import ConfirmScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from tui.app import TopApp
    from tui.model.records import Job

    MakeApp = Callable[..., TopApp]

SIZE = (160, 50)


def with_a_set(app: TopApp) -> None:
    """Add jobs of which most have ended: some alone, then a set."""
    now = app.dashboard.clock()
    names = [f"alone-{'abcdefgh'[number]}" for number in range(8)]
    names += [f"run{number}" for number in range(60)]
    jobs: list[Job] = []
    for number, name in enumerate(names):
        over = number % 6 != 5
        jobs.append(
            {
                "id": 5_000_000 + number,
                "userid": 0,
                "state": INACTIVE if over else RUN,
                "result": (2 if number % 4 else 1) if over else 0,
                "name": name,
                "ntasks": 1,
                "t_submit": now - 500 + number / 10,
                "t_run": now - 99,
                **({"t_inactive": now - 50} if over else {}),
            }
        )
    app.dashboard.load(jobs)
    app.repaint()


def drop(app: TopApp, but: int = 0) -> set[int]:
    """Have all jobs that ended dropped, but the first few; returns their ids."""
    table = app.dashboard.table
    ended = [table.ids[row] for row in range(len(table)) if table.state[row] == INACTIVE]
    gone = set(ended[but:])
    assert gone
    app.dashboard.forget(gone)
    return gone


def an_id_of(app: TopApp, state: int) -> int:
    """Return a job in a state."""
    table = app.dashboard.table
    return next(table.ids[row] for row in range(len(table)) if table.state[row] == state)


async def goes_on(pilot: Pilot[Any], app: TopApp) -> bool:
    """Draw what there is, have keys obeyed, and return whether the dashboard is still there."""
    await pilot.press("end", "up", "home", "down")
    app.repaint()
    await pilot.pause()
    return app.is_running and app.return_code in {None, 0}


async def test_the_example_of_a_set_goes_with_the_jobs_before_it(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        with_a_set(app)
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        for _ in range(len(app.dashboard.lines)):
            if isinstance(screen.table.cursor_line, SetLine):
                break
            await pilot.press("down")
        assert isinstance(screen.table.cursor_line, SetLine)
        screen.update_preview()
        gone = drop(app)
        screen.update_preview()  # within the second in which the example was chosen
        pane = screen.preview
        assert pane is not None
        assert pane.jobid is None or pane.jobid not in gone
        assert await goes_on(pilot, app)


KEYS = {
    "a job's screen": ["4", "enter"],
    "a set": ["home"],
    "all marked": ["asterisk"],
    "a question": ["4", "space", "down", "space", "k"],
    "cancelling": ["K"],
    "what can be done": ["4", "m"],
    "a command being typed": ["colon", "c", "o", "p", "y"],
    "nodes": ["f3"],
    "events": ["f8"],
    "graphs": ["f9"],
    "instances": ["I"],
    "sorting": ["s"],
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS.keys())
async def test_whatever_is_on_the_screen_stays_when_jobs_are_dropped(
    make_app: MakeApp, keys: list[str]
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        with_a_set(app)
        await pilot.press(*keys)
        await pilot.pause()
        drop(app, 3)
        app.repaint()
        await pilot.pause()
        drop(app)
        for line in ("copy row", "copy id", "copy command", "tell"):
            app.run_line(line)
            await pilot.pause()
        await pilot.press("enter", "escape", "escape", "escape")
        assert await goes_on(pilot, app)


async def test_a_question_whose_jobs_have_ended_offers_nothing_but_the_way_back(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        jobid = an_id_of(app, RUN)
        app.push_screen(JobScreen(jobid).bind(app.session))
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await pilot.press("c")
        question = app.screen
        assert isinstance(question, ConfirmScreen)
        await pilot.press("tab")
        app.dashboard.load([{"id": jobid, "state": INACTIVE, "result": 1}])
        await until(pilot, lambda: shows(pilot, "Nothing is left to do: it is over"))
        assert question.focused is question.query_one("#refuse")
        assert not question.query_one("#accept").display


async def test_what_was_read_of_a_job_stays_when_it_is_dropped(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        table = app.dashboard.table
        row = next(row for row in range(len(table)) if table.status[row] == Status.FAILED)
        jobid = table.ids[row]
        app.push_screen(JobScreen(jobid).bind(app.session))
        await until(pilot, lambda: shows(pilot, "why it failed"))
        await pilot.press("7")
        await until(pilot, lambda: shows(pilot, "Asked for"))
        app.dashboard.forget({jobid})
        app.repaint()
        await until(pilot, lambda: shows(pilot, "gone from the list"))
        for words in ("FAILED", "why it failed", "Asked for", "urgency"):
            assert shows(pilot, words)
        await pilot.press("c")
        await until(pilot, lambda: shows(pilot, f"{f58(jobid)}: gone from the list"))
