"""`flux cron` against recorded answers."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from flux.testing.scripted import ScriptedFlux
from fluxctl import main
from fluxctl.cron_entry import ago

Runner = Callable[..., tuple[int, str, str]]

STATS = {
    "ctime": 1795220455.8940525,
    "starttime": 1795220455.8940594,
    "lastrun": 1795220456.790641,
    "count": 1,
    "failcount": 0,
    "total": 1,
    "success": 1,
    "failure": 0,
    "deferred": 1,
}
TASK = {
    "rank": 0,
    "pid": 7850,
    "status": 0,
    "state": "Exited",
    "create-time": 1795220456.0942314,
    "code": 0,
    "start-time": 1795220456.79064,
    "running-time": 1795220456.8042016,
    "end-time": 1795220456.810492,
}
ENTRY: dict[str, Any] = {
    "id": 1,
    "rank": 0,
    "name": "hb",
    "command": "hostname -f",
    "repeat": 2,
    "stopped": False,
    "type": "interval",
    "stats": STATS,
    "typedata": {"interval": 0.2, "after": 0.2, "next_wakeup": 1795220456.894004},
    "tasks": [TASK],
}


def _listed(entries: list[dict[str, Any]], _payload: object) -> dict[str, Any]:
    return {"entries": entries}


def _known(payload: dict[str, Any]) -> dict[str, Any]:
    if payload["id"] != 1:
        raise OSError(2, "")
    return ENTRY


@pytest.fixture
def flux() -> ScriptedFlux:
    return ScriptedFlux(
        {
            "cron.create": lambda payload: ENTRY,
            "cron.list": lambda payload: {"entries": [ENTRY]},
            "cron.delete": _known,
            "cron.stop": _known,
            "cron.start": _known,
            "cron.sync": lambda payload: (
                {"sync_disabled": True}
                if "disable" in payload
                else {"sync_event": "a", "sync_epsilon": 0.015}
            ),
        }
    )


@pytest.fixture
def run(
    flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Runner:
    monkeypatch.setattr("fluxctl.cron_request.handle", lambda: flux)
    monkeypatch.setattr(time, "time", lambda: 1795220457.0)

    def runner(*args: str, stdin: str = "") -> tuple[int, str, str]:
        data = io.BytesIO(stdin.encode("utf-8", "surrogateescape"))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(data))
        code = main.run(["cron", *args])
        out, err = capsys.readouterr()
        return code, out, err

    return runner


@pytest.mark.parametrize(
    ("args", "payload"),
    [
        (
            ["interval", "--name=hb", "--count=2", "0.2s", "hostname"],
            {
                "type": "interval",
                "name": "hb",
                "args": {"interval": 0.2},
                "command": "hostname",
                "repeat": 2,
            },
        ),
        (
            [
                "interval",
                "--after=0.1",
                "-o",
                "rank=1,timeout=5,task-history-count=3",
                "1h",
                "echo",
                "cron",
            ],
            {
                "type": "interval",
                "name": "echo",
                "args": {"interval": 3600, "after": 0.1},
                "command": "echo cron",
                "task-history-count": 3,
                "timeout": 5,
                "rank": 1,
            },
        ),
        (
            ["event", "--name=ev", "--nth=2", "--count=1", "foo.cron", "ls", "-l"],
            {
                "type": "event",
                "name": "ev",
                "args": {"nth": 2, "topic": "foo.cron"},
                "command": "ls -l",
                "repeat": 1,
            },
        ),
    ],
)
def test_create(run: Runner, flux: ScriptedFlux, args: list[str], payload: dict[str, Any]) -> None:
    assert run(*args) == (0, f"{args[0]}: cron-1 created\n", "")
    assert flux.sent == [("cron.create", payload)]


def test_environment_and_directory(
    run: Runner, flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", "1")
    run("interval", "-E", "-d", "/tmp", "1", "true")
    payload = flux.sent[0][1]
    assert (payload["environ"]["MINE"], payload["cwd"]) == ("1", "/tmp")


def test_tab(run: Runner, flux: ScriptedFlux) -> None:
    code, out, err = run("tab", stdin="# comment\n\n*/5 * * * 1 hostname -f\n")
    assert (code, err) == (0, "")
    assert out.startswith("tab: cron-1 created: scheduled in -0.106s at ")
    assert flux.sent[0][1] == {
        "type": "datetime",
        "name": "hostname",
        "args": {
            "minute": "*/5",
            "hour": "*",
            "mday": "*",
            "month": "*",
            "weekday": "1",
            "second": 0,
        },
        "command": "hostname -f",
    }


def test_tab_creates_nothing_if_a_line_is_bad(run: Runner, flux: ScriptedFlux) -> None:
    text = "0 0 * * * good\n60 * * * * x\n# ok\nbad line\n0 0 30 1 * never\n0 0 * jan-mar Mon y\n"
    code, out, err = run("tab", stdin=text)
    assert (code, out, flux.sent) == (1, "", [])
    assert err.splitlines() == [
        "flux-cron tab: line 2: minute: 60 is out of range 0-59",
        "flux-cron tab: line 4: Failed to process crontab line: bad line",
        "flux-cron tab: line 5: there is no such date",
    ]
    recorded = "flux-cron tab: Failed to process crontab line: bad line\n"
    assert run("tab", stdin="bad line\n") == (1, "", recorded)


def test_tab_takes_back_what_it_created_if_the_broker_refuses_a_line(
    run: Runner, flux: ScriptedFlux
) -> None:
    def create(payload: dict[str, Any]) -> dict[str, Any]:
        if payload["command"] == "second":
            raise OSError(22, "no")
        return ENTRY

    flux.script["cron.create"] = create
    code, out, err = run("tab", stdin="* * * * * first\n* * * * * second\n")
    assert (code, out, err) == (1, "", "flux-cron tab: no\n")
    assert flux.sent[-1] == ("cron.delete", {"id": 1})


def test_tab_takes_any_bytes(run: Runner, flux: ScriptedFlux) -> None:
    assert run("tab", stdin="* * * * * echo caf\udce9\n")[0] == 0
    assert flux.sent[0][1]["command"] == "echo caf\udce9"


def test_at(run: Runner, flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert run("at", "2026-11-21 01:20:57", "hostname")[0] == 0
    wanted = {"minute": 20, "month": 10, "year": 126, "mday": 21, "hour": 1, "second": 57}
    assert (flux.sent[0][1]["args"], flux.sent[0][1]["repeat"]) == (wanted, 1)
    assert run("at", "nonsense", "hostname")[2].endswith(
        "flux-cron at: Failed to parse datetime arg\n"
    )


def test_list(run: Runner) -> None:
    assert run("list")[1] == (
        "    ID CMD/NAME        STATE        #RUNS            LASTRUN  STATUS            \n"
        "     1 hb              Active         1/2       a second ago  Success           \n"
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "a second ago"),
        (5, "5 seconds ago"),
        (70, "a minute ago"),
        (200, "3 minutes ago"),
        (4000, "an hour ago"),
        (9000, "2 hours ago"),
        (90000, "a day ago"),
        (300000, "3 days ago"),
    ],
)
def test_ages(seconds: float, words: str) -> None:
    assert ago(seconds) == words


def test_dump(run: Runner) -> None:
    lines = run("dump", "1")[1].splitlines()
    assert lines[:4] == [
        'type = "interval"',
        "id = 1",
        "stopped = false",
        "task.1.create-time = 1795220456.0942",
    ]
    assert 'name = "hb"' in lines
    assert "typedata.after = 0.2" in lines
    assert run("dump", "--key=stats.count", "1")[1] == "1\n"
    assert run("dump", "--key=name", "cron-1")[1] == "hb\n"


def test_stop_start_delete(run: Runner) -> None:
    assert run("stop", "1")[1] == "Stopped cron-1\n"
    assert run("start", "1")[1] == "Started cron-1\n"
    assert run("delete", "1")[1] == "Removed cron-1: hb last ran a second ago for 19.85ms\n"


def test_what_becomes_of_a_run(run: Runner, flux: ScriptedFlux) -> None:
    running = {name: value for name, value in TASK.items() if name not in ("code", "end-time")}
    entry = {**ENTRY, "tasks": [{**running, "state": "Running"}]}
    flux.script["cron.delete"] = lambda payload: entry
    assert run("delete", "1")[1] == "Removed cron-1: hb still running. Started a second ago\n"
    for task, shown in (
        ({**TASK, "state": "Failed", "code": 127}, "Exec-Error"),
        ({**running, "state": "Rexec Failure", "rexec_errno": 113}, "Rexec Failure"),
        ({**TASK, "code": 3}, "Exit 3"),
    ):
        listed = [{**ENTRY, "tasks": [task]}]
        flux.script["cron.list"] = partial(_listed, listed)
        assert run("list")[1].splitlines()[1].rstrip().endswith(shown)


def test_sync(run: Runner, flux: ScriptedFlux) -> None:
    assert (
        run("sync", "--epsilon=0.025", "heartbeat.pulse")[1]
        == 'sync: sync to event "a" epsilon=0.015s.\n'
    )
    assert flux.sent == [("cron.sync", {"sync_epsilon": 0.025, "topic": "heartbeat.pulse"})]
    assert run("sync", "--disable")[1] == "sync: sync disabled.\n"


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["stop", "99"], "flux-cron stop: No such file or directory"),
        (["delete", "99"], "flux-cron delete: No such file or directory"),
        (["delete"], "flux-cron delete: Required argument ID missing or invalid"),
        (["interval", "nosuch", "true"], "flux-cron interval: Invalid duration 'nosuch'"),
        (
            ["interval", "-o", "timeout=inf", "5s", "true"],
            "flux-cron interval: Invalid value in 'timeout=inf'",
        ),
        (["interval", "5s"], "flux-cron interval: INTERVAL and COMMAND required"),
        (
            ["interval", "-o", "nosuch=1", "5s", "true"],
            "flux-cron interval: Unknown option 'nosuch'",
        ),
        (["event", "foo"], "flux-cron event: TOPIC and COMMAND required"),
        (["at", "now"], "flux-cron at: DATETIME and COMMAND required"),
        (["tab", "/nosuch/file"], "flux-cron tab: /nosuch/file: No such file or directory"),
        (["dump", "7"], "flux-cron dump: cron-7: No such cron entry found"),
        (["dump", "-k", "nosuch", "1"], "flux-cron dump: cron-1: nosuch: No such key"),
        (["nosuch"], "flux-cron: Unknown COMMAND `nosuch'"),
    ],
)
def test_errors(run: Runner, args: list[str], text: str) -> None:
    assert run(*args) == (1, "", text + "\n")


def test_help(run: Runner) -> None:
    code, out, err = run("help")
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "Usage: flux-cron [OPTIONS] COMMAND [OPTIONS...]"
    assert "INTERVAL" in run("help", "interval")[2]
