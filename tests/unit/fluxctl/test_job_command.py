"""`flux job` and `flux queue` against scripted answers."""

from __future__ import annotations

import errno
import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from flux.job.attributes import JOB_ATTRIBUTES
from flux.wire import json
from fluxctl import main
from fluxctl.commands import queue as queue_command
from fluxctl.job import control, events, listing, results
from fluxctl.job import submit as submit_module
from tests.unit.flux.job.streaming import StreamingFlux, event, life

if TYPE_CHECKING:
    from flux.testing.scripted import ScriptedFlux

ID = 498736300032
F58 = "ƒE6rcuHh"
FAILED = [
    *life(36608)[:5],
    event("exception", 14.5, type="cancel", severity=0, userid=0, note="because"),
    *life(36608)[5:],
]
OPEN = [*life()[:3], None]
Runner = Callable[..., tuple[int, str, str]]


def lookup_of(payload: dict[str, Any]) -> dict[str, Any]:
    return unknown(payload) if payload["id"] == 12345 else lookup(payload)


def unknown(_payload: Any) -> Any:
    raise OSError(errno.ENOENT, "unknown job id")


def lookup(payload: dict[str, Any]) -> dict[str, Any]:
    known = {
        "eventlog": "".join(json.dumps(e).decode() + "\n" for e in life()),
        "R": '{"version":1}',
    }
    if not set(payload["keys"]) <= set(known):
        raise OSError(errno.ENOENT, "")
    return {key: known[key] for key in payload["keys"]}


@pytest.fixture
def flux() -> StreamingFlux:
    script: dict[str, Callable[[Any], Any]] = {
        "job-manager.raise": lambda p: None,
        "job-manager.kill": lambda p: None,
        "job-manager.annotate": lambda p: None,
        "job-manager.raiseall": lambda p: {"count": 3, "errors": 0},
        "job-manager.killall": lambda p: {"count": 1, "errors": 0},
        "job-manager.urgency": lambda p: {"old_urgency": 16},
        "job-manager.wait": lambda p: {
            "id": ID,
            "success": True,
            "errstr": "task(s) exited with exit code 0",
        },
        "job-manager.submit-admin": lambda p: {
            "enable": p["enable"] or p["query_only"],
            "reason": p["reason"],
        },
        "job-manager.alloc-admin": lambda p: {
            "enable": p["enable"] or p["query_only"],
            "reason": p["reason"],
            "queue_length": 1,
            "alloc_pending": 2,
            "free_pending": 3,
            "running": 4,
        },
        "job-manager.drain": lambda p: None,
        "job-manager.idle": lambda p: {"pending": 2},
        "job-info.lookup": lookup_of,
        "job-list.list": lambda p: {"jobs": [{"id": 1, "name": "é"}]},
        "job-list.list-inactive": lambda p: {"jobs": []},
        "job-list.job-stats": lambda p: {"failed": 1},
        "job-list.list-id": unknown,
        "job-ingest.submit": lambda p: {"id": ID},
    }
    return StreamingFlux({ID: life(), 2: life(1280), 3: FAILED, 4: OPEN}, script)


