"""Charts: on the screen of jobs, and large, read by keys and mouse."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from textual.events import MouseEvent, MouseScrollDown, MouseScrollUp

from tests.console.conftest import NOW
from tests.console.driving import loaded, text_of
from tests.console.test_snapshots import SIZES
from tui.app import TopApp
from tui.model.chronicle import Chronicle
from tui.model.trends import SPANS, Depth, Trends
from tui.screens.graphs import GraphsScreen
from tui.screens.jobs import JobsScreen
from tui.screens.live import LiveScreen
from tui.widgets import palette
from tui.widgets.graph import Graph
from tui.widgets.panels import LatencyPanel, Panel

if TYPE_CHECKING:
    from textual.pilot import Pilot

MakeApp = Callable[..., TopApp]
Compare = Callable[..., bool]


def fill(app: TopApp) -> None:
    """Half an hour that was watched, but for a minute."""
    app.dashboard.trends = trends = Trends()
    app.dashboard.chronicle = Chronicle(trends)
    for second in range(int(NOW) - 1800, int(NOW)):
        if not -120 < second - NOW < -60:
            wave = abs(second % 240 - 120)
            trends.watched(second, 1, Depth(1, wave // 2, 6), (wave // 15, 8))
            trends.ended([second] * (wave % 7), False)
            trends.launched(second, 0.01 + wave / 2000)
            trends.waited(second, 1 + wave / 20)
            if wave % 17 == 0:
                trends.ended([second], True)


async def shown(pilot: Pilot[None]) -> TopApp:
    """The jobs are there, and all that can be told of the past."""
    app = pilot.app
    assert isinstance(app, TopApp)
    await loaded(pilot)
    fill(app)
    for _ in range(8):
        app.repaint()
    graphs_drawn(app)
    await pilot.pause()
    return app


def graphs_drawn(app: TopApp) -> None:
    """The screen shows what is known by now."""
    screen = app.screen
    assert isinstance(screen, LiveScreen)
    screen.live_update()


def wheel(graph: Graph, kind: type[MouseScrollDown] | type[MouseScrollUp]) -> MouseEvent:
    """The wheel is turned over a chart."""
    x, y = graph.region.x + 5, graph.region.y + 3
    return kind(graph, x, y, 0, 0, 0, False, False, False, x, y)


def graphs(app: TopApp) -> GraphsScreen:
    screen = app.screen
    assert isinstance(screen, GraphsScreen)
    return screen


@pytest.mark.parametrize(
    ("size", "number", "height"),
    [((80, 24), 0, 0), ((120, 34), 3, 3), ((120, 40), 3, 5), ((200, 60), 4, 9)],
)
async def test_panels_grow_with_the_terminal(
    make_app: MakeApp, size: tuple[int, int], number: int, height: int
) -> None:
    async with make_app().run_test(size=size) as pilot:
        app = await shown(pilot)
        panels = [panel for panel in app.screen.query(Panel) if panel.content_size.height]
        assert len(panels) == number
        assert {panel.content_size.height for panel in panels} == ({height} if number else set())
        assert ("Alloc to start" in text_of(pilot)) == (size[0] == 200)
        for panel in panels:
            assert str(panel.border_subtitle).startswith("10 min · top ")


async def test_zoom_goes_through_all_spans_on_both_screens(make_app: MakeApp) -> None:
    async with make_app().run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await pilot.press("plus")
        assert SPANS[app.dashboard.zoom][0] == "1 min"
        assert "1 min · top" in text_of(pilot)
        await pilot.press("plus")
        app.repaint()
        await pilot.pause()
        assert "no less than 1 min" in text_of(pilot)
        await pilot.press("f10")
        seen = []
        for _ in SPANS[1:]:
            await pilot.press("minus")
            seen.append(str(app.screen.query(Graph).first().border_subtitle))
        assert seen[:-1] == [name for name, _ in SPANS[1:-1]]
        assert seen[-1].startswith("all: ")
        await pilot.press("minus")
        app.repaint()
        await pilot.pause()
        assert app.dashboard.zoom == len(SPANS) - 1
        assert "no more than all there is" in text_of(pilot)
        await pilot.press("escape")
        assert isinstance(app.screen, JobsScreen)
        assert "all: " in text_of(pilot)


async def test_the_cursor_reads_a_moment(make_app: MakeApp) -> None:
    async with make_app().run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await pilot.press("f10", "plus")
        assert "newest" in text_of(pilot)
        await pilot.press("left")
        assert graphs(app).pointed == NOW - 2
        assert "00:20:47  2.00s ago" in text_of(pilot)
        await pilot.press("pageup", "left", "right")
        assert graphs(app).pointed == NOW - 12
        wave = abs((int(NOW) - 12) % 240 - 120)
        assert f"queued {wave // 2}" in text_of(pilot)
        await pilot.press("home")
        assert graphs(app).pointed == NOW - 60
        assert "not ready -" not in text_of(pilot)
        await pilot.press("minus", "home", "end")
        assert graphs(app).pointed is None
        await pilot.press("left", "escape")
        assert graphs(app).pointed is None
        await pilot.press("left", "q")
        assert isinstance(app.screen, JobsScreen)


async def test_a_time_that_nobody_watched_has_no_values(make_app: MakeApp) -> None:
    async with make_app().run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await pilot.press("f10")
        graphs(app)._point(NOW - 90)  # noqa: SLF001 - as a click there
        await pilot.pause()
        assert "in use -" in text_of(pilot)
        assert "···" in text_of(pilot)


async def test_the_mouse_reads_and_zooms(make_app: MakeApp) -> None:
    async with make_app().run_test(size=(120, 40)) as pilot:
        app = await shown(pilot)
        await pilot.press("f10")
        graph = app.screen.query(Graph).first()
        await pilot.click(graph, offset=(30, 6))
        first = graphs(app).pointed
        await pilot.click(graph, offset=(50, 6))
        second = graphs(app).pointed
        assert first is not None
        assert second is not None
        assert NOW - 610 < first < second < NOW
        picture = graph.plot.lines(graph.content_size.width - 9, 10, second)
        assert "│" in picture[0].plain or "reverse" in str(picture[-1].spans)
        for kind, span in ((MouseScrollDown, "1 h"), (MouseScrollUp, "10 min")):
            app.screen._forward_event(wheel(graph, kind))  # noqa: SLF001 - as its driver does
            await pilot.pause()
            assert SPANS[app.dashboard.zoom][0] == span


async def test_a_lost_connection_keeps_what_was_seen(make_app: MakeApp) -> None:
    async with make_app().run_test(size=(200, 60)) as pilot:
        app = await shown(pilot)
        since = app.dashboard.trends.since
        before = app.screen.query_one(LatencyPanel).plot.values(None)
        assert before[0][1] != "-"
        app.dashboard.set_link(False, "gone", NOW + 4)
        app.repaint()
        app.dashboard.replace([])
        app.dashboard.set_link(True)
        app.repaint()
        graphs_drawn(app)
        assert app.dashboard.trends.since == since
        assert app.screen.query_one(LatencyPanel).plot.values(None) == before


@SIZES
@pytest.mark.parametrize(
    "keys", [(), ("f10",), ("f10", "left", "pageup")], ids=["jobs", "graphs", "read"]
)
@pytest.mark.parametrize("glyphs", [palette.UNICODE, palette.ASCII], ids=["dots", "ascii"])
def test_charts(
    snap_compare: Compare,
    make_app: MakeApp,
    size: tuple[int, int],
    keys: tuple[str, ...],
    glyphs: palette.Glyphs,
) -> None:
    async def run(pilot: Pilot[None]) -> None:
        app = await shown(pilot)
        await pilot.press(*keys)
        app.repaint()
        await pilot.pause()

    assert snap_compare(make_app(glyphs=glyphs), terminal_size=size, run_before=run)
