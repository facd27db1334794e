"""Jobs that the instance drops (``flux job purge``) while something shows them: rows, sets and
lines have other numbers from then on, and the job on the screen may be among those that are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import loaded
from tui.model.lines import SetLine
from tui.model.states import INACTIVE, RUN
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
