"""The screen of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from textual.events import MouseScrollUp

from tests.console.conftest import NOW
from tests.console.driving import loaded, text_of, until
from tests.console.test_snapshots import SIZES, Compare
from tests.console.viewing import SIZE, make, opened
from tests.console.views_data import PLACES, views_feed
from tui.model.event_ring import KEPT
from tui.screens.events import EventsScreen
from tui.screens.job import JobScreen

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.app import TopApp

FIRST = 7_000_000_003
"""The id of the first job there is."""


def happen(screen: EventsScreen, *names: str, jobid: int = FIRST, **context: Any) -> None:
    """Have events of a job come in."""
    entries = [{"timestamp": NOW, "name": name, "context": context} for name in names]
    screen.dashboard.apply([{"id": jobid, "entry": entry} for entry in entries])
    screen.live_update()


async def test_events_are_listed_as_they_come_and_open_their_job() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        happen(screen, "memo", x=1)
        happen(screen, "exception", jobid=2 * FIRST, type="oom", severity=0, note="killed\x1b")
        await pilot.pause()
        text = text_of(pilot)
        assert "x=1" in text
        assert "type=oom" in text
        assert "\x1b" not in text
        assert screen.view.cursor == 1  # it follows
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
        assert isinstance(pilot.app.screen, JobScreen)
        assert pilot.app.screen.jobid == 2 * FIRST


async def test_what_is_told_job_by_job_is_listed_in_order_of_time() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        await loaded(pilot)
        dashboard = cast("TopApp", pilot.app).dashboard
        told = [(1, 5), (1, 8), (2, 6), (2, 7)]
        dashboard.apply(
            [
                {"id": FIRST * job, "entry": {"timestamp": NOW + when, "name": "memo"}}
                for job, when in told
            ]
        )
        screen = await opened(pilot, "f8", EventsScreen)
        times = [event.time - NOW for event in screen.listing.shown]
        assert times[-4:] == [5, 6, 7, 8]


async def test_following_stops_with_the_cursor_and_goes_on_at_the_end() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        happen(screen, *["memo"] * 100)
        assert screen.view.cursor == 99
        await pilot.press("k")
        happen(screen, "memo")
        assert screen.view.cursor == 98
        await pilot.press("G")
        happen(screen, "memo")
        assert screen.view.cursor == 101
        await pilot.press("f")
        happen(screen, "memo")
        assert screen.view.cursor == 101
        await pilot.press("f")
        assert screen.view.cursor == 102


async def test_scrolling_back_with_the_wheel_stops_following() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        happen(screen, *["memo"] * 100)
        await pilot.pause()
        assert screen.view.following
        await pilot._post_mouse_events([MouseScrollUp], "#rows", offset=(10, 5))  # noqa: SLF001
        await pilot.pause()
        assert not screen.view.following
        assert screen.view.scroll_offset.y < screen.view.max_scroll_y


async def test_pause_says_how_many_wait() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        happen(screen, "memo")
        await pilot.press("p")
        happen(screen, "memo", "memo")
        await pilot.pause()
        assert len(screen.listing) == 1
        assert "paused: 2 more" in text_of(pilot)
        await pilot.press("p")
        assert len(screen.listing) == 3
        await pilot.press("c")
        assert len(screen.listing) == 0


async def test_filter_by_query_and_words() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        for number in range(len(PLACES)):
            happen(screen, "start", "memo", jobid=(number + 1) * FIRST)
        await pilot.press("slash", *"name:sim-1 start", "enter")
        assert [(e.jobid, e.name) for e in screen.listing.shown] == [(2 * FIRST, "start")]
        assert "1 of 24" in text_of(pilot)
        happen(screen, "start", jobid=2 * FIRST)
        happen(screen, "start", jobid=3 * FIRST)
        assert len(screen.listing) == 2
        await pilot.press("slash", *" state:nonsense")
        assert "no state nonsense" in text_of(pilot)
        await pilot.press("escape")
        assert len(screen.listing) == 2
        await pilot.press("escape")
        assert len(screen.listing) == 26


async def test_messages_of_a_topic() -> None:
    feed = views_feed()
    feed.streams["heartbeat.pulse"] = [{"epoch": 1}, {"epoch": 2}]
    async with make(feed).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        await pilot.press("t", *"heart", "enter")
        await until(pilot, lambda: screen.listing.total == 2)
        screen.live_update()
        await pilot.pause()
        assert '{"epoch":2}' in text_of(pilot)
        assert "and messages heart" in text_of(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "not about a job" in text_of(pilot))
        await pilot.press("t", "backspace", "enter")
        await until(pilot, lambda: not screen.topic)


async def test_a_lost_connection_leaves_a_line() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        happen(screen, "memo")
        screen.dashboard.set_link(False, "lost")
        screen.live_update()
        screen.dashboard.set_link(True)
        screen.live_update()
        await pilot.pause()
        assert "connection lost" in text_of(pilot)


async def test_events_that_were_not_kept_are_counted() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        happen(screen, *["memo"] * (KEPT + 7))
        await pilot.press("g")
        await pilot.pause()
        assert "7 events before were not kept" in text_of(pilot)
        assert screen.listing.total == KEPT + 1


async def test_a_hundred_thousand_events_leave_the_newest() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f8", EventsScreen)
        for _ in range(25):
            happen(screen, *["memo"] * 4000)
        assert 20_000 <= screen.listing.total <= 25_000
        assert screen.view.row is not None
        assert screen.view.row.number == 100_000


@SIZES
@pytest.mark.parametrize("name", ["list"])
def test_events_look(
    snap_compare: Compare,
    name: str,  # noqa: ARG001 - names the picture
    size: tuple[int, int],
) -> None:
    async def run(pilot: Pilot[Any]) -> None:
        screen = await opened(pilot, "f8", EventsScreen)
        happen(screen, "submit", "depend", "priority", userid=0)
        happen(screen, "alloc", annotations={"sched": {"resource_summary": "rank0/core0"}})
        happen(screen, "start")
        happen(screen, "finish", status=256)
        happen(screen, "exception", type="oom", severity=0, note="out of memory")
        happen(screen, "release", "free", "clean", jobid=2 * FIRST)
        await pilot.pause()

    assert snap_compare(make(views_feed()), terminal_size=size, run_before=run)
