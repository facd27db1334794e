"""JobList and JobStats against a scripted broker."""

from __future__ import annotations

from typing import Any

import pytest

from flux.job.info import JobInfo
from flux.job.list import JobList, JobListIdRPC, job_list, job_list_id, job_list_inactive
from flux.job.stats import JobStats
from flux.testing.scripted import ScriptedFlux


def _scripted() -> ScriptedFlux:
    def list_id(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["id"] == 2:
            raise OSError(2, "")
        if payload["id"] == 3:
            raise OSError(1, "not yours")
        return {"job": {"id": payload["id"], "state": 8}}

    return ScriptedFlux(
        {
            "job-list.list": lambda payload: {"jobs": [{"id": 1, "state": 16, "userid": 0}]},
            "job-list.list-inactive": lambda payload: {"jobs": [{"id": 9, "state": 64}]},
            "job-list.list-id": list_id,
            "job-list.job-stats": lambda payload: {
                "job_states": {
                    "depend": 1,
                    "priority": 2,
                    "sched": 3,
                    "run": 4,
                    "cleanup": 5,
                    "inactive": 60,
                    "total": 75,
                },
                "failed": 10,
                "canceled": 2,
                "timeout": 1,
            },
        }
    )


def test_all_jobs_by_default() -> None:
    flux = _scripted()
    jobs = JobList(flux).jobs()
    assert [job.status for job in jobs] == ["RUN"]
    payload = flux.sent[-1][1]
    assert (payload["userid"], payload["states"], payload["results"], payload["max_entries"]) == (
        4294967295,
        0,
        0,
        1000,
    )
    assert "annotations" in payload["attrs"]


def test_filters_add_up() -> None:
    joblist = JobList(_scripted(), filters=["Pending", "failed"], user="root", max_entries=3)
    joblist.add_filter("timeout")
    assert (joblist.states, joblist.results, joblist.userid) == (14 | 64, 2 | 8, 0)


def test_ids_report_errors() -> None:
    joblist = JobList(_scripted(), ids=[1, "2", 3])
    assert [int(job.id) for job in joblist.jobs()] == [1]
    assert joblist.errors == ["JobID 2 unknown", "rpc: not yours"]


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"filters": ["nosuch"]}, "Invalid filter specified: nosuch"),
        ({"user": "nosuchuser"}, "Invalid user nosuchuser"),
        ({"user": "-1"}, "Invalid user -1"),
        ({"user": 1 << 32}, "Invalid user 4294967296"),
        ({"ids": ["no such id"]}, "no such id is not a valid Flux jobid"),
    ],
)
def test_bad_arguments(how: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        JobList(_scripted(), **how)


def test_plain_queries() -> None:
    flux = _scripted()
    assert job_list(flux, attrs=["state"], states=16).get_jobs()[0]["id"] == 1
    assert job_list_id(flux, 7, ["state"]).get_jobinfo().state == "SCHED"
    assert [int(job.id) for job in job_list_inactive(flux, 5.0, name="x").get_jobinfos()] == [9]
    assert flux.sent[-1][1] == {"since": 5.0, "max_entries": 1000, "attrs": [], "name": "x"}


def test_ended_jobs_are_asked_for_as_the_broker_knows_it() -> None:
    flux = _scripted()
    flux.script["job-list.list-attrs"] = lambda _: {"attrs": ["id", "all"]}
    job_list_inactive(flux, 5.0, attrs=[], name="x")
    assert flux.sent[-1] == (
        "job-list.list",
        {
            "since": 5.0,
            "max_entries": 1000,
            "attrs": [],
            "userid": 0xFFFFFFFF,
            "states": 64,
            "results": 0,
            "constraint": {"name": ["x"]},
        },
    )


def test_stats() -> None:
    stats = JobStats(_scripted())
    assert stats.active == -1
    stats.update_sync()
    counts = (
        stats.pending,
        stats.running,
        stats.active,
        stats.inactive,
        stats.successful,
        stats.failed,
    )
    assert counts == (6, 9, 15, 60, 50, 10)
    assert (stats.canceled, stats.timeout) == (2, 1)


def _of_queue(name: str, run: int, inactive: int, failed: int) -> dict[str, Any]:
    states = dict.fromkeys(("depend", "priority", "sched", "cleanup"), 0)
    ended = {"failed": failed, "canceled": 0, "timeout": failed, "inactive_purged": 1}
    return {"name": name, "job_states": {**states, "run": run, "inactive": inactive}, **ended}


def test_stats_of_queues() -> None:
    queues = [_of_queue("a", 1, 4, 1), _of_queue("b", 2, 5, 0), _of_queue("c", 9, 9, 9)]
    flux = ScriptedFlux({"job-list.job-stats": lambda _: {**queues[2], "queues": queues}})
    for chosen, counts in (
        ("a", (1, 4, 5, 1, 3, 1)),
        (["a", "b"], (3, 9, 12, 1, 8, 2)),
        (None, (9, 9, 18, 9, 0, 1)),
    ):
        stats = JobStats(flux, chosen)
        stats.update_sync()
        found = (stats.run, stats.inactive, stats.total, stats.timeout, stats.successful)
        assert (*found, stats.inactive_purged) == counts
    with pytest.raises(ValueError, match="no stats available for queue d"):
        JobStats(flux, ["a", "d"]).update_sync()


def test_numbers_of_queues_add_up() -> None:
    both = JobStats.QueueStats()
    assert (both.queue_name, both.total, both.successful) == ("", 0, 0)
    both += JobStats.QueueStats(_of_queue("a", 1, 4, 1))
    both += JobStats.QueueStats(_of_queue("b", 2, 5, 0))
    assert (both.run, both.total, both.successful, both.failed) == (3, 12, 8, 1)
    assert JobStats.QueueStats(_of_queue("a", 1, 4, 1)).queue_name == "a"


def test_a_query_for_one_job_is_made_as_every_rpc() -> None:
    flux = _scripted()
    rpc = JobListIdRPC(flux, "job-list.list-id", {"id": 7, "attrs": ["all"]})
    assert rpc.get_job()["state"] == 8
    assert rpc.jobid == 7


@pytest.mark.parametrize(
    ("known", "asked"), [(["all", "name"], ["all"]), (["state", "name"], ["name", "state"])]
)
def test_all_that_a_broker_has_is_asked_for_by_default(known: list[str], asked: list[str]) -> None:
    handle = _scripted()
    handle.script["job-list.list-attrs"] = lambda _: {"attrs": known}
    job_list(handle).get_jobs()
    job_list_id(handle, 1).get_job()
    job_list_inactive(handle).get_jobs()
    job_list(handle, attrs=["name"]).get_jobs()
    told = [payload["attrs"] for _, payload in handle.sent if payload and "attrs" in payload]
    assert told == [asked, asked, asked, ["name"]]
    assert [topic for topic, _ in handle.sent].count("job-list.list-attrs") == 1


def test_a_broker_that_does_not_tell_is_asked_for_ids() -> None:
    handle = _scripted()
    job_list(handle).get_jobs()
    assert handle.sent[-1][1]["attrs"] == []


def test_an_exception_is_found_by_its_name_in_the_bindings() -> None:
    info = JobInfo({"id": 1, "exception_occurred": True, "exception_type": "cancel"})
    facts = vars(info._exception)  # noqa: SLF001 - as programs do
    assert (facts["occurred"], facts["type"]) == (True, "cancel")


def test_jobs_in_lists_have_the_status_of_today() -> None:
    (waits,) = JobList(_scripted(), ids=[1]).jobs()
    assert (waits.status, waits.status_abbrev) == ("SCHED", "S")
    ((same,),) = JobList(_scripted(), ids=[1]).pages()
    assert (same.status, same.status_abbrev) == ("PENDING", "PD")
