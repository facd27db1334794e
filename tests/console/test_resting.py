"""What the dashboard leaves alone: nothing is painted while nothing changes, and style sheets are
read when their colours are others.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.console.driving import loaded, shows, text_of, until
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample
from tui.model.themes import ANSI
from tui.screens.jobs import JobsScreen
from tui.widgets.footing import KeysFooter

if TYPE_CHECKING:
    import pytest

    from tui.model.records import Job

JOB: Job = {"id": 7, "userid": 0, "state": 8, "name": "late", "ntasks": 1, "t_submit": 1.0}


def an_app(**how: Any) -> TopApp:
    return TopApp(SyntheticFeed(sample.jobs(40, time.time())), **how)


async def test_nothing_is_painted_between_seconds_while_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    painted: list[float] = []
    update = JobsScreen.live_update

    def counted(self: JobsScreen) -> None:
        painted.append(time.monotonic())
        update(self)

    looked: list[float] = []
    repaint = TopApp.repaint

    def looked_at(self: TopApp) -> None:
        looked.append(time.monotonic())
        repaint(self)

    monkeypatch.setattr(JobsScreen, "live_update", counted)
    monkeypatch.setattr(TopApp, "repaint", looked_at)
    app = an_app()
    async with app.run_test() as pilot:
        await loaded(pilot)
        await until(pilot, lambda: bool(looked) and time.monotonic() - looked[-1] > 0.4)
        before = len(painted)
        app.dashboard.load([JOB])
        await until(pilot, lambda: shows(pilot, "late"))
        assert len(painted) > before
        # The change fades, and then it is quiet again.
        await until(pilot, lambda: time.monotonic() - looked[-1] > 0.4)


async def test_clocks_go_on() -> None:
    now = [sample_time := time.time()]
    app = an_app(clock=lambda: now[0])
    async with app.run_test(size=(120, 40)) as pilot:
        await loaded(pilot)
        clock = time.strftime("%H:%M:%S", time.localtime(sample_time))
        assert shows(pilot, clock)
        now[0] += 2
        await until(pilot, lambda: shows(pilot, time.strftime("%H:%M:%S", time.localtime(now[0]))))


async def test_style_sheets_are_read_once_and_for_each_theme(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = an_app(connect=lambda _: SyntheticFeed(sample.jobs(4, time.time())))
    reparsed: list[None] = []
    reparse = app.stylesheet.reparse
    monkeypatch.setattr(app.stylesheet, "reparse", lambda: reparsed.append(reparse()))
    async with app.run_test(size=(100, 30)) as pilot:
        await loaded(pilot)
        app.open_instance("local:///other", "other")
        await pilot.pause()
        assert not reparsed
        app.wear(ANSI.name)
        await pilot.pause()
        await pilot.pause()
        assert len(reparsed) == 1
        here = app.screen.query_one("#title").styles.background
        app.action_go_tab(0)
        await pilot.pause()
        await pilot.pause()
        assert len(reparsed) == 2  # that screen has the old colours
        assert app.screen.query_one("#title").styles.background == here
        app.action_go_tab(1)
        await pilot.pause()
        assert len(reparsed) == 2


async def test_keys_of_the_footer_are_clicked() -> None:
    app = an_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await loaded(pilot)
        line = text_of(pilot).splitlines()[-1]
        await pilot.click(KeysFooter, offset=(line.index("Help"), 0))
        await until(pilot, lambda: not isinstance(app.screen, JobsScreen))
        await pilot.press("escape")
        footer = app.screen.query_one(KeysFooter)
        await pilot.hover(KeysFooter, offset=(line.index("Cancel"), 0))
        await until(pilot, lambda: footer.tooltip == "Cancel the marked jobs or this one")
        await pilot.hover(KeysFooter, offset=(line.index("Kill"), 0))
        await until(pilot, lambda: footer.tooltip == "Send a signal to the marked jobs or this one")
        await pilot.hover("#table")
        await until(pilot, lambda: footer.tooltip is None)
