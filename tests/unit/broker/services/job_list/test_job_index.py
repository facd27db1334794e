"""The job list as data: records follow their eventlogs, the index agrees with a recomputation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.services.job_list.attributes import ATTRIBUTES, describe, getters
from broker.services.job_list.index import JobIndex
from flux.job.describe import job_name, task_count

if TYPE_CHECKING:
    from broker.services.job_list.record import ListedJob

R = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0", "children": {"core": "0"}}],
        "starttime": 0.0,
        "expiration": 9.0,
        "nodelist": ["vm"],
    },
}
JOBSPEC: dict[str, Any] = {
    "resources": [
        {"type": "slot", "count": 4, "with": [{"type": "core", "count": 1}], "label": "task"}
    ],
    "tasks": [{"command": ["/bin/true"], "slot": "task", "count": {"per_slot": 1}}],
    "attributes": {"system": {"duration": 0}},
    "version": 1,
}


def _entry(timestamp: float, name: str, **context: Any) -> dict[str, Any]:
    return {"timestamp": timestamp, "name": name, **({"context": context} if context else {})}


def _submit(
    index: JobIndex,
    id: int,
    timestamp: float = 1.0,
    userid: int = 0,
    urgency: int = 16,
    **system: object,
) -> None:
    attributes = {"system": {**JOBSPEC["attributes"]["system"], **system}}
    index.update(
        id,
        _entry(timestamp, "submit", userid=userid, urgency=urgency, flags=0),
        seq=0,
        jobspec={**JOBSPEC, "attributes": attributes},
    )


def _run(index: JobIndex, id: int, timestamp: float = 2.0) -> None:
    index.update(id, _entry(timestamp, "depend"))
    index.update(id, _entry(timestamp, "priority", priority=16))
    annotations = {"sched": {"resource_summary": "rank0/core0"}}
    index.update(id, _entry(timestamp, "alloc", annotations=annotations), resources=R)


def _end(index: JobIndex, id: int, timestamp: float = 3.0, status: int = 0) -> None:
    index.update(id, _entry(timestamp, "finish", status=status))
    index.update(id, _entry(timestamp, "clean"))


def test_attributes_of_a_finished_job() -> None:
    index = JobIndex()
    _submit(index, 7, cwd="/home/a", project="apollo", bank="moon", duration=60)
    _run(index, 7)
    _end(index, 7)
    job = index.get(7)
    assert job is not None
    assert describe(job, getters(ATTRIBUTES)) == {
        "id": 7,
        "userid": 0,
        "urgency": 16,
        "priority": 16,
        "t_submit": 1.0,
        "t_depend": 1.0,
        "t_priority": 2.0,
        "t_sched": 2.0,
        "t_run": 2.0,
        "t_cleanup": 3.0,
        "t_inactive": 3.0,
        "state": 64,
        "name": "true",
        "cwd": "/home/a",
        "project": "apollo",
        "bank": "moon",
        "ntasks": 4,
        "ncores": 1,
        "duration": 60.0,
        "nnodes": 1,
        "ranks": "0",
        "nodelist": "vm",
        "success": True,
        "exception_occurred": False,
        "result": 1,
        "expiration": 9.0,
        "waitstatus": 0,
        "annotations": {"sched": {"resource_summary": "rank0/core0"}},
    }


def test_all_attributes_may_be_asked_for_at_once() -> None:
    assert getters(["all"]) == getters(ATTRIBUTES)


def test_cores_of_a_pending_job_are_those_it_asks_for_unless_it_gets_nodes_whole() -> None:
    index = JobIndex()
    _submit(index, 7)
    node = {"type": "node", "count": 2, "with": JOBSPEC["resources"]}
    submitted = _entry(1.0, "submit", userid=0, urgency=16)
    index.update(8, submitted, seq=0, jobspec={**JOBSPEC, "resources": [node]})
    whole = {**node, "exclusive": True}
    index.update(9, submitted, seq=0, jobspec={**JOBSPEC, "resources": [whole]})
    wanted = getters(["ncores", "nnodes"])
    jobs = {job.id: describe(job, wanted) for job in index.select()}
    assert jobs[7] == {"id": 7, "ncores": 4}
    assert jobs[8] == {"id": 8, "ncores": 8, "nnodes": 2}
    assert jobs[9] == {"id": 9, "nnodes": 2}


def test_ids_of_a_user_are_the_newest_first() -> None:
    index = JobIndex()
    for id, userid in ((5, 0), (9, 0), (7, 3), (6, 0)):
        _submit(index, id, userid=userid)
    _end(index, 9)
    assert (index.newest(0), index.newest(3), index.newest(4)) == ([9, 6, 5], [7], [])


def test_attributes_of_a_pending_job() -> None:
    index = JobIndex()
    _submit(index, 7)
    job = index.get(7)
    assert job is not None
    wanted = [
        "nodelist",
        "t_cleanup",
        "result",
        "name",
        "nnodes",
        "t_run",
        "userid",
        "state",
        "ntasks",
        "priority",
    ]
    assert describe(job, getters(wanted)) == {
        "id": 7,
        "name": "true",
        "userid": 0,
        "state": 2,
        "ntasks": 4,
    }


@pytest.mark.parametrize(
    ("kind", "result", "counter"),
    [("cancel", 4, "canceled"), ("timeout", 8, "timeout"), ("exec", 2, None)],
)
def test_result_follows_the_exception(kind: str, result: int, counter: str | None) -> None:
    index = JobIndex()
    _submit(index, 1)
    index.update(1, _entry(2.0, "exception", type=kind, severity=0, note="because"))
    job = index.get(1)
    assert job is not None
    assert (job.state, job.t_cleanup) == (32, 2.0)
    index.update(1, _entry(3.0, "clean"))
    assert job.result == result
    wanted = getters(
        ["success", "exception_occurred", "exception_type", "exception_note", "exception_severity"]
    )
    assert describe(job, wanted) == {
        "id": 1,
        "success": False,
        "exception_occurred": True,
        "exception_type": kind,
        "exception_note": "because",
        "exception_severity": 0,
    }
    stats = index.stats()
    assert stats["failed"] == 1
    assert [stats[name] for name in ("canceled", "timeout")] == [
        counter == "canceled",
        counter == "timeout",
    ]


@pytest.mark.parametrize("canceled_first", [True, False])
def test_a_job_whose_tasks_all_did_well_is_completed(canceled_first: bool) -> None:
    """A cancel that comes when the work is done changes nothing (docs/decisions/job-result.md)."""
    index = JobIndex()
    _submit(index, 1)
    _run(index, 1)
    events = [_entry(2.5, "finish", status=0), _entry(2.5, "exception", type="cancel", severity=0)]
    for entry in reversed(events) if canceled_first else events:
        index.update(1, entry)
    index.update(1, _entry(3.0, "clean"))
    job = index.get(1)
    assert job is not None
    assert describe(job, getters(["result", "success", "exception_occurred"])) == {
        "id": 1,
        "result": 1,
        "success": True,
        "exception_occurred": True,
    }
    stats = index.stats()
    assert (stats["failed"], stats["canceled"]) == (0, 0)
    assert [job.id for job in index.select(results=1)] == [1]


def test_worst_exception_counts_and_a_mild_one_does_not_fail_the_job() -> None:
    index = JobIndex()
    _submit(index, 1)
    _run(index, 1)
    index.update(1, _entry(2.5, "exception", type="mild", severity=5, note=""))
    index.update(1, _entry(2.6, "exception", type="milder", severity=7, note=""))
    _end(index, 1)
    job = index.get(1)
    assert job is not None
    assert (job.exception_type, job.result, job.success) == ("mild", 1, True)


def test_repeated_entries_are_ignored() -> None:
    index = JobIndex()
    _submit(index, 1)
    index.update(1, _entry(1.0, "submit", userid=5), seq=0)
    job = index.get(1)
    assert job is not None
    assert job.userid == 0


def test_order_of_listing() -> None:
    index = JobIndex()
    for id in range(1, 9):
        _submit(index, id)
    for id, priority in ((1, 16), (2, 31), (3, 16)):
        index.update(id, _entry(2.0, "depend"))
        index.update(id, _entry(2.0, "priority", priority=priority))
    for id, timestamp in ((4, 5.0), (5, 6.0)):
        _run(index, id, timestamp)
    for id, timestamp in ((6, 9.0), (7, 8.0), (8, 7.0)):
        _run(index, id, 2.0)
        _end(index, id, timestamp)
    assert [job.id for job in index.select()] == [2, 1, 3, 5, 4, 6, 7, 8]
    assert [job.id for job in index.inactive_since(7.5)] == [6, 7]
    assert [job.id for job in index.inactive_since(0.0, "nosuch")] == []


def test_dependencies_and_urgency() -> None:
    index = JobIndex()
    _submit(index, 1)
    index.update(1, _entry(1.0, "dependency-add", description="after:1"))
    index.update(1, _entry(1.0, "dependency-add", description="after:2"))
    index.update(1, _entry(1.0, "dependency-remove", description="after:1"))
    index.update(1, _entry(1.0, "urgency", urgency=31, userid=0))
    job = index.get(1)
    assert job is not None
    assert describe(job, getters(["dependencies", "urgency"])) == {
        "id": 1,
        "dependencies": ["after:2"],
        "urgency": 31,
    }


@pytest.mark.parametrize(
    ("jobspec", "name", "ntasks"),
    [
        (JOBSPEC, "true", 4),
        ({**JOBSPEC, "attributes": {"system": {"job": {"name": "mine"}}}}, "mine", 4),
        (
            {
                "resources": [
                    {
                        "type": "node",
                        "count": 2,
                        "with": [{"type": "slot", "count": 3, "label": "t"}],
                    }
                ],
                "tasks": [{"command": "one", "count": {"per_slot": 2}}],
            },
            "one",
            12,
        ),
        ({"resources": [], "tasks": [{"command": ["x"], "count": {"total": 5}}]}, "x", 5),
        ({}, None, None),
        ({"tasks": [{"command": []}]}, None, None),
    ],
)
def test_jobspec(jobspec: dict[str, Any], name: str | None, ntasks: int | None) -> None:
    assert (job_name(jobspec), task_count(jobspec)) == (name, ntasks)


def test_unknown_attribute() -> None:
    with pytest.raises(OSError, match="nosuch is not a valid attribute"):
        getters(["id", "nosuch"])


_EVENTS = st.sampled_from(
    [
        ("depend", {}),
        ("priority", {"priority": 16}),
        ("priority", {"priority": 0}),
        ("priority", {"priority": 31}),
        ("urgency", {"urgency": 31}),
        ("alloc", {}),
        ("jobspec-update", {"attributes.system.duration": 5}),
        ("resource-update", {"expiration": 5}),
        ("finish", {"status": 0}),
        ("finish", {"status": 256}),
        ("exception", {"type": "cancel", "severity": 0}),
        ("exception", {"type": "note", "severity": 5}),
        ("clean", {}),
    ]
)


def _recompute(jobs: list[ListedJob], states: int, results: int, userid: int | None) -> list[int]:
    def chosen(job: ListedJob) -> bool:
        by_result = job.state != 64 or not results or bool((job.result or 0) & results)
        return bool(job.state & states) and by_result and userid in (None, job.userid)

    picked = [job for job in jobs if chosen(job)]
    pending = sorted(
        (j for j in picked if j.state < 16),
        key=lambda j: (-(j.priority or 0), j.id),
    )
    running = sorted(
        (j for j in picked if j.state in (16, 32)),
        key=lambda j: (j.t_run if j.t_run is not None else j.t_cleanup or 0.0, j.id),
        reverse=True,
    )
    ended = sorted(
        (j for j in picked if j.state == 64),
        key=lambda j: (j.t_inactive or 0.0, j.id),
        reverse=True,
    )
    return [job.id for job in pending + running + ended]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(1, 6), _EVENTS, st.integers(2, 9)), max_size=60),
    st.integers(1, 126),
    st.integers(0, 15),
    st.sampled_from([None, 0, 1]),
)
def test_index_equals_recomputation(
    events: list[tuple[int, tuple[str, dict[str, Any]], int]],
    states: int,
    results: int,
    userid: int | None,
) -> None:
    index = JobIndex()
    for id in range(1, 7):
        _submit(index, id, userid=id % 2)
    ended: set[int] = set()
    for id, (name, context), timestamp in events:
        if id not in ended:
            index.update(id, _entry(float(timestamp), name, **context))
            if name == "clean":
                ended.add(id)
    jobs = [job for id in range(1, 7) if (job := index.get(id)) is not None]
    states &= ~1
    if states:
        listed = index.select(states, results, 0xFFFFFFFF if userid is None else userid)
        assert [job.id for job in listed] == _recompute(jobs, states, results, userid)
    counts = index.stats()
    assert counts["job_states"]["total"] == 6
    assert counts["job_states"]["inactive"] == len(ended)
    assert counts["failed"] == sum(job.state == 64 and not job.success for job in jobs)


def _update(index: JobIndex, id: int, **context: Any) -> None:
    index.update(id, _entry(2.5, "jobspec-update", **context))


def test_what_an_update_changes_is_listed() -> None:
    index = JobIndex()
    _submit(index, 7, cwd="/a", project="apollo", bank="moon", duration=60, queue="batch")
    index.update(7, _entry(2.0, "depend"))
    index.update(7, _entry(2.0, "priority", priority=16))
    before = index.get(7)
    assert before is not None
    _update(index, 7, **{"attributes.system.duration": 90, "attributes.system.queue": "debug"})
    _update(index, 7, **{"attributes.system.job": {"name": "probe"}})
    _update(index, 7, **{"attributes.system.project": None, "attributes.system.bank": "sun"})
    job = describe(before, getters(["all"]))
    wanted = {"duration": 90, "queue": "debug", "name": "probe", "bank": "sun", "cwd": "/a"}
    assert {key: job[key] for key in wanted} == wanted
    assert "project" not in job
    assert job["ntasks"] == 4
    assert job["state"] == 4  # its priority is decided again
    index.update(7, _entry(2.6, "priority", priority=16))
    assert [found.id for found in index.select(8)] == [7]


def test_a_new_expiration_is_listed() -> None:
    index = JobIndex()
    _submit(index, 7)
    _run(index, 7)
    index.update(7, _entry(2.5, "resource-update", expiration=99))
    index.update(7, _entry(2.5, "resource-update"))
    job = index.get(7)
    assert job is not None
    assert job.expiration == 99.0


def _queue(index: JobIndex, name: str) -> tuple[int, int, int, int, int, int]:
    """Return how many of a queue's jobs are pending, running and inactive, have failed and were
    canceled, and how many were purged.
    """
    told = next(queue for queue in index.stats()["queues"] if queue["name"] == name)
    states = told["job_states"]
    assert states["total"] == sum(states[state] for state in states if state != "total")
    assert told["successful"] == states["inactive"] - told["failed"]
    return (
        states["depend"] + states["sched"],
        *(states["run"], states["inactive"]),
        *(told["failed"], told["canceled"], told["inactive_purged"]),
    )


def test_each_queue_has_counts_of_its_own() -> None:
    index = JobIndex()
    for id, queue in ((1, "a"), (2, "a"), (3, "b")):
        _submit(index, id, queue=queue)
    _submit(index, 4)
    assert (_queue(index, "a"), _queue(index, "b")) == ((2, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 0))
    for id in (1, 3):
        _run(index, id)
    assert (_queue(index, "a"), _queue(index, "b")) == ((1, 1, 0, 0, 0, 0), (0, 1, 0, 0, 0, 0))
    _end(index, 1)
    _end(index, 3, status=256)
    index.update(2, _entry(2.0, "exception", type="cancel", severity=0, note=""))
    index.update(2, _entry(3.0, "clean"))
    assert (_queue(index, "a"), _queue(index, "b")) == ((0, 0, 2, 1, 1, 0), (0, 0, 1, 1, 0, 0))
    for id in (1, 2, 3, 4):
        index.purge(id)
    assert (_queue(index, "a"), _queue(index, "b")) == ((0, 0, 0, 0, 0, 2), (0, 0, 0, 0, 0, 1))
    assert index.stats()["job_states"]["total"] == 1, "job 4 is still there"
    assert [queue["name"] for queue in index.stats({"c": {}})["queues"]] == ["a", "b", "c"]


def test_a_job_that_changes_its_queue_is_counted_in_the_new_one() -> None:
    index = JobIndex()
    _submit(index, 1, queue="a")
    index.update(1, _entry(2.0, "jobspec-update", **{"attributes.system.queue": "b"}))
    assert (_queue(index, "a"), _queue(index, "b")) == ((0,) * 6, (1, 0, 0, 0, 0, 0))
    _run(index, 1)
    _end(index, 1, status=256)
    assert (_queue(index, "a"), _queue(index, "b")) == ((0,) * 6, (0, 0, 1, 1, 0, 0))
    index.update(1, _entry(9.0, "jobspec-update", **{"attributes.system.queue": "a"}))
    assert (_queue(index, "a"), _queue(index, "b")) == ((0, 0, 1, 1, 0, 0), (0,) * 6)
