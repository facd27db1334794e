"""`flux jobs` against the recorded answers of a flux-core instance."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.attributes import JOB_ATTRIBUTES
from flux.job.list import VALID_ATTRS
from flux.testing.scripted import ScriptedFlux
from flux.wire import json
from flux.wire.message import STREAMING, response
from fluxctl import main
from fluxctl.commands import jobs as jobs_command
from tests.unit.flux.job.streaming import StreamingFlux

if TYPE_CHECKING:
    from flux.wire.message import Message

PENDING = {
    "id": 284138930176,
    "name": "true",
    "userid": 0,
    "state": 8,
    "ntasks": 1,
    "urgency": 0,
    "priority": 0,
}
DONE = {
    "id": 432701177856,
    "nnodes": 1,
    "state": 64,
    "nodelist": "vm",
    "ntasks": 1,
    "t_cleanup": 1795220443.2592294,
    "userid": 0,
    "name": "flux",
    "t_run": 1795220442.566804,
    "result": 1,
}
STATES = {
    "depend": 0,
    "priority": 0,
    "sched": 1,
    "run": 0,
    "cleanup": 0,
    "inactive": 39,
    "total": 40,
}
STATS = {
    "job_states": STATES,
    "failed": 8,
    "canceled": 0,
    "timeout": 1,
}
HEADER = "       JOBID USER     NAME       ST NTASKS NNODES  RUNTIME NODELIST\n"
Runner = Callable[..., tuple[int, str, str]]


def _list_id(payload: dict[str, Any]) -> dict[str, Any]:
    if payload["id"] != DONE["id"]:
        raise OSError(2, "")
    return {"job": DONE}


@pytest.fixture
def flux() -> ScriptedFlux:
    return ScriptedFlux(
        {
            "job-list.list": lambda payload: {"jobs": [PENDING, DONE][: payload["max_entries"]]},
            "job-list.list-id": _list_id,
            "job-list.list-attrs": lambda payload: {"attrs": ["id", *VALID_ATTRS]},
            "job-list.job-stats": lambda payload: STATS,
        }
    )


@pytest.fixture
def run(
    flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Runner:
    monkeypatch.setattr(jobs_command, "handle", lambda failure=None: flux)

    def runner(*args: str) -> tuple[int, str, str]:
        code = main.run(["jobs", *args])
        out, err = capsys.readouterr()
        return code, out, err

    return runner


def test_default_columns(run: Runner) -> None:
    assert run("-a") == (
        0,
        HEADER
        + "    ƒ8TuPHh1 root     true       PD      1      -        - -\n"
        + "    ƒCNFKe6T root     flux       CD      1      1   0.692s vm\n",
        "",
    )


def test_default_query(run: Runner, flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 7)
    run()
    topic, payload = flux.sent[0]
    wanted = {
        "nodelist",
        "t_cleanup",
        "result",
        "name",
        "nnodes",
        "t_run",
        "userid",
        "state",
        "ntasks",
    }
    assert (topic, set(payload.pop("attrs"))) == ("job-list.list", wanted)
    assert payload == {"max_entries": 1000, "userid": 7, "states": 62, "results": 0}


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["-a"], {"states": 126}),
        (["-A"], {"states": 126, "userid": 4294967295}),
        (["-u", "all"], {"states": 62, "userid": 4294967295}),
        (["-u", "root"], {"userid": 0}),
        (["-f", "failed,canceled"], {"states": 64, "results": 6}),
        (["-f", "completed,failed"], {"states": 64, "results": 3}),
        (["-f", "depend,sched,run,cleanup,inactive"], {"states": 122, "results": 0}),
        (["-c", "5"], {"max_entries": 5}),
    ],
)
def test_filters(
    run: Runner, flux: ScriptedFlux, args: list[str], expected: dict[str, int]
) -> None:
    run(*args)
    payload = flux.sent[0][1]
    assert {key: payload[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("layout", "attrs"),
    [
        ("{status}", {"state", "result"}),
        ("{runtime!F}", {"t_run", "t_cleanup", "result"}),
        ("{annotations} {sched.resource_summary} {user}", {"annotations", "result"}),
        ("{id.f58} {id.words}", {"result"}),
        ("{exception.note} {returncode}", {"exception_note", "waitstatus", "result"}),
        ("{username} {t_remaining}", {"userid", "state", "expiration", "result"}),
    ],
)
def test_only_needed_attributes_are_asked_for(
    run: Runner, flux: ScriptedFlux, layout: str, attrs: set[str]
) -> None:
    run("-o", layout, "-c", "0")
    assert set(flux.sent[-1][1]["attrs"]) == attrs


def test_a_terminal_shows_why_a_job_has_no_nodes(
    run: Runner, flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = {"id": 5, "state": 64, "result": 2, "userid": 0, "name": "big", "ntasks": 1000}
    failed["exception_note"] = "unsatisfiable request"
    flux.script["job-list.list"] = lambda payload: {
        "jobs": [PENDING, {**PENDING, "priority": 16}, DONE, failed]
    }
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    lines = run("-a", "--color=never")[1].splitlines()
    assert lines[0] == HEADER.rstrip("\n") + "(REASON)"
    assert [line[HEADER.index("NODELIST") :] for line in lines[1:]] == [
        "(held)",
        "(waiting for resources)",
        "vm",
        "(unsatisfiable request)",
    ]
    assert {"exception_note", "priority", "dependencies"} <= set(flux.sent[0][1]["attrs"])


def test_no_header_and_own_format(run: Runner) -> None:
    assert (
        run("-an", "-o", "{id.hex} {status} {runtime!H}")[1]
        == "0x4228000000 PENDING 0:00:00\n0x64bf000000 COMPLETED 0:00:01\n"
    )


def test_color(run: Runner) -> None:
    lines = run("-a", "--color=always")[1].splitlines()
    assert lines[1].startswith("    ƒ8TuPHh1")
    assert lines[2].startswith("\033[01;32m    ƒCNFKe6T")
    assert lines[3] == "\033[0;0m"
    assert "\033" not in run("-a", "--color=never")[1]


def test_ids(run: Runner) -> None:
    assert run("ƒCNFKe6T", "12345") == (
        0,
        HEADER + "    ƒCNFKe6T root     flux       CD      1      1   0.692s vm\n",
        "JobID 12345 unknown\n",
    )


def test_stats(run: Runner) -> None:
    assert run("--stats")[1].splitlines()[0] == "0 running, 31 completed, 8 failed, 1 pending"
    assert run("--stats-only") == (0, "0 running, 31 completed, 8 failed, 1 pending\n", "")


def test_stats_only_fails_when_no_job_is_active(run: Runner, flux: ScriptedFlux) -> None:
    idle = {**STATS, "job_states": {**STATES, "sched": 0}}
    flux.script["job-list.job-stats"] = lambda payload: idle
    assert run("--stats-only")[0] == 1


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["-f", "nosuch"], 1, "flux-jobs: ERROR: Invalid filter specified: nosuch\n"),
        (
            ["-o", "{nosuch}"],
            1,
            "flux-jobs: ERROR: Error in user format: Unknown format field: nosuch\n",
        ),
        (
            ["-o", "{runtime"],
            1,
            "flux-jobs: ERROR: Error in user format: expected '}' before end of string\n",
        ),
        (["-a", "-o", "{runtime!Z}"], 1, "flux-jobs: ERROR: Unknown conversion specifier Z\n"),
        (
            ["-u", "nosuchuser"],
            1,
            "flux-jobs: ERROR: Invalid user nosuchuser specified\n",
        ),
        (["1234", "nosuchid"], 1, "flux-jobs: ERROR: [Errno 22] EINVAL: Invalid argument\n"),
        (
            ["--nosuch"],
            2,
            "usage: flux-jobs [OPTIONS] [JOBID ...]\n"
            "flux-jobs: error: unrecognized arguments: --nosuch\n",
        ),
    ],
)
def test_errors(run: Runner, args: list[str], code: int, text: str) -> None:
    result = run(*args)
    assert (result[0], result[2]) == (code, text)


def test_failing_service(run: Runner, flux: ScriptedFlux) -> None:
    flux.script.clear()
    assert run()[2] == "flux-jobs: ERROR: [Errno 38] Function not implemented\n"


def test_without_an_instance(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLUX_URI", "local:///nonexistent/local-0")
    assert main.run(["jobs"]) == 1
    assert capsys.readouterr().err == "flux-jobs: ERROR: [Errno 2] Unable to connect to Flux\n"


def test_queues(run: Runner, flux: ScriptedFlux) -> None:
    assert run("-n", "-o", "{queue} {id}", "-q", "batch,debug")[0] == 0
    assert flux.sent[-1][1]["constraint"] == {"queue": ["batch", "debug"]}
    assert "queue" in flux.sent[-1][1]["attrs"]
    run("-a")
    assert "constraint" not in flux.sent[-1][1]


def test_an_older_broker_knows_no_queues(run: Runner, flux: ScriptedFlux) -> None:
    def older(payload: dict[str, Any]) -> dict[str, Any]:
        if "queue" in payload["attrs"]:
            raise OSError(22, "queue is not a valid attribute")
        return {"jobs": [DONE]}

    flux.script["job-list.list"] = older
    flux.script["job-list.list-attrs"] = lambda payload: {"attrs": ["id", *JOB_ATTRIBUTES]}
    assert '"name": "flux"' in run("--json")[1]
    assert run("--json", "-q", "batch")[0] == 1


@pytest.mark.parametrize("options", [["-a"], ["-A"], ["-f", "failed"], ["-u", "root"]])
def test_ids_and_filters_exclude_one_another(run: Runner, options: list[str]) -> None:
    warning = "flux-jobs: WARNING: Filtering options ignored with jobid list\n"
    code, out, err = run("-n", "-o", "{name}", *options, str(DONE["id"]))
    assert (code, out, err) == (0, "flux\n", warning)


def job_fields() -> list[str]:
    """The fields of a job that a format may name, but for those of its exception."""
    from flux.job.info_format import JobInfoFormat

    return [name for name in JobInfoFormat.headings if not name.startswith("exception.")]


def test_jobs_may_come_from_stdin(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def given(text: str, *options: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        return run("--from-stdin", *options)

    assert given("") == (0, HEADER, "")
    assert given("", "-n") == (0, "", "")
    strange = {"id": 1, "state": 64, "userid": 4_000_000_000}
    lines = "\n".join([json.dumps(DONE).decode(), "", json.dumps(strange).decode()])
    code, out, _ = given(lines, "-n", "-o", "{id.dec} {username} {nnodes:h} {nodelist}|")
    assert code == 0
    assert out.splitlines()[-1] == "1 4000000000 - |"
    assert len(out.splitlines()) == 2
    fields = (*job_fields(), "exception.type", "annotations.sched.x")
    layout = "|".join(f"{{{field}}}" for field in fields)
    code, out, err = given('{"id": 1}\n', "-n", "-o", layout)
    assert (code, len(out.split("|")), err) == (0, len(fields), "")
    for wrong in ("x", "[]", "{}", '{"id": "x"}'):
        assert given(wrong) == (
            1,
            "",
            "flux-jobs: ERROR: line 1 of standard input is no job\n",
        )


@pytest.mark.parametrize(
    "field", ["t_estimate!d:%H:%M", "t_estimate!D", "t_estimate!F", "t_estimate!H:>0", "x.y!D"]
)
def test_an_annotation_that_is_not_there_is_empty_in_any_form(run: Runner, field: str) -> None:
    layout = f"{{id.dec}}|{{annotations.sched.{field}}}|{{sched.{field}}}|"
    assert run("-n", "-o", layout, str(DONE["id"])) == (0, f"{DONE['id']}|||\n", "")


def test_a_conversion_of_what_is_no_number_is_an_error(run: Runner) -> None:
    code, _, err = run("-n", "-o", "{name!F}", str(DONE["id"]))
    assert (code, err) == (1, "flux-jobs: ERROR: Conversion F needs a number, not flux\n")


class Pages(StreamingFlux):
    """A broker that sends jobs in pages."""

    def send_wire(self, msg: Message) -> None:
        if msg.topic != "job-list.list":
            super().send_wire(msg)
            return
        self.sent.append((msg.topic, msg.json()))
        assert msg.flags & STREAMING
        rpc = self._pending[msg.matchtag]
        for first in (1, 3):
            jobs = [{**DONE, "id": first}, {**DONE, "id": first + 1}]
            rpc.fulfill(response(msg, {"jobs": jobs}))
        rpc.fulfill(response(msg, errnum=61))


@pytest.mark.parametrize("options", [["-c", "0"], ["-c", "100000"]])
def test_many_jobs_come_in_pages(
    flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch, run: Runner, options: list[str]
) -> None:
    attrs = {"attrs": ["id", *VALID_ATTRS, "all"]}
    pages = Pages({}, {**flux.script, "job-list.list-attrs": lambda payload: attrs})
    monkeypatch.setattr(jobs_command, "handle", lambda failure=None: pages)
    assert run("-a", "-n", "-o", "{id.dec}", *options) == (0, "1\n2\n3\n4\n", "")
    whole = json.loads(run("-a", "--json", *options)[1].encode())
    assert [job["id"] for job in whole["jobs"]] == [1, 2, 3, 4]


def test_reasons_are_asked_for(run: Runner, flux: ScriptedFlux) -> None:
    waiting = {**PENDING, "priority": 16, "urgency": 16}
    flux.script["job-list.list"] = lambda payload: {"jobs": [waiting, DONE]}
    entry = {"id": PENDING["id"], "reason": "queue batch is stopped"}
    flux.script["job-manager.pending-reasons"] = lambda payload: {"reasons": [entry]}
    assert run("-n", "-o", "{reason}")[1] == "queue batch is stopped\n"
    assert flux.sent[-1] == ("job-manager.pending-reasons", {"ids": [PENDING["id"]]})
    behind = {"id": PENDING["id"], "reason": "behind another job", "behind": DONE["id"]}
    flux.script["job-manager.pending-reasons"] = lambda payload: {"reasons": [behind]}
    assert run("-n", "-o", "{where}")[1] == "(behind job ƒCNFKe6T)\nvm\n"

    def unknown(_payload: dict[str, Any]) -> dict[str, Any]:
        raise OSError(38, "Unknown service method")

    flux.script["job-manager.pending-reasons"] = unknown
    assert run("-n", "-o", "{reason}")[1] == "waiting for resources\n"


def test_a_list_that_is_cut_says_how_much_there_is(
    run: Runner, flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [{**DONE, "id": number} for number in range(1, 1502)]

    def listed(payload: dict[str, Any]) -> dict[str, Any]:
        return {"jobs": many[: payload["max_entries"] or None]}

    flux.script["job-list.list"] = listed
    told = "flux-jobs: WARNING: listed 1000 of 1501 jobs; --count=0 lists all\n"
    assert run("-A", "-no", "{id}")[2] == told
    assert run("-A", "-no", "{id}", "-c", "1000")[2] == ""
    assert run("-A", "-no", "{id}", "--query", "name:nosuch")[2] == ""
    del many[1000:]
    assert run("-A", "-no", "{id}")[2] == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    told = "flux-jobs: WARNING: listed 10 of 1000 jobs; --count=0 lists all\n"
    assert run("-A", "-no", "{id}", "-c", "10")[2] == told


def test_no_header_has_the_columns_of_today(run: Runner) -> None:
    lines = "    ƒ8TuPHh1 root true        S      1      -        - held\n"
    lines += "    ƒCNFKe6T root flux       CD      1      1   0.692s vm\n"
    assert run("-a", "--no-header") == (0, lines.replace("root ", "root     "), "")
    assert run("-a", "--no-header", "-o", "{status_abbrev}") == (0, "PD\nCD\n", "")
    assert "PD" in run("-a", "-n")[1]


def test_prefixes_of_fields(run: Runner) -> None:
    sorted_ = "sort:name ?:{queue:<8} +:{name:<1.1}|{phase}"
    said = run("-a", "-o", sorted_)
    assert said == (0, " NAME|STATUS\n flux|COMPLETED\n true|SCHED\n", "")
    assert run("-a", "-n", "-o", "?:{bank}+:{name:>6}") == (0, "  true\n  flux\n", "")
    code, out, err = run("-a", "-o", "+:{name:d}")
    assert (code, out, err.startswith("flux-jobs: ERROR:")) == (1, "", True)
    assert run("-a", "-o", "sort:nosuch {name}")[0] == 1


@pytest.mark.parametrize("name", ["today", "cute", "endreason"])
def test_formats_with_names(run: Runner, name: str) -> None:
    code, out, err = run("-a", "-o", name)
    assert (code, len(out.splitlines()), err) == (0, 3, "")
    assert "?:" not in out