@pytest.fixture
def run(
    flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Runner:
    for module in (control, events, listing, results, submit_module, queue_command):
        monkeypatch.setattr(module, "handle", lambda failure=None: flux)

    def runner(*args: str, stdin: str = "") -> tuple[int, str, str]:
        text = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
        monkeypatch.setattr(sys, "stdin", text)
        code = main.run(list(args))
        out, err = capsys.readouterr()
        return code, out, err

    return runner


@pytest.mark.parametrize(
    ("args", "topic", "payload"),
    [
        (
            ["cancel", F58, "be", "cause"],
            "raise",
            {"id": ID, "type": "cancel", "severity": 0, "note": "be cause"},
        ),
        (["cancel", F58], "raise", {"id": ID, "type": "cancel", "severity": 0}),
        (
            ["raise", "-s", "7", "-t", "foo", F58, "note"],
            "raise",
            {"id": ID, "type": "foo", "severity": 7, "note": "note"},
        ),
        (["kill", "-s", "9", F58], "kill", {"id": ID, "signum": 9}),
        (["kill", "--signal=SIGUSR1", F58], "kill", {"id": ID, "signum": 10}),
        (["urgency", F58, "Expedite"], "urgency", {"id": ID, "urgency": 31}),
        (["annotate", F58, "k", "v"], "annotate", {"id": ID, "annotations": {"user": {"k": "v"}}}),
        (["annotate", F58, "k", "3"], "annotate", {"id": ID, "annotations": {"user": {"k": 3}}}),
    ],
)
def test_requests(
    run: Runner, flux: ScriptedFlux, args: list[str], topic: str, payload: dict[str, Any]
) -> None:
    assert run("job", *args) == (0, "", "")
    assert flux.sent == [(f"job-manager.{topic}", payload)]


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["cancel", "xyz."], 'error parsing jobid: "xyz."'),
        (["kill", "-s", "NOSUCH", F58], "kill: Invalid signal NOSUCH"),
        (["kill", "-s", "0", F58], "kill: Invalid signal 0"),
        (["kill", "-s", "-3", F58], "kill: Invalid signal -3"),
        (["killall", "-s", "SIGFAKE"], "killall: Invalid signal SIGFAKE"),
        (["killall", "-s", "0", "-f"], "killall: Invalid signal 0"),
        (["urgency", F58, "nosuch"], 'error parsing urgency: "nosuch"'),
        (["eventlog", "-f", "nosuch", F58], "invalid format type"),
        (["eventlog", "-T", "nosuch", F58], "invalid time-format type"),
        (["eventlog", "-p", "exec", F58], "eventlog path exec not found"),
        (["eventlog", "12345"], "job 12345 not found"),
        (["wait-event", "12345", "submit"], "job 12345 not found"),
        (["wait-event", "-p", "foobar", "12345", "x"], "eventlog path foobar not found"),
        (["info", F58, "nosuch"], f"job {ID} id or key not found"),
        (["wait-event", "-c", "0", F58, "start"], "count must be > 0"),
        (["wait-event", "-m", "x", F58, "start"], "must specify a context test as key=value"),
        (["wait-event", "-c", "2", F58, "start"], "event 'start' never received"),
        (["wait-event", F58, "nosuch"], "event 'nosuch' never received"),
        (["wait-event", "-t", "0.2", "4", "start"], "wait-event timeout on event 'start'"),
        (["id", "nosuch"], "nosuch: malformed input"),
        (["id", "--to=x", "1"], "Unknown to=x"),
        (["list-ids", "12345"], "flux_job_list_id: unknown job id"),
        (["list", "-s", "nosuch"], "error parsing --states: nosuch is unknown"),
        (["raiseall", "--states=RUN,Foo", "x"], "error parsing --states: Foo is unknown"),
        (["list", "-s", " "], "no states specified"),
        (["raiseall", "--states=", "x"], "no states specified"),
        (["cancelall", "--states=run,inactive"], "Exceptions cannot be raised on inactive jobs"),
        (["raiseall", "-S", "INACTIVE", "x"], "Exceptions cannot be raised on inactive jobs"),
        (["list-inactive", "--since=-1"], "flux_job_list_inactive: Invalid argument"),
        (["list-inactive", "--count=-1"], "flux_job_list_inactive: Invalid argument"),
        (["list", "-c", "-1"], "flux_job_list: Invalid argument"),
        (["cancelall", "-u", "no-such-user"], "unknown user no-such-user"),
        (["status", "99"], "99: No such job"),
        (["wait", "--all", F58], "jobid not supported with --all"),
        (["submit", "--flags=x"], "unknown flag: x"),
        (["submit", "--urgency=99"], "required jobspec is empty"),
        (["submit", "--urgency=99", __file__], "invalid urgency"),
        (["submit", "/nosuch/file"], "/nosuch/file: No such file or directory"),
        (["timeleft", "xyz."], "failed to parse jobid xyz."),
        (["kill", "xyz."], "invalid jobid: xyz."),
        (["purge", "--batch=1001"], "purge: batch must be >= 1 and <= 1000"),
        (["taskmap", "x."], "error decoding taskmap: error parsing range 'x.'"),
        (["taskmap", "0;0"], "error decoding taskmap: duplicate taskid specified: 0"),
        (["taskmap", "0;3"], "error decoding taskmap: missing taskids: 1-2"),
        (["taskmap", "[[0,0,1,1]]"], "error decoding taskmap: invalid entry [0,0,1,1]"),
        (["taskmap", "(vector,(0"], "error decoding taskmap: unable to parse block: (vector,(0"),
    ],
)
def test_errors(run: Runner, args: list[str], error: str) -> None:
    assert run("job", *args) == (1, "", f"flux-job: {error}\n")


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["wait-event", "-t", "x", F58, "start"], "Invalid argument for option 'timeout': 'x'"),
        (["hostpids", "-t", "-1", F58], "Invalid argument for option 'timeout': '-1'"),
        (["purge", "--age-limit=x"], "Invalid argument for option 'age-limit': 'x'"),
        (["wait-event", "-c", "x", F58, "start"], "Option 'count' requires an integer argument"),
        (["raise", "-sx", F58], "Option 'severity' requires an integer argument"),
    ],
)
def test_values_of_options(run: Runner, args: list[str], error: str) -> None:
    name = args[0]
    assert run("job", *args) == (1, "", f"flux-job {name}: {name}: {error}\n")


