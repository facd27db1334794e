"""What the dashboard says of itself: how old it is, how much of it is there, what it acts on."""

from __future__ import annotations

import pytest

from tui.model.dashboard import Dashboard
from tui.model.facts import StateCounts
from tui.model.format import age, percent
from tui.model.liveness import SILENCE
from tui.model.notices import queue_notices
from tui.model.question import Question
from tui.model.selection import targets
from tui.model.states import ACTIVE, RUNNING


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dashboard(clock: Clock) -> Dashboard:
    found = Dashboard(clock)
    states = (16, 16, 8, 64, 64)
    found.replace(
        [
            {"id": n, "state": state, "result": 1, "name": f"job{n}", "t_run": 990.0}
            for n, state in enumerate(states, 1)
        ]
    )
    found.set_link(True)
    found.settle()
    return found


def test_an_answer_owed_makes_what_is_shown_old(dashboard: Dashboard, clock: Clock) -> None:
    dashboard.ask()
    clock.now += SILENCE - 1
    assert (dashboard.stale, dashboard.moment) == (False, clock.now)
    clock.now += 2
    dashboard.ask()
    assert dashboard.silence == SILENCE + 1
    assert (dashboard.stale, dashboard.moment) == (True, 1000.0)
    revision = dashboard.revision
    dashboard.hear()
    assert dashboard.revision > revision
    assert (dashboard.stale, dashboard.moment) == (False, clock.now)


def test_nothing_asked_is_nothing_owed(dashboard: Dashboard, clock: Clock) -> None:
    clock.now += 3600
    assert not dashboard.stale


def test_without_a_connection_time_stands_still(dashboard: Dashboard, clock: Clock) -> None:
    clock.now += 3
    dashboard.set_link(False, "gone")
    clock.now += 60
    assert (dashboard.stale, dashboard.moment, dashboard.silence) == (True, 1000.0, 0.0)


def test_counts_while_loading_are_those_of_the_instance(dashboard: Dashboard) -> None:
    assert dashboard.counts == StateCounts(2, 1, 2, read=5)
    assert dashboard.counts.complete
    dashboard.loading = StateCounts(8, 1697, 300, 10)
    counts = dashboard.counts
    assert (counts.total, counts.over, counts.read, counts.complete) == (2015, 310, 5, False)


def test_marks_that_the_filter_hides(dashboard: Dashboard) -> None:
    dashboard.marks = {1, 3, 4}
    assert dashboard.hidden_marks() == 0
    dashboard.set_query("state:running")
    assert dashboard.hidden_marks() == 2
    dashboard.marks.add(99)
    assert dashboard.hidden_marks() == 3
    dashboard.set_query("")
    assert dashboard.hidden_marks() == 1


def test_marks_of_jobs_that_another_instance_does_not_have_go(dashboard: Dashboard) -> None:
    dashboard.marks = {1, 2}
    dashboard.set_link(False, "lost")
    dashboard.replace([{"id": 2, "state": 16, "name": "again"}])
    assert dashboard.marks == {1, 2}
    dashboard.set_loading(dashboard.counts)
    dashboard.set_link(True)
    assert dashboard.marks == {1, 2}  # there is more to come
    dashboard.set_loading(None)
    dashboard.set_link(True)
    assert dashboard.marks == {2}


def test_a_question_says_what_it_is_about(dashboard: Dashboard) -> None:
    dashboard.marks = {1, 2, 3, 4, 5}
    dashboard.set_query("state:inactive")
    row = dashboard.table.row_of[4]
    selection = targets(dashboard, [row])
    assert selection.able(ACTIVE) == [1, 2, 3]
    assert selection.unable(RUNNING) == "2 over already, 1 not running"
    question = Question("Cancel", selection, ACTIVE, 3)
    assert question.title() == "Cancel 3 jobs?"
    assert question.notes() == ["of 5 marked, 2 over already", "3 hidden by the filter"]
    assert question.listing(True)[0].split()[-3:] == ["R", "10.0s", "job1"]
    dashboard.marks.discard(4)
    assert "the job under the cursor is not among them" in targets(dashboard, [row]).out_of_sight()


def test_a_question_stays_true_while_jobs_end(dashboard: Dashboard) -> None:
    dashboard.marks = {1, 2}
    question = Question("Cancel", targets(dashboard, []), ACTIVE, 2)
    dashboard.load([{"id": 1, "state": 64, "result": 1}])
    assert question.title() == "Cancel 1 job?"
    assert question.notes() == ["of 2 marked, 1 over already"]
    assert question.typed_right("2")
    assert question.typed_right("1")
    assert not question.typed_right("")
    assert not question.typed_right("12")
    dashboard.load([{"id": 2, "state": 64, "result": 1}])
    assert (question.title(), question.jobids()) == ("Nothing is left to do: all are over", [])
    dashboard.forget({1})
    assert question.notes() == ["of 2 marked, 1 over already, 1 gone from the list"]
    dashboard.forget({2})
    assert question.title() == "Nothing is left to do: all are gone from the list"


def test_the_job_under_the_cursor_if_none_is_marked(dashboard: Dashboard) -> None:
    assert targets(dashboard, []).jobids == ()
    selection = targets(dashboard, [dashboard.table.row_of[3]])
    assert (selection.jobids, selection.out_of_sight()) == ((3,), "")


def test_queues_that_are_closed_are_told() -> None:
    queues: list[tuple[str, dict[str, object]]] = [
        ("", {"enable": True, "start": True}),
        ("a", {"enable": False, "start": False, "disable_reason": "full\x1b[2J"}),
        ("b", {"enable": True, "start": False, "stop_reason": "cables"}),
        ("c", {}),
    ]
    assert queue_notices(queues) == [
        "queue a is stopped",
        "queue a takes no submissions: full\\u001b[2J",
        "queue b is stopped: cables",
    ]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "  0%"),
        (0, 10, "  0%"),
        (1, 2015, " <1%"),
        (2008, 2015, " 99%"),
        (2015, 2015, "100%"),
        (1, 3, " 33%"),
    ],
)
def test_a_share_is_never_more_than_it_is(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-1, "-"), (0.4, "<1m"), (59.9, "<1m"), (61, "1m"), (3700, "1h01m")]
)
def test_ages_are_as_coarse_as_they_are_long(seconds: float, text: str) -> None:
    assert age(seconds) == text
