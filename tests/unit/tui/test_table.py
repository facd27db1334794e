"""The columnar job table: loading, events, idempotence."""

from __future__ import annotations

from typing import Any

import pytest

from tui.model import sample, states
from tui.model.dashboard import Dashboard
from tui.model.description import describe, describe_r
from tui.model.states import STATUS_INDEX, Status, status_of
from tui.model.table import JobTable

LIFE: list[dict[str, Any]] = [
    {"timestamp": 1.0, "name": "submit", "context": {"userid": 5, "urgency": 16, "flags": 0}},
    {"timestamp": 1.1, "name": "depend"},
    {"timestamp": 1.2, "name": "priority", "context": {"priority": 16}},
    {
        "timestamp": 2.0,
        "name": "alloc",
        "context": {"annotations": {"sched": {"resource_summary": "rank0/core0"}}},
    },
    {"timestamp": 2.1, "name": "start"},
    {"timestamp": 5.0, "name": "finish", "context": {"status": 0}},
    {"timestamp": 5.1, "name": "release", "context": {"ranks": "all", "final": True}},
    {"timestamp": 5.2, "name": "free"},
    {"timestamp": 5.3, "name": "clean"},
]


def test_life_of_a_job_by_events() -> None:
    table = JobTable()
    seen = []
    for entry in LIFE:
        table.apply(7, entry)
        seen.append(Status(table.status[0]).name)
    assert seen == [
        "DEPEND",
        "PRIORITY",
        "SCHED",
        "RUN",
        "RUN",
        "CLEANUP",
        "CLEANUP",
        "CLEANUP",
        "COMPLETED",
    ]
    assert (table.userid[0], table.t_submit[0], table.t_run[0], table.t_inactive[0]) == (
        5,
        1.0,
        2.0,
        5.3,
    )
    assert table.where[0] == "rank0/core0"
    assert table.runtime(0, 100.0) == pytest.approx(3.0)
    assert table.waited(0, 100.0) == pytest.approx(1.0)
    assert table.counts[Status.COMPLETED] == 1
    assert sum(table.counts) == 1
    assert table.active == set()


def test_events_applied_twice_change_nothing() -> None:
    once, twice = JobTable(), JobTable()
    for entry in LIFE:
        once.apply(7, entry)
    for entry in LIFE + LIFE:
        twice.apply(7, entry)
    assert once.counts == twice.counts
    assert once.finished == twice.finished == [0]
    assert (once.t_run[0], once.status[0]) == (twice.t_run[0], twice.status[0])


@pytest.mark.parametrize(
    ("exception", "wait", "expected"),
    [
        (None, 256, Status.FAILED),
        ("cancel", 36608, Status.CANCELED),
        ("timeout", 36608, Status.TIMEOUT),
        ("exec", 32512, Status.FAILED),
        ("cancel", None, Status.CANCELED),
        ("cancel", 0, Status.COMPLETED),
    ],
)
def test_result_of_a_job_that_went_wrong(
    exception: str | None, wait: int | None, expected: Status
) -> None:
    table = JobTable()
    for entry in LIFE[: 5 if wait is not None else 3]:
        table.apply(7, entry)
    if exception:
        context = {"type": exception, "severity": 0, "note": "n", "userid": 0}
        table.apply(7, {"timestamp": 3.0, "name": "exception", "context": context})
        assert table.status[0] == Status.CLEANUP
    if wait is not None:
        table.apply(7, {"timestamp": 4.0, "name": "finish", "context": {"status": wait}})
    table.apply(7, {"timestamp": 4.1, "name": "clean"})
    assert Status(table.status[0]) == expected


def test_mild_exception_does_not_end_a_job() -> None:
    table = JobTable()
    for entry in LIFE[:5]:
        table.apply(7, entry)
    table.apply(
        7,
        {
            "timestamp": 3.0,
            "name": "exception",
            "context": {"type": "foo", "severity": 7, "note": ""},
        },
    )
    assert table.status[0] == Status.RUN