INCOMPLETE = """

nosuch
cancel
raise
raiseall
kill
killall x
urgency 1
annotate 1
eventlog
wait-event 1
info
status
wait 1 2
list x
list-inactive x
list-ids
stats x
submit a b
"""


@pytest.mark.parametrize("args", [line.split() for line in INCOMPLETE.splitlines()[1:]])
def test_usage(run: Runner, args: list[str]) -> None:
    code, out, err = run("job", *args)
    assert (code, out) == (1, "")
    name = args[0] if args and args[0] != "nosuch" else "[OPTIONS]"
    assert err.startswith(f"Usage: flux-job {name}")
    assert "-h, --help             Display this message." in err


def test_options_are_explained_in_columns(run: Runner) -> None:
    lines = run("job", "wait-event")[2].splitlines()
    assert lines[5:8] == [
        "                         Specify time format: raw, iso, offset",
        "  -H, --human            As --format=text --time-format=human",
        "  -t, --timeout=DURATION timeout after DURATION",
    ]


def test_server_errors(run: Runner, flux: ScriptedFlux) -> None:
    for topic in ("raise", "kill", "urgency", "annotate", "wait"):
        flux.script[f"job-manager.{topic}"] = unknown
    assert run("job", "cancel", F58)[2] == f"flux-job: {F58}: unknown job id\n"
    assert run("job", "kill", "1234")[2] == "flux-job: kill 1234: unknown job id\n"
    assert run("job", "urgency", "1234", "5")[2] == "flux-job: 1234: unknown job id\n"
    assert run("job", "annotate", "1234", "a", "b")[2] == "flux-job: annotate: unknown job id\n"
    assert run("job", "wait", F58) == (1, "", "flux-job: unknown job id\n")


