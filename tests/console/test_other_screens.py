"""Every action of the job, log and help screens."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.binding import Binding

from flux.job.follow import MAIN, Entries, Failed
from tests.console.driving import loaded, text_of, until
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model.jobid import f58
from tui.screens.confirm import ConfirmScreen
from tui.screens.dmesg import DmesgScreen
from tui.screens.help import HelpScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.screens.prompt import PromptScreen
from tui.widgets.log_view import LogView

if TYPE_CHECKING:
    import pytest
    from textual.pilot import Pilot

    from tui.feed.base import JobItem

SIZE = (100, 30)
MakeApp = Callable[..., TopApp]


async def open_job(pilot: Pilot[Any], *keys: str) -> JobScreen:
    await loaded(pilot)
    await pilot.press(*keys, "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
    screen = pilot.app.screen
    assert isinstance(screen, JobScreen)
    await until(pilot, lambda: len(screen.query_one("#output", LogView).content) == 120)
    return screen


async def test_job_screen_shows_facts_and_follows(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot, "slash", *"state:failed", "enter")
        await until(pilot, lambda: "lammps -in melt.in" in text_of(pilot))
        text = text_of(pilot)
        assert "FAILED" in text
        assert "why it failed" in text
        assert "exit code 1" in text
        assert f58(screen.jobid) in text
        assert "step  119" in text
        assert "120 lines, ended" in text
        kinds = {line.kind for line in screen.query_one("#output", LogView).content}
        assert kinds == {"stdout", "stderr"}


async def test_eventlogs_are_in_order_of_time(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        lines = screen.query_one("#eventlog", LogView).content
        assert [line.text.split()[0] for line in lines] == [
            "submit", "depend", "priority", "alloc", "exec.init", "exec.starting", "start",
            "exec.shell.init", "finish", "clean",
        ]  # fmt: skip


async def test_pane_switch_search_and_follow(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        assert screen.pane.id == "output"
        await pilot.press("slash", *"pressure")
        await pilot.pause()
        assert len(screen.pane.hits) == 17
        assert "17 hits" in text_of(pilot)
        await pilot.press("enter", "n")
        assert screen.pane.hit == 15
        assert not screen.pane.following
        await pilot.press("N", "N")
        assert screen.pane.hit == 0
        await pilot.press("f")
        assert screen.pane.following
        await pilot.press("home")
        assert not screen.pane.following
        assert screen.pane.scroll_offset.y == 0
        await pilot.press("down", "pagedown", "pageup", "up", "end")
        assert screen.pane.following
        await pilot.press("tab")
        assert screen.pane.id == "eventlog"
        assert screen.pane.has_focus
        await pilot.press("right", "left", "shift+tab")
        assert screen.pane.id == "output"


async def test_new_output_is_shown_only_while_following(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("home")
        pane = screen.pane
        pane.extend(pane.content[:5])
        assert pane.scroll_offset.y == 0
        assert len(pane.content) == 125
        await pilot.press("f")
        assert pane.scroll_offset.y == pane.max_scroll_y


async def test_escape_ends_the_search_and_then_the_screen(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("slash", *"step", "escape")
        assert screen.pane.hits == []
        assert isinstance(app.screen, JobScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, JobsScreen)


async def test_cancel_and_copy_from_the_job_screen(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        screen = await open_job(pilot)
        await pilot.press("y")
        assert app.clipboard == f58(screen.jobid)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("right", "enter")
        await until(pilot, lambda: bool(feed.actions))
    assert feed.actions == [("cancel", screen.jobid)]


async def test_write_saves_the_pane_and_never_overwrites(
    make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        screen = await open_job(pilot)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, PromptScreen))
        await pilot.press("enter")
        path = tmp_path / f"{f58(screen.jobid, True)}.output.txt"
        await until(pilot, lambda: "has 120 lines" in text_of(pilot))
        assert len(path.read_text().splitlines()) == 120
        path.write_text("mine")
        await pilot.press("w", "enter")
        await until(pilot, lambda: "File exists" in text_of(pilot))
        assert path.read_text() == "mine"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is screen and path.read_text() != "mine")


async def test_a_job_unknown_here_is_said_so(make_app: MakeApp) -> None:
    app = make_app(jobid=5)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await until(pilot, lambda: "is not in the list" in text_of(pilot))
        await pilot.press("c", "K")
        assert isinstance(app.screen, JobScreen)


async def test_help_on_the_job_screen(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await open_job(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "Go to the next pane" in text_of(pilot)
        await pilot.press("down", "pagedown", "pageup", "up", "q")
        assert isinstance(app.screen, JobScreen)


async def test_log_with_severities(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DmesgScreen))
        screen = app.screen
        assert isinstance(screen, DmesgScreen)
        await until(pilot, lambda: len(screen.pane.content) == 61)
        assert "job-exec[2]: lost contact with rank 2" in text_of(pilot)
        await pilot.press("minus")
        assert {line.kind for line in screen.pane.content} == {"info", "warning", "err"}
        await pilot.press("minus", "minus", "minus")
        assert {line.kind for line in screen.pane.content} == {"err"}
        assert "1 line, 60 hidden, follows" in text_of(pilot)
        await pilot.press("minus")
        assert screen.pane.content == []
        assert "61 lines are hidden: press + to see more" in text_of(pilot)
        await pilot.press("plus")
        await pilot.press("plus")
        assert {line.kind for line in screen.pane.content} == {"err", "warning"}
        await pilot.press("slash", *"commit", "enter")
        assert len(screen.pane.hits) == sum(line.kind == "warning" for line in screen.pane.content)


async def test_feed_failure_is_shown_not_hidden(
    make_app: MakeApp, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr(feed, "load", broken)
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: "internal error" in text_of(pilot))
        assert "KeyError('oops')" in text_of(pilot)


class TornFeed(SyntheticFeed):
    """Loses the connection in the middle of a job's eventlogs, once."""

    torn = False

    async def job_entries(self, jobid: int) -> AsyncGenerator[JobItem]:
        """Give everything; the first time, end with an error."""
        async for item in super().job_entries(jobid):
            yield item
        if not self.torn:
            self.torn = True
            yield Failed(MAIN, OSError(errno.ECONNRESET, "Connection reset by peer"))


