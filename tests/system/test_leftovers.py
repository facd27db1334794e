"""What jobs leave behind, and shells, tasks and shell hosts that are stopped or killed."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from flux.testing.instance import Instance, running_instance

from .watching import (
    PATIENCE,
    background,
    broker_pid,
    command_line,
    mark,
    send,
    sleepers,
    still_there,
    tree,
    until,
    until_none_sleeps,
    until_sleeping,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DAEMONS = """
import os, sys, time
for _ in range(12):
    if os.fork():
        continue
    os.setsid()
    if os.fork():
        os._exit(0)
    if sys.argv[2] == "quiet":
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
    os.execvp("sleep", ["sleep", sys.argv[1]])
for _ in range(12):
    os.wait()
if sys.argv[2] == "wait":
    time.sleep(1000)
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as instance:
        yield instance


def daemons(seconds: str, how: str) -> list[str]:
    return [sys.executable, "-c", DAEMONS, seconds, how]


def hosts(pid: int) -> list[psutil.Process]:
    """Return the live shell hosts of a broker."""
    children = psutil.Process(pid).children()
    return [child for child in children if "shell.host" in command_line(child)]


def parent_of_all(processes: list[psutil.Process]) -> psutil.Process:
    """Return the process that daemons have come to, once those between have ended."""
    until(lambda: len({process.ppid() for process in processes}) == 1)
    return psutil.Process(processes[0].ppid())


def test_daemons_of_a_task_end_with_the_job(instance: Instance) -> None:
    done = instance.run("mini", "run", "-N2", "-n2", *daemons(mark(6201), "quiet"))
    assert done.returncode == 0, done.stderr
    assert not sleepers(mark(6201))


def test_a_job_may_ask_for_its_daemons_to_stay_until_the_instance_ends() -> None:
    with running_instance(2) as instance:
        how = ("-N2", "-n2", "-o", "linger")
        done = instance.run("mini", "run", *how, *daemons(mark(6202), "quiet"))
        assert done.returncode == 0, done.stderr
        left = until_sleeping(mark(6202), 24)
        assert instance.run("mini", "run", "-N2", "-n2", "true").returncode == 0
        assert sleepers(mark(6202)) == left
        assert instance.stop() == 0
        assert not still_there(left)


def test_a_cancelled_job_takes_its_daemons_along(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", *daemons(mark(6203), "wait")).stdout.strip()
    until_sleeping(mark(6203), 12)
    instance.run("job", "cancel", jobid)
    assert instance.run("job", "wait-event", "-t", "30", jobid, "clean").returncode == 0
    assert not sleepers(mark(6203))


def test_the_daemons_of_a_killed_shell_end_with_it(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", *daemons(mark(6204), "wait")).stdout.strip()
    shell = parent_of_all(until_sleeping(mark(6204), 12))
    shell.kill()
    assert instance.run("job", "wait-event", "-t", "30", jobid, "clean").returncode == 0
    until_none_sleeps(mark(6204))


def test_a_stopped_task_ends_when_it_is_cancelled(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "sleep", mark(6205)).stdout.strip()
    (task,) = until_sleeping(mark(6205))
    task.suspend()
    instance.run("job", "cancel", jobid)
    assert "status=36608" in instance.run("job", "wait-event", "-t", "30", jobid, "finish").stdout


def test_ended_orphans_of_a_running_job_are_reaped(instance: Instance) -> None:
    script = f"for n in 1 2 3 4 5; do (sleep 0 & ) ; done; sleep {mark(6206)}"
    jobid = instance.run("mini", "submit", "sh", "-c", script).stdout.strip()
    task = until_sleeping(mark(6206))[0].parent()
    shell = task.parent() if task is not None else None
    assert shell is not None
    until(lambda: len(shell.children()) == 1)
    instance.run("job", "cancel", jobid)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stopped", "killed"])
def test_jobs_go_on_after_a_shell_host_was_stopped_or_killed(number: int) -> None:
    with running_instance(1) as instance:
        broker = broker_pid(instance, 0)
        script = f"sleep {mark(6207)}; echo old"
        old = instance.run("mini", "submit", "sh", "-c", script).stdout.strip()
        (task,) = until_sleeping(mark(6207))
        (host,) = hosts(broker)
        os.kill(host.pid, number)
        counter = instance.home / "counter"
        # With a shell of their own, which the host is to make.
        command = ("mini", "submit", "-o", "linger", "sh", "-c", f"echo x >>{counter}; sleep 0.1")
        new = [instance.run(*command).stdout.strip() for _ in range(5)]
        for jobid in new:
            assert instance.run("job", "attach", jobid).returncode == 0
        until(lambda: f"the shell host (pid {host.pid})" in instance.run("dmesg").stdout)
        send([host.pid], signal.SIGCONT)
        assert counter.read_text() == "x\n" * 5
        until(lambda: host.pid not in [other.pid for other in hosts(broker)])
        task.terminate()
        assert instance.run("job", "attach", old).stdout == "old\n"
        second = instance.run("mini", "submit", "sleep", mark(6208)).stdout.strip()
        until_sleeping(mark(6208))
        instance.run("job", "cancel", second)
        assert instance.run("job", "wait-event", "-t", "30", second, "clean").returncode == 0


def test_a_job_of_a_replaced_host_can_be_cancelled_and_killed() -> None:
    with running_instance(1) as instance:
        script = f"trap '' TERM; sleep {mark(6209)} & wait; wait"
        jobid = instance.run("mini", "submit", "sh", "-c", script).stdout.strip()
        tasks = until_sleeping(mark(6209))
        (host,) = hosts(broker_pid(instance, 0))
        host.suspend()
        until(lambda: not host.is_running() or host.status() == psutil.STATUS_ZOMBIE)
        instance.run("job", "cancel", jobid)
        assert instance.run("job", "wait-event", "-t", "30", jobid, "clean").returncode == 0
        assert not still_there(tasks)


@pytest.mark.parametrize("what", ["host", "shell", "task"])
def test_nothing_stopped_holds_up_the_end_of_the_instance(what: str) -> None:
    with running_instance(1) as instance:
        instance.run("mini", "submit", "sleep", mark(6210))
        (task,) = until_sleeping(mark(6210))
        shell = task.parent()
        host = shell.parent() if shell is not None else None
        assert shell is not None
        assert host is not None
        everything = tree(instance.process.pid)
        {"host": host, "shell": shell, "task": task}[what].suspend()
        assert instance.stop(PATIENCE) == 0
        assert not still_there(everything)
        assert "cleanup: \n" not in instance.log


def test_exec_and_the_initial_program_leave_nothing_at_the_end_of_the_instance() -> None:
    with running_instance(2) as instance:
        with background(instance, "exec", "-n", *daemons(mark(6211), "quiet")) as client:
            assert client.wait(PATIENCE) == 0
        left = until_sleeping(mark(6211), 24)
        assert instance.stop() == 0
        assert not still_there(left)
