"""``flux jobs`` word by word: fields and formats of jobs in every state, as 0.88 prints them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import running_instance

from .test_word_by_word import JOBS, Session

if TYPE_CHECKING:
    from collections.abc import Iterator

MORE = {
    **JOBS,
    "killed": ["sh", "-c", "kill -9 $$"],
    "missing": ["/nosuch"],
    "two": ["-N2", "-n2", "true"],
    "nodes": ["--urgency=hold", "-N2", "-n4", "true"],
    "whole": ["--urgency=hold", "-N1", "true"],
    "begin": ["--begin-time=+1h", "true"],
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with running_instance(2) as running:
        yield Session(running, MORE)


WORDS = [
    ("{contextual_info}", "held", "held"),
    ("{contextual_info}", "dep", "depends:after-finish=@held"),
    ("{contextual_info}", "begin", "depends:begin@TIME"),
    ("{contextual_info}", "run", "HOST"),
    ("{dependencies}", "begin", "begin@TIME"),
    ("{inactive_reason}", "ok", "Exit 0"),
    ("{inactive_reason}", "fails", "Exit 1"),
    ("{inactive_reason}", "killed", "Killed"),
    ("{inactive_reason}", "missing", "command not found"),
    ("{inactive_reason}", "timed", "Timeout"),
    ("{inactive_reason}", "canceled", "Canceled: why not"),
    ("{ranks}", "two", "[0-1]"),
    ("{node_count}{nnodes:h} {ncores}", "nodes", "2- 4"),
    ("{node_count}{nnodes:h} {ncores:h}", "whole", "1- -"),
    ("{node_count}{nnodes} {ncores}", "two", "22 2"),
    ("{duration!H}", "timed", "0:00:01"),
    ("{annotations.nosuch}", "ok", ""),
]


@pytest.mark.parametrize(("layout", "job", "words"), WORDS)
def test_fields(session: Session, layout: str, job: str, words: str) -> None:
    out, err, code = session.told("jobs", "-n", "-o", layout, f"@{job}")
    host = session.told("jobs", "-n", "-o", "{nodelist}", "@run")[0].strip()
    out = re.sub(r"@(\w{3}\d\d-)?\d\d:\d\d:\d\d", "@TIME", out)
    assert (out, err, code) == (words.replace("HOST", host) + ("\n" if words else ""), "", 0)


def test_headings_of_annotations(session: Session) -> None:
    told = session.told("jobs", "-o", "{annotations.nosuch.x} {user.x}", "@ok")
    assert told == ("NOSUCH.X USER.X\n", "", 0)


def test_fields_that_jobs_are_sorted_by_are_asked_for(session: Session) -> None:
    told = session.told("jobs", "-n", "-o", "sort:-ntasks{name}", "@held", "@nodes")
    assert told == ("nodes\nheld\n", "", 0)


NO_FORMAT = "flux-jobs: ERROR: --format: No such format  (Did you mean ''?)\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("jobs -n -w 3 -o {name} @fails", ("fa+\n", "", 0)),
        ("jobs -w x", ("", "flux-jobs: error: argument -w/--width: invalid int value: 'x'\n", 2)),
        ("jobs -f ", ("", "flux-jobs: ERROR: Invalid filter specified: \n", 1)),
        ("jobs -o ", ("", NO_FORMAT, 1)),
        ("jobs -n -i  --since= --sort= -o {name} --name=run", ("run\n", "", 0)),
        ("jobs -n -i 7 -o {name} @ok", ("ok\n", "", 0)),
    ],
)
def test_options(session: Session, line: str, told: tuple[str, str, int]) -> None:
    out, err, code = session.told(*line.split(" "))
    err = "".join(one for one in err.splitlines(True) if not one.startswith("usage: "))
    assert (out, err, code) == told


def test_json(session: Session) -> None:
    out, err, code = session.told("jobs", "-a", "--json")
    jobs = {job["name"]: job for job in json.loads(out)["jobs"]}
    assert (err, code, set(jobs)) == ("", 0, {*MORE, "canceled", "never"})
    assert (jobs["held"]["state"], jobs["held"]["status"]) == ("SCHED", "SCHED")
    assert (jobs["fails"]["result"], jobs["fails"]["returncode"]) == ("FAILED", 1)
    note = {"occurred": True, "severity": 0, "type": "cancel", "note": "why not"}
    assert jobs["canceled"]["exception"] == note
    assert json.loads(session.told("jobs", "--json", "@ok")[0])["name"] == "ok"
    assert session.told("jobs", "--json", "-f", "priority") == ('{"jobs": []}\n', "", 0)
    assert session.told("jobs", "--json", "1234") == ("", "JobID 1234 unknown\n", 1)
    refused = "flux-jobs: ERROR: --json incompatible with --stats or --stats-only\n"
    assert session.told("jobs", "--json", "--stats-only") == ("", refused, 1)
