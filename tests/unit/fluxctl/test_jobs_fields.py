"""Every field, conversion and virtual state of flux-jobs(1), for a job that waits, one that runs
and one that has ended badly.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from flux.job.info import JobInfo, JobInfoFormat, get_username
from flux.job.list import JobList
from flux.testing.scripted import ScriptedFlux

WAITS: dict[str, Any] = {
    "id": 284138930176,
    "userid": 0,
    "urgency": 20,
    "priority": 20,
    "state": 2,
    "name": "app",
    "ntasks": 4,
    "t_submit": 1000.5,
    "t_depend": 1000.5,
    "dependencies": ["after:1", "begin"],
    "annotations": {"user": {"stage": 3}},
}
RUNS: dict[str, Any] = {
    **WAITS,
    "state": 16,
    "dependencies": [],
    "t_run": 1001.0,
    "nnodes": 2,
    "ranks": "0-1",
    "nodelist": "vm[0-1]",
    "annotations": {"sched": {"resource_summary": "rank[0-1]/core0"}},
}
ENDED: dict[str, Any] = {
    **RUNS,
    "state": 64,
    "t_cleanup": 1003.0,
    "t_inactive": 1004.0,
    "expiration": 2000.0,
    "result": 2,
    "success": False,
    "waitstatus": 256 * 3,
    "exception_occurred": True,
    "exception_severity": 0,
    "exception_type": "exec",
    "exception_note": "it failed",
}

FIELDS: list[tuple[str, str, str, str]] = [
    ("id", "ƒ8TuPHh1", "ƒ8TuPHh1", "ƒ8TuPHh1"),
    ("id.f58", "ƒ8TuPHh1", "ƒ8TuPHh1", "ƒ8TuPHh1"),
    ("id.dec", "284138930176", "284138930176", "284138930176"),
    ("id.hex", "0x4228000000", "0x4228000000", "0x4228000000"),
    ("id.dothex", "0000.0042.2800.0000", "0000.0042.2800.0000", "0000.0042.2800.0000"),
    ("userid", "0", "0", "0"),
    ("username", get_username(0), get_username(0), get_username(0)),
    ("urgency", "20", "20", "20"),
    ("priority", "20", "20", "20"),
    ("dependencies", "after:1,begin", "", ""),
    ("status", "PENDING", "RUNNING", "FAILED"),
    ("status_abbrev", "PD", "R", "F"),
    ("name", "app", "app", "app"),
    ("ntasks", "4", "4", "4"),
    ("nnodes", "", "2", "2"),
    ("ranks", "", "0-1", "0-1"),
    ("nodelist", "", "vm[0-1]", "vm[0-1]"),
    ("state", "DEPEND", "RUN", "INACTIVE"),
    ("state_single", "D", "R", "I"),
    ("result", "", "", "FAILED"),
    ("result_abbrev", "", "", "F"),
    ("success", "", "", "False"),
    ("waitstatus", "", "", "768"),
    ("returncode", "", "", "3"),
    ("exception.occurred", "", "", "True"),
    ("exception.severity", "", "", "0"),
    ("exception.type", "", "", "exec"),
    ("exception.note", "", "", "it failed"),
    ("t_submit", "1000.5", "1000.5", "1000.5"),
    ("t_depend", "1000.5", "1000.5", "1000.5"),
    ("t_run", "0.0", "1001.0", "1001.0"),
    ("t_cleanup", "0.0", "0.0", "1003.0"),
    ("t_inactive", "0.0", "0.0", "1004.0"),
    ("expiration", "0.0", "0.0", "2000.0"),
    ("t_remaining", "0.0", "0.0", "0.0"),
    ("annotations.user.stage", "3", "", ""),
    ("annotations", '{"user": {"stage": 3}}', *('{"sched": {"resource_summary": '
        '"rank[0-1]/core0"}}',) * 2),
    ("user", '{"stage": 3}', "", ""),
    ("sched", "", *('{"resource_summary": "rank[0-1]/core0"}',) * 2),
    ("sched.resource_summary", "", "rank[0-1]/core0", "rank[0-1]/core0"),
    ("user.nosuch.at.all", "", "", ""),
]  # fmt: skip

OF_THE_PAGE = [
    "id",
    "id.f58",
    "id.hex",
    "id.dothex",
    "id.words",
    "userid",
    "username",
    "urgency",
    "priority",
    "dependencies",
    "status",
    "status_abbrev",
    "name",
    "ntasks",
    "nnodes",
    "ranks",
    "nodelist",
    "state",
    "state_single",
    "result",
    "result_abbrev",
    "success",
    "waitstatus",
    "returncode",
    "exception.occurred",
    "exception.severity",
    "exception.type",
    "exception.note",
    "t_submit",
    "t_depend",
    "t_run",
    "t_cleanup",
    "t_inactive",
    "runtime",
    "expiration",
    "t_remaining",
    "annotations",
    "sched",
    "user",
]


def shown(layout: str, job: dict[str, Any]) -> str:
    return JobInfoFormat(layout).format(JobInfo(job))


@pytest.mark.parametrize(("field", "waits", "runs", "ended"), FIELDS, ids=[f[0] for f in FIELDS])
def test_a_field(field: str, waits: str, runs: str, ended: str) -> None:
    found = [shown(f"{{{field}}}", job) for job in (WAITS, RUNS, ENDED)]
    assert found == [waits, runs, ended]
    dashes = [shown(f"{{{field}:>30h}}", job).strip() for job in (WAITS, RUNS, ENDED)]
    assert dashes == [text if text not in ("", "0.0") else "-" for text in found]


def test_no_field_of_the_page_is_missing() -> None:
    computed = {"runtime", "id.words"}
    assert set(OF_THE_PAGE) <= {field for field, *_ in FIELDS} | computed
    for field in OF_THE_PAGE:
        assert JobInfoFormat(f"{{{field}}}").header()


def test_times_that_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1002.25)
    layout = "{runtime} {runtime!F} {runtime!H} {t_remaining}"
    assert shown(layout, WAITS) == "0.0 0s 0:00:00 0.0"
    assert shown(layout, {**RUNS, "expiration": 1010.25}) == "1.25 1.250s 0:00:01 8.0"
    assert shown(layout, ENDED) == "2.0 2.000s 0:00:02 0.0"
    assert shown("{id.words}", WAITS) == "sparta-fame-everest--battery-academy-academy"


@pytest.mark.parametrize(
    ("layout", "waits", "ended"),
    [
        ("{t_run!D}", "", "1970-01-01T00:16:41"),
        ("{t_run!D:h}", "-", "1970-01-01T00:16:41"),
        ("{t_inactive!d:%H:%M:%S}", "00:00:00", "00:16:44"),
        ("{t_inactive!d}", "1970-01-01T00:00:00", "1970-01-01T00:16:44"),
        ("{runtime!F:>7h}", "      -", " 2.000s"),
        ("{runtime!H:h}", "-", "0:00:02"),
        ("{expiration!F}", "0s", "33.33m"),
        ("{name!r:<7}|", "'app'  |", "'app'  |"),
        ("{ntasks:>4}{status:.2}", "   4PE", "   4FA"),
    ],
)
@pytest.mark.usefixtures("utc")
def test_a_conversion(layout: str, waits: str, ended: str) -> None:
    assert (shown(layout, WAITS), shown(layout, ENDED)) == (waits, ended)


@pytest.mark.parametrize(
    ("status", "returncode"),
    [(0, "0"), (256 * 7, "7"), (9, "-9"), (143 * 256, "143"), (None, "-128")],
)
def test_a_return_code(status: int | None, returncode: str) -> None:
    job = {**WAITS, "state": 64, "result": 4}
    if status is not None:
        job["waitstatus"] = status
    assert shown("{returncode}", job) == returncode


@pytest.mark.parametrize(
    ("name", "states", "results"),
    [
        ("pending", 14, 0),
        ("running", 48, 0),
        ("active", 62, 0),
        ("depend", 2, 0),
        ("sched", 8, 0),
        ("RUN", 16, 0),
        ("cleanup", 32, 0),
        ("inactive", 64, 0),
        ("completed", 64, 1),
        ("failed", 64, 2),
        ("canceled", 64, 4),
    ],
)
def test_a_filter(name: str, states: int, results: int) -> None:
    jobs = JobList(ScriptedFlux({}), filters=[name])
    assert (jobs.states, jobs.results) == (states, results)
