"""Recording what is shown, and showing a recording: keys, slider, command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.console.driving import loaded, text_of, until
from tests.console.test_snapshots import SIZES
from tui.app import TopApp
from tui.feed.replay import ReplayFeed
from tui.screens.graphs import GraphsScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.widgets import palette
from tui.widgets.slider import Slider

if TYPE_CHECKING:
    from textual.pilot import Pilot

DAY = Path(__file__).parent / "data" / "day.jsonl"
"""An instance of two brokers for 80 s: jobs that end well and badly, a job that was looked at, a
queue that is stopped, a connection that is lost.
"""
MakeApp = Callable[..., TopApp]
Compare = Callable[..., bool]


def kinds(path: Path) -> list[str]:
    return [json.loads(text)["k"] for text in path.read_text().splitlines()]


async def test_r_begins_and_ends_a_recording(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("R")
        app.repaint()
        await pilot.pause()
        assert "rec" in text_of(pilot).splitlines()[0]
        (path,) = tmp_path.iterdir()
        assert f"recording to {path.name}: R ends it" in text_of(pilot)
        assert path.name.startswith("flux-top-vm-2026")
        await pilot.press("R")
        app.repaint()
        await pilot.pause()
        assert f"recorded in {path.name}" in text_of(pilot)
        assert app.dashboard.tape is None
    feed = ReplayFeed(str(path))
    while feed._read():  # noqa: SLF001 - as its run does
        pass
    assert feed.index.ended
    feed.lines.close()


async def test_what_a_screen_asks_is_recorded(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tui.recordings.new_path", lambda name, now: Path("day.jsonl"))
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("R", "4", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await pilot.press("escape", "d", "escape")
    found = kinds(tmp_path / "day.jsonl")
    assert {"open", "entries", "answer", "log", "end"} <= set(found)
    assert found[-1] == "end"


async def test_a_recording_that_cannot_be_made_is_told(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.recordings.new_path", lambda name, now: tmp_path / "none" / "day")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        await pilot.press("R")
        app.repaint()
        await pilot.pause()
        assert "No such file or directory" in text_of(pilot)
        assert app.dashboard.tape is None


def replaying() -> tuple[TopApp, ReplayFeed]:
    """An application that shows the recording of a day, paused at its beginning."""
    feed = ReplayFeed(str(DAY))
    feed.paused = True
    app = TopApp(feed, clock=feed.clock, glyphs=palette.UNICODE, read_only=True)
    return app, feed


async def wound(pilot: Pilot[None], feed: ReplayFeed) -> None:
    """What was wound is shown."""
    app = pilot.app
    assert isinstance(app, TopApp)
    await until(pilot, lambda: feed._wanted is None and not feed.reading)  # noqa: SLF001
    app.repaint()
    app.screen.query_one(Slider).update()
    await pilot.pause()


async def test_a_recording_is_wound_by_keys() -> None:
    app, feed = replaying()
    async with app.run_test(size=(120, 40)) as pilot:
        await wound(pilot, feed)
        start, end = feed.started, feed.end
        assert app.dashboard.read_only
        assert "0.00s of" in text_of(pilot)
        for keys, moment in (
            (("right",), start + 10),
            (("full_stop", "full_stop"), start + 30),
            (("left",), start + 20),
            (("comma", "comma", "comma"), start),
            (("end",), end),
            (("home",), start),
        ):
            await pilot.press(*keys)
            await wound(pilot, feed)
            assert feed.position == pytest.approx(moment)
        await pilot.press("greater_than_sign", "greater_than_sign", "less_than_sign")
        await wound(pilot, feed)
        assert "2x" in text_of(pilot)
        await pilot.press("space")
        assert not feed.paused
        await until(pilot, lambda: feed.position > start)
        await pilot.press("space")
        assert feed.paused
        await pilot.press("end", "a")
        await wound(pilot, feed)
        assert len(app.dashboard.table) > 10
        assert "end" in text_of(pilot)
        await pilot.press("space")
        await wound(pilot, feed)
        assert not feed.paused
        assert feed.position < end


async def test_failures_are_gone_to_by_keys() -> None:
    app, feed = replaying()
    async with app.run_test(size=(120, 40)) as pilot:
        await wound(pilot, feed)
        failures = sorted(feed.failures)
        assert len(failures) >= 2
        for moment in failures:
            await pilot.press("right_square_bracket")
            await wound(pilot, feed)
            assert feed.position == pytest.approx(moment)
        await pilot.press("right_square_bracket")
        await wound(pilot, feed)
        assert "no job failed after this" in text_of(pilot)
        await pilot.press("left_square_bracket")
        await wound(pilot, feed)
        assert feed.position == pytest.approx(failures[-2])


async def test_the_slider_is_clicked() -> None:
    app, feed = replaying()
    async with app.run_test(size=(120, 40)) as pilot:
        await wound(pilot, feed)
        await pilot.click(Slider, offset=(70, 0))
        await wound(pilot, feed)
        middle = feed.position
        assert feed.started < middle < feed.end
        await pilot.click(Slider, offset=(40, 0))
        await wound(pilot, feed)
        assert feed.started < feed.position < middle


async def test_typing_is_not_winding_and_screens_keep_their_keys() -> None:
    app, feed = replaying()
    async with app.run_test(size=(120, 40)) as pilot:
        await wound(pilot, feed)
        await pilot.press("end")
        await wound(pilot, feed)
        await pilot.press("slash", *"n:a , .", "left", "home")
        assert feed.position == pytest.approx(feed.end)
        assert app.dashboard.view.query.text == "n:a , ."
        await pilot.press("escape", "f10", "left")
        await wound(pilot, feed)
        assert isinstance(app.screen, GraphsScreen)
        assert app.screen.pointed is not None
        assert feed.position == pytest.approx(feed.end)
        await pilot.press("comma")
        await wound(pilot, feed)
        assert feed.position == pytest.approx(feed.end - 10)
        assert app.screen.query(Slider)
        await pilot.press("escape", "escape", "R")
        app.repaint()
        await pilot.pause()
        assert "this is a recording already" in text_of(pilot)


def events_shown(app: TopApp) -> int:
    screen = app.screen
    assert isinstance(screen, JobScreen)
    return len(screen.following.lines.events)


async def test_a_job_is_shown_as_it_was_then() -> None:
    app, feed = replaying()
    async with app.run_test(size=(160, 50)) as pilot:
        await wound(pilot, feed)
        await pilot.press("right_square_bracket")
        await wound(pilot, feed)
        assert "exit code 3" in text_of(pilot)
        await pilot.press("g", "enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await until(pilot, lambda: "step 6" in text_of(pilot))
        later = events_shown(app)
        await pilot.press("comma")
        await wound(pilot, feed)
        await until(pilot, lambda: 0 < events_shown(app) < later)
        assert "step 6" not in text_of(pilot)
        await pilot.press("full_stop")
        await until(pilot, lambda: "step 6" in text_of(pilot))


async def test_help_lists_the_keys_of_a_recording_and_takes_none_of_them() -> None:
    app, feed = replaying()
    async with app.run_test(size=(120, 50)) as pilot:
        await wound(pilot, feed)
        await pilot.press("question_mark")
        await until(pilot, lambda: "To the next failure" in text_of(pilot))
        await pilot.press("space", "end")
        await pilot.press("escape")
        await wound(pilot, feed)
        assert feed.paused
        assert feed.position == feed.started


async def test_nothing_of_a_recording_is_changed() -> None:
    app, feed = replaying()
    async with app.run_test(size=(120, 40)) as pilot:
        await wound(pilot, feed)
        await pilot.press("end")
        await wound(pilot, feed)
        before = app.screen
        await pilot.press("c", "K")
        assert app.screen is before


async def test_the_instance_of_now_is_not_asked_while_a_recording_is_shown() -> None:
    app, feed = replaying()
    async with app.run_test(size=(120, 40)) as pilot:
        await wound(pilot, feed)
        await pilot.press("end")
        await wound(pilot, feed)
        await pilot.press("colon", *"flux", "space", *"jobs", "enter")
        await until(pilot, lambda: "this is a recording" in app.message.text)
        assert isinstance(app.screen, JobsScreen)


async def test_an_instance_has_no_slider_and_no_keys_to_wind(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        assert not app.screen.query(Slider)
        await pilot.press("space")
        assert len(app.dashboard.marks) == 1
        await pilot.press("question_mark")
        await pilot.pause()
        assert "recording's beginning" not in text_of(pilot)


@SIZES
@pytest.mark.parametrize("keys", [("full_stop",) * 4, ("end", "f10")], ids=["jobs", "graphs"])
def test_replay(snap_compare: Compare, keys: tuple[str, ...], size: tuple[int, int]) -> None:
    app, feed = replaying()

    async def run(pilot: Pilot[None]) -> None:
        await wound(pilot, feed)
        for key in keys:  # what is painted between two jumps shows in what has just changed
            await pilot.press(key)
            await wound(pilot, feed)

    assert snap_compare(app, terminal_size=size, run_before=run)


def test_the_day_says_what_it_said() -> None:
    feed = ReplayFeed(str(DAY))
    while feed._read():  # noqa: SLF001 - as its run does
        pass
    assert feed.index.unreadable == 0
    assert feed.index.ended
    assert 60 < feed.end - feed.started < 3600
    feed.lines.close()
