"""The job under the cursor, beside the table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.event import EventLogEvent
from flux.job.follow import OUTPUT, Entries
from tests.console.driving import loaded, text_of, until
from tui.app import TopApp
from tui.screens.jobs import JobsScreen
from tui.widgets import preview
from tui.widgets.preview import PreviewPane

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.feed.base import JobItem
    from tui.feed.synthetic import SyntheticFeed

MakeApp = Callable[..., TopApp]
SIZE = (160, 50)


class Follows:
    """Counts the jobs that are followed, and how many at a time."""

    def __init__(self, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobids: list[int] = []
        self.open = self.most = 0
        self._given = feed.job_entries
        monkeypatch.setattr(feed, "job_entries", self.entries)

    async def entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        self.jobids.append(jobid)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            async for item in self._given(jobid):
                yield item
            await asyncio.Event().wait()
        finally:
            self.open -= 1


@pytest.fixture
def follows(feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch) -> Follows:
    return Follows(feed, monkeypatch)


async def jobs_screen(pilot: Pilot[Any]) -> JobsScreen:
    await loaded(pilot)
    screen = pilot.app.screen
    assert isinstance(screen, JobsScreen)
    return screen


def pane_of(screen: JobsScreen) -> PreviewPane:
    return screen.query_one(PreviewPane)


async def test_the_job_under_the_cursor_is_shown_and_followed(
    make_app: MakeApp, follows: Follows
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await jobs_screen(pilot)
        pane = pane_of(screen)
        await pilot.press("4", "down")
        row = screen.table.cursor_row
        assert row is not None
        assert pane.jobid == app.dashboard.table.ids[row]
        await until(pilot, lambda: len(pane.output.content) == 120)
        text = text_of(pilot)
        assert "why it " in text
        assert "step  119" in text
        assert follows.jobids[-1] == pane.jobid


async def test_what_the_table_knows_is_there_before_anything_is_asked(
    make_app: MakeApp, follows: Follows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "REST_SECONDS", 3600.0)
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await jobs_screen(pilot)
        await pilot.press("4")
        text = text_of(pilot)
        assert "why it " in text
        assert "queued " in text
        assert "reading…" in text
    assert follows.jobids == []


async def test_scrolling_asks_about_no_job_on_the_way(
    make_app: MakeApp, follows: Follows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "REST_SECONDS", 3600.0)
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await jobs_screen(pilot)
        for _ in range(40):
            await pilot.press("down")
        assert follows.jobids == []
        monkeypatch.setattr(preview, "REST_SECONDS", 0.01)
        await pilot.press("down")
        await until(pilot, lambda: follows.open == 1)
        pane = pane_of(screen)
        assert follows.jobids == [pane.jobid]
        await pilot.press("down")
        await until(pilot, lambda: len(follows.jobids) == 2 and follows.open == 1)
        assert follows.most == 1


async def test_a_job_on_top_is_the_only_one_that_is_followed(
    make_app: MakeApp, follows: Follows
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await jobs_screen(pilot)
        await until(pilot, lambda: follows.open == 1)
        await pilot.press("d")
        await until(pilot, lambda: follows.open == 0)
        await pilot.press("escape")
        await until(pilot, lambda: follows.open == 1)
        assert pane_of(screen).jobid == follows.jobids[-1]


async def test_there_is_a_preview_only_where_there_is_room(
    make_app: MakeApp, follows: Follows
) -> None:
    app = make_app()
    async with app.run_test(size=(139, 40)) as pilot:
        screen = await jobs_screen(pilot)
        assert not pane_of(screen).display
        await pilot.press("p")
        await until(pilot, lambda: "the preview needs 140 columns" in text_of(pilot))
        assert follows.jobids == []
        await pilot.resize_terminal(160, 50)
        await until(pilot, lambda: pane_of(screen).display and follows.open == 1)
        await pilot.press("p")
        assert not pane_of(screen).display
        await until(pilot, lambda: follows.open == 0)
        await pilot.press("p")
        assert pane_of(screen).display


async def test_the_line_between_is_moved_by_keys_and_by_the_mouse(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await jobs_screen(pilot)
        pane = pane_of(screen)
        assert pane.outer_size.width == 53
        await pilot.press("less_than_sign")
        assert pane.outer_size.width == 57
        await pilot.press("greater_than_sign", "greater_than_sign")
        assert pane.outer_size.width == 49
        await pilot.mouse_down("#splitter", offset=(0, 3))
        await pilot.hover(offset=(80, 20))
        await pilot.mouse_up(offset=(80, 20))
        assert pane.outer_size.width == 79
        assert not screen.query_one("#splitter").has_class("moving")
        for _ in range(40):
            await pilot.press("greater_than_sign")
        assert pane.outer_size.width == 30
        await pilot.press("d", "escape")
        assert pane.outer_size.width == 30


async def test_keys_that_are_for_the_marked_jobs_are_not_offered_for_this_one(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await jobs_screen(pilot)
        await pilot.press("3")
        assert "c cancels it" in text_of(pilot)
        await pilot.press("space", "up")
        screen.live_update()
        await pilot.pause()
        assert "c cancels it" not in text_of(pilot)


async def test_an_empty_table_has_no_job(make_app: MakeApp, feed: SyntheticFeed) -> None:
    feed.jobs = []
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await jobs_screen(pilot)
        assert "no job" in text_of(pilot)


async def test_of_a_long_output_the_beginning_is_read(
    make_app: MakeApp, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, asked = feed.job_entries, []

    async def endless(jobid: int) -> AsyncGenerator[JobItem]:
        async for item in given(jobid):
            yield item
        context = {"stream": "stdout", "rank": "0", "data": "x" * 100_000 + "\n"}
        while True:
            asked.append(jobid)
            entry = EventLogEvent({"timestamp": 1.0, "name": "data", "context": context})
            yield Entries(OUTPUT, [entry])

    monkeypatch.setattr(feed, "job_entries", endless)
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await jobs_screen(pilot)
        pane = pane_of(screen)
        await until(pilot, lambda: pane.following is not None and pane.following.cut_short)
        assert len(asked) == 21
        assert pane.following is not None
        assert pane.following.ended


async def test_of_a_set_one_that_is_worth_a_look_is_shown(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    first = 1_795_220_400.0
    feed.jobs = [
        {
            "id": (1000 + number) << 24,
            "userid": 0,
            "urgency": 16,
            "priority": 16,
            "state": 64 if number == 7 else 8,
            "result": 2,
            "waitstatus": 256,
            "name": f"bulk{number}",
            "ntasks": 1,
            "t_submit": first + number * 0.01,
        }
        for number in range(30)
    ]
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await jobs_screen(pilot)
        await pilot.press("home")
        await until(pilot, lambda: "one of 30 jobs: 29 sched, 1 failed" in text_of(pilot))
        assert pane_of(screen).jobid == 1007 << 24
        assert "cancels it" not in text_of(pilot)
