"""The sorted, filtered view: kept up to date bit by bit, it equals one made anew."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import calls_of
from tui.feed.synthetic import SyntheticFeed
from tui.model import sample
from tui.model.columns import BY_NAME
from tui.model.dashboard import Dashboard
from tui.model.lines import JobLine, TableLines
from tui.model.query import Query
from tui.model.table import JobTable
from tui.model.view import JobView

NOW = 1_000_000.0
QUERIES = (
    "",
    "state:running",
    "-name:sha*",
    "t>5s",
    "user:root ntasks>=2",
    "rend",
    "state:failed,timeout wait<1h",
)


def expected(table: JobTable, view: JobView, now: float) -> list[int]:
    """Return the order by the definition: filter everything, sort everything."""
    matches = view.query.compile(table, now)
    rows = [row for row in range(len(table)) if matches is None or matches(row)]
    rows.sort(
        key=lambda row: (view.column.key(table, row, now), table.ids[row]), reverse=view.reverse
    )
    return rows


@settings(max_examples=60, deadline=None)
@given(
    column=st.sampled_from(sorted(BY_NAME)),
    reverse=st.booleans(),
    query=st.sampled_from(QUERIES),
    steps=st.lists(st.integers(1, 40), max_size=8),
    few=st.integers(0, 60),
)
def test_incremental_order_equals_full_recomputation(
    column: str, reverse: bool, query: str, steps: list[int], few: int
) -> None:
    import tui.model.view as module

    feed = SyntheticFeed(sample.jobs(120, NOW))
    dashboard = Dashboard(lambda: NOW)
    dashboard.load(feed.jobs)
    dashboard.table.take_changed()
    view = JobView(dashboard.table, column, reverse, Query.parse(query))
    view.rebuild(NOW)
    with patch.object(module, "FEW", few):
        for number in steps:
            dashboard.apply(feed.changes(dashboard, number))
            view.update(dashboard.table.take_changed(), NOW)
            assert view.rows() == expected(dashboard.table, view, NOW)
    lines = TableLines(view)
    shown = [lines.at(index) for index in range(len(lines))]
    assert [line.row for line in shown if isinstance(line, JobLine)] == view.rows()
    assert all(
        lines.index_of(line.row) == index
        for index, line in enumerate(shown)
        if isinstance(line, JobLine)
    )


def test_the_clock_moves_running_jobs_in_a_view_by_runtime() -> None:
    table = JobTable()
    table.load(
        [
            {
                "id": 1,
                "state": 64,
                "result": 1,
                "t_submit": 1.0,
                "t_run": 1.0,
                "t_cleanup": 11.0,
                "t_inactive": 11.0,
            },
            {"id": 2, "state": 16, "t_submit": 1.0, "t_run": 5.0},
        ]
    )
    view = JobView(table, "runtime")
    view.rebuild(8.0)
    assert [table.ids[row] for row in view.rows()] == [2, 1]
    view.update(view.due(), 50.0)
    assert [table.ids[row] for row in view.rows()] == [1, 2]


def test_a_filter_by_time_lets_jobs_in_as_they_age() -> None:
    table = JobTable()
    table.load([{"id": 2, "state": 16, "t_submit": 1.0, "t_run": 5.0}])
    view = JobView(table, query=Query.parse("t>10s"))
    view.rebuild(8.0)
    assert len(view) == 0
    view.update(view.due(), 20.0)
    assert view.rows() == [0]


def test_a_row_that_does_not_match_has_no_line() -> None:
    table = JobTable()
    table.load(sample.jobs(50, NOW))
    view = JobView(table, query=Query.parse("state:failed"))
    view.rebuild(NOW)
    hidden = next(row for row in range(50) if row not in view.rows())
    assert hidden not in view
    assert TableLines(view).index_of(hidden) is None


@pytest.mark.parametrize("column", ["state", "name", "runtime"])
def test_a_hundred_changes_are_no_more_work_among_many_jobs(column: str) -> None:
    few, many = (_work_of_a_hundred_changes(column, count) for count in (1_000, 30_000))
    assert many < 2 * few


def _work_of_a_hundred_changes(column: str, count: int) -> int:
    feed = SyntheticFeed(sample.jobs(count, NOW))
    dashboard = Dashboard(lambda: NOW)
    dashboard.set_grouping(False)
    dashboard.load(feed.jobs)
    dashboard.view.set_sort(column, False, NOW)
    dashboard.settle()
    changes = feed.changes(dashboard, 100)

    def apply() -> None:
        dashboard.apply(changes)
        dashboard.settle()

    work = calls_of(apply)
    assert dashboard.view.rows() == expected(dashboard.table, dashboard.view, NOW)
    return work
