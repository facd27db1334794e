"""The job table under the hand: letters that are searched for, the mouse, the choice of columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from textual.events import MouseScrollDown

from tests.console.driving import loaded, text_of, until
from tests.console.test_snapshots import SIZES
from tui.app import TopApp
from tui.model.columns import columns_from_format
from tui.screens.columns import ColumnsScreen
from tui.screens.jobs import JobsScreen
from tui.widgets import palette
from tui.widgets.title import TitleBar

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from tui.widgets.job_table import JobTableView

SIZE = (110, 30)
MakeApp = Callable[..., TopApp]


def table_of(app: TopApp) -> JobTableView:
    screen = app.screen
    assert isinstance(screen, JobsScreen)
    return screen.table


def coloured(pilot: Pilot[Any], colour: str) -> list[str]:
    """Return what of the table's lines has a colour."""
    table = table_of_pilot(pilot)
    wanted = palette.style(colour).color
    return [
        segment.text
        for y in range(table.size.height)
        for segment in table.render_line(y)
        if segment.style and segment.style.color == wanted and segment.text.strip()
    ]


def table_of_pilot(pilot: Pilot[Any]) -> JobTableView:
    app = pilot.app
    assert isinstance(app, TopApp)
    return table_of(app)


async def test_letters_that_are_searched_for_stand_out_and_better_matches_above(
    make_app: MakeApp,
) -> None:
    app = make_app(sort="state")
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"re", "enter")
        table, view = app.dashboard.table, app.dashboard.view
        names = [table.name[row] for row in view.rows()]
        first = [name for name in names if name.startswith("re")]
        assert first
        assert names[: len(first)] == first
        assert "re" in coloured(pilot, palette.AMBER)
        await pilot.press("slash", *'name~"^m.*h$"', "enter")
        assert {table.name[row] for row in view.rows()} == {"merge.sh"}
        assert "merge.sh" in coloured(pilot, palette.AMBER)
        await pilot.press("escape")
        assert "merge.sh" not in coloured(pilot, palette.AMBER)


async def test_ctrl_and_shift_click_mark(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        ids, marks, table = app.dashboard.table.ids, app.dashboard.marks, table_of(app)
        await pilot.click("#table", offset=(5, 3), control=True)
        assert marks == {ids[table.cursor_row or 0]}
        await pilot.click("#table", offset=(5, 6), shift=True)
        assert len(marks) == 4
        assert table.cursor == 6
        await until(pilot, lambda: "4 marked" in text_of(pilot))
        await pilot.click("#table", offset=(5, 6), control=True)
        assert len(marks) == 3
        await pilot.click("#table", offset=(5, 2))
        assert (len(marks), table.cursor) == (3, 2)
        await pilot.click("#table", offset=(5, 0))  # a heading
        assert table.cursor == 2


async def test_drawing_the_mouse_marks_lines_and_takes_back_what_it_leaves(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        marks, table = app.dashboard.marks, table_of(app)
        await pilot.mouse_down("#table", offset=(5, 2))
        await drawn_to(pilot, 5)
        assert len(marks) == 4
        await drawn_to(pilot, 3)
        assert len(marks) == 2
        await drawn_to(pilot, 4)
        await pilot.mouse_up("#table", offset=(5, 4))
        await pilot.pause()
        assert (len(marks), table.cursor) == (3, 4)
        await until(pilot, lambda: "3 marked" in text_of(pilot))
        await pilot.hover("#table", offset=(5, 8))
        assert len(marks) == 3


async def drawn_to(pilot: Pilot[Any], y: int) -> None:
    """Move the mouse with its button down."""
    from textual.events import MouseMove

    await pilot._post_mouse_events([MouseMove], "#table", offset=(5, y), button=1)  # noqa: SLF001
    await pilot.pause()


async def test_the_wheel_scrolls_and_leaves_the_cursor(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        table = table_of(app)
        before = table.cursor
        for _ in range(3):
            turn = pilot._post_mouse_events  # noqa: SLF001 - it has no name for the wheel
            await turn([MouseScrollDown], "#table", offset=(5, 3))
        await until(pilot, lambda: table.scroll_offset.y > 0)
        assert table.cursor == before
        app.repaint()
        assert table.scroll_offset.y > 0


async def test_columns_are_hidden_moved_and_brought_back(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(140, 30)) as pilot:
        await loaded(pilot)
        table = table_of(app)
        usual = list(table.shown_columns)
        assert usual[:2] == ["id", "user"]
        await pilot.press("C")
        assert isinstance(app.screen, ColumnsScreen)
        await pilot.press("space", "j", "J", "k", "k", "k", "enter")
        await until(pilot, lambda: table.shown_columns[:2] == ["state", "user"])
        assert "JOBID" not in text_of(pilot)
        before = app.dashboard.columns
        await pilot.press("C", "k", "space", "enter")  # the last one, which is not shown
        assert app.dashboard.columns[:-1] == before
        await pilot.press("C", "space", "escape")
        assert table.shown_columns[:2] == ["state", "user"]
        await pilot.press("C", "d")
        await until(pilot, lambda: table.shown_columns == usual)


async def test_no_column_at_all_is_not_taken(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        app.dashboard.set_columns(columns_from_format("{id}"))
        await pilot.press("C", "space", "enter")
        assert isinstance(app.screen, ColumnsScreen)
        await pilot.press("q")
        assert isinstance(app.screen, JobsScreen)


async def test_columns_of_a_format_are_drawn_and_sorted_by(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        app.dashboard.set_columns(
            columns_from_format("{id.f58:>13} {status_abbrev:>2} {ntasks}x{nnodes} {name:<14}")
        )
        app.repaint()
        await pilot.pause()
        await until(pilot, lambda: "NTASKSxNNODES" in text_of(pilot))
        text = text_of(pilot)
        assert "8x1" in text
        assert " R " in text
        await pilot.click("#heading", offset=(22, 0))
        assert app.dashboard.view.column.title == "NTASKSxNNODES"
        assert "NTASKSxNNODES▲" in text_of(pilot) or "NTASKSxNNODE▲" in text_of(pilot)


@SIZES
@pytest.mark.parametrize(
    "keys", [("C", "down", "space"), ("slash", *"re", "enter")], ids=["columns", "search"]
)
def test_choosing_and_searching_look_right(
    snap_compare: Callable[..., bool], make_app: MakeApp, keys: tuple[str, ...], size: Any
) -> None:
    async def run(pilot: Pilot[Any]) -> None:
        await loaded(pilot)
        await pilot.press(*keys)

    assert snap_compare(make_app(), terminal_size=size, run_before=run)


async def test_an_address_that_is_cut_says_so(make_app: MakeApp) -> None:
    app = make_app()
    uri = "local:///tmp/flux-svwpvtmo/local-0"
    async with app.run_test(size=(120, 30)) as pilot:
        await loaded(pilot)
        address = app.screen.query_one(TitleBar)._address  # noqa: SLF001 - of any width
        app.dashboard.instance = replace(app.dashboard.instance, uri=uri)
        assert address(len(uri)) == uri
        assert address(len(uri) - 1) == "/tmp/flux-svwpvtmo/local-0"
        assert address(15) == "…wpvtmo/local-0"


async def test_an_error_that_is_longer_than_its_room_is_cut_with_a_sign(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"status:XX")
        await until(pilot, lambda: "no state XX" in text_of(pilot))
        line = next(line for line in text_of(pilot).splitlines() if "no state XX" in line)
        assert line.rstrip().endswith("…")
