"""Processes in the background: what is asked of the broker, and what its answers say."""

from __future__ import annotations

import os
from typing import Any

import pytest

from flux import subprocess
from flux.testing.scripted import ScriptedFlux

COMMAND = {"cmdline": ["a", "b"], "cwd": "/x", "env": {"A": "1"}, "opts": {}, "channels": []}


def test_a_command_has_the_place_and_environment_of_this_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINE", "1")
    made = subprocess.command_create(["a"])
    assert (made["cwd"], made["env"]["MINE"]) == (os.getcwd(), "1")
    assert "label" not in made
    assert subprocess.command_create(["a"], "l", "/x", {}, {"o": "1"}) == {
        "cmdline": ["a"],
        "label": "l",
        "cwd": "/x",
        "env": {},
        "opts": {"o": "1"},
        "channels": [],
    }
    with pytest.raises(TypeError, match="a list of words"):
        subprocess.command_create("sleep 1")


def test_a_process_is_started_in_the_background() -> None:
    handle = ScriptedFlux({"rexec.exec": lambda _: {"type": "started", "pid": 7}})
    started = subprocess.rexec_bg(handle, ["a", "b"], cwd="/x", env={"A": "1"}, waitable=True)
    assert (started.get_pid(), started.get_rank()) == (7, 0)
    assert handle.sent[-1] == ("rexec.exec", {"cmd": COMMAND, "flags": 16})
    subprocess.rexec_bg(handle, ["a", "b"], cwd="/x", env={"A": "1"}, label="l", sign=False).get()
    assert handle.sent[-1][1] == {"cmd": {**COMMAND, "label": "l"}, "flags": 0}


def test_another_service_may_be_asked_on_another_rank() -> None:
    handle = ScriptedFlux({"sdexec.exec": lambda _: {"type": "started", "pid": 7}})
    started = subprocess.rexec_bg(handle, ["a"], service="sdexec", nodeid=3)
    assert started.get_rank() == 3


@pytest.mark.parametrize("call", [subprocess.kill, subprocess.wait])
def test_a_process_is_named_in_one_way(call: Any) -> None:
    handle = ScriptedFlux({})
    with pytest.raises(ValueError, match="at least one of pid or label must be specified"):
        call(handle)
    with pytest.raises(ValueError, match="only one of pid or label may be specified"):
        call(handle, pid=1, label="x")
    assert [topic for topic, _ in handle.sent if topic.startswith("rexec")] == []


def test_a_process_gets_a_signal() -> None:
    handle = ScriptedFlux({"rexec.kill": lambda _: None})
    subprocess.kill(handle, label="l").get()
    assert handle.sent[-1] == ("rexec.kill", {"pid": -1, "label": "l", "signum": 15})
    subprocess.kill(handle, 9, pid=5).get()
    assert handle.sent[-1] == ("rexec.kill", {"pid": 5, "signum": 9})


def test_the_end_of_a_process_tells_status_and_output() -> None:
    output = [
        {"stream": "stdout", "rank": "0", "data": "one\n"},
        {"stream": "stderr", "rank": "0", "data": "bad\n"},
        {"stream": "stdout", "rank": "0", "data": "/w==", "encoding": "base64"},
    ]
    handle = ScriptedFlux({"rexec.wait": lambda _: {"status": 768, "output": output}})
    ended = subprocess.wait(handle, pid=5)
    assert os.waitstatus_to_exitcode(ended.get_status()) == 3
    assert (ended.stdout, ended.stderr) == (b"one\n\xff", b"bad\n")
    assert ended.get_output() == output
    handle = ScriptedFlux({"rexec.wait": lambda _: {"status": 0}})
    assert (subprocess.wait(handle, label="l").stdout, handle.sent[-1][1]["pid"]) == (b"", -1)


def test_processes_are_listed() -> None:
    procs = [
        {"pid": 5, "cmd": "sleep", "label": "l", "state": "R"},
        {"pid": 6, "cmd": "true", "label": "", "state": "Z"},
    ]
    handle = ScriptedFlux({"rexec.list": lambda _: {"rank": 2, "procs": procs}})
    assert subprocess.list(handle).get_processes() == [
        subprocess.Subprocess(5, 2, "R", "l", "sleep"),
        subprocess.Subprocess(6, 2, "Z", "-", "true"),
    ]


@pytest.mark.parametrize(
    ("owner", "sign", "is_signed"),
    [
        (os.getuid(), None, False),
        (os.getuid() + 1, None, True),
        (os.getuid() + 1, False, False),
        (os.getuid(), True, True),
    ],
)
def test_requests_to_the_instance_of_somebody_else_are_signed(
    owner: int, sign: bool | None, is_signed: bool
) -> None:
    handle = ScriptedFlux({"rexec.list": lambda _: {}}, {"security.owner": str(owner)})
    subprocess.list(handle, sign=sign).get()
    assert ("signature" in handle.sent[-1][1]) is is_signed


def test_a_malformed_answer_is_an_error() -> None:
    handle = ScriptedFlux({"rexec.exec": lambda _: {}, "rexec.wait": lambda _: {}})
    with pytest.raises(OSError, match="no pid is in it"):
        subprocess.rexec_bg(handle, ["a"]).get_pid()
    with pytest.raises(OSError, match="no status is in it"):
        subprocess.wait(handle, pid=1).get_status()
