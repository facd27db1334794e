"""Which ends of jobs are told, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tui.model import states
from tui.model.query import Query
from tui.model.states import Status
from tui.model.table import JobTable
from tui.model.watching import EndOfJob, News, Watching
from tui.notifying import desktop_notification

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

NOW = 1000.0


def job(jobid: int, **more: object) -> JsonObject:
    return {
        "id": jobid,
        "state": states.RUN,
        "userid": 0,
        "name": f"n{jobid}",
        "t_run": 900.0,
        **more,
    }


def over(jobid: int, result: int = states.FAILED, at: float = 1005.0) -> JsonObject:
    return job(jobid, state=states.INACTIVE, result=result, t_cleanup=at, t_inactive=at)


@pytest.fixture
def table() -> JobTable:
    table = JobTable()
    table.load([job(1), job(2), job(3)])
    table.take_changed()
    return table


def looked(watching: Watching, table: JobTable, failures: str = "") -> None:
    query = Query.parse(failures) if failures else None
    watching.look(table, table.take_changed(), query, NOW)


def ids(news: News | None) -> list[int]:
    return [] if news is None else [ended.jobid for ended in news.jobs]


def test_the_end_of_a_watched_job_is_told_once(table: JobTable) -> None:
    watching = Watching(NOW)
    assert watching.toggle([1]) == 1
    table.load([over(1), over(2)])
    looked(watching, table)
    assert ids(watching.news(NOW, 5)) == [1]
    assert watching.watched == set()
    table.load([over(1)])
    looked(watching, table)
    assert watching.news(NOW + 100, 5) is None


def test_watching_again_is_watching_no_more(table: JobTable) -> None:
    watching = Watching(NOW)
    watching.toggle([1, 2])
    assert watching.toggle([1, 2, 3]) == 1
    assert watching.toggle([1, 2, 3]) == 0
    table.load([over(1)])
    looked(watching, table)
    assert watching.news(NOW, 5) is None


def test_a_job_that_ended_while_the_connection_was_lost_is_told() -> None:
    watching = Watching(NOW)
    watching.toggle([1])
    fresh = JobTable()
    fresh.load([over(1, states.COMPLETED), over(2)])
    looked(watching, fresh)
    assert ids(watching.news(NOW, 5)) == [1]


def test_failures_are_told_by_query_from_the_beginning_on(table: JobTable) -> None:
    watching = Watching(NOW)
    table.load([over(1), over(2, states.COMPLETED), over(3), over(4, at=NOW - 1)])
    looked(watching, table, "-name:n3")
    assert ids(watching.news(NOW, 5)) == [1]
    table.load([over(1)])
    looked(watching, table, "-name:n3")
    assert watching.news(NOW + 100, 5) is None


def test_what_happens_meanwhile_is_told_together(table: JobTable) -> None:
    watching = Watching(NOW)
    watching.toggle([1, 2, 3])
    table.load([over(1)])
    looked(watching, table)
    assert ids(watching.news(NOW, 5)) == [1]
    table.load([over(2)])
    looked(watching, table)
    assert watching.news(NOW + 4.9, 5) is None
    table.load([over(3, states.COMPLETED)])
    looked(watching, table)
    news = watching.news(NOW + 5, 5)
    assert ids(news) == [2, 3]
    assert news is not None
    assert news.text() == "2 jobs ended: 1 completed, 1 failed"
    assert news.bad


def test_one_job_is_told_with_its_name_and_reason() -> None:
    ended = EndOfJob(1 << 24, "a\x1b[31m", Status.FAILED, 63.0, "exit 3")
    news = News((ended,))
    assert news.text().endswith("a\\u001b[31m failed after 1m03s: exit 3")
    assert news.environment()["FLUX_JOB_STATUS"] == "failed"
    assert news.environment()["FLUX_JOB_COUNT"] == "1"
    assert not News((EndOfJob(1, "a", Status.COMPLETED, 1.0, ""),)).bad


def test_a_hundred_thousand_jobs_fit_the_environment_of_a_command() -> None:
    jobs = tuple(EndOfJob(number, "a", Status.FAILED, 1.0, "") for number in range(100_000))
    environment = News(jobs).environment()
    assert environment["FLUX_JOB_COUNT"] == "100000"
    assert sum(map(len, environment.values())) < 100_000


def test_the_desktop_is_told_by_osc_9(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    assert desktop_notification("a\x07b") == "\x1b]9;a\\u0007b\x07"
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")
    assert desktop_notification("a") == "\x1bPtmux;\x1b\x1b]9;a\x07\x1b\\"


@pytest.mark.parametrize(
    ("status", "why", "told"),
    [
        (Status.CANCELED, "canceled", "canceled after 5.00s"),
        (Status.CANCELED, "canceled by alice", "canceled after 5.00s: by alice"),
        (Status.FAILED, "exit code 3", "failed after 5.00s: exit code 3"),
    ],
)
def test_what_the_state_says_is_not_said_twice(status: Status, why: str, told: str) -> None:
    assert News((EndOfJob(1, "n", status, 5.0, why),)).text().endswith(f" n {told}")