def test_bulk(run: Runner, flux: ScriptedFlux) -> None:
    assert run("job", "cancelall")[2] == "flux-job: Command matched 3 jobs (-f to confirm)\n"
    assert (
        run("job", "cancelall", "-f", "-u", "all", "-S", "pending,run", "why", "not")[2]
        == "flux-job: Canceled 3 jobs (0 errors)\n"
    )
    expected = {
        "dry_run": False,
        "userid": -1,
        "states": 30,
        "severity": 0,
        "type": "cancel",
        "note": "why not",
    }
    assert flux.sent[-1][1] == expected
    assert (
        run("job", "raiseall", "-f", "-s", "3", "foo", "-u", "5")[2]
        == "flux-job: Raised exception on 3 jobs (0 errors)\n"
    )
    assert flux.sent[-1][1] == {
        "dry_run": False,
        "userid": 5,
        "states": 62,
        "severity": 3,
        "type": "foo",
        "note": "",
    }
    assert run("job", "killall")[2] == "flux-job: Command matched 1 jobs (-f to confirm)\n"
    assert run("job", "killall", "-f")[2] == "flux-job: Terminated 1 jobs (0 errors)\n"
    assert run("job", "killall", "-f", "-s", "USR1")[2] == "flux-job: Signaled 1 jobs (0 errors)\n"
    flux.script["job-manager.raiseall"] = lambda p: {"count": 0, "errors": 0}
    flux.script["job-manager.killall"] = lambda p: {"count": 0, "errors": 0}
    assert run("job", "cancelall", "-fq") == (0, "", "")
    for command in ("cancelall", "cancelall -f", "raiseall x", "raiseall -f x", "killall -f"):
        matched = (0, "", "flux-job: Command matched 0 jobs\n")
        assert run("job", *command.split()) == matched
    flux.script["job-manager.raiseall"] = lambda p: {"count": 2, "errors": 1}
    assert run("job", "cancelall", "-f")[0] == 1


@pytest.mark.parametrize("command", ["raiseall x", "cancelall", "killall"])
def test_what_the_job_manager_refuses_in_bulk_names_the_request(
    run: Runner, flux: ScriptedFlux, command: str
) -> None:
    flux.script["job-manager.raiseall"] = flux.script["job-manager.killall"] = unknown
    request = command.split()[0].replace("cancel", "raise")
    assert run("job", *command.split()) == (1, "", f"flux-job: {request}: unknown job id\n")


def test_a_signal_of_any_number_is_for_the_job_to_judge(run: Runner, flux: ScriptedFlux) -> None:
    assert run("job", "kill", "-s", "144", F58)[0] == 0
    assert flux.sent == [("job-manager.kill", {"id": ID, "signum": 144})]


def test_info_without_keys_lists_the_common_ones(run: Runner) -> None:
    code, out, err = run("job", "info", F58)
    assert (code, out) == (0, "")
    assert err.splitlines() == ["Missing lookup key(s), common keys:", *events.KEYS]
    assert "guest.exec.eventlog" in events.KEYS


def test_no_id_on_standard_input_is_a_failure(run: Runner) -> None:
    assert run("job", "id") == (1, "", "")
    assert run("job", "namespace") == (0, "", "")
    assert run("job", "id", stdin="1\n2\n") == (0, "1\n2\n", "")


def test_eventlog(run: Runner) -> None:
    code, out, _ = run("job", "eventlog", F58)
    assert code == 0
    assert out.splitlines()[0] == "10.000000 submit userid=0 urgency=16 flags=0"
    assert (
        out.splitlines()[3]
        == '13.000000 alloc annotations={"sched":{"resource_summary":"rank0/core0"}}'
    )
    assert out.splitlines()[6] == '16.000000 release ranks="all" final=true'
    assert run("job", "eventlog", "-T", "offset", F58)[1].splitlines()[4] == "4.250000 start"
    assert (
        run("job", "eventlog", "-T", "iso", F58)[1].splitlines()[4]
        == "1970-01-01T00:00:14.250000Z start"
    )
    assert (
        run("job", "eventlog", "-f", "json", F58)[1].splitlines()[4]
        == '{"timestamp":14.25,"name":"start"}'
    )