def test_loading_the_list_after_newer_events_keeps_the_newer_state() -> None:
    table = JobTable()
    for entry in LIFE:
        table.apply(7, entry)
    table.load([{"id": 7, "state": states.SCHED, "name": "late", "ntasks": 3}])
    assert Status(table.status[0]) == Status.COMPLETED
    assert (table.name[0], table.ntasks[0]) == ("late", 3)
    assert table.undescribed == set()


def test_load_equals_load_one_by_one() -> None:
    jobs = sample.jobs(700, 1e9)
    whole, single = JobTable(), JobTable()
    whole.load(jobs)
    for job in jobs:
        single.load([job])
    assert whole.ids == single.ids
    assert whole.status == single.status
    assert whole.counts == single.counts
    assert whole.t_run == single.t_run
    assert whole.name == single.name
    assert whole.where == single.where
    assert whole.exception == single.exception
    assert whole.dependencies == single.dependencies
    assert whole.active == single.active


def test_a_record_with_nonsense_gets_defaults() -> None:
    table = JobTable()
    table.load(
        [{"id": 1, "state": 8, "ntasks": "many", "t_submit": None, "name": None, "priority": 2**70}]
    )
    assert (table.ntasks[0], table.t_submit[0], table.name[0], table.priority[0]) == (
        0,
        0.0,
        "",
        -1,
    )


def test_status_table_agrees_with_the_function() -> None:
    for state in (1, 2, 4, 8, 16, 32, 64):
        for result in (0, 1, 2, 4, 8):
            assert STATUS_INDEX[state << 4 | result] == status_of(state, result)


def annotated(table: JobTable, value: object) -> dict[str, Any] | None:
    table.apply(7, {"timestamp": 2.0, "name": "annotations", "context": {"annotations": value}})
    return table.annotations_of(0)


def test_annotations_carry_the_whole_object() -> None:
    table = JobTable()
    table.apply(7, LIFE[0])
    assert annotated(table, {"user": {"a": 1, "b": 2}}) == {"user": {"a": 1, "b": 2}}
    assert annotated(table, {"user": {"b": 2}}) == {"user": {"b": 2}}
    both = {"sched": {"resource_summary": "rank0/core0"}, "user": {"b": 2}}
    assert annotated(table, both) == both
    assert table.where[0] == "rank0/core0"
    assert annotated(table, {"sched": {"resource_summary": "rank1/core0"}}) == {
        "sched": {"resource_summary": "rank1/core0"}
    }
    assert table.annotations == {}, "the column where holds all there is"
    assert annotated(table, {}) is None
    assert (table.where[0], table.annotations) == ("", {})


def test_a_memo_adds_to_the_annotations_of_the_user() -> None:
    table = JobTable()
    for entry in LIFE[:4]:
        table.apply(7, entry)
    table.apply(7, {"timestamp": 2.5, "name": "memo", "context": {"step": 3}})
    assert table.annotations_of(0) == {
        "sched": {"resource_summary": "rank0/core0"},
        "user": {"step": 3},
    }
    table.apply(7, {"timestamp": 2.6, "name": "memo", "context": {"step": None}})
    assert table.annotations_of(0) == {"sched": {"resource_summary": "rank0/core0"}}


def test_a_record_of_the_list_replaces_annotations_unless_it_is_older() -> None:
    table = JobTable()
    for entry in LIFE[:4]:
        table.apply(7, entry)
    table.load([{"id": 7, "state": states.SCHED, "annotations": {"sched": {"jobs_ahead": 3}}}])
    assert table.where[0] == "rank0/core0"
    table.load([{"id": 7, "name": "only a part"}])
    assert table.where[0] == "rank0/core0"
    table.load([{"id": 7, "state": states.RUN, "annotations": {"user": {"k": 1}}}])
    assert (table.annotations_of(0), table.where[0]) == ({"user": {"k": 1}}, "")
    table.load([{"id": 7, "state": states.RUN}])
    assert table.annotations_of(0) is None


