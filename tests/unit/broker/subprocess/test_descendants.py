"""Subreapers: tested in a process of their own, because being one cannot be undone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from broker.subprocess.descendants import environment_of, kill_with, process_state
from broker.subprocess.launch import Command, launch

DAEMON = """
import os, subprocess, time
from broker.subprocess.descendants import *
def daemon(seconds):
    fork = "if os.fork(): os._exit(0)\\n"
    code = f"import os, time\\n{fork}os.setsid()\\n{fork}time.sleep({seconds!r})"
    subprocess.run(["python3", "-c", code], stdout=subprocess.DEVNULL, check=True)
def alive():
    return sum(state != "Z" for state in children().values())
def await_(condition):
    end = time.monotonic() + 50
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
"""


def in_a_process(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", DAEMON + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_daemons_come_to_the_subreaper_and_are_ended() -> None:
    script = """
become_subreaper()
assert not has_children() and end_descendants()
for _ in range(12):
    daemon(6302)
await_(lambda: alive() == 12)
assert end_descendants()
print(children(), has_children())
"""
    assert in_a_process(script) == "{} False\n"


def test_what_was_there_before_is_spared() -> None:
    script = """
mine = subprocess.Popen(["sleep", "6303"])
spared = frozenset(children())
become_subreaper()
daemon(6303)
await_(lambda: alive() == 2)
assert end_descendants(spared)
print(list(children()) == [mine.pid], mine.poll())
mine.kill()
mine.wait()
"""
    assert in_a_process(script) == "True None\n"


def test_orphans_are_reaped_when_nobody_else_does() -> None:
    script = """
become_subreaper()
orphans = Orphans()
own = subprocess.Popen(["true"])
daemon(0)
await_(lambda: list(children().values()) == ["Z"] * 3)
orphans.reap()
assert own.wait() == 0 and len(children()) == 2
orphans.reap()
print(children())
"""
    assert in_a_process(script) == "{}\n"


def test_a_child_is_killed_with_its_parent() -> None:
    script = """
from broker.subprocess.launch import Command, launch
pid = launch(Command(["sleep", "6304"], dict(os.environ), before_exec=kill_with(os.getpid())))
print(pid, flush=True)
os._exit(0)
"""
    pid = int(in_a_process(script))
    deadline = time.monotonic() + 60
    while process_state(pid) not in (None, "Z"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_whose_parent_has_gone_already_is_killed_at_once() -> None:
    pid = launch(Command(["sleep", "6305"], dict(os.environ), before_exec=kill_with(1)))
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def test_facts_of_a_process() -> None:
    assert process_state(os.getpid()) == "R"
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, "FACT": "known"})
    try:
        deadline = time.monotonic() + 60
        while not environment_of(child.pid):  # it has none for a moment while it becomes sleep
            assert time.monotonic() < deadline
        assert environment_of(child.pid)["FACT"] == "known"
    finally:
        child.kill()
        child.wait()
    nobody = 2**22 + 1
    assert process_state(nobody) is None
    assert environment_of(nobody) == {}
