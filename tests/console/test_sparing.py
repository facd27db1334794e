"""What is drawn of a screen that has changed in parts: those, as the whole screen has them."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from rich.console import Console
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tests.console.driving import loaded, until
from tui.app import TopApp
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample
from tui.screens.help import HelpScreen
from tui.screens.jobs import JobsScreen
from tui.screens.sparing import PiecesUpdate, SparingCompositor

if TYPE_CHECKING:
    import pytest
    from textual.screen import Screen

SIZE = (160, 50)


def check(screen: Screen[object], regions: set[Region]) -> None:
    """Draw some regions, and compare them with the whole screen."""
    compositor = screen._compositor  # noqa: SLF001 - as Textual does
    assert isinstance(compositor, SparingCompositor)
    whole = compositor.render_strips()
    compositor._dirty_regions = set(regions)  # noqa: SLF001 - as Textual does
    update = compositor.render_partial_update()
    wanted = {
        (x, y)
        for region in regions
        for y in region.line_range
        for x in range(*region.column_span)
        if 0 <= x < SIZE[0] and 0 <= y < SIZE[1]
    }
    drawn: set[tuple[int, int]] = set()
    for y, x, strip in update.pieces if update is not None else ():
        cells = {(x + n, y) for n in range(strip.cell_length)}
        assert not cells & drawn, "a cell is drawn twice"
        drawn |= cells
        assert strip.simplify() == whole[y].crop(x, x + strip.cell_length).simplify()
    assert drawn == wanted
    assert not compositor._dirty_regions  # noqa: SLF001 - as Textual does


async def test_pieces_are_the_cells_that_changed() -> None:
    chance = random.Random(7)
    app = TopApp(SyntheticFeed(sample.jobs(400, time.time())))
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        for _ in range(200):
            check(
                app.screen,
                {
                    Region(
                        chance.randrange(-3, SIZE[0]),
                        chance.randrange(-3, SIZE[1]),
                        chance.randrange(1, 40),
                        chance.randrange(1, 9),
                    )
                    for _ in range(chance.randrange(5))
                },
            )


async def test_screens_above_others_too() -> None:
    app = TopApp(SyntheticFeed(sample.jobs(40, time.time())))
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        check(app.screen, {Region(0, 0, 160, 3), Region(70, 10, 20, 20)})


async def test_only_widgets_that_are_seen_there_are_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = TopApp(SyntheticFeed(sample.jobs(40, time.time())))
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        asked: list[str | None] = []
        render_lines = Widget.render_lines

        def render(self: Widget, crop: Region) -> list[Strip]:
            asked.append(self.id)
            return render_lines(self, crop)

        monkeypatch.setattr(Widget, "render_lines", render)
        title = screen.query_one("#title").region
        clock = Region(title.right - 9, title.y, 9, 1)
        progress = screen.query_one("#progress").region
        screen._compositor._dirty_regions = {clock, progress}  # noqa: SLF001 - as Textual does
        screen._compositor.render_partial_update()  # noqa: SLF001 - as Textual does
        assert sorted(map(str, asked)) == ["progress", "title"]


def test_neighbours_are_written_without_moving_there() -> None:
    pieces = [(0, 4, Strip.blank(3)), (0, 7, Strip.blank(2)), (2, 0, Strip.blank(1))]
    assert PiecesUpdate(pieces).render_segments(Console()) == "\x1b[1;5H     \x1b[3;1H "
