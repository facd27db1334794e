"""`flux queue` where queues have names."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from flux.testing.scripted import ScriptedFlux
from fluxctl import main
from fluxctl.commands import queue as queue_command

Runner = Callable[..., tuple[int, str, str]]
RESOURCES = {
    "version": 1,
    "execution": {
        "R_lite": [{"rank": "0-3", "children": {"core": "0-1"}}],
        "nodelist": ["n[0-3]"],
        "properties": {"debug": "0-1"},
    },
}
NONE = {"version": 1, "execution": {"R_lite": [], "nodelist": [""]}}
CONFIG = {
    "queues": {
        "debug": {
            "requires": ["debug"],
            "policy": {"limits": {"duration": "30m", "job-size": {"min": {"ncores": 2}}}},
        },
        "batch": {"policy": {"limits": {"duration": "0", "job-size": {"max": {"nnodes": 3}}}}},
    },
    "policy": {
        "jobspec": {"defaults": {"system": {"duration": "1m", "queue": "batch"}}},
        "limits": {"duration": "1h", "job-size": {"max": {"ngpus": 0, "nnodes": -1}}},
    },
}
COUNTERS = {"queue_length": 1, "alloc_pending": 2, "free_pending": 3, "running": 4}


class Queues:
    """The job manager's answers about two queues."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {
            "debug": {"enable": True, "start": True},
            "batch": {"enable": True, "start": True},
        }

    def admin(self, payload: dict[str, Any]) -> dict[str, Any]:
        if not payload["query_only"]:
            raise OSError(errno.EINVAL, "Named queues are defined. Specify queues or use --all.")
        return {"enable": True, "reason": "", "queues": list(self.states), **COUNTERS}

    def status(self, payload: dict[str, Any]) -> dict[str, Any]:
        if payload["name"] not in self.states:
            raise OSError(errno.EINVAL, f"'{payload['name']}' is not a valid queue")
        return self.states[payload["name"]]

    def change(self, key: str, why: str) -> Callable[[dict[str, Any]], None]:
        def change(payload: dict[str, Any]) -> None:
            names = self.states if payload.get("all") else [payload["name"]]
            for name in names:
                self.status({"name": name})
                self.states[name] |= {key: payload[key], why: payload["reason"]}

        return change


@pytest.fixture
def flux() -> ScriptedFlux:
    queues = Queues()
    return ScriptedFlux(
        {
            "job-manager.submit-admin": queues.admin,
            "job-manager.alloc-admin": queues.admin,
            "job-manager.queue-list": lambda payload: {"queues": list(queues.states)},
            "job-manager.queue-status": queues.status,
            "job-manager.queue-enable": queues.change("enable", "disable_reason"),
            "job-manager.queue-start": queues.change("start", "stop_reason"),
            "job-manager.idle": lambda payload: {"pending": 2 if payload["name"] == "batch" else 0},
            "config.get": lambda payload: CONFIG,
            "resource.status": lambda payload: {
                "R": RESOURCES,
                "drain": {},
                "online": "0-2",
                "offline": "",
                "exclude": "",
            },
            "sched.resource-status": lambda payload: {
                "all": RESOURCES,
                "allocated": NONE,
                "down": NONE,
            },
        }
    )


