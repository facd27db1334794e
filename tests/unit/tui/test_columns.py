"""Columns: which are worth their room, those out of a format, keys of all rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flux.job.info import JobInfo, JobInfoFormat
from tui.model import sample
from tui.model.column import MINOR, fit
from tui.model.columns import BY_NAME, COLUMNS, USUAL, columns_from_format
from tui.model.dashboard import Dashboard
from tui.model.economy import Variety
from tui.model.states import INACTIVE, RUN
from tui.model.table import JobTable

if TYPE_CHECKING:
    from tui.model.records import Job

NOW = 1_000_000.0


def loaded(*jobs: Job) -> JobTable:
    table = JobTable()
    table.load(jobs or sample.jobs(200, NOW))
    return table


@pytest.mark.parametrize("column", [it for it in COLUMNS if it.keys is not None])
def test_keys_of_all_rows_at_once_are_those_of_each(column: object) -> None:
    from tui.model.column import Column

    assert isinstance(column, Column)
    assert column.keys is not None
    table = loaded()
    each = [column.key(table, row, NOW) for row in range(len(table))]
    assert column.keys(table, NOW) == each


def names(variety: Variety) -> set[str]:
    return {column.name for column in variety.columns}


def test_a_column_comes_once_its_values_differ_and_stays() -> None:
    table = loaded({"id": 1, "userid": 5, "priority": 16, "queue": "debug"}, {"id": 2, "userid": 5})
    variety = Variety(table)
    variety.update(table.take_changed())
    assert not names(variety) & {"user", "priority", "queue", "bank", "left", "limit", "ncores"}
    assert {"id", "state", "name", "size", "age", "runtime", "info"} <= names(variety)
    table.load([{"id": n, "userid": 5, "queue": "debug"} for n in range(3, 30)])
    variety.update(table.take_changed())
    assert "queue" not in names(variety)  # one queue, and jobs of which none is known
    table.load([{"id": 2, "queue": "batch"}])
    variety.update(table.take_changed())
    assert "queue" in names(variety)
    table.load([{"id": 2, "queue": "debug"}])
    variety.update(table.take_changed())
    assert "queue" in names(variety)
    table.load([{"id": 9, "expiration": NOW, "userid": 6, "state": INACTIVE}])
    variety.update(table.take_changed())
    assert "user" in names(variety)
    assert "left" not in names(variety)  # of a job that is over there is nothing left
    table.load([{"id": 31, "expiration": NOW, "state": RUN}])
    variety.update(table.take_changed())
    assert "left" in names(variety)


def test_the_left_column_waits_for_a_running_job_with_a_limit() -> None:
    table = loaded(*({"id": n, "expiration": NOW, "state": INACTIVE} for n in range(9)))
    variety = Variety(table)
    variety.update(range(9))
    assert "left" not in names(variety)
    table.load([{"id": 9, "expiration": NOW, "state": RUN}])
    variety.update(range(10))
    assert "left" in names(variety)


def test_many_rows_at_once_are_judged_as_few_are() -> None:
    table = loaded(
        *({"id": n, "userid": n % 2, "priority": 16, "duration": 60.0} for n in range(9))
    )
    variety = Variety(table)
    variety.update(range(9))
    assert "user" in names(variety)
    assert not names(variety) & {"priority", "limit"}


@pytest.mark.parametrize(("after", "text"), [(0, "5m"), (240.5, "59s"), (299.2, "0s"), (400, "0s")])
def test_the_last_minute_of_a_job_is_counted_in_seconds(after: float, text: str) -> None:
    table = JobTable()
    table.load([{"id": 1, "state": 16, "t_submit": NOW, "t_run": NOW, "expiration": NOW + 300}])
    assert BY_NAME["left"].cell(table, 0, NOW + after) == text


def test_the_left_column_has_room_only_if_a_job_has_a_limit() -> None:
    dashboard = Dashboard(lambda: NOW)
    dashboard.load(sample.jobs(50, NOW))
    dashboard.settle()
    shown = {column.name for column, _ in fit(dashboard.columns, 200)}
    assert "left" not in shown
    assert {"wait", "submit", "ranks"} <= shown


FORMAT = (
    "{id.f58:>12} {username:<8.8} {name:<10.10} {status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} "
    "{runtime!F:>8h} {ranks:h} {t_submit!D} {t_remaining!H} {exception.type} {returncode} "
    "{annotations.sched.resource_summary} {duration!F} {dependencies} {result} {ncores}"
)


def test_a_format_shows_what_flux_jobs_prints() -> None:
    jobs = sample.jobs(60, NOW)
    table = loaded(*jobs)
    columns = columns_from_format(FORMAT)
    assert len(columns) == 17
    for job in jobs:
        row = table.row_of[job["id"]]
        if job["state"] in (16, 32):
            continue  # these run on while we look
        info = JobInfo(job)
        for column in columns:
            printed = JobInfoFormat(column.name).format(info).strip()
            assert column.cell(table, row, NOW) == (printed or "-")


def test_the_clock_of_the_dashboard_counts_and_fields_may_stand_together() -> None:
    table = loaded(
        {
            "id": 1,
            "state": 16,
            "t_run": NOW - 60,
            "ntasks": 4,
            "nnodes": 2,
            "userid": 0,
            "expiration": NOW + 30,
        }
    )
    run, size, left = columns_from_format("{runtime!F} {ntasks}x{nnodes:>3} {t_remaining!F}")
    assert run.cell(table, 0, NOW) == "1m"
    assert size.cell(table, 0, NOW) == "4x  2"
    assert size.title == "NTASKSxNNODES"
    assert left.cell(table, 0, NOW) == "30s"
    assert run.live
    assert (run.role, size.role) == ("runtime", "ntasks")


def test_our_own_columns_may_be_named_and_widths_are_kept() -> None:
    age, name, info = columns_from_format("{age:>9} {name:<30} {info}")
    assert (age.name, age.width, age.right) == ("age", 9, True)
    assert (name.width, name.grow) == (30, 0)
    assert info.grow > 0
    assert [it.name for it, _ in fit((age, name, info), 45)] == ["age", "{name:<30}"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{nmae}", "no column nmae; did you mean name?"),
        ("{t_depend}", "no column t_depend"),
        ("{instance.utilization}", "no column instance.utilization"),
        ("{id", "cannot be read"),
        ("", "names no field"),
        ("   ", "names no field"),
        ("{id} | {name}", "| is no field"),
        ("{}", "no column"),
        ("{id!Z}", "no conversion Z"),
        ("x" * 5000, "at most"),
    ],
)
def test_a_format_that_cannot_be_shown_is_refused(text: str, reason: str) -> None:
    with pytest.raises(OSError, match=reason.replace("|", r"\|").replace("?", r"\?")):
        columns_from_format(text)


def test_a_spec_that_does_not_fit_the_value_is_told_in_its_cell() -> None:
    (column,) = columns_from_format("{name:d}")
    assert column.cell(loaded(), 0, NOW) == "?"


@pytest.mark.parametrize(
    "field",
    [
        name
        for name in JobInfoFormat.headings
        if name not in ("t_depend", "t_priority", "t_sched") and not name.startswith("instance.")
    ],
)
def test_every_field_has_a_text_and_an_order(field: str) -> None:
    (column,) = columns_from_format("{" + field + "}")
    dashboard = Dashboard(lambda: NOW)
    dashboard.load(sample.jobs(80, NOW))
    dashboard.settle()
    dashboard.set_columns((column,))
    assert dashboard.columns == (column,)
    assert all(column.cell(dashboard.table, row, NOW) for row in range(80))
    dashboard.set_sort(column.name, False)
    assert dashboard.view.column is column
    assert sorted(dashboard.view.rows()) == list(range(80))


def test_chosen_columns_outlast_a_reconnection_and_can_be_given_up() -> None:
    dashboard = Dashboard(lambda: NOW)
    chosen = columns_from_format("{id} {t_run!D}")
    dashboard.set_columns(chosen)
    dashboard.set_sort("{t_run!D}", True)
    dashboard.reset()
    assert dashboard.columns == chosen
    assert (dashboard.view.column, dashboard.view.reverse) == (chosen[1], True)
    dashboard.set_columns(None)
    assert BY_NAME["name"] in dashboard.columns


def test_names_and_reasons_get_their_part_of_a_wider_table() -> None:
    told = [it for it in USUAL if it.name not in ("queue", "bank", "project")]  # jobs have none

    def widths(width: int, weigh: bool = True) -> dict[str, int]:
        return {it.name: cells for it, cells in fit(told, width, weigh=weigh)}

    for width in range(78, 260):
        found = widths(width)
        spare = sum(cells - BY_NAME[name].width for name, cells in found.items())
        minor = [name for name in found if BY_NAME[name].keep <= MINOR]
        assert spare >= (width - 78) // 3 or not minor, width
        assert {"id", "state", "runtime"} <= set(found)
        assert sum(cells + 1 for cells in found.values()) == width + 1
    before, after = widths(130, weigh=False), widths(130)
    assert after["name"] > before["name"]
    assert after["info"] > before["info"]
    assert {"priority", "wait", "ncores"} <= set(widths(250))


def test_columns_that_somebody_chose_stay_as_long_as_there_is_room() -> None:
    dashboard = Dashboard(lambda: NOW)
    dashboard.load(sample.jobs(50, NOW))
    chosen = ("id", "name", "priority", "ncores", "submit", "wait", "runtime", "info")
    dashboard.set_columns([BY_NAME[name] for name in chosen])
    assert [it.name for it, _ in dashboard.fitted(100)] == list(chosen)
    dashboard.set_columns(None)
    assert "wait" not in [it.name for it, _ in dashboard.fitted(100)]