def test_a_changed_urgency_sends_a_pending_job_back() -> None:
    table = JobTable()
    for entry in LIFE[:3]:
        table.apply(7, entry)
    table.apply(7, {"timestamp": 1.5, "name": "urgency", "context": {"urgency": 0, "userid": 5}})
    assert (Status(table.status[0]), table.urgency[0]) == (Status.PRIORITY, 0)
    table.apply(7, {"timestamp": 1.6, "name": "priority", "context": {"priority": 0}})
    assert Status(table.status[0]) == Status.SCHED


def test_jobspec_and_r_in_journal_events_describe_the_job() -> None:
    dashboard = Dashboard(lambda: 10.0)
    resources = [{"type": "node", "count": 2, "with": [{"type": "slot", "count": 3, "with": []}]}]
    jobspec = {
        "resources": resources,
        "tasks": [{"command": ["/bin/sleep", "1"], "count": {"per_slot": 1}}],
    }
    dashboard.apply([{"id": 7, "eventlog_seq": 0, "entry": LIFE[0], "jobspec": jobspec}])
    table = dashboard.table
    assert (table.name[0], table.ntasks[0], table.nnodes[0]) == ("sleep", 6, 2)
    assert table.undescribed == set()
    execution = {
        "R_lite": [{"rank": "0-1", "children": {"core": "0-3"}}],
        "nodelist": ["a,b"],
        "expiration": 50.0,
    }
    dashboard.apply([{"id": 7, "entry": LIFE[3], "R": {"version": 1, "execution": execution}}])
    assert (table.ranks[0], table.nodelist[0], table.expiration[0]) == ("0-1", "a,b", 50.0)


def test_describe_prefers_the_jobs_own_name_and_total_count() -> None:
    jobspec = {
        "resources": [{"type": "slot", "count": 4, "with": [{"type": "core", "count": 1}]}],
        "tasks": [{"command": ["x"], "count": {"total": 9}}],
        "attributes": {"system": {"job": {"name": "given"}}},
    }
    assert describe(jobspec) == {"name": "given", "ntasks": 9, "ncores": 4}
    assert describe_r({})["ranks"] == ""


def test_names_and_notes_never_carry_control_sequences() -> None:
    table = JobTable()
    evil = "a\x1b[2Jb\nc\x07"
    table.load([{"id": 1, "state": 8, "name": evil, "exception_type": "x", "exception_note": evil}])
    table.load([{"id": 1, "name": evil + "d"}, {"id": 2, "name": evil, "ranks": evil}])
    table.apply(
        2,
        {
            "timestamp": 1.0,
            "name": "exception",
            "context": {"type": "y", "severity": 0, "note": evil},
        },
    )
    shown = "a\\u001b[2Jb c\\u0007"
    assert (table.name[0], table.name[1], table.ranks[1]) == (shown + "d", shown, shown)
    assert table.exception[0] == ("x", 0, shown)
    assert table.exception[1] == ("y", 0, shown)


def test_updates_in_journal_events_change_the_job() -> None:
    dashboard = Dashboard(lambda: 10.0)
    dashboard.load([{"id": 7, "name": "old", "expiration": 5.0, "state": 16}])
    for name, context in (
        ("jobspec-update", {"attributes.system.job.name": "new", "attributes.system.duration": 1}),
        ("resource-update", {"expiration": 50}),
        ("jobspec-update", {"attributes.system.duration": 2}),
        ("jobspec-update", {"tasks": 2}),
        ("resource-update", {}),
    ):
        entry = {"timestamp": 1.0, "name": name, "context": context}
        dashboard.apply([{"id": 7, "eventlog_seq": 5, "entry": entry}])
    table = dashboard.table
    assert (table.name[0], table.expiration[0]) == ("new", 50.0)
