"""Every action of the jobs screen, driven by its keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.color import Color
from textual.widgets import Button, Input

from tests.console.driving import loaded, text_of, until
from tui.app import TopApp
from tui.model.columns import COLUMNS
from tui.model.facts import StateCounts
from tui.model.jobid import f58
from tui.model.states import RUNNING, STATUS
from tui.model.stats import ResourceCounts
from tui.screens.confirm import ConfirmScreen
from tui.screens.dmesg import DmesgScreen
from tui.screens.help import HelpScreen
from tui.screens.job import JobScreen
from tui.screens.jobs import JobsScreen
from tui.screens.prompt import MenuScreen
from tui.widgets.palette import GREEN
from tui.widgets.panels import ThroughputPanel

if TYPE_CHECKING:
    from tui.feed.synthetic import SyntheticFeed

SIZE = (100, 30)
MakeApp = Callable[..., TopApp]


def jobs_screen(app: TopApp) -> JobsScreen:
    screen = app.screen
    assert isinstance(screen, JobsScreen)
    return screen


async def test_shows_all_jobs_and_figures(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        text = text_of(pilot)
    assert "4 brokers" in text
    assert "v0.29.0" in text
    assert "up 2h05m" in text
    assert "6/8" in text
    assert "of 300" in text
    first = app.dashboard.view.row_at(0)
    assert f58(app.dashboard.table.ids[first]) in text


async def test_cursor_moves_and_stays_on_its_job(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("down", "j", "pagedown", "up")
        table = jobs_screen(app).table
        assert table.cursor == 2 + table.page  # below a heading
        row = table.cursor_row
        newest = max(app.dashboard.table.ids) + 1
        app.dashboard.load(
            [{"id": newest, "state": 16, "t_submit": 1.0, "t_run": feed.instance.started + 9999}]
        )
        app.repaint()
        await pilot.pause()
        assert table.cursor_row == row
        assert table.cursor == 3 + table.page
        await pilot.press("end")
        assert table.cursor == len(app.dashboard.lines) - 1
        await pilot.press("home")
        assert table.cursor == 1
        assert table.scroll_offset.y == 0


async def test_filter_while_typing_with_live_count(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"state:running")
        await pilot.pause()
        table = app.dashboard.table
        running = [row for row in range(len(table)) if table.status[row] in RUNNING]
        assert sorted(app.dashboard.view.rows()) == running
        assert f"{len(running)} of 300" in text_of(pilot)
        await pilot.press("enter")
        assert jobs_screen(app).table.has_focus
        assert len(app.dashboard.view) == len(running)
        await pilot.press("escape")
        assert len(app.dashboard.view) == 300


async def test_filter_that_cannot_be_read_is_explained_and_the_one_before_stays(
    make_app: MakeApp,
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"name:render", "enter")
        rendering = len(app.dashboard.view)
        await pilot.press("slash", *"name:render -stat:run")
        await pilot.pause()
        assert "did you mean state? (Tab)" in text_of(pilot)
        assert app.dashboard.view.query.text == "name:render"
        await pilot.press("enter")
        bar = jobs_screen(app).bar
        assert bar.input.has_focus
        assert (bar.text, bar.input.cursor_position) == ("name:render -stat:run", 17)
        assert (len(app.dashboard.view), rendering) == (rendering, rendering)
        assert 0 < rendering < 300
        await pilot.press("tab")
        assert bar.text == app.dashboard.view.query.text == "name:render -state:run"
        await pilot.press("enter")
        assert jobs_screen(app).table.has_focus
        assert len(app.dashboard.view) < rendering


async def test_escape_brings_back_the_filter_that_was_there(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"name:render", "enter", "slash", *"sate:x", "escape")
        assert jobs_screen(app).bar.text == app.dashboard.view.query.text == "name:render"
        await pilot.press("escape")
        assert app.dashboard.view.query.text == ""


async def test_escape_while_typing_takes_the_filter_back(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"lammps", "escape")
        assert len(app.dashboard.view) == 300
        assert not jobs_screen(app).bar.display


async def test_sort_by_every_column_both_ways(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        app.dashboard.set_grouping(False)  # a set would be where its other end is
        view, seen = app.dashboard.view, set()
        shown = jobs_screen(app).table.shown_columns
        for _ in shown:
            await pilot.press("s")
            seen.add(view.column.name)
            title = view.column.title
            assert f"{title}▲" in text_of(pilot) or f"{title[:-1]}▲" in text_of(pilot)
            up = view.rows()
            await pilot.press("r")
            assert view.rows() == up[::-1]
        assert seen == set(shown)
        assert set(shown) < {column.name for column in COLUMNS}
        await pilot.press("S")
        assert view.column.name != app.dashboard.view.column.title


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40)])
async def test_an_order_by_a_column_that_is_not_shown_is_told(
    make_app: MakeApp, size: tuple[int, int]
) -> None:
    app = make_app(sort="nnodes", reverse=True)
    async with app.run_test(size=size) as pilot:
        await loaded(pilot)
        assert "nnodes" not in jobs_screen(app).table.shown_columns
        assert "by NODES▼" in text_of(pilot)
        await pilot.press("s")
        assert app.dashboard.view.column.name == "id"
        assert "JOBID▲" in text_of(pilot)


async def test_click_on_a_title_sorts(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.click("#heading", offset=(3, 0))
        assert app.dashboard.view.column.name == "id"
        assert not app.dashboard.view.reverse
        await pilot.click("#heading", offset=(3, 0))
        assert app.dashboard.view.reverse


async def test_click_and_double_click(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.click("#table", offset=(5, 4))
        assert jobs_screen(app).table.cursor == 4
        await pilot.click("#table", offset=(5, 4), times=2)
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        assert isinstance(app.screen, JobScreen)


@pytest.mark.parametrize(
    ("key", "codes"),
    [("2", {"R", "C"}), ("3", {"D", "P", "S"}), ("4", {"F", "TO"}), ("5", {"CD", "F", "CA", "TO"})],
)
async def test_quick_filters(make_app: MakeApp, key: str, codes: set[str]) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press(key)
        table = app.dashboard.table
        assert {STATUS[table.status[row]].code for row in app.dashboard.view.rows()} <= codes
        assert len(app.dashboard.view) > 0
        await pilot.press("1")
        assert len(app.dashboard.view) == 300


async def test_cancel_asks_and_back_is_the_default(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Cancel 1 job?" in text_of(pilot)
        assert isinstance(app.focused, Button)
        assert app.focused.id == "refuse"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
    assert feed.actions == []


async def test_cancel_of_marked_jobs(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("space", "space", "space", "up", "up", "space")
        marked = sorted(app.dashboard.marks)
        assert len(marked) == 2
        await pilot.press("c", "right", "enter")
        await until(pilot, lambda: len(feed.actions) == 2)
        assert sorted(feed.actions) == [("cancel", jobid) for jobid in marked]
        await until(pilot, lambda: not app.dashboard.marks)
    assert app.dashboard.marks == set()


async def test_marks_that_are_not_in_sight_are_told(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("space", "space")
        assert "◆ 2 marked   u unmarks" in text_of(pilot)
        await pilot.press("G")
        assert "◆ 2 marked: 2 off the screen" in text_of(pilot)
        await pilot.press("g")
        assert "off the screen" not in text_of(pilot)
        await pilot.press("5")
        assert "◆ 2 marked: 2 hidden by the filter" in text_of(pilot)
        await pilot.press("c")
        text = text_of(pilot)
        assert "Cancel 2 jobs?" in text
        assert "2 hidden by the filter, the job under the cursor is not among them" in text
        await pilot.press("q", "u")
        assert "marked" not in text_of(pilot)
    assert feed.actions == []


async def test_the_question_follows_jobs_that_end(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("space", "space")
        first, second = app.dashboard.marks
        await pilot.press("c")
        app.dashboard.load([{"id": first, "state": 64, "result": 1}])
        await until(pilot, lambda: "Cancel 1 job?" in text_of(pilot))
        assert "of 2 marked, 1 over already" in text_of(pilot)
        await pilot.press("right", "enter")
        await until(pilot, lambda: not app.dashboard.marks)
    assert feed.actions == [("cancel", second)]


async def test_what_was_refused_stays_marked(make_app: MakeApp, feed: SyntheticFeed) -> None:
    feed.refuse = "guests may only cancel [b]their own[/b] jobs\x1b[2J"
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await loaded(pilot)
        await pilot.press("space", "space")
        marked = set(app.dashboard.marks)
        await pilot.press("c", "right", "enter")
        await until(pilot, lambda: "[b]their own[/b] jobs\\u001b[2J" in text_of(pilot))
        assert app.dashboard.marks == marked


async def test_a_terminal_too_small_to_ask_is_told(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=(30, 9)) as pilot:
        await loaded(pilot)
        await pilot.press("c")
        await until(pilot, lambda: "too small" in text_of(pilot))
        assert isinstance(app.screen, JobsScreen)
        assert "flux top" in text_of(pilot)
    assert feed.actions == []


@pytest.mark.parametrize("size", [(34, 10), (40, 10), (80, 12)])
@pytest.mark.parametrize("keys", [("2", "c"), ("a", "c")], ids=lambda keys: keys[-2])
async def test_the_answers_to_a_question_are_seen_on_the_smallest_terminal(
    make_app: MakeApp, size: tuple[int, int], keys: tuple[str, ...]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await loaded(pilot)
        await pilot.press(*keys)
        await until(pilot, lambda: bool(app.screen.query("#accept")))
        box = app.screen.query_one(".dialog")
        seen = app.screen.query("#number" if app.screen.query("#number") else "Button")

        def in_sight() -> bool:
            return all(box.content_region.contains_region(each.region) for each in seen)

        await until(pilot, in_sight)
        assert seen
        assert in_sight()


async def test_what_is_typed_is_seen_on_the_smallest_terminal(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(34, 10)) as pilot:
        await loaded(pilot)
        await pilot.press("3", "T")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"90m")
        await until(pilot, lambda: " 90m " in text_of(pilot).replace("\u2502", " "))
        assert isinstance(app.focused, Input)
        assert app.focused.value == "90m"


async def test_an_instance_that_does_not_answer_is_noticed(make_app: MakeApp) -> None:
    now = [1_795_220_449.0]
    app = make_app(clock=lambda: now[0])
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        view, table = app.dashboard.view, jobs_screen(app).table
        before = table.render_line(1).text
        app.dashboard.ask()
        now[0] += 7
        await until(pilot, lambda: "no answer for 7s; shown is 00:20:49" in text_of(pilot))
        assert table.render_line(1).text == before
        assert app.dashboard.table.status[view.row_at(0)] in RUNNING
        app.dashboard.hear()
        await until(pilot, lambda: "no answer" not in text_of(pilot))
        assert table.render_line(1).text != before


async def test_while_jobs_are_read_the_counts_are_those_of_the_instance(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        app.dashboard.loading = StateCounts(8, 1697, 300, 10)
        app.dashboard.set_notices(["the queue is stopped: cables"])
        await pilot.press("4")
        await until(pilot, lambda: "loading: 300 of 2,015 jobs are here so far" in text_of(pilot))
        text = text_of(pilot)
        assert "the queue is stopped: cables" in text
        assert "15%  310 of 2,015 over" in text
        assert "1,697" in text
        assert "of 300 so far, 2,015 in all" in text
        app.dashboard.loading = None
        app.dashboard.set_notices([])
        await until(pilot, lambda: "310 of 2,015" not in text_of(pilot))
        assert "loading" not in text_of(pilot)


@pytest.mark.parametrize("width", [58, 80, 112, 120, 160])
async def test_no_count_is_cut(make_app: MakeApp, width: int) -> None:
    app = make_app()
    async with app.run_test(size=(width, 40)) as pilot:
        await loaded(pilot)
        app.dashboard.loading = StateCounts(1, 1697, 23075, 1310, 297, 6)
        app.dashboard.revision += 1
        app.repaint()
        await pilot.pause()
        numbers = re.findall(r"● ([0-9,]+)", text_of(pilot))
        assert numbers[:6] == ["1", "1,697", "23,075", "1,310", "297", "6"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_nothing_is_none_before_the_instance_has_told(
    make_app: MakeApp, feed: SyntheticFeed, size: tuple[int, int]
) -> None:
    feed.refuse_connection = "no broker answers at local:///nope"
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "no broker answers" in text_of(pilot))
        await until(pilot, lambda: "all jobs: not known yet" in text_of(pilot))
        shown = text_of(pilot)
        assert "- run" in shown
        for untrue in ("0 run", " 0%", "0 of 0", "0.0", "no jobs yet"):
            assert untrue not in shown
        app.dashboard.set_link(True)
        app.dashboard.replace([])
        await until(pilot, lambda: "0 of 0 over" in text_of(pilot))
        assert "0 run" in text_of(pilot)


@pytest.mark.parametrize("width", [40, 46, 60, 80, 100])
async def test_nodes_out_and_the_rate_fit_beside_one_another(make_app: MakeApp, width: int) -> None:
    app = make_app()
    async with app.run_test(size=(width, 24)) as pilot:
        await loaded(pilot)
        app.dashboard.set_resources(ResourceCounts(64, 8, 8, 16, 3, 2))
        await until(pilot, lambda: "2 drained" in text_of(pilot))
        line = next(line for line in text_of(pilot).splitlines() if "2 drained" in line)
        assert "2 drained  1 down" in line
        assert "\u2026" not in line
        assert ("jobs/s" in line) == (width >= 60)
        assert ("1m" in line) == (width >= 80)


async def test_curves_have_their_colour(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(160, 50)) as pilot:
        await loaded(pilot)
        panel = app.screen.query_one(ThroughputPanel)
        for _ in range(8):  # the past is told by the jobs, some of them at a time
            app.dashboard.settle()
        panel.update()
        foot = panel.render_line(panel.content_size.height - 2)
        curve = next(segment for segment in foot if ord(segment.text[0]) > 0x2800)
        assert curve.style is not None
        assert curve.style.color == Color.parse(GREEN)


async def test_j_and_k_move(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("j", "j", "k")
        assert isinstance(app.screen, JobsScreen)
        assert jobs_screen(app).table.cursor == 2


async def test_q_goes_back_from_everywhere(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        for key in ("enter", "d", "question_mark", "c", "K"):
            await pilot.press(key)
            assert not isinstance(app.screen, JobsScreen)
            await pilot.press("q")
            assert isinstance(app.screen, JobsScreen)


async def test_messages_hide_nothing(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await loaded(pilot)
        await pilot.press("y")
        await until(pilot, lambda: "copied" in text_of(pilot))
        lines = text_of(pilot).splitlines()
        assert "copied" in lines[-3]
        assert "of 300 over" in lines[-2]
        assert "Open" in lines[-1]


async def test_kill_chooses_a_signal(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        jobid = app.dashboard.table.ids[app.dashboard.view.row_at(0)]
        await pilot.press("K")
        await until(pilot, lambda: isinstance(app.screen, MenuScreen))
        await pilot.press("j", "j", "k", "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Send SIGKILL to 1 job?" in text_of(pilot)
        await pilot.press("right", "enter")
        await until(pilot, lambda: bool(feed.actions))
    assert feed.actions == [("kill", jobid, 9)]


async def test_escape_out_of_every_question_does_nothing(
    make_app: MakeApp, feed: SyntheticFeed
) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("K", "escape", "K", "enter", "q", "c", "q", "c", "escape")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
    assert feed.actions == []


async def test_many_jobs_need_their_number_typed(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("a")
        assert len(app.dashboard.marks) == 300
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        accept = app.screen.query_one("#accept", Button)
        active = len(app.dashboard.table.active)
        assert accept.disabled
        assert f"Cancel {active} jobs?" in text_of(pilot)
        assert f"of 300 marked, {300 - active} over already" in text_of(pilot)
        assert isinstance(app.focused, Input)
        await pilot.press("1", "enter")
        assert isinstance(app.screen, ConfirmScreen)
        assert f"That is not {active}" in text_of(pilot)
        await pilot.press("backspace", *str(active))
        assert not accept.disabled
        await pilot.press("enter")
        await until(pilot, lambda: len(feed.actions) == active)
        await until(pilot, lambda: not app.dashboard.marks)
    assert {jobid for _, jobid in feed.actions} == {
        app.dashboard.table.ids[row] for row in app.dashboard.table.active
    }


async def test_refusal_is_told(make_app: MakeApp, feed: SyntheticFeed) -> None:
    feed.refuse = "guests may only cancel their own jobs"
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await loaded(pilot)
        await pilot.press("c", "right", "enter")
        await until(pilot, lambda: "guests may only cancel" in text_of(pilot))
        assert "guests may only cancel" in text_of(pilot)


async def test_finished_job_cannot_be_killed(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await loaded(pilot)
        await pilot.press("5", "K", "c")
        await until(pilot, lambda: "nothing to cancel" in text_of(pilot))
        assert isinstance(app.screen, JobsScreen)
    assert feed.actions == []


async def test_read_only_has_no_actions(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("c", "K")
        assert isinstance(app.screen, JobsScreen)
        text = text_of(pilot)
    assert "read-only" in text
    assert "Cancel" not in text
    assert feed.actions == []


async def test_copy_unmark_help_log_and_back(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("y")
        assert app.clipboard == f58(app.dashboard.table.ids[app.dashboard.view.row_at(0)])
        await pilot.press("space", "u")
        assert app.dashboard.marks == set()
        await pilot.press("space", "escape")
        assert app.dashboard.marks == set()
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape", "d")
        await until(pilot, lambda: isinstance(app.screen, DmesgScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, JobsScreen))
        assert isinstance(app.screen, JobsScreen)


async def test_help_lists_every_binding(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        about = jobs_screen(app)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        helping = app.screen
        assert isinstance(helping, HelpScreen)
        meanings = {meaning for _, meaning in helping.rows()}
    for _, binding in [*about._bindings, *app._bindings]:  # noqa: SLF001 - see HelpScreen.rows
        if binding.id and binding.description and not binding.id.startswith("replay."):
            assert (binding.tooltip or binding.description) in meanings


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_quit(make_app: MakeApp, key: str) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press(key)
        await pilot.pause()
    assert app.return_code == 0
    assert not app.is_running


async def test_lost_connection_shows_a_banner_and_keeps_the_jobs(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        app.dashboard.set_link(False, "lost connection to the broker", app.dashboard.clock() + 4, 2)
        app.repaint()
        await pilot.pause()
        text = text_of(pilot)
        assert "lost connection to the broker, trying again in 4s (attempt 2); shown is" in text
        assert "of 300" in text
        app.dashboard.set_link(True)
        app.repaint()
        await pilot.pause()
        assert "lost connection" not in text_of(pilot)


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
async def test_a_long_reason_leaves_room_for_what_comes_next(
    make_app: MakeApp, size: tuple[int, int]
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await loaded(pilot)
        reason = (
            "no broker answers at local:///tmp/a/long/way/to/local-0: No such file or directory"
        )
        app.dashboard.set_link(False, reason, app.dashboard.clock() + 4, 2)
        app.repaint()
        await pilot.pause()
        line = next(line for line in text_of(pilot).splitlines() if "no broker" in line)
        assert re.search(r"\u2026.*, trying again in 4s; shown is \d\d:\d\d:\d\d", line)


async def test_how_often_it_was_tried_goes_before_the_reason_is_cut(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await loaded(pilot)
        for reason, times in (("lost connection to the broker", ""), ("lost", " (attempt 2)")):
            app.dashboard.set_link(False, reason, app.dashboard.clock() + 4, 2)
            app.repaint()
            await pilot.pause()
            assert f"{reason}, trying again in 4s{times}; shown is " in text_of(pilot)


async def test_events_are_painted(make_app: MakeApp, feed: SyntheticFeed) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        before = app.dashboard.counts.over
        app.dashboard.apply(feed.changes(app.dashboard, 40))
        await until(pilot, lambda: not app.dashboard.table.changed)
        assert app.dashboard.counts.over > before
        assert f"{app.dashboard.counts.over} of 300" in text_of(pilot)


async def test_command_line_filter_and_sort(make_app: MakeApp) -> None:
    app = make_app(query="state:failed", sort="name", reverse=True)
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        names = [app.dashboard.table.name[row] for row in app.dashboard.view.rows()]
        assert names == sorted(names, reverse=True)
        assert 0 < len(names) < 300
        assert "state:failed" in text_of(pilot)


async def test_no_jobs_at_all(make_app: MakeApp, feed: SyntheticFeed) -> None:
    feed.jobs = []
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("enter", "space", "c", "K", "y", "down", "end")
        assert "no jobs yet: submit some with flux mini submit" in text_of(pilot)
        assert isinstance(app.screen, JobsScreen)


async def test_who_has_no_jobs_is_told_how_todays_instance_takes_them(
    make_app: MakeApp, feed: SyntheticFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.jobs = []
    monkeypatch.setattr(feed, "instance", replace(feed.instance, version="0.88.0"))
    async with make_app().run_test(size=SIZE) as pilot:
        await loaded(pilot)
        assert "no jobs yet: submit some with flux submit" in text_of(pilot)


@pytest.mark.parametrize("size", [(8, 3), (20, 5), (40, 12), (119, 33), (300, 100)])
async def test_every_size_is_survived(make_app: MakeApp, size: tuple[int, int]) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await loaded(pilot)
        await pilot.press(
            "down",
            "end",
            "slash",
            "a",
            "enter",
            "c",
            "escape",
            "question_mark",
            "escape",
            "d",
            "escape",
        )
        await pilot.press("enter", "tab", "slash", "x", "escape", "escape")
        await pilot.resize_terminal(60, 20)
        await until(pilot, lambda: "flux top" in text_of(pilot))
        assert isinstance(app.screen, JobsScreen)


async def test_tab_completes_what_is_begun(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=SIZE) as pilot:
        await loaded(pilot)
        await pilot.press("slash", *"que", "tab")
        bar = jobs_screen(app).bar
        assert (bar.text, bar.caret) == ("queue:", 6)
        bar.input.value = ""
        await pilot.press(*"state:pend", "tab")
        assert bar.text == "state:pending"
        bar.input.value = ""
        await pilot.press(*"n", "tab")
        await pilot.pause()
        assert bar.text == "n"
        assert "name: node: ntasks: nnodes: ncores:" in text_of(pilot)
        bar.input.value = ""
        await pilot.press(*"name:ren", "tab")
        assert bar.text.startswith("name:render")


@pytest.mark.parametrize("width", [40, 80, 120])
async def test_help_and_the_way_out_are_among_the_keys_at_every_width(
    make_app: MakeApp, width: int
) -> None:
    app = make_app()
    async with app.run_test(size=(width, 24)) as pilot:
        await loaded(pilot)
        await pilot.pause()
        keys = text_of(pilot).splitlines()[-1]
        assert "? Help" in keys
        assert "q Quit" in keys
        assert ("…" in keys) is (width < 120)
        await pilot.press("enter")
        await pilot.pause()
        keys = text_of(pilot).splitlines()[-1]
        assert "? Help" in keys
        assert "Back" in keys
