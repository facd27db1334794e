"""Sets of like jobs: what belongs together, in whichever order it comes, and how the view and its
lines show it.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tui.model.view as view_module
from tui.model.columns import BY_NAME
from tui.model.dashboard import Dashboard
from tui.model.lines import Heading, JobLine, SetLine, TableLines
from tui.model.query import Query
from tui.model.sets import ALONE, APART, LEAST, JobSets, likeness
from tui.model.states import GROUPS, Status
from tui.model.table import JobTable
from tui.model.view import HELD, JobView, item_of

if TYPE_CHECKING:
    from tui.model.records import Job

NOW = 1_000_000.0


def job(number: int, when: float, name: str = "bulk", **more: object) -> Job:
    return {
        "id": number,
        "userid": 0,
        "state": 8,
        "urgency": 16,
        "priority": 16,
        "name": name,
        "ntasks": 1,
        "t_submit": when,
        **more,
    }


def over(number: int, when: float, result: int = 1, name: str = "bulk") -> Job:
    times = {"t_run": when + 1, "t_cleanup": when + 2, "t_inactive": when + 3}
    return job(number, when, name, state=64, result=result, **times)


def partition(table: JobTable, sets: JobSets) -> set[frozenset[int]]:
    """Return the job ids of each set."""
    found: dict[int, set[int]] = {}
    for row, number in enumerate(sets.shown):
        if number != ALONE:
            found.setdefault(number, set()).add(table.ids[row])
    assert {number: len(it.rows) for number, it in sets.by_number.items()} == {
        number: len(ids) for number, ids in found.items()
    }
    return {frozenset(ids) for ids in found.values()}


def by_definition(jobs: list[Job]) -> set[frozenset[int]]:
    """Return the sets of jobs as the decision page has it: cut by kind and time."""
    found = []
    kinds: dict[tuple[object, ...], list[Job]] = {}
    for it in sorted(jobs, key=lambda it: float(it["t_submit"])):
        key = it["userid"], *likeness([it["name"]]), it.get("queue", ""), it["ntasks"]
        run = kinds.get(key)
        if run is None or it["t_submit"] - run[-1]["t_submit"] > APART:
            run = kinds[key] = []
            found.append(run)
        run.append(it)
    return {frozenset(it["id"] for it in run) for run in found if len(run) >= LEAST}


JOBS = st.lists(
    st.tuples(
        st.integers(0, 120), st.sampled_from(["a1", "a2", "b"]), st.sampled_from(["", "batch"])
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(
    facts=JOBS, seed=st.integers(0, 9), pieces=st.lists(st.integers(1, 20), min_size=1, max_size=6)
)
def test_jobs_are_in_the_same_sets_in_whichever_order_and_portions_they_come(
    facts: list[tuple[int, str, str]], seed: int, pieces: list[int]
) -> None:
    jobs = [
        job(number + 1, NOW + when, name, queue=queue)
        for number, (when, name, queue) in enumerate(facts)
    ]
    wanted = by_definition(jobs)
    random.Random(seed).shuffle(jobs)
    table = JobTable()
    sets = JobSets(table)
    start, moved = 0, set()
    seen: dict[int, int] = {}
    while start < len(jobs):
        size = pieces[start % len(pieces)]
        table.load(jobs[start : start + size])
        start += size
        moved = sets.update(table.take_changed())
        for row, number in enumerate(sets.shown):
            assert seen.get(row, ALONE) == number or row in moved
        seen = dict(enumerate(sets.shown))
    assert partition(table, sets) == wanted
    at_once = JobTable()
    at_once.load(jobs)
    whole = JobSets(at_once)
    whole.update(at_once.take_changed())
    assert partition(at_once, whole) == wanted


def test_users_queues_sizes_and_names_are_told_apart_but_numbers_in_names_are_not() -> None:
    table = JobTable()
    kinds: list[dict[str, object]] = [
        {"name": "sim"},
        {"name": "other"},
        {"userid": 1},
        {"queue": "debug"},
        {"ntasks": 2},
    ]
    jobs = [
        {**job(100 * k + n, NOW + n, f"run-{n}.dat"), **kind}
        for k, kind in enumerate(kinds)
        for n in range(LEAST)
    ]
    table.load(jobs)
    sets = JobSets(table)
    sets.update(table.take_changed())
    assert len(sets.by_number) == len(kinds)
    assert {sets.name(number) for number in sets.by_number} == {"sim", "other", "run-*.dat"}


def test_a_job_of_which_only_events_are_known_is_in_no_set_until_it_is_described() -> None:
    table = JobTable()
    sets = JobSets(table)
    for number in range(1, LEAST + 1):
        context = {"userid": 0, "urgency": 16, "flags": 0}
        table.apply(number, {"timestamp": NOW, "name": "submit", "context": context})
    sets.update(table.take_changed())
    assert not sets.by_number
    table.load([job(number, NOW) for number in range(1, LEAST + 1)])
    assert sets.update(table.take_changed()) == set(range(LEAST))
    assert len(sets.by_number) == 1


def test_a_job_that_gets_another_name_leaves_its_set_and_a_set_that_is_too_small_is_none() -> None:
    table = JobTable()
    table.load([job(number, NOW) for number in range(LEAST + 1)])
    sets = JobSets(table)
    sets.update(table.take_changed())
    table.load([{"id": 0, "name": "renamed"}])
    assert sets.update(table.take_changed()) == {0}
    assert [number == ALONE for number in sets.shown] == [True] + [False] * LEAST
    table.load([{"id": 1, "name": "renamed"}])
    assert sets.update(table.take_changed()) == set(range(1, LEAST + 1))
    assert not sets.by_number
    table.load([{"id": 1, "name": "bulk"}])
    sets.update(table.take_changed())
    assert len(sets.by_number) == 1


def test_a_job_between_two_sets_makes_them_one() -> None:
    table = JobTable()
    early = [job(number, NOW + number) for number in range(LEAST)]
    gap = early[-1]["t_submit"] + APART
    table.load([*early, *(job(50 + number, gap + APART + number) for number in range(LEAST))])
    sets = JobSets(table)
    sets.update(table.take_changed())
    assert len(sets.by_number) == 2
    table.load([job(99, gap)])
    sets.update(table.take_changed())
    assert [len(it.rows) for it in sets.by_number.values()] == [2 * LEAST + 1]


def expected_items(view: JobView) -> list[list[int]]:
    """Return what each item at the top stands for, by the definition: every set where the first of
    its jobs is.
    """
    table = view.table
    matches = view.query.compile(table, NOW)
    rows = [row for row in range(len(table)) if matches is None or matches(row)]
    rows.sort(
        key=lambda row: (view.column.key(table, row, NOW), table.ids[row]), reverse=view.reverse
    )
    found: dict[int, list[int]] = {}
    for row in rows:
        number = ALONE if view.sets is None else view.sets.number_of(row)
        found.setdefault(item_of(number) if number != ALONE else row, []).append(row)
    return list(found.values())


STEPS = st.lists(
    st.tuples(st.integers(0, 59), st.sampled_from(["run", "end", "fail", "rename", "new"])),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(
    facts=JOBS,
    steps=STEPS,
    column=st.sampled_from(sorted(BY_NAME)),
    query=st.sampled_from(["", "state:pending", "name:a*"]),
    few=st.sampled_from([0, 400]),
    turns=st.booleans(),
    unfold=st.booleans(),
    many=st.sampled_from([0, 200]),
)
def test_view_and_lines_kept_up_to_date_are_those_made_anew(
    facts: list[tuple[int, str, str]],
    steps: list[tuple[int, str]],
    column: str,
    query: str,
    few: int,
    turns: bool,
    unfold: bool,
    many: int,
) -> None:
    table = JobTable()
    table.load([job(n + 1, NOW + when, name) for n, (when, name, _) in enumerate(facts)])
    sets = JobSets(table)
    view = JobView(table, column, False, Query.parse(query), sets)
    lines = TableLines(view)
    sets.update(table.take_changed())
    view.rebuild(NOW)
    with patch.object(view_module, "FEW", few), patch("tui.model.lines.MANY", many):
        for number, what in steps:
            _step(table, number % len(table) + 1, what)
            changed = table.take_changed()
            view.update(changed | sets.update(changed), NOW)
            if turns:
                view.set_sort(column, not view.reverse, NOW)
            if unfold:
                lines.unfold_all()
            _check(view, lines)
    _check(view, lines)


def _step(table: JobTable, jobid: int, what: str) -> None:
    if what == "new":
        table.load([job(len(table) + 1, NOW + jobid)])
    elif what == "rename":
        table.load([{"id": jobid, "name": "b" if table.name[table.row_of[jobid]] != "b" else "a1"}])
    else:
        record = over(jobid, NOW, 2 if what == "fail" else 1) if what != "run" else job(jobid, NOW)
        changes = {k: v for k, v in record.items() if k not in ("t_submit", "name")}
        if what == "run":
            changes |= {"state": 16, "t_run": NOW + 1}
        table.load([changes])


def _check(view: JobView, lines: TableLines) -> None:
    wanted = expected_items(view)
    assert [view.rows_at(item) for item in view.items()] == wanted
    assert len(view) == sum(map(len, wanted))
    statuses = [view.table.status[row] for rows in wanted for row in rows]
    assert view.counts[: len(Status)] == [statuses.count(status) for status in Status]
    for number, members in view.members.items():
        of_set = [view.table.status[row] for row in view.rows_of(number)]
        assert members.counts[: len(Status)] == [of_set.count(status) for status in Status]
    shown = [lines.at(index) for index in range(len(lines))]
    for index, line in enumerate(shown):
        if isinstance(line, JobLine):
            assert lines.index_of(line.row) == index
        elif isinstance(line, SetLine):
            assert lines.index_of_set(line.number) == index
    told = [line.row for line in shown if isinstance(line, JobLine)]
    several = {number for number, it in view.members.items() if len(it.order) > 1}
    folded = several - lines.unfolded
    assert told == [row for rows in wanted for row in rows if view.set_of(row) not in folded]
    assert {line.number for line in shown if isinstance(line, SetLine)} == several


def test_a_held_job_is_counted_apart_from_those_that_can_run() -> None:
    table = JobTable()
    table.load([job(n, NOW, urgency=0 if n < 2 else 16) for n in range(6)])
    sets = JobSets(table)
    view = JobView(table, sets=sets)
    sets.update(table.take_changed())
    view.rebuild(NOW)
    (members,) = view.members.values()
    assert (members.counts[Status.SCHED], members.counts[HELD]) == (4, 2)


def sample_dashboard() -> Dashboard:
    """Return 20 jobs in a set of which one runs and one failed, and single jobs of all groups."""
    dashboard = Dashboard(lambda: NOW)
    bulk = [job(n, NOW - 100 + n / 10) for n in range(1, 21)]
    bulk[0] |= {"state": 16, "t_run": NOW - 50}
    bulk[1] = over(2, NOW - 99, result=2)
    singles = [
        job(30, NOW - 9, "one"),
        job(31, NOW - 8, "two", state=16, t_run=NOW - 7),
        over(32, NOW - 70, 1, "three"),
        over(33, NOW - 80, 2, "four"),
    ]
    dashboard.load([*bulk, *singles])
    dashboard.settle()
    return dashboard


def told(dashboard: Dashboard) -> list[str]:
    """Return the lines in words."""
    words = []
    for index in range(len(dashboard.lines)):
        line = dashboard.lines.at(index)
        if isinstance(line, Heading):
            words.append(GROUPS[line.group].title)
        elif isinstance(line, SetLine):
            words.append(
                f"{dashboard.sets.name(line.number)} x{len(dashboard.view.rows_of(line.number))}"
            )
        else:
            words.append(dashboard.table.name[line.row])
    return words


def test_states_have_headings_and_failed_jobs_stand_above_those_that_are_done() -> None:
    dashboard = sample_dashboard()
    wanted = ["RUNNING", "two", "bulk x20", "PENDING", "one", "FAILED", "four", "DONE", "three"]
    assert told(dashboard) == wanted
    dashboard.view.set_sort("state", True, NOW)
    # Read from the other end, the set is where its failed job is.
    wanted = ["DONE", "three", "FAILED", "four", "bulk x20", "PENDING", "one", "RUNNING", "two"]
    assert told(dashboard) in (
        wanted,
        ["DONE", "three", "FAILED", "bulk x20", "four", "PENDING", "one", "RUNNING", "two"],
    )
    dashboard.view.set_sort("name", False, NOW)
    assert told(dashboard) == ["bulk x20", "four", "one", "three", "two"]
    dashboard.set_query("state:failed")
    assert told(dashboard) == ["bulk", "four"]  # the one job of the set that failed
    dashboard.set_query("state:active")
    assert "bulk x19" in told(dashboard)


def test_unfolding_shows_the_jobs_under_their_set_and_folding_hides_them() -> None:
    dashboard = sample_dashboard()
    lines = dashboard.lines
    (number,) = dashboard.view.members
    lines.unfold(number)
    assert told(dashboard)[2:24] == ["bulk x20", *["bulk"] * 20, "PENDING"]
    place = lines.index_of_set(number)
    assert place == 2
    assert lines.rows_at(place) == dashboard.view.rows_of(number)
    row = dashboard.table.row_of[2]
    index = lines.index_of(row)
    assert index is not None
    assert lines.at(index) == JobLine(row, number)
    lines.fold(number)
    assert lines.index_of(row) == place
    lines.unfold_all()
    assert len(lines) == 29
    lines.fold_all()
    assert len(lines) == 9


def test_a_heading_is_never_pointed_at() -> None:
    lines = sample_dashboard().lines
    assert [lines.near(index) for index in range(9)] == [1, 1, 2, 4, 4, 6, 6, 8, 8]
    assert [lines.near(index, down=False) for index in (0, 3, 5, 7)] == [1, 2, 4, 6]


def test_without_grouping_every_job_has_its_line() -> None:
    dashboard = sample_dashboard()
    dashboard.set_grouping(False)
    assert sum(word == "bulk" for word in told(dashboard)) == 20
    dashboard.set_grouping(True)
    assert "bulk x20" in told(dashboard)


def test_what_is_unfolded_stays_so_when_everything_is_read_anew() -> None:
    dashboard = sample_dashboard()
    (number,) = dashboard.view.members
    dashboard.lines.unfold(number)
    before = told(dashboard)
    jobs = [
        job(jobid, dashboard.table.t_submit[row], dashboard.table.name[row])
        for jobid, row in dashboard.table.row_of.items()
    ]
    dashboard.replace(jobs)
    dashboard.settle()
    assert told(dashboard).count("bulk") == before.count("bulk") == 20


@pytest.mark.parametrize(("ended", "known"), [(2, False), (3, True)])
def test_the_rate_and_the_time_left_of_a_set_are_told_once_some_of_it_have_ended(
    ended: int, known: bool
) -> None:
    dashboard = Dashboard(lambda: NOW)
    dashboard.load([job(n, NOW - 60, state=16, t_run=NOW - 14) for n in range(10)])
    dashboard.settle()
    for n in range(ended):
        for event in ({"name": "finish", "context": {"status": 0}}, {"name": "clean"}):
            dashboard.apply([{"id": n, "entry": {"timestamp": NOW - 4, **event}}])
    dashboard.settle()
    (it,) = dashboard.sets.by_number.values()
    assert it.rate(NOW) == pytest.approx(ended / 10)
    assert it.mean == pytest.approx(10.0)
    left = it.seconds_left(running=2, waiting=5)
    assert left == (pytest.approx(30.0) if known else None)
    assert it.rate(NOW + 100) == 0