def test_wait_event(run: Runner, flux: ScriptedFlux) -> None:
    assert run("job", "wait-event", F58, "start") == (0, "14.250000 start\n", "")
    assert flux.sent[-1][0] == "job-info.eventlog-watch-cancel"
    assert run("job", "wait-event", "-q", F58, "start") == (0, "", "")
    assert (
        run("job", "wait-event", "-m", "status=0", F58, "finish")[1]
        == "15.000000 finish status=0\n"
    )
    assert run("job", "wait-event", "-m", "ranks=all", F58, "release")[0] == 0
    assert run("job", "wait-event", "-m", "status=1", F58, "finish")[0] == 1
    assert len(run("job", "wait-event", "-v", F58, "clean")[1].splitlines()) == 9
    run("job", "wait-event", "-p", "guest.exec.eventlog", F58, "clean")
    assert flux.sent[-2][1]["path"] == "guest.exec.eventlog"


def test_info(run: Runner) -> None:
    assert run("job", "info", F58, "R") == (0, '{"version":1}\n', "")


@pytest.mark.parametrize(
    ("args", "code", "err"),
    [
        ([F58], 0, ""),
        (["-vv", F58], 0, f"flux-job: {F58}: exited with exit code 0\n"),
        (["-v", F58, "2"], 5, "flux-job: 2: exited with exit code 5\n"),
        (["-v", "3"], 143, "flux-job: 3: exception type=cancel\n"),
        (["--exception-exit-code=42", "3"], 143, ""),
        (["-e", "42", "2"], 5, ""),
    ],
)
def test_status(run: Runner, args: list[str], code: int, err: str) -> None:
    assert run("job", "status", *args) == (code, "", err)


def test_status_as_json(run: Runner) -> None:
    facts = json.loads(run("job", "status", "--json", "2")[1])
    assert (facts["waitstatus"], facts["exception_occurred"]) == (1280, False)


def test_exit_codes() -> None:
    facts = {"exception_occurred": False, "waitstatus": 9}
    assert results.exit_code_of(facts) == (137, "job shell died by signal 9")
    fatal = {"exception_occurred": True, "exception_severity": 0, "exception_type": "alloc"}
    assert results.exit_code_of(fatal) == (1, "exception type=alloc")
    assert results.exit_code_of(fatal, 42) == (42, "exception type=alloc")
    assert results.exit_code_of(fatal | {"waitstatus": 36608}, 42)[0] == 143


def test_wait(run: Runner, flux: ScriptedFlux) -> None:
    assert run("job", "wait", F58) == (0, "", "")
    assert run("job", "wait", "-v")[1:] == (
        f"{F58}\n",
        "flux-job: task(s) exited with exit code 0\n",
    )
    answers = [
        {"id": ID, "success": True, "errstr": "ok"},
        {"id": ID, "success": False, "errstr": "bad"},
    ]

    def answer(_payload: Any) -> Any:
        if not answers:
            raise OSError(errno.ECHILD, "there are no more waitable jobs")
        return answers.pop(0)

    flux.script["job-manager.wait"] = answer
    assert run("job", "wait", "--all") == (1, "", f"{F58}: bad\n")
    answers.append({"id": ID, "success": False, "errstr": "bad"})
    assert run("job", "wait") == (1, f"{F58}\n", "flux-job: bad\n")


def test_listing(run: Runner, flux: ScriptedFlux) -> None:
    assert run("job", "list", "-a", "-c", "2") == (0, '{"id": 1, "name": "é"}\n', "")
    payload = flux.sent[-1][1]
    assert (payload["max_entries"], payload["states"], payload["attrs"]) == (
        2,
        126,
        list(JOB_ATTRIBUTES),
    )
    run("job", "list", "-A")
    assert flux.sent[-1][1]["userid"] == 0xFFFFFFFF
    run("job", "list")
    assert flux.sent[-1][1]["states"] == 62
    run("job", "list-inactive", "-s", "5", "-n", "x")
    attrs = list(JOB_ATTRIBUTES)
    ended = {"max_entries": 1000, "since": 5.0, "attrs": attrs, "name": "x"}
    assert flux.sent[-1] == ("job-list.list-inactive", ended)
    del flux.script["job-list.list-inactive"]  # as brokers of today
    run("job", "list-inactive", "-s", "5", "-n", "x")
    assert flux.sent[-1][1] == {
        "max_entries": 1000,
        "since": 5.0,
        "attrs": attrs,
        "userid": 0xFFFFFFFF,
        "states": 64,
        "results": 0,
        "constraint": {"name": ["x"]},
    }
    assert run("job", "stats")[1] == '{"failed":1}\n'


