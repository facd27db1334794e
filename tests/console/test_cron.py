"""The screen of cron entries."""

from __future__ import annotations

from typing import Any

import pytest

from tests.console.driving import text_of, until
from tests.console.test_snapshots import SIZES, Compare
from tests.console.viewing import SIZE, after, make, opened, requests
from tests.console.views_data import views_feed
from tui.screens.cron import CronScreen
from tui.screens.intent import IntentScreen


async def test_entries_with_last_and_next_run() -> None:
    async with make(views_feed()).run_test(size=(160, 50)) as pilot:
        await opened(pilot, "f6", CronScreen)
        text = text_of(pilot)
        assert "in 40s" in text
        assert "exit 3" in text
        assert "3 active" in text
        assert "runs wait for heartbeat.pulse" in text


async def test_what_an_entry_wrote_is_below() -> None:
    async with make(views_feed()).run_test(size=SIZE) as pilot:
        screen = await opened(pilot, "f6", CronScreen)
        await pilot.press("down", "down")
        await until(pilot, lambda: "disk full" in " ".join(x.text for x in screen.pane.content))
        assert "3 files" not in text_of(pilot)
        await pilot.press("up", "up")
        await until(pilot, lambda: "3 files" in text_of(pilot))
        await pilot.press("down")
        await until(pilot, lambda: "nothing of it in the log" in text_of(pilot))
        await pilot.press("J", "K")


async def test_stop_and_start() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f6", CronScreen)
        await pilot.press("a", "minus")
        assert "Stop 3 entries?" in text_of(pilot)
        await pilot.press("right", "enter")
        await until(pilot, lambda: len(requests(feed, "cron.stop")) == 3)
        await until(pilot, lambda: "stopped: 3 entries" in text_of(pilot))
        await pilot.press("plus")
        await until(pilot, lambda: "no entry is chosen" in text_of(pilot))
        await pilot.press("end", "plus", "right", "enter")
        await until(pilot, lambda: requests(feed, "cron.start") == [("cron.start", {"id": 4}, 0)])


async def test_delete_ends_what_runs() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f6", CronScreen)
        await pilot.press("X", "enter")
        assert not requests(feed, "cron.delete")
        await pilot.press("X", "right", "enter")
        wanted: list[Any] = [("cron.delete", {"id": 1, "kill": True}, 0)]
        await until(pilot, lambda: requests(feed, "cron.delete") == wanted)


async def test_sync_can_be_changed_and_taken_away() -> None:
    feed = views_feed()
    async with make(feed).run_test(size=SIZE) as pilot:
        await opened(pilot, "f6", CronScreen)
        await pilot.press("e", *"tick", "enter")
        await until(pilot, lambda: ("cron.sync", {"topic": "tick"}, 0) in feed.asked)
        await until(pilot, lambda: not isinstance(pilot.app.screen, IntentScreen))
        await pilot.press("e", "backspace", "enter")
        await until(pilot, lambda: ("cron.sync", {"disable": True}, 0) in feed.asked)


async def test_read_only() -> None:
    async with make(views_feed(), read_only=True).run_test(size=SIZE) as pilot:
        await opened(pilot, "f6", CronScreen)
        await pilot.press("minus", "plus", "X", "e")
        assert not isinstance(pilot.app.screen, IntentScreen)


@SIZES
@pytest.mark.parametrize(("name", "keys"), [("list", ("down", "down"))], ids=["list"])
def test_cron_looks(
    snap_compare: Compare,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    ready = after("f6", CronScreen, *keys)
    assert snap_compare(make(views_feed()), terminal_size=size, run_before=ready)
