"""The filter language."""

from __future__ import annotations

import os
import pwd

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.model.jobid import f58
from tui.model.query import Query, QueryError
from tui.model.table import JobTable
from tui.model.view import JobView

ME = pwd.getpwuid(os.getuid()).pw_name
NOW = 1000.0


@pytest.fixture
def table() -> JobTable:
    table = JobTable()
    table.load(
        [
            {
                "id": 10,
                "state": 16,
                "name": "train.py",
                "userid": os.getuid(),
                "ntasks": 4,
                "t_submit": 1.0,
                "t_run": 100.0,
            },
            {
                "id": 11,
                "state": 8,
                "name": "test one",
                "userid": 4242421,
                "ntasks": 1,
                "t_submit": 900.0,
            },
            {
                "id": 12,
                "state": 64,
                "result": 2,
                "name": "Test2",
                "userid": os.getuid(),
                "waitstatus": 256,
                "t_submit": 2.0,
                "t_run": 10.0,
                "t_cleanup": 15.0,
                "t_inactive": 15.0,
                "ranks": "3",
                "nodelist": "n3",
            },
            {
                "id": 13,
                "state": 64,
                "result": 1,
                "name": "sha256",
                "userid": os.getuid(),
                "waitstatus": 0,
                "t_submit": 3.0,
                "t_run": 10.0,
                "t_cleanup": 500.0,
                "t_inactive": 500.0,
            },
        ]
    )
    return table


def ids(table: JobTable, text: str) -> set[int]:
    test = Query.parse(text).compile(table, NOW)
    return {table.ids[row] for row in range(len(table)) if test is None or test(row)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {10, 11, 12, 13}),
        ("state:running", {10}),
        ("state:pending", {11}),
        ("state:pd,F", {11, 12}),
        ("state:inactive", {12, 13}),
        ("state:fail", {12}),
        ("-state:done", {10, 11}),
        ("name:test*", {11, 12}),
        ("-name:test*", {10, 13}),
        ('name:"test one"', {11}),
        (f"user:{ME} state:active", {10}),
        ("user:4242421", {11}),
        ("t>5m", {10, 13}),
        ("t<10s", {12}),
        ("wait>=100s", {11}),
        ("age<2m", {11}),
        ("ntasks>=2", {10}),
        ("ntasks:1", {11}),
        ("waitstatus=256", {12}),
        ("exit:1", {12}),
        ("state:pending OR (name:sha* exit:0)", {11, 13}),
        ("NOT (state:done | state:pending)", {10}),
        ('name~"^t.*[0-9y]$"', {10, 12}),
        ("ranks:3", {12}),
        ("node:n*", {12}),
        ("id:10", {10}),
        (f"id:{f58(13)}", {13}),
        ("tst", {11, 12}),
        ("Tst", {12}),
        ("trnpy", {10}),
        ("-trnpy", {11, 12, 13}),
        ("info:exit*", {12}),
        ("state:", {10, 11, 12, 13}),
        ("-", {10, 11, 12, 13}),
        ("t>5m  state:running", {10}),
    ],
)
def test_matches(table: JobTable, text: str, found: set[int]) -> None:
    assert ids(table, text) == found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("stat:x", "no field stat; did you mean state?"),
        ("state:runing", "no state runing; did you mean running?"),
        ("t>5x", "5x is not a duration: write 30s, 5m, 1.5h or 2d"),
        ("ntasks>many", "many is not a number"),
        ("name>5", "name is not a number: write name:5"),
        ("zzz:1", "no field zzz; there are"),
    ],
)
def test_what_cannot_be_read_is_explained(text: str, sentence: str) -> None:
    with pytest.raises(QueryError) as caught:
        Query.parse(text)
    assert str(caught.value).startswith(sentence)


def test_only_times_are_live() -> None:
    assert Query.parse("t>5m").live
    assert Query.parse("state:run age<1h").live
    assert not Query.parse("state:run ntasks>3").live


def test_free_text_finds_an_id_by_its_beginning(table: JobTable) -> None:
    assert ids(table, f58(12)) == {12}


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ("ren", "re", True),
        ("re", "ren", False),
        ("re", "", False),  # everything matches that: there is nothing to save
        ("state:run re", "state:run r", True),
        ("state:run re", "state:run", True),
        ("state:run re", "state:sched", False),
        ("re state:run", "r state:run", False),
        ("rE", "r", True),
        ("re t>5m", "r", False),  # time alone changes what it matches
        ("re OR x", "re", False),
        ("-re", "-r", False),
        ("fabcde", "fabcd", False),  # may be the id of a job that the shorter one is not of
        ("ƒab", "ƒa", False),
        ("10000", "1000", False),
    ],
)
def test_what_is_typed_on_only_narrows_what_matches(new: str, old: str, expected: bool) -> None:
    assert Query.parse(new).narrows(Query.parse(old)) is expected


NAMES = st.text(alphabet="abAB-*.ſK0123", max_size=8)


@given(st.lists(NAMES, min_size=1, max_size=30), NAMES)
@settings(deadline=None)
def test_letters_find_the_same_jobs_all_at_once_and_one_by_one(names: list[str], word: str) -> None:
    table = JobTable()
    table.load([{"id": 900 + n, "userid": n % 3, "name": name} for n, name in enumerate(names)])
    try:
        query = Query.parse(word)
    except QueryError:
        return
    rows = range(len(table))
    test = query.compile(table, 0.0)
    expected = list(rows) if test is None else [row for row in rows if test(row)]
    assert list(query.matching(table, 0.0, rows)) == expected


@given(st.lists(NAMES, min_size=1, max_size=30), NAMES, st.integers(1, 7))
@settings(deadline=None)
def test_a_view_that_narrows_shows_what_one_that_begins_anew_shows(
    names: list[str], word: str, cut: int
) -> None:
    table = JobTable()
    table.load([{"id": 900 + n, "userid": 1, "name": name} for n, name in enumerate(names)])
    table.take_changed()
    view = JobView(table)
    view.rebuild(0.0)
    try:
        for text in (word[:cut], word):
            view.set_query(Query.parse(text), 0.0)
    except QueryError:
        return
    anew = JobView(table, query=Query.parse(word))
    anew.rebuild(0.0)
    assert view.rows() == anew.rows()
    assert view.counts == anew.counts