@pytest.fixture
def run(
    flux: ScriptedFlux, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Runner:
    monkeypatch.setattr(queue_command, "handle", lambda failure=None: flux)

    def runner(*args: str) -> tuple[int, str, str]:
        code = main.run(["queue", *args])
        out, err = capsys.readouterr()
        return code, out, err

    return runner


def payloads(flux: ScriptedFlux, topic: str) -> list[Any]:
    return [payload for sent, payload in flux.sent if sent == f"job-manager.{topic}"]


def test_status(run: Runner) -> None:
    both = (
        "debug: Job submission is enabled\ndebug: Scheduling is started\n"
        "batch: Job submission is enabled\nbatch: Scheduling is started\n"
    )
    assert run("status") == (0, both, "")
    assert run("status", "-v")[1].endswith("\n4 running jobs\n")
    one = "debug: Job submission is enabled\ndebug: Scheduling is started\n"
    assert run("status", "debug") == run("status", "--queue=debug") == (0, one, "")
    assert run("status", "x")[2] == "flux-queue: ERROR: status: 'x' is not a valid queue\n"
    as_json = run("status", "--json")[1]
    assert '"queues":{"debug":{"enable":true,"start":true}' in as_json
    assert run("status", "--json", "debug")[1] == '{"debug":{"enable":true,"start":true}}\n'


def test_one_queue(run: Runner, flux: ScriptedFlux) -> None:
    assert run("stop", "--queue=debug", "new", "disks") == (
        0,
        "debug: Scheduling is stopped: new disks\n",
        "",
    )
    assert payloads(flux, "queue-start") == [
        {
            "start": False,
            "reason": "new disks",
            "nocheckpoint": False,
            "name": "debug",
            "all": False,
        }
    ]
    assert run("start", "-q", "--queue=debug") == (0, "", "")
    said = "batch: Job submission is disabled: full\n"
    assert run("disable", "--nocheckpoint", "-m", "full", "batch") == (0, said, "")
    assert payloads(flux, "queue-enable")[-1]["nocheckpoint"]
    assert run("enable", "batch")[1] == "batch: Job submission is enabled\n"


def test_all_queues(run: Runner, flux: ScriptedFlux) -> None:
    said = "debug: Scheduling is stopped: maint\nbatch: Scheduling is stopped: maint\n"
    assert run("stop", "--all", "maint") == (0, said, "")
    assert payloads(flux, "queue-start")[-1]["all"]
    assert "1 alloc requests queued\n" in run("start", "-a", "-v")[1]


def test_none_chosen(run: Runner) -> None:
    said = "flux-queue: ERROR: Named queues are defined. Specify queues or use --all.\n"
    assert run("stop") == run("stop", "maint", "today") == (1, "", said)
    assert run("disable")[2] == "flux-queue: submit: reason is required for disable\n"


def test_waiting(run: Runner) -> None:
    assert run("idle", "--queue=batch")[2] == "flux-queue: 2 pending jobs\n"
    assert run("idle", "-q", "--queue=debug") == (0, "", "")


def test_list(run: Runner) -> None:
    assert run("list")[1] == (
        "QUEUE    EN ST TDEFAULT   TLIMIT     NNODES     NCORES      NGPUS\n"
        "debug     ✔  ✔       1m      30m        0-2        2-4        0-0\n"
        "batch*    ✔  ✔       1m      inf        0-3        0-8        0-0\n"
    )
    run("disable", "--queue=debug", "full")
    layout = (
        "{queue} {submission} {scheduling} {enabled.ascii} {started.ascii} {disable_reason} "
        "{limits.range.nnodes} {limits.min.ncores} {limits.max.ngpus} {limits.timelimit} "
        "{resources.free.ncores}"
    )
    assert run("list", "-n", "-q", "debug", "-o", layout)[1] == (
        "debug disabled started n y full 0-inf 2 0 1800.0 4\n"
    )
    assert run("list", "-o", "{nosuch}")[0] == 1
    assert run("list", "-q", "x") == (1, "", "flux-queue: ERROR: No such queue: x\n")


def test_a_name_that_is_none_turns_nothing_on(run: Runner, flux: ScriptedFlux) -> None:
    for word in ("start", "enable"):
        assert run(word, "debug", "nosuch") == (
            1,
            "",
            f"flux-queue: ERROR: {word}: 'nosuch' is not a valid queue\n",
        )
        assert run(word, "--queue=batch", "debug")[2] == (
            "flux-queue: name queues, or use an option for them: debug\n"
        )
    assert not payloads(flux, "submit-admin")
    assert not payloads(flux, "alloc-admin")


@pytest.mark.parametrize(
    "words", ["foo", "drain xyz", "idle xyz", "drian", "idle 1 2 3", "list xyz"]
)
def test_a_misuse_shows_the_usage(run: Runner, words: str) -> None:
    code, out, err = run(*words.split())
    assert (code, out) == (1, "")
    assert any(line.startswith("Usage: ") for line in err.splitlines())


def test_a_reason_is_required_to_disable(run: Runner) -> None:
    assert run("disable") == (1, "", "flux-queue: submit: reason is required for disable\n")


def test_a_message_makes_words_names(run: Runner, flux: ScriptedFlux) -> None:
    said = "batch: Scheduling is stopped: maint\n"
    assert run("stop", "-a", "-m", "maint", "batch") == (0, said, "")
    assert run("stop", "-a", "batch") == (0, "batch: Scheduling is stopped\n", "")
    assert all(payload["name"] == "batch" for payload in payloads(flux, "queue-start"))
    error = "flux-queue: ERROR: enable: 'x' is not a valid queue\n"
    assert run("disable", "x") == run("disable", "-m", "why", "x") == (1, "", error)
    error = "flux-queue: ERROR: enable: Use --all to apply this command to all queues\n"
    assert run("enable") == run("disable", "-m", "why") == (1, "", error)
    assert run("status", "-v", "debug") == run("status", "-v")
    assert run("start", "--quiet", "-v", "-a") == (0, "", "")
