"""What happens to a dashboard when the instance drops jobs that have ended."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from tui.model import sample
from tui.model.dashboard import Dashboard
from tui.model.purging import SURE, purged, without
from tui.model.sets import ALONE
from tui.model.states import INACTIVE
from tui.model.table import JobTable
from tui.model.tape import play

if TYPE_CHECKING:
    from flux.wire.json import JsonMapping
    from tui.model.records import Job

NOW = 1_700_000_000.0


def table_of(jobs: list[Job]) -> JobTable:
    table = JobTable()
    table.load(jobs)
    return table


def ended(table: JobTable) -> list[int]:
    """Return the ids of jobs that have ended, in order."""
    return [table.ids[row] for row in range(len(table)) if table.state[row] == INACTIVE]


def content(table: JobTable) -> dict[int, Any]:
    """Return all that is known, by id: rows are other ones afterwards."""
    return {
        jobid: (
            table.record(row),
            row in table.active,
            row in table.undescribed,
            table.status[row],
        )
        for jobid, row in table.row_of.items()
    }


@pytest.mark.parametrize("seed", range(5))
def test_a_table_without_some_jobs_is_that_of_the_others(seed: int) -> None:
    jobs = sample.jobs(400, NOW)
    jobs[7]["annotations"] = {"user": {"note": "seven"}}
    table = table_of(jobs)
    table.add(12345, NOW)
    gone = set(random.Random(seed).sample(ended(table), 150))
    made = without(table, gone)
    expected = {jobid: it for jobid, it in content(table).items() if jobid not in gone}
    assert content(made) == expected
    assert sum(made.counts) == len(made) == 251
    assert made.counts == table_of([it[0] for it in expected.values()]).counts
    assert made.take_changed() == set(range(251))
    made.load([{"id": 1, "state": 8, "name": "later"}])
    made.apply(12345, {"name": "urgency", "timestamp": NOW, "context": {"urgency": 3}})
    assert made.urgency[made.row_of[12345]] == 3


def test_only_jobs_that_ended_a_while_ago_can_have_been_purged() -> None:
    table = table_of(sample.jobs(200, NOW))
    all_ended = ended(table)
    recent = table.row_of[all_ended[0]]
    table.t_inactive[recent] = NOW - SURE / 2
    for jobid in all_ended[1:]:
        table.t_inactive[table.row_of[jobid]] = NOW - SURE - 1
    assert purged(table, set(), NOW) == set(all_ended[1:])
    assert purged(table, set(all_ended[2:]), NOW) == {all_ended[1]}


def a_dashboard(count: int = 60) -> Dashboard:
    """A dashboard with a set, some jobs of which have ended."""
    dashboard = Dashboard(lambda: NOW)
    jobs: list[Job] = [
        {
            "id": number,
            "userid": 0,
            "state": INACTIVE if number <= count // 2 else 8,
            "result": 1 if number <= count // 2 else 0,
            "name": f"run{number}",
            "ntasks": 1,
            "t_submit": NOW - 500 + number / 10,
            **({"t_run": NOW - 99, "t_inactive": NOW - 50} if number <= count // 2 else {}),
        }
        for number in range(1, count + 1)
    ]
    dashboard.replace(jobs)
    dashboard.set_link(True)
    dashboard.settle()
    while dashboard.rebuild_some():
        pass
    return dashboard


def test_what_changed_just_before_jobs_were_dropped_is_still_told() -> None:
    dashboard = a_dashboard()
    dashboard.apply(
        [{"id": 41, "entry": {"timestamp": NOW, "name": "alloc"}}, {"id": 3, "entry": {}}]
    )
    dashboard.forget({1, 2, 3})
    assert {dashboard.table.ids[row] for row in dashboard.settle()} == {41}
    assert not dashboard.settle()


def test_a_dashboard_forgets_jobs_and_keeps_what_was_seen_of_them() -> None:
    dashboard = a_dashboard()
    dashboard.marks = {2, 50}
    dashboard.set_query("run")
    (number,) = dashboard.sets.by_number
    dashboard.lines.unfold(number)
    rates = dashboard.throughput, dashboard.run_times, dashboard.trends
    ends = list(dashboard.sets.by_number[number].ended)
    before = dashboard.throughput.per_second(NOW, 60)
    assert len(ends) == 30
    assert before > 0
    dashboard.forget(set(range(1, 21)))
    assert len(dashboard.table) == len(dashboard.view) == 40
    assert (dashboard.counts.completed, dashboard.counts.pending) == (10, 30)
    assert (dashboard.throughput, dashboard.run_times, dashboard.trends) == rates
    assert dashboard.throughput.per_second(NOW, 60) == before
    assert dashboard.marks == {50}
    assert dashboard.view.query.text == "run"
    (number,) = dashboard.sets.by_number
    assert list(dashboard.sets.by_number[number].ended) == ends
    assert number in dashboard.lines.unfolded
    assert not dashboard.settle()
    assert dashboard.flash == {}
    dashboard.forget(set(range(21, 31)))
    assert dashboard.counts.over == 0


def test_events_of_what_is_left_find_their_rows() -> None:
    dashboard = a_dashboard()
    dashboard.forget({1, 2, 3})
    for name in ("alloc", "start"):
        dashboard.apply([{"id": 60, "entry": {"name": name, "timestamp": NOW}}])
    dashboard.settle()
    assert dashboard.counts.running == 1
    assert dashboard.sets.number_of(dashboard.table.row_of[60]) != ALONE


class Notes:
    """A tape that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[JsonMapping] = []

    def note(self, kind: str, facts: JsonMapping) -> None:
        self.told.append({"k": kind, **facts})

    def tick(self, asked: float, heard: float) -> None:
        """Nothing is silent here."""


def test_a_recording_forgets_them_at_the_same_moment() -> None:
    one, other = a_dashboard(), a_dashboard()
    one.tape = notes = Notes()
    one.forget({5, 6})
    assert notes.told == [{"k": "purged", "gone": [5, 6]}]
    for note in notes.told:
        play(other, note)
    assert other.table.row_of.keys() == one.table.row_of.keys()


def test_what_a_set_counts_of_late_does_not_grow_while_nobody_looks() -> None:
    dashboard = a_dashboard()
    (number,) = dashboard.sets.by_number
    it = dashboard.sets.by_number[number]
    for second in range(1000):
        it.add_ended(NOW + second, 1.0)
    assert len(it.ended) <= 10
    assert it.rate(NOW + 999) == pytest.approx(1.0)