def test_id_and_namespace(run: Runner) -> None:
    assert run("job", "id", "--to=kvs", "12345678")[1] == "job.0000.0000.00bc.614e\n"
    assert run("job", "id", stdin=f"{F58}\n\n0x10\n")[1] == f"{ID}\n16\n"
    assert run("job", "namespace", "12345")[1] == "job-12345\n"


def test_submit(run: Runner, flux: ScriptedFlux) -> None:
    assert run("job", "submit", "--urgency=hold", "--flags=debug,waitable", stdin="{}") == (
        0,
        f"{F58}\n",
        "",
    )
    payload = flux.sent[-1][1]
    assert (payload["urgency"], payload["flags"]) == (0, 6)

    def refuse(_payload: Any) -> Any:
        raise OSError(errno.EPERM, "Missing key (attributes)")

    flux.script["job-ingest.submit"] = refuse
    assert run("job", "submit", stdin="{}") == (1, "", "flux-job: Missing key (attributes)\n")


def test_urgency_verbose(run: Runner) -> None:
    assert run("job", "urgency", "-v", F58, "5")[2] == "flux-job: old urgency: 16 (default)\n"


@pytest.mark.parametrize(
    ("args", "err"),
    [
        (["enable"], "Job submission is enabled"),
        (["disable", "testing", "things"], "Job submission is disabled: testing things"),
        (["start"], "Scheduling is enabled"),
        (["stop"], "Scheduling is disabled"),
        (["idle"], "2 pending jobs"),
    ],
)
def test_queue(run: Runner, args: list[str], err: str) -> None:
    assert run("queue", *args) == (0, "", f"flux-queue: {err}\n")


def test_queue_status(run: Runner, flux: ScriptedFlux) -> None:
    lines = [
        "Job submission is enabled",
        "Scheduling is enabled",
        "1 alloc requests queued",
        "2 alloc requests pending to scheduler",
        "3 free requests pending to scheduler",
        "4 running jobs",
    ]
    assert run("queue", "status", "-v")[2] == "".join(f"flux-queue: {line}\n" for line in lines)
    assert len(run("queue", "status")[2].splitlines()) == 2
    assert flux.sent[-1] == (
        "job-manager.alloc-admin",
        {"query_only": True, "enable": False, "reason": ""},
    )


def test_queue_waiting(run: Runner, flux: ScriptedFlux) -> None:
    assert run("queue", "drain", "-t", "5s") == (0, "", "")
    flux.script["job-manager.idle"] = lambda p: {"pending": 0}
    assert run("queue", "idle")[2] == "flux-queue: 0 pending jobs\n"
    assert run("queue", "idle", "-q")[2] == ""
    assert (
        run("queue", "drain", "-t", "x")[2]
        == "flux-queue: Invalid argument for option timeout: x\n"
    )

    def late(_payload: Any) -> Any:
        raise OSError(errno.ETIMEDOUT, "")

    flux.script["job-manager.drain"] = late
    assert run("queue", "drain", "-t", "1")[2] == "flux-queue: drain: timeout\n"
    flux.script["job-manager.submit-admin"] = unknown
    assert run("queue", "enable")[2] == "flux-queue: submit-admin: unknown job id\n"


def test_short_paths_are_those_of_todays_options(run: Runner, flux: ScriptedFlux) -> None:
    for words in (["eventlog", "-H"], ["wait-event", "-W"]):
        flux.sent.clear()
        run("job", *words, "-p", "exec", F58, *(["clean"] if words[0] == "wait-event" else []))
        assert "guest.exec.eventlog" in str(flux.sent), words
