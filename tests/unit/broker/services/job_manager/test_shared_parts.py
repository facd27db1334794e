"""What jobs have in common is kept once, and a job that waits is small."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_info.logs import JobLogs
from broker.services.job_manager.environment import KEPT, EnvironmentPool
from broker.services.job_manager.events import JournalEvent
from broker.services.job_manager.states import Job, apply

from .cluster import jobspec

if TYPE_CHECKING:
    from flux.job.types import EventEntry

ENVIRONMENT = {f"NAME{number}": "x" * 50 for number in range(50)}


def made(pool: EnvironmentPool, command: str = "true", **system: Any) -> Job:
    job = Job(1, jobspec(command, **{"environment": dict(ENVIRONMENT), **system}))
    assert job.jobspec is not None
    job.shared = pool.share(job.jobspec)
    return job


def test_jobs_of_one_kind_share_all_but_their_tasks() -> None:
    pool = EnvironmentPool()
    first, second = made(pool, "a"), made(pool, "b")
    third = made(pool, "c")
    assert not first.shared
    assert list(second.shared) == ["attributes", "resources"]
    assert third.shared is second.shared
    assert first.jobspec is not None
    assert second.jobspec is not None
    assert second.jobspec["attributes"] is first.jobspec["attributes"]
    assert second.jobspec["tasks"][0]["command"] == ["b"]


def test_jobs_that_differ_share_their_environment() -> None:
    pool = EnvironmentPool()
    first, second = made(pool, cwd="/a"), made(pool, cwd="/b")
    assert list(second.shared) == ["resources"]
    systems = [job.jobspec["attributes"]["system"] for job in (first, second) if job.jobspec]
    assert systems[0]["environment"] is systems[1]["environment"]
    assert [system["cwd"] for system in systems] == ["/a", "/b"]


def test_the_pool_remembers_the_latest_only() -> None:
    pool = EnvironmentPool()
    made(pool, cwd="/first")
    for number in range(KEPT):
        made(pool, cwd=f"/{number}")
    assert "attributes" not in made(pool, cwd="/first").shared
    assert "attributes" in made(pool, cwd="/first").shared


@pytest.mark.parametrize(
    "spec",
    [
        jobspec(),
        jobspec(environment={}),
        {},
        {"attributes": None},
        {"attributes": {}, "resources": []},
        {"attributes": {"system": None}},
        {"attributes": {"system": {"environment": "none"}}},
    ],
)
def test_packing_changes_nothing(spec: dict[str, Any]) -> None:
    pool = EnvironmentPool()
    for _ in range(2):
        job = Job(1, copy.deepcopy(spec))
        assert job.jobspec is not None
        job.shared = pool.share(job.jobspec)
        job.pack()
        assert job.jobspec == spec
        job.pack()
        assert job.jobspec == spec


def test_an_entry_is_one_text_for_the_eventlog_the_manager_and_job_info() -> None:
    job, logs = Job(1, {}), JobLogs()
    entries: list[EventEntry] = [
        {"timestamp": 1.0, "name": "submit", "context": {"userid": 1, "urgency": 16, "flags": 0}},
        {"timestamp": 2.0, "name": "depend"},
    ]
    events = []
    for seq, entry in enumerate(entries):
        apply(job, entry)
        events.append(JournalEvent(job, seq, entry))
    logs.feed([event.record() for event in events])
    log = logs.get(1)
    assert log is not None
    kept = [it for it in job.kept_entries() if isinstance(it, bytes)]
    assert [id(line) for line in log.lines] == [id(line) for line in kept]
    assert len(kept) == len(entries)
    assert job.entries == entries


def test_a_folded_eventlog_reads_the_same_and_goes_on() -> None:
    job = Job(1, {})
    entries: list[EventEntry] = []

    def post(name: str, count: int) -> None:
        for number in range(count):
            entry: EventEntry = {"timestamp": 1.0, "name": name, "context": {"n": number}}
            entries.append(entry)
            job.add_entry(entry)

    post("memo", 3)
    job.fold()  # nothing of it is text yet
    assert len(job.kept_entries()) == 3
    for seq, entry in enumerate(entries):
        JournalEvent(job, seq, entry).line()
    job.fold()
    assert job.kept_entries() == ()
    assert job.entries == entries
    post("annotations", 2)
    JournalEvent(job, 1, entries[1]).line()  # asked for once more: there is nothing to keep
    JournalEvent(job, 4, entries[4]).line()
    assert job.entries == entries
    job.fold()
    JournalEvent(job, 3, entries[3]).line()
    job.fold()
    assert (job.kept_entries(), job.entries, job.seq) == ((), entries, 5)
