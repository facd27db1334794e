"""What the fields of a listing need of job-list, and the pictures and words of states."""

from __future__ import annotations

import re
import time

import pytest

from flux.job import (
    JobInfo,
    JobInfoFormat,
    job_fields_to_attrs,
    resulttostr,
    statetostr,
    statustostr,
)
from flux.job.info import resulttoemoji, statetoemoji, statustoemoji


@pytest.mark.parametrize(
    ("field", "attrs"),
    [
        ("id.f58", set()),
        ("username", {"userid"}),
        ("status_abbrev", {"result", "state"}),
        ("runtime", {"t_cleanup", "t_run"}),
        ("returncode", {"result", "waitstatus"}),
        ("annotations.user.x", {"annotations"}),
        ("expiration", {"expiration", "result", "state"}),
        ("exception.type", {"exception_type", "exception_occurred"}),
        ("ncores", {"ncores"}),
    ],
)
def test_what_fields_need(field: str, attrs: set[str]) -> None:
    assert attrs <= job_fields_to_attrs([field])
    assert job_fields_to_attrs([field, "id"]) == job_fields_to_attrs([field])
    with pytest.raises(KeyError):
        job_fields_to_attrs([field, "nosuch"])


def test_short_names_are_asked_for_in_either_way() -> None:
    for short in (statetostr(16, True), statetostr(16, fmt="S")):
        assert short == "R"
    assert (resulttostr(2, fmt="S"), statustostr(64, 1, fmt="S")) == ("F", "CD")
    assert (statetostr(16), resulttostr(""), statustostr(16, "")) == ("RUN", "", "RUNNING")


def test_states_have_pictures() -> None:
    pictures = {statetoemoji(1 << bit) for bit in range(7)}
    assert len(pictures) == 7
    assert statustoemoji(64, 4) == resulttoemoji(4)
    assert statustoemoji(16, "") == statetoemoji(16)
    assert resulttoemoji("") == "\u3000"


EXEC = {"exception_type": "exec", "exception_severity": 0, "exception_note": "start failed"}
ALLOC = {"exception_type": "alloc", "exception_severity": 0, "exception_note": "unsat"}


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"state": 16}, ""),
        ({"result": 1, "waitstatus": 0}, "Exit 0"),
        ({"result": 4, "exception_note": "why", "exception_occurred": True}, "Canceled: why"),
        ({"result": 8}, "Timeout"),
        ({"result": 4, "exception_type": "alloc", "exception_note": "unsat"}, "Canceled"),
        ({"result": 2, "waitstatus": 9}, "Exit -9"),
        ({"result": 2, "waitstatus": 137 << 8}, "Killed"),
        ({"result": 2, "waitstatus": 255 << 8}, "Signaled 127"),
        ({"result": 2, "waitstatus": 127 << 8, **EXEC}, "command not found"),
        ({"result": 2, "waitstatus": 126 << 8, **EXEC}, "Command invoked cannot execute"),
        ({"result": 2}, "Exit 1"),
        ({"result": 2, "waitstatus": 0, **ALLOC}, "Exception: type=alloc note=unsat"),
    ],
)
def test_how_a_job_ended(facts: dict[str, object], reason: str) -> None:
    assert JobInfo({"id": 1, "state": 64, **facts}).inactive_reason == reason


@pytest.mark.parametrize(
    ("state", "facts", "words"),
    [
        (2, {"dependencies": ["after-finish=f1", "x"]}, "depends:after-finish=f1,x"),
        (4, {}, "priority-wait"),
        (8, {"urgency": 16, "priority": 16}, ""),
        (8, {"urgency": 0, "priority": 0}, "held"),
        (8, {"urgency": 16, "priority": 0}, "priority-hold"),
        (8, {"annotations": {"sched": {"t_estimate": 5.0}}}, "eta:now"),
        (16, {"nodelist": "a,b"}, "a,b"),
    ],
)
def test_what_a_job_waits_for(state: int, facts: dict[str, object], words: str) -> None:
    assert JobInfo({"id": 1, "state": state, **facts}).contextual_info == words


def test_a_begin_time_is_shown_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    names = ["begin-time=1795220439.644", f"begin-time={time.time()}", "begin-time=x"]
    shown = JobInfo({"id": 1, "state": 2, "dependencies": names}).dependencies
    assert shown[0] == "begin@Nov21-00:20:39"
    assert re.fullmatch(r"begin@\d\d:\d\d:\d\d", str(shown[1]))
    assert shown[2] == "begin-time=x"
    monkeypatch.undo()
    time.tzset()


def test_all_that_is_known_of_an_instance() -> None:
    user = {"uri": "local:///x", "note": 1}
    facts = {"id": 1, "state": 16, "userid": 0, "t_submit": 1.0, "t_run": 2.0, "nnodes": 2}
    told = JobInfo({**facts, "annotations": {"user": user}}).to_dict()
    assert (told["uri"], told["annotations"]) == ("local:///x", {"user": {"note": 1}})
    assert (told["state"], told["status"], told["exception"]) == ("RUN", "RUN", {"occurred": False})
    assert told.keys().isdisjoint(("urgency", "t_cleanup", "expiration", "result", "ranks"))
    assert user["uri"] == "local:///x"
    bare = JobInfo({**facts, "annotations": {"user": {"uri": "local:///x"}}}).to_dict(False)
    assert (bare["annotations"], bare["result"], bare["t_cleanup"]) == ({}, "", 0.0)


def test_nodes_that_are_asked_for() -> None:
    for state, has in ((8, ""), (16, "2"), (64, "")):
        job = JobInfo({"id": 1, "state": state, "nnodes": 2})
        assert JobInfoFormat("{nnodes} {node_count}").format(job) == f"{has} 2"
    ran = JobInfo({"id": 1, "state": 64, "nnodes": 2, "t_run": 1.0})
    assert JobInfoFormat("{nnodes}").format(ran) == "2"


def test_shares_and_short_times() -> None:
    def shown(duration: float) -> str:
        job = JobInfo({"id": 1, "duration": duration})
        return JobInfoFormat("{duration!H} {duration!P}").format(job)

    assert [shown(one) for one in (0.0, 0.001, 0.4, 1.5)] == [
        "0:00:00 0%",
        "0:00:01 0.10%",
        "0:00:01 40%",
        "0:00:02 150%",
    ]
