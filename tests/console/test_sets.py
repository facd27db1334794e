"""Sets of like jobs in the table: how they look, fold, are marked and acted on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.Jobspec import JobspecV1
from flux.job.submit import submit
from flux.testing.instance import running_instance
from tests.console.conftest import INSTANCE, NOW
from tests.console.driving import loaded, text_of, until
from tests.console.test_snapshots import SIZES
from tui.app import TopApp
from tui.feed.live import LiveFeed
from tui.feed.synthetic import SyntheticFeed
from tui.model.lines import SetLine
from tui.model.states import Status
from tui.screens.confirm import ConfirmScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.widgets import palette

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.model.records import Job

SIZE = (110, 30)
MakeApp = Callable[..., TopApp]


def bulk() -> list[Job]:
    """Return 40 jobs of a set, of which 10 have ended, 2 failed and 4 run, and a few others."""
    jobs: list[Job] = []
    for n in range(40):
        it: Job = {
            "id": (n + 1) << 24,
            "userid": 0,
            "state": 8,
            "urgency": 16,
            "priority": 16,
            "t_submit": NOW - 300 + n / 100,
            "name": f"sim-{n}.dat",
            "ntasks": 2,
        }
        if n < 16:
            it |= {"state": 16, "t_run": NOW - 200 + n, "ranks": "0", "nnodes": 1}
        if n < 12:
            ended = {"t_cleanup": NOW - 20 + n, "t_inactive": NOW - 20 + n}
            it |= {"state": 64, "result": 2 if n < 2 else 1, "waitstatus": 256 if n < 2 else 0}
            it |= ended
        jobs.append(it)
    alone = {**jobs[20], "id": 99 << 24, "name": "alone", "t_submit": NOW - 9, "userid": 1}
    instance = {
        **jobs[15],
        "id": 98 << 24,
        "name": "batch",
        "t_run": NOW - 250,
        "expiration": NOW + 100,
        "annotations": {"user": {"uri": "local:///tmp/inner"}},
    }
    return [*jobs, alone, instance]


@pytest.fixture
def feed() -> SyntheticFeed:
    return SyntheticFeed(bulk(), instance=INSTANCE)


def app_of(pilot: Pilot[Any]) -> TopApp:
    app = pilot.app
    assert isinstance(app, TopApp)
    return app


def table_of(pilot: Pilot[Any]) -> Any:
    screen = pilot.app.screen
    assert isinstance(screen, JobsScreen)
    return screen.table


@asynccontextmanager
async def shown(make_app: MakeApp, **options: Any) -> AsyncIterator[Pilot[Any]]:
    app = make_app(**options)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        yield pilot


async def test_a_set_is_one_line_with_counts_rate_and_time_left(make_app: MakeApp) -> None:
    async with shown(make_app) as pilot:
        text = text_of(pilot)
        assert "▸ ×40" in text
        assert "sim-*.dat" in text
        assert "4 R 24 S 2 F 10 CD" in text
        assert "RUNNING 5" in text
        assert "PENDING 25" in text
        assert "▣ batch" in text
        assert text.count("sim-") == 1


async def test_enter_unfolds_and_folds_and_opens_a_job_inside(make_app: MakeApp) -> None:
    async with shown(make_app) as pilot:
        assert isinstance(table_of(pilot).cursor_line, SetLine)
        await pilot.press("enter")
        assert "▾ ×40" in text_of(pilot)
        assert "┊ sim-15.dat" in text_of(pilot)
        await pilot.press("enter")
        assert "┊" not in text_of(pilot)
        await pilot.press("enter", "down", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, JobScreen)
        table = app_of(pilot).dashboard.table
        assert table.name[table.row_of[screen.jobid]] == "sim-15.dat"


@pytest.mark.parametrize(("unfold", "fold"), [("right", "left"), ("l", "h")])
async def test_the_cursor_goes_to_the_set_that_is_folded_around_it(
    make_app: MakeApp, unfold: str, fold: str
) -> None:
    async with shown(make_app) as pilot:
        table = table_of(pilot)
        await pilot.press(unfold, "down", "down", "down", fold)
        assert isinstance(table.cursor_line, SetLine)
        assert "▸ ×40" in text_of(pilot)
        await pilot.press(fold, unfold, unfold)
        assert "▾ ×40" in text_of(pilot)


async def test_all_sets_fold_and_unfold_and_grouping_goes_off(make_app: MakeApp) -> None:
    async with shown(make_app) as pilot:
        dashboard = app_of(pilot).dashboard
        await pilot.press("z")
        assert len(dashboard.lines) == 45
        await pilot.press("down", "down", "z")
        assert len(dashboard.lines) == 5
        assert isinstance(table_of(pilot).cursor_line, SetLine)
        await pilot.press("Z")
        await until(pilot, lambda: "every job has its line" in text_of(pilot))
        assert len(dashboard.lines) == 46  # 42 jobs, four headings
        await pilot.press("z")
        await until(pilot, lambda: "no sets" in text_of(pilot))
        await pilot.press("Z")
        assert "▸ ×40" in text_of(pilot)


async def test_the_cursor_stays_on_its_set_whatever_goes_on_in_it(make_app: MakeApp) -> None:
    async with shown(make_app) as pilot:
        app, table = pilot.app, table_of(pilot)
        assert isinstance(app, TopApp)
        started = {"timestamp": NOW, "name": "alloc", "context": {}}
        app.dashboard.apply([{"id": 99 << 24, "entry": started}])
        app.repaint()
        await pilot.press("down", "g", "down")
        before = table.cursor
        assert isinstance(table.cursor_line, SetLine)
        for n in range(1, 41):
            for name, context in (("finish", {"status": 0}), ("clean", {})):
                entry = {"timestamp": NOW, "name": name, "context": context}
                app.dashboard.apply([{"id": n << 24, "entry": entry}])
        app.repaint()
        await pilot.pause()
        assert isinstance(table.cursor_line, SetLine)
        assert table.cursor > before
        assert "2 F 38 CD" in text_of(pilot)


async def test_a_filter_counts_the_jobs_of_a_set_that_match(make_app: MakeApp) -> None:
    async with shown(make_app) as pilot:
        await pilot.press("slash", *"state:failed", "enter")
        assert "2 F of 40" in text_of(pilot)
        assert "2 of 42" in text_of(pilot)
        await pilot.press("slash", *"name:sim-7.dat", "enter")
        assert "▸" not in text_of(pilot)  # the job itself
        assert "sim-7.dat" in text_of(pilot)


async def test_marks_of_a_set_are_those_of_its_jobs(make_app: MakeApp) -> None:
    async with shown(make_app) as pilot:
        marks = app_of(pilot).dashboard.marks
        await pilot.press("space")
        assert len(marks) == 40
        assert "◆▸ ×40" in text_of(pilot)
        assert "40 marked" in text_of(pilot)
        assert "off the screen" not in text_of(pilot)
        await pilot.press("g", "right", "down", "space", "left")
        assert len(marks) == 39
        assert "◇▸ ×40" in text_of(pilot)
        await pilot.press("space", "g", "space")
        assert not marks


async def test_cancelling_a_set_asks_for_all_of_its_jobs(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    async with shown(make_app) as pilot:
        await pilot.press("c")
        screen = pilot.app.screen
        assert isinstance(screen, ConfirmScreen)
        text = text_of(pilot)
        assert "Cancel 28 jobs?" in text
        assert "of 40 in the set, 12 over already" in text
        await pilot.press(*"28", "enter")
        await until(pilot, lambda: len(feed.actions) == 28)
    assert {jobid for _, jobid, *_ in feed.actions} == {n << 24 for n in range(13, 41)}


async def test_what_a_filter_hides_of_a_set_is_left_alone(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    async with shown(make_app, query="state:running") as pilot:
        await pilot.press("c")
        assert "Cancel 4 jobs?" in text_of(pilot)
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(feed.actions) == 4)


async def test_read_only_sets_fold_but_cannot_be_cancelled(make_app: MakeApp) -> None:
    async with shown(make_app, read_only=True) as pilot:
        await pilot.press("right", "c")
        assert isinstance(pilot.app.screen, JobsScreen)
        assert "▾ ×40" in text_of(pilot)


async def test_only_the_state_of_a_changed_job_stands_out_and_not_for_long(
    feed: SyntheticFeed,
) -> None:
    now = [NOW]
    app = TopApp(feed, clock=lambda: now[0], glyphs=palette.UNICODE)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("down", "down")
        entry = {"timestamp": NOW, "name": "alloc", "context": {}}
        app.dashboard.apply([{"id": 99 << 24, "entry": entry}])
        app.repaint()
        await pilot.pause()
        steps = [grounds(pilot, "alone")]
        for _ in range(2):
            now[0] += 0.35
            app.repaint()
            await pilot.pause()
            steps.append(grounds(pilot, "alone"))
    assert steps[0] - steps[2] == {palette.STATUS_COLOUR[Status.RUN]}
    assert steps[1] - steps[2] == {palette.FLASH}


def grounds(pilot: Pilot[Any], text: str) -> set[str]:
    """Return the backgrounds of a job's line that are not the cursor's."""
    strips = pilot.app.screen._compositor.render_strips()  # noqa: SLF001 - as its driver does
    (line,) = [strip for strip in strips if text in strip.text]
    found = [segment.style.bgcolor for segment in line if segment.style]
    return {colour.get_truecolor().hex for colour in found if colour} - {palette.CURSOR}


async def test_a_set_is_drawn_in_ascii_too(make_app: MakeApp) -> None:
    async with shown(make_app, glyphs=palette.ASCII) as pilot:
        assert "@ batch" in text_of(pilot)
        await pilot.press("space", "g", "right")
        text = text_of(pilot)
        assert "+v x40" in text
        assert "| sim-15.dat" in text
        assert "".join(line[:-1] for line in text.splitlines()).isascii()  # but the scroll bar


@SIZES
@pytest.mark.parametrize("keys", [(), ("right", "down", "space")], ids=["folded", "unfolded"])
def test_sets_look_right(
    snap_compare: Callable[..., bool], make_app: MakeApp, keys: tuple[str, ...], size: Any
) -> None:
    async def run(pilot: Pilot[Any]) -> None:
        await loaded(pilot)
        await pilot.press(*keys)

    assert snap_compare(make_app(), terminal_size=size, run_before=run)


class TestLive:
    """Against a real broker."""

    @pytest.fixture
    def steady_world(self) -> None:
        """A real instance has the real time."""

    async def test_jobs_submitted_in_bulk_are_a_set_that_follows_them(self, tmp_path: Any) -> None:
        from flux.core.handle import Flux

        with running_instance(1) as instance:
            app = TopApp(LiveFeed(instance.uri), glyphs=palette.UNICODE)
            async with app.run_test(size=SIZE) as pilot:
                await until(pilot, lambda: app.dashboard.link.up)
                handle = Flux(instance.uri)
                for number in range(6):
                    jobspec = JobspecV1.from_command(["true"])
                    jobspec.cwd, jobspec.environment = str(tmp_path), {"PATH": "/bin:/usr/bin"}
                    jobspec.setattr("system.job.name", f"piece-{number}")
                    submit(handle, jobspec)
                handle.close()
                await until(pilot, lambda: "6 CD" in text_of(pilot))
                assert "piece-*" in text_of(pilot)
                assert "×6" in text_of(pilot)
