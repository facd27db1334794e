"""How every screen looks, as SVG, small and large."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.driving import loaded, until
from tui.app import TopApp
from tui.screens.dmesg import DmesgScreen
from tui.screens.job import JobScreen
from tui.widgets import palette
from tui.widgets.log_view import LogView

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.feed.synthetic import SyntheticFeed

SIZES = pytest.mark.parametrize(
    "size", [(80, 24), (120, 40), (200, 60)], ids=["80x24", "120x40", "200x60"]
)
MakeApp = Callable[..., TopApp]
Compare = Callable[..., bool]


def after(*keys: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Return what to do before the picture: load, press keys, wait until panes are filled."""

    async def run(pilot: Pilot[Any]) -> None:
        await loaded(pilot)
        await pilot.press(*keys)
        app, screen = pilot.app, pilot.app.screen
        assert isinstance(app, TopApp)
        if isinstance(screen, JobScreen):
            await until(pilot, lambda: len(screen.query_one("#output", LogView).content) == 120)
            await until(pilot, lambda: bool(screen.summary.stored))
        if isinstance(screen, DmesgScreen):
            await until(pilot, lambda: len(screen.pane.content) > 0)
        app.repaint()
        await pilot.pause()

    return run


@SIZES
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("jobs", ()),
        ("jobs-done", ("5", "pagedown")),
        ("marked", ("space", "down", "space", "space")),
        ("filter", ("slash", *"state:run -n:sha*")),
        ("filter-error", ("slash", *"stat:x")),
        ("confirm", ("space", "space", "c")),
        ("confirm-many", ("a", "c")),
        ("signal", ("K",)),
        ("job-failed", ("4", "enter")),
        ("job-running", ("enter", "tab")),
        ("job-search", ("4", "enter", "slash", *"pressure", "enter")),
        ("menu", ("m",)),
        ("prompt", ("3", "U", *"soon", "enter")),
        ("log", ("d",)),
        ("log-warnings", ("d", "minus", "minus")),
        ("help", ("question_mark",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_screen(
    snap_compare: Compare,
    make_app: MakeApp,
    name: str,  # noqa: ARG001 - names the picture
    keys: tuple[str, ...],
    size: tuple[int, int],
) -> None:
    assert snap_compare(make_app(), terminal_size=size, run_before=after(*keys))


@SIZES
def test_ascii(snap_compare: Compare, make_app: MakeApp, size: tuple[int, int]) -> None:
    app = make_app(glyphs=palette.ASCII)
    assert snap_compare(app, terminal_size=size, run_before=after("down", "space"))


@SIZES
def test_read_only(snap_compare: Compare, make_app: MakeApp, size: tuple[int, int]) -> None:
    assert snap_compare(make_app(read_only=True), terminal_size=size, run_before=after())


@SIZES
def test_no_jobs(
    snap_compare: Compare, make_app: MakeApp, feed: SyntheticFeed, size: tuple[int, int]
) -> None:
    feed.jobs = []
    feed.cores = (8, 0, 0)
    assert snap_compare(make_app(), terminal_size=size, run_before=after())


@SIZES
def test_no_colour(
    snap_compare: Compare, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(make_app(), terminal_size=size, run_before=after("down", "space"))


@SIZES
def test_lost_connection(snap_compare: Compare, make_app: MakeApp, size: tuple[int, int]) -> None:
    async def lose(pilot: Pilot[Any]) -> None:
        await after()(pilot)
        app = pilot.app
        assert isinstance(app, TopApp)
        app.dashboard.set_link(False, "lost connection to the broker", app.dashboard.clock() + 4, 2)
        app.repaint()
        await pilot.pause()

    assert snap_compare(make_app(), terminal_size=size, run_before=lose)
