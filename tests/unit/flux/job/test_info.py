"""Job listings as the recorded commands print them."""

from __future__ import annotations

import copy
import pickle
import time

import pytest

from flux.job.info import JobInfo, JobInfoFormat, resulttostr, statetostr, statustostr

PENDING = {
    "id": 284138930176,
    "state": 8,
    "t_submit": 1795220433.6969347,
    "name": "true",
    "userid": 0,
    "ntasks": 1,
}
DONE = {
    **PENDING,
    "id": 432701177856,
    "state": 64,
    "result": 1,
    "t_submit": 1795220442.5519333,
    "t_run": 1795220442.566804,
    "t_cleanup": 1795220443.2592294,
    "expiration": 0.0,
    "nnodes": 1,
    "nodelist": "vm",
    "name": "a-very-long-name",
    "success": True,
    "waitstatus": 0,
    "exception_occurred": False,
    "annotations": {"sched": {"resource_summary": "rank0/core0"}},
    "dependencies": ["after-success=ƒAdV8TD9", "begin-time=1"],
}
DEFAULT = (
    "{id.f58:>12} {username:<8.8} {name:<10.10} {status_abbrev:>2.2} {ntasks:>6} {nnodes:>6h} "
    "{runtime!F:>8h} {nodelist:h}"
)


pytestmark = pytest.mark.usefixtures("utc")


def rows(fmt: str) -> list[str]:
    made = JobInfoFormat(fmt)
    return [made.header(), made.format(JobInfo(PENDING)), made.format(JobInfo(DONE))]


def test_default_format() -> None:
    assert rows(DEFAULT) == [
        "       JOBID USER     NAME       ST NTASKS NNODES  RUNTIME NODELIST",
        "    ƒ8TuPHh1 root     true       PD      1      -        - -",
        "    ƒCNFKe6T root     a-very-lon CD      1      1   0.692s vm",
    ]


def test_times() -> None:
    fmt = (
        "{id.f58} {t_submit!D} {t_run!d:%H:%M:%S} {runtime!F} {runtime!H} {runtime:0.3f} "
        "{t_remaining:h} {expiration!D:h}"
    )
    assert rows(fmt) == [
        "JOBID T_SUBMIT T_RUN RUNTIME RUNTIME RUNTIME T_REMAINING EXPIRATION",
        "ƒ8TuPHh1 2026-11-21T00:20:33 00:00:00 0s 0:00:00 0.000 - -",
        "ƒCNFKe6T 2026-11-21T00:20:42 00:20:42 0.692s 0:00:01 0.692 - -",
    ]


def test_nested_fields() -> None:
    assert rows(
        "{dependencies}|{annotations}|{sched.resource_summary}|{user.k.x}|"
        "{exception.occurred}|{returncode:>3}"
    ) == [
        "DEPENDENCIES|ANNOTATIONS|RESOURCES|USER.K.X|EXCEPTION-OCCURRED| RC",
        "||||" + "|   ",
        "after-success=ƒAdV8TD9,begin@Jan01-00:00:01|"
        '{"sched": {"resource_summary": "rank0/core0"}}|'
        "rank0/core0||False|  0",
    ]


@pytest.mark.parametrize(
    ("fmt", "message"),
    [
        ("{nosuch}", "Unknown format field: nosuch"),
        ("{nosuch!F}", "Unknown format field: nosuch"),
        ("{runtime", "expected '}' before end of string"),
    ],
)
def test_bad_format(fmt: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JobInfoFormat(fmt)


def test_bad_conversion_fails_on_the_first_row() -> None:
    made = JobInfoFormat("{runtime!Z}")
    assert made.header() == "RUNTIME"
    with pytest.raises(ValueError, match="Unknown conversion specifier Z"):
        made.format(JobInfo(DONE))


def test_names() -> None:
    assert (statetostr(2), statetostr(64, True), resulttostr(4), resulttostr(8, True)) == (
        "DEPEND",
        "I",
        "CANCELED",
        "TO",
    )
    assert [statustostr(s, r, True) for s, r in ((2, ""), (16, ""), (64, 2))] == ["PD", "R", "F"]


@pytest.mark.parametrize(
    ("extra", "code"),
    [({"waitstatus": 256}, 1), ({"waitstatus": 9}, -9), ({"result": 4}, -128), ({}, "")],
)
def test_returncode(extra: dict[str, int], code: object) -> None:
    assert JobInfo({**PENDING, **extra}).returncode == code


def test_running_job_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    job = JobInfo({**PENDING, "state": 16, "t_run": 990.0, "expiration": 1060.0})
    assert (job.runtime, job.t_remaining, job.status) == (10.0, 60.0, "RUNNING")
    assert not hasattr(job, "nosuch")


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"state": 2, "dependencies": ["after:1", "after:2"]}, "depends on after:1,after:2"),
        ({"state": 2}, "waiting for its dependencies"),
        ({"state": 4}, "waiting for its priority"),
        ({"state": 4, "annotations": {"jobtap": {"reason": "no credit"}}}, "no credit"),
        ({"state": 8, "priority": 0}, "held"),
        ({"state": 8, "priority": 0, "annotations": {"jobtap": {"reason": "tea"}}}, "tea"),
        ({"state": 8, "priority": 0, "annotations": {"jobtap": "x"}}, "held"),
        ({"state": 8, "priority": 16}, "waiting for resources"),
        (
            {"state": 8, "priority": 16, "annotations": {"sched": {"reason_pending": "no GPU"}}},
            "no GPU",
        ),
        ({"state": 16}, ""),
        ({"state": 64, "result": 1, "waitstatus": 0}, ""),
        (
            {"state": 64, "result": 2, "exception_note": "unsatisfiable request"},
            "unsatisfiable request",
        ),
        ({"state": 64, "result": 4, "exception_type": "cancel", "exception_note": ""}, "canceled"),
        (
            {"state": 64, "result": 8, "exception_type": "timeout", "exception_note": "1s"},
            "timeout: 1s",
        ),
        ({"state": 64, "result": 2, "waitstatus": 768}, "exit code 3"),
        ({"state": 64, "result": 2, "waitstatus": 9}, "SIGKILL"),
    ],
)
def test_reason(info: dict[str, object], reason: str) -> None:
    job = JobInfo({"id": 1, **info})
    assert job.reason == reason
    assert job.where == (f"({reason})" if reason else "")
    assert JobInfo({"id": 1, **info, "nodelist": "vm"}).where == "vm"