async def test_eventlogs_are_read_again_after_a_lost_connection(feed: SyntheticFeed) -> None:
    torn = TornFeed(feed.jobs, instance=feed.instance, entries=feed.entries)
    app = TopApp(torn, clock=lambda: feed.instance.started + 7500)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, JobScreen)
        await until(pilot, lambda: torn.torn and screen.finished)
        screen.live_update()
        for name, number in (("#output", 120), ("#eventlog", 10)):
            content = screen.query_one(name, LogView).content
            told = [line.text for line in content if "connection lost" in line.text]
            assert (len(content), len(told)) == (number + 1, 1)
            assert told[0].startswith("--- connection lost 00:20:49 to")


async def test_nothing_is_painted_while_the_application_ends(
    feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = TopApp(feed, clock=lambda: feed.instance.started + 7500)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen.composed)
        monkeypatch.setattr(TopApp, "is_running", False)
        await app.screen.remove_children()
        assert not app.screen.query(LogView)
        app.dashboard.revision += 1
        app.repaint()
        assert isinstance(app.screen, JobScreen)


def test_the_page_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text(encoding="utf-8")
    moves = {
        "Down",
        "Up",
        "Page down",
        "Page up",
        "First job",
        "Last job",
        "First line",
        "Last line",
        "Left",
        "Right",
    }
    for screen in (JobsScreen, JobScreen, DmesgScreen):
        for binding in screen.BINDINGS:
            assert isinstance(binding, Binding)
            assert binding.id
            meaning = binding.tooltip or binding.description
            assert (
                meaning in page
                or meaning in moves
                or (screen is JobScreen and binding.action.endswith("_jobs"))
            )


async def test_the_scroll_bar_is_where_the_lines_are(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    feed.log_lines = feed.log_lines[:5]
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("d")
        screen = app.screen
        assert isinstance(screen, DmesgScreen)
        await until(pilot, lambda: len(screen.pane.content) == 5)
        screen.pane.extend(screen.pane.content * 20)
        await until(pilot, lambda: screen.pane.show_vertical_scrollbar)
        assert screen.pane.scroll_y == screen.pane.max_scroll_y > 0
        assert screen.pane.vertical_scrollbar.position == screen.pane.scroll_y


async def test_help_is_about_the_screen_it_was_asked_on(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(160, 90)) as pilot:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert "Filter language" in text_of(pilot)
        await pilot.press("q", "d", "question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        text = text_of(pilot)
        assert "Show less severe entries too" in text
        assert "Filter language" not in text


async def test_that_there_is_nothing_is_said_only_after_reading(
    make_app: MakeApp, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = asyncio.Event()

    async def slow(_jobid: int) -> AsyncGenerator[JobItem]:
        await answer.wait()
        yield Entries(MAIN, [])

    monkeypatch.setattr(feed, "job_entries", slow)
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("5", "enter")
        await until(pilot, lambda: "reading…" in text_of(pilot))
        assert "no output" not in text_of(pilot)
        answer.set()
        await until(pilot, lambda: "no output" in text_of(pilot))
        assert "0 lines, ended" in text_of(pilot)
