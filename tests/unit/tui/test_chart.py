"""Charts of dots and of signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.model.dashboard import Dashboard
from tui.model.nodestrip import NodeUse, node_uses
from tui.model.trends import Depth
from tui.widgets import palette
from tui.widgets.chart import Area, Stack, nice_top
from tui.widgets.graphs import CORES, DEPTH, WAIT, Plot, delay, gutter, per_second, time_axis
from tui.widgets.palette import ASCII, UNICODE
from tui.widgets.panels import node_strip

COLOURS = (palette.GREEN, palette.RED, palette.AMBER)


def picture(stacks: list[Stack | None], width: int, height: int, top: float) -> list[str]:
    area = Area(COLOURS, width, height, UNICODE)
    return [line.plain for line in area.lines(stacks, top)]


def test_dots_stand_as_high_as_values() -> None:
    assert picture([(0.0,), (1.0,), (2.0,), (4.0,)], 2, 1, 4) == ["⢀⣼"]
    assert picture([(8.0,), (4.0,)], 1, 2, 8) == ["⡇", "⣿"]
    assert picture([(3.0,)], 3, 1, 3) == ["⣿⣿⣿"]


def test_what_is_there_is_seen_however_little() -> None:
    assert picture([(0.001,), (0.0,)], 1, 2, 1000) == [" ", "⡀"]


def test_gaps_are_no_zeros() -> None:
    assert picture([None, None, (0.0,), (0.0,)], 2, 2, 1) == ["  ", "· "]
    assert picture([], 3, 2, 1) == ["   ", "···"]


def test_a_cell_has_the_colour_of_most_of_it() -> None:
    (high, low) = Area(COLOURS, 1, 2, UNICODE).lines([(5.0, 3.0), (5.0, 3.0)], 8)
    assert [span.style for span in low.spans] == [COLOURS[0]]
    assert [span.style for span in high.spans] == [COLOURS[1]]


def test_what_is_not_watched_is_faint_and_the_cursor_is_seen() -> None:
    area = Area(COLOURS, 4, 1, UNICODE)
    (line,) = area.lines([(1.0,)] * 8, 1, faint=[True] * 4 + [False] * 4, cursor=3)
    styles = {span.start: str(span.style) for span in line.spans}
    assert styles == {0: f"dim {COLOURS[0]}", 2: COLOURS[0], 3: f"reverse {COLOURS[0]}"}
    (empty,) = area.lines([(0.0,)] * 8, 1, cursor=1)
    assert empty.plain == " │  "


def test_signs_tell_layers_apart_without_colours() -> None:
    area = Area(COLOURS, 3, 2, ASCII)
    lines = area.lines([(4.0, 4.0), (4.0, 0.0), None], 8)
    assert [line.plain for line in lines] == ["=  ", "##_"]


@given(
    st.lists(st.none() | st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)), max_size=50),
    st.integers(1, 40),
    st.integers(1, 10),
    st.sampled_from((UNICODE, ASCII)),
)
def test_a_chart_fills_what_it_gets(
    stacks: list[Stack | None], width: int, height: int, glyphs: palette.Glyphs
) -> None:
    top = nice_top(max((sum(stack) for stack in stacks if stack), default=0))
    lines = Area(COLOURS, width, height, glyphs).lines(stacks, top)
    assert [line.cell_len for line in lines] == [width] * height


@given(st.integers(1, 200), st.integers(1, 400))
def test_a_column_that_is_pointed_at_is_the_one_that_is_marked(width: int, number: int) -> None:
    area = Area(COLOURS, width, 1, UNICODE)
    number = min(number, area.points)
    for place in range(0, number, max(1, number // 17)):
        column = area.column(place, number)
        assert 0 <= column < width
        assert abs(area.place(column, number) - place) <= 1


@given(st.floats(1e-6, 1e12))
def test_the_top_of_an_axis_is_round_and_not_far(peak: float) -> None:
    assert peak * 0.999 <= nice_top(peak) <= peak * 2.01


def moving(number: float) -> Dashboard:
    dashboard = Dashboard(lambda: number)
    for second in range(int(number) - 600, int(number)):
        dashboard.trends.watched(second, 1, Depth(0, 3, 4), (2, 4))
    dashboard.set_link(True)
    return dashboard


def test_a_plot_draws_again_when_something_changed() -> None:
    dashboard = moving(50_000.0)
    plot = Plot(CORES, dashboard, UNICODE)
    first = plot.lines(20, 3)
    assert plot.lines(20, 3) is first
    assert plot.values(None) == [("in use", "50%", palette.ACCENT)]
    dashboard.trends.watched(50_000, 1, Depth(0, 0, 0), (4, 4))
    assert plot.lines(20, 3) is first  # the second that has not ended is not shown
    dashboard.trends.watched(49_999, 1, Depth(0, 0, 0), (4, 4))
    assert plot.lines(20, 3) is not first
    dashboard.zoom = 0
    assert len({id(plot.lines(20, 3)), id(plot.lines(20, 4)), id(plot.lines(20, 4, 49_999.0))}) == 3
    assert plot.scale == "1 min · top 100%"


def test_a_plot_reads_a_moment() -> None:
    dashboard = moving(50_000.0)
    dashboard.trends.waited(49_990, 2.0)
    plot = Plot(DEPTH, dashboard, UNICODE)
    dashboard.zoom = 0
    plot.lines(40, 3)
    assert plot.values(49_990.0)[:2] == [
        ("running", "4", DEPTH.layers[0][1]), ("queued", "3", DEPTH.layers[1][1]),
    ]  # fmt: skip
    assert plot.time_at(0, 40) == 49_940
    assert plot.time_at(39, 40) == 49_999
    waits = Plot(WAIT, dashboard, UNICODE)
    waits.lines(40, 3)
    assert [value for _, value, _ in waits.values(49_980.0)] == ["-", "-"]
    assert [name for name, _, _ in waits.values(None)] == ["p50", "p95"]


def test_axes_say_what_is_what() -> None:
    dashboard = moving(50_000.0)
    plot = Plot(DEPTH, dashboard, UNICODE)
    lines = gutter(plot.lines(30, 5), plot, 8)
    assert [line.plain[:8] for line in lines] == [
        "     8 │", "       │", "     4 │", "       │", "     0 │",
    ]  # fmt: skip
    axis = time_axis(plot.window, 60, 50_000.0)
    assert axis.cell_len == 60
    assert len(axis.plain.split()) >= 3


@pytest.mark.parametrize(("rate", "text"), [(0, "0.0/s"), (0.05, "3.0/min"), (1.25, "1.2/s")])
def test_rates_have_a_unit(rate: float, text: str) -> None:
    assert per_second(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00s"), (0.0042, "4.2ms"), (0.0999, "0.10s"), (0.05, "50ms"), (75, "1m15s")],
)
def test_short_delays_are_told_apart(seconds: float, text: str) -> None:
    assert delay(seconds) == text


NODES = (
    NodeUse(0, 2, 2, False, False),
    NodeUse(1, 2, 1, False, False),
    NodeUse(2, 2, 0, True, True),
    NodeUse(3, 2, 0, False, True),
)


def test_nodes_in_one_line() -> None:
    strip = node_strip(NODES, 4, 40, UNICODE)
    assert strip is not None
    assert strip.plain == "r0 ██ r1 █░ r2 ▒▒ r3 ▚▚"
    assert str(strip.spans[-1].style) == palette.RED
    assert node_strip(NODES, 4, 23, ASCII) is not None
    assert node_strip((), 4, 40, UNICODE) is None


@given(st.integers(8, 120), st.integers(1, 40), st.integers(1, 128))
def test_the_nodes_never_need_more_than_there_is(width: int, nodes: int, cores: int) -> None:
    uses = tuple(NodeUse(rank, cores, rank % (cores + 1), False, False) for rank in range(nodes))
    strip = node_strip(uses, nodes, width, UNICODE)
    assert strip is not None
    assert strip.cell_len <= width
    assert strip.plain.endswith("…") == (f"r{nodes - 1} " not in strip.plain)


def test_a_node_in_use_never_looks_free_nor_full() -> None:
    uses = (NodeUse(0, 64, 1, False, False), NodeUse(1, 64, 63, False, False))
    strip = node_strip(uses, 2, 20, UNICODE)
    assert strip is not None
    assert strip.plain.count("░") >= 2
    assert strip.plain.split()[1][0] == "█"


def test_nodes_out_of_what_the_scheduler_says() -> None:
    def resources(*entries: tuple[str, str]) -> dict[str, object]:
        lite = [{"rank": ranks, "children": {"core": cores}} for ranks, cores in entries]
        return {"version": 1, "execution": {"R_lite": lite}}

    answer = {
        "all": resources(("0-2", "0-3")),
        "allocated": resources(("0", "0"), ("0", "2"), ("1", "0-3")),
        "down": resources(("2", "0-3")),
    }
    assert node_uses(answer, {1}) == (
        NodeUse(0, 4, 2, False, False),
        NodeUse(1, 4, 4, True, False),
        NodeUse(2, 4, 0, False, True),
    )
    assert node_uses({"all": {"execution": {"R_lite": [5, {"rank": "x"}]}}}) == ()
    assert len(node_uses({"all": resources(("0-9999", "0"))})) == 128
