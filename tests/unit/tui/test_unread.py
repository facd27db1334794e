"""Columns that are read when somebody asks for them cannot be told from those that were read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tui.model import sample, unread
from tui.model.dashboard import Dashboard
from tui.model.purging import without
from tui.model.records import NUMBER_COLUMNS, TEXT_COLUMNS, Job
from tui.model.table import JobTable
from tui.model.unread import LATER

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 300
NAMES = [name for name, _, _ in NUMBER_COLUMNS] + list(TEXT_COLUMNS)


def some_jobs(number: int) -> list[Job]:
    jobs = sample.jobs(number, 1_700_000_000.0)
    odd: list[object] = [None, 7, "seven", {"user": {"uri": "ssh://x/y"}}, {"sched": {"a": 1}}, {}]
    for job, notes in zip(jobs, odd, strict=False):
        job["annotations"] = notes
    jobs[3]["state"] = 16
    jobs[6] |= {"ranks": 5, "nodelist": "a\x1bb", "nnodes": "no number", "waitstatus": 2**70}
    jobs[7]["cwd"] = "/home\n"
    return jobs


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    monkeypatch.setattr("tui.model.table.MANY", MANY)
    return some_jobs(2 * MANY)


def loaded(jobs: list[Job]) -> JobTable:
    table = JobTable()
    table.load(jobs)
    return table


def at_once(jobs: list[Job]) -> JobTable:
    """A table that has read its jobs in portions that are too small for anything to be left."""
    table = JobTable()
    for start in range(0, len(jobs), MANY // 2):
        table.load(jobs[start : start + MANY // 2])
    assert not table.unread
    return table


def contents(table: JobTable) -> list[tuple[object, ...]]:
    return [
        (
            *(getattr(table, name)[row] for name in NAMES),
            table.where[row],
            table.annotations.get(row),
            table.annotations_of(row),
            table.uri_of(row),
        )
        for row in range(len(table))
    ]


def test_many_jobs_leave_the_columns_that_a_picture_shows_cells_of(jobs: list[Job]) -> None:
    assert set(loaded(jobs).unread) == LATER


def test_unread_cells_are_what_the_column_will_be(jobs: list[Job]) -> None:
    table = loaded(jobs)
    before = contents(table)
    assert set(table.unread) == LATER, "looking at cells reads no column"
    table.read_all()
    assert not table.unread
    assert before == contents(table) == contents(at_once(jobs))


@pytest.mark.parametrize("name", sorted(LATER))
@pytest.mark.parametrize(
    "use",
    [list, len, lambda column: column[2:5], lambda column: column[-1], lambda c: c.count(c[9])],
    ids=["all", "length", "slice", "last", "count"],
)
def test_every_use_of_an_unread_column_is_that_of_a_read_one(
    jobs: list[Job], name: str, use: Callable[[Any], object]
) -> None:
    column = getattr(loaded(jobs), name)
    assert use(column) == use(getattr(at_once(jobs), name))


def test_a_row_may_change_before_its_column_is_read(jobs: list[Job]) -> None:
    tables = [loaded(jobs), at_once(jobs)]
    for table in tables:
        table.load([{"id": jobs[9]["id"], "nodelist": "elsewhere", "nnodes": 40}])
        table.apply(jobs[3]["id"], {"name": "finish", "timestamp": 1.0, "context": {"status": 256}})
        table.apply(
            jobs[4]["id"],
            {"name": "memo", "timestamp": 1.0, "context": {"user": {"k": 1}}},
        )
        assert (table.nodelist[9], table.nnodes[9], table.waitstatus[3]) == ("elsewhere", 40, 256)
    assert contents(tables[0]) == contents(tables[1])


def test_more_jobs_may_come_before_the_columns_are_read(jobs: list[Job]) -> None:
    more = [job | {"id": job["id"] + 1} for job in jobs]
    few = [job | {"id": job["id"] + 2} for job in jobs[:5]]
    table = loaded(jobs)
    table.load(more)
    assert set(table.unread) == LATER
    assert contents(table) == contents(at_once(jobs + more))
    table.load(few)
    assert not table.unread
    assert contents(table) == contents(at_once(jobs + more + few))


def test_one_who_has_an_unread_column_may_keep_it(jobs: list[Job]) -> None:
    table = loaded(jobs)
    kept = table.nodelist
    table.read_all()
    table.load([{"id": jobs[9]["id"], "nodelist": "elsewhere"}])
    assert kept[9] == "elsewhere"


def test_jobs_may_be_purged_before_the_columns_are_read(jobs: list[Job]) -> None:
    gone = [job["id"] for job in jobs[::2]]
    left = [job for job in jobs if job["id"] not in gone]
    assert contents(without(loaded(jobs), gone)) == contents(at_once(left))


def test_what_is_left_is_read_between_the_first_pictures(jobs: list[Job]) -> None:
    dashboard = Dashboard(time.time)
    dashboard.replace(jobs)
    dashboard.settle()
    assert dashboard.table.unread
    steps = 0
    while dashboard.table.unread:
        assert dashboard.rebuild_some(), "there is more"
        steps += 1
    assert steps == len(unread.LATER), "a column at a time"
