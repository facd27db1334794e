"""Tables of states and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from broker.services.job_manager.states import Job, apply, broken_rules
from flux.job import lifecycle as states
from flux.job.lifecycle import UnexpectedEvent, merge_annotations
from flux.job.state_names import SINGLE_STATES

if TYPE_CHECKING:
    from flux.job.types import EventEntry

LIFE: list[tuple[str, dict[str, Any] | None, int]] = [
    ("submit", {"userid": 5, "urgency": 16, "flags": 4}, states.DEPEND),
    ("dependency-add", {"description": "x"}, states.DEPEND),
    ("dependency-remove", {"description": "x"}, states.DEPEND),
    ("depend", None, states.PRIORITY),
    ("priority", {"priority": 16}, states.SCHED),
    ("urgency", {"userid": 5, "urgency": 20}, states.PRIORITY),
    ("priority", {"priority": 20}, states.SCHED),
    ("alloc", {"annotations": {"sched": {"x": 1}}}, states.RUN),
    ("start", None, states.RUN),
    ("exception", {"type": "foo", "severity": 3, "userid": 5, "note": ""}, states.RUN),
    ("finish", {"status": 256}, states.CLEANUP),
    ("release", {"ranks": "all", "final": True}, states.CLEANUP),
    ("free", None, states.CLEANUP),
    ("clean", None, states.INACTIVE),
]


def entry(name: str, context: dict[str, Any] | None = None, timestamp: float = 1.0) -> EventEntry:
    out: EventEntry = {"timestamp": timestamp, "name": name}
    if context is not None:
        out["context"] = context
    return out


def test_a_whole_life() -> None:
    job = Job(1)
    for name, context, state in LIFE:
        apply(job, entry(name, context))
        assert job.state == state, name
    assert (job.userid, job.urgency, job.priority, job.status, job.seq) == (
        5,
        20,
        20,
        256,
        len(LIFE),
    )
    assert job.is_waitable
    assert not job.is_debug
    assert not job.has_resources
    assert not job.dependencies
    assert job.dependencies_seen == {"x"}
    assert job.annotations == {"sched": {"x": 1}}
    assert job.exception is None
    assert job.result_text() == "task(s) exited with exit code 1"


@pytest.mark.parametrize(
    "state", [states.DEPEND, states.PRIORITY, states.SCHED, states.RUN, states.CLEANUP]
)
def test_fatal_exception_leads_to_cleanup(state: int) -> None:
    job = Job(1)
    job.state = state
    apply(job, entry("exception", {"type": "cancel", "severity": 0, "note": "because"}))
    assert job.state == states.CLEANUP
    assert job.result_text() == "Fatal exception type=cancel because"
    assert not job.success


@pytest.mark.parametrize(
    ("name", "allowed"), [(name, set(table)) for name, table in states.TRANSITIONS.items()]
)
def test_events_are_refused_in_other_states(name: str, allowed: set[int]) -> None:
    for state in SINGLE_STATES:
        job = Job(1)
        job.state = state
        if state in allowed:
            assert states.next_state(state, name, None) == states.TRANSITIONS[name][state]
        else:
            with pytest.raises(UnexpectedEvent, match=f"{name} event in state"):
                apply(job, entry(name, {}))
            assert job.seq == 0


@pytest.mark.parametrize("name", ["memo", "debug.alloc-request", "a-plugin-event"])
def test_other_events_change_nothing_but_the_log(name: str) -> None:
    job = Job(1)
    job.state = states.RUN
    apply(job, entry(name, {"a": 1}))
    assert (job.state, job.seq) == (states.RUN, 1)


def test_first_fatal_exception_counts() -> None:
    job = Job(1)
    job.state = states.RUN
    apply(job, entry("exception", {"type": "timeout", "severity": 0, "note": "a"}))
    apply(job, entry("exception", {"type": "cancel", "severity": 0, "note": "b"}))
    assert job.exception == ("timeout", "a")


def test_signal_in_the_result() -> None:
    job = Job(1)
    job.status = 9
    assert job.result_text() == "task(s) killed by signal 9"


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        (None, {"user": {"k": "v"}}, {"user": {"k": "v"}}),
        ({"user": {"k": "v"}}, {"user": {"k": None}}, None),
        (
            {"sched": {"a": 1, "b": 2}},
            {"sched": {"b": 3, "c": 4}},
            {"sched": {"a": 1, "b": 3, "c": 4}},
        ),
        ({"a": {"b": 1}}, {"a": 5}, {"a": 5}),
        ({"a": 5, "b": 1}, {"a": None}, {"b": 1}),
        ({"a": 5}, {"a": {"x": {"y": None}}}, None),
    ],
)
def test_annotations_merge(old: Any, new: Any, merged: Any) -> None:
    assert merge_annotations(old, new) == merged


def test_packing_loses_nothing() -> None:
    environment = {"HOME": "/"}
    spec = {"version": 1, "attributes": {"system": {"duration": 1.5, "environment": environment}}}
    job = Job(1, spec)
    log = [
        entry(name, context, float(number)) for number, (name, context, _) in enumerate(LIFE[:6])
    ]
    for item in log[:4]:
        apply(job, item)
    job.pack()
    job.pack()
    for item in log[4:]:
        apply(job, item)
    assert job.entries == log
    assert job.seq == 6
    assert job.jobspec == {
        "version": 1,
        "attributes": {"system": {"duration": 1.5, "environment": {"HOME": "/"}}},
    }
    assert job.jobspec["attributes"]["system"]["environment"] is environment, (
        "it is shared, not copied"
    )
    job.jobspec = None
    assert job.jobspec is None
    job.pack()
    assert job.jobspec is None


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        ({"alloc_canceled": True}, "a canceled request is a pending one"),
        ({"alloc_queued": True, "alloc_pending": True}, "a job waits in one place only"),
        ({"has_resources": True, "alloc_pending": True}, "who has resources asks for none"),
        ({"state": states.DEPEND, "alloc_queued": True}, "only jobs with a priority are queued"),
        ({"state": states.RUN, "running": True}, "a job runs on resources"),
        ({"running": True, "has_resources": True}, "a job runs when it may"),
        ({"start_held": True}, "a start is held for a job that is to run"),
        (
            {"state": states.RUN, "running": True, "has_resources": True, "exec_ended": True},
            "what execution is done with does not run",
        ),
        ({"has_resources": True, "free_pending": True}, "resources are freed when nothing runs"),
        ({"embryonic": True, "alloc_pending": True}, "nothing is done about an embryo"),
        (
            {"state": states.INACTIVE, "has_resources": True},
            "nothing is left of a job that is over",
        ),
    ],
)
def test_a_combination_of_flags_that_cannot_be(flags: dict[str, Any], rule: str) -> None:
    job = Job(1)
    job.state = states.SCHED
    for name, value in flags.items():
        setattr(job, name, value)
    assert broken_rules(job) == [rule]