def test_attributes_are_there_with_an_underscore_too() -> None:
    job = JobInfo(DONE)
    assert (job._nnodes, job._waitstatus, job._nodelist) == (1, 0, "vm")  # noqa: SLF001
    assert job._priority == job.priority  # noqa: SLF001
    with pytest.raises(AttributeError, match="invalid JobInfo attribute 'nosuch'"):
        _ = job._nosuch  # noqa: SLF001
    assert copy.deepcopy(job).name == job.name


FLUX_CORE_NAMES = (
    *("annotations", "bank", "cwd", "dependencies", "duration", "exception", "expiration", "id"),
    *("name", "ncores", "nnodes", "nodelist", "ntasks", "priority", "project", "queue", "ranks"),
    *("result_id", "sched", "success", "t_cleanup", "t_depend", "t_inactive", "t_priority"),
    *("t_run", "t_sched", "user", "waitstatus"),
)
"""What 0.88's ``JobInfo({"id": 1}).__dict__`` has, each with an underscore before it."""


def test_dict_has_the_names_of_flux_core() -> None:
    assert sorted(vars(JobInfo({"id": 1}))) == [f"_{name}" for name in FLUX_CORE_NAMES]
    told = JobInfo(DONE).__dict__
    assert set(told) == {
        *(f"_{name}" for name in FLUX_CORE_NAMES),
        *("_state_id", "_t_submit", "_userid", "_exception_occurred"),
    }
    assert (told["_id"], told["_state_id"], told["_result_id"]) == (DONE["id"], 64, 1)
    assert (told["_name"], told["_queue"], told["_t_run"]) == (DONE["name"], "", DONE["t_run"])
    assert told["_annotations"].sched.resource_summary == "rank0/core0"
    assert vars(told["_exception"])["occurred"] is False
    assert vars(told["_annotations"])["annotationsDict"] == DONE["annotations"]


def test_dict_is_made_when_it_is_asked_for_and_kept() -> None:
    job = JobInfo(DONE)
    seconds = job.runtime
    job.__dict__["_mine"] = 1
    vars(job)["note"] = "x"
    for one in (job, copy.copy(job), copy.deepcopy(job), pickle.loads(pickle.dumps(job))):
        told = vars(one)
        assert (one.name, getattr(one, "note", "")) == (DONE["name"], "x")
        assert (told["_mine"], told["_runtime"], told["_nodelist"]) == (1, seconds, "vm")


@pytest.mark.parametrize(
    ("state", "result", "phase", "short", "status"),
    [
        (2, "", "DEPEND", "D", "PD"),
        (4, "", "PRIORITY", "P", "PD"),
        (8, "", "SCHED", "S", "PD"),
        (16, "", "RUN", "R", "R"),
        (32, "", "CLEANUP", "C", "R"),
        (64, 1, "COMPLETED", "CD", "CD"),
        (64, 8, "TIMEOUT", "TO", "TO"),
        (64, "", "", "", ""),
    ],
)
def test_the_status_of_today_stands_beside_that_of_the_manual(
    state: int, result: int | str, phase: str, short: str, status: str
) -> None:
    job = JobInfo({"id": 1, "state": state, "result": result})
    assert (job.phase, job.phase_abbrev, job.status_abbrev) == (phase, short, status)


def test_contextual_time_is_the_limit_of_those_that_wait() -> None:
    ended = JobInfo({"id": 1, "state": 64, "duration": 60.0})
    waits = JobInfo({"id": 1, "state": 8, "duration": 60.0})
    assert (ended.contextual_time, waits.contextual_time) == (0.0, 60.0)
