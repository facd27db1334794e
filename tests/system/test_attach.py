"""Attached to a job: signals that are handed on, tasks that wait for a debugger, the order of what
is shown.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, background, line

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

TRAPS = """
for name in TERM HUP USR1 USR2 ALRM; do trap "echo got $name; exit 3" $name; done
echo up
while :; do sleep 0.05; done
"""


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(1) as running:
        yield running


def errors(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


@pytest.mark.parametrize("name", ["TERM", "HUP", "USR1", "USR2", "ALRM"])
def test_a_signal_goes_to_the_tasks(instance: Instance, name: str) -> None:
    with background(instance, "mini", "run", "sh", "-c", TRAPS) as run:
        assert line(run) == "up\n"
        run.send_signal(getattr(signal, f"SIG{name}"))
        assert run.communicate(timeout=PATIENCE)[0] == f"got {name}\n"
    assert run.returncode == 3


def test_a_job_that_does_not_run_gets_no_signal(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    with background(instance, "job", "attach", "-E", jobid) as attach:
        while "job.priority" not in errors(attach):
            pass
        attach.send_signal(signal.SIGTERM)
        assert errors(attach) == "flux-job: kill: job is not running\n"
        attach.send_signal(signal.SIGHUP)
        assert errors(attach) == "flux-job: kill: job is not running\n"
        instance.run("job", "urgency", jobid, "default")
        assert attach.wait(PATIENCE) == 0


def test_who_only_reads_ends_by_a_signal(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "sh", "-c", TRAPS).stdout.strip()
    with background(instance, "job", "attach", "--read-only", jobid) as attach:
        assert line(attach) == "up\n"
        attach.terminate()
        assert attach.wait(PATIENCE) == -signal.SIGTERM
    assert instance.run("jobs", "-n", "-o", "{state}", jobid).stdout == "RUN\n"
    instance.run("job", "kill", jobid)
    assert instance.run("job", "attach", jobid).returncode == 3


def test_whoever_stands_in_for_a_debugger_continues_the_tasks(instance: Instance) -> None:
    done = instance.run("mini", "run", "--debug-emulate", "-n2", "echo", "on")
    assert (done.stdout, done.returncode) == ("on\non\n", 0), done.stderr
    words = ("mini", "submit", "-n2", "-o", "stop-tasks-in-exec", "echo", "on")
    jobid = instance.run(*words).stdout.strip()
    instance.run("job", "wait-event", "-p", "guest.exec.eventlog", jobid, "shell.start")
    done = instance.run("job", "attach", "--debug-emulate", jobid)
    assert (done.stdout, done.returncode) == ("on\non\n", 0), done.stderr
    again = instance.run("job", "attach", "--debug-emulate", jobid)
    assert again.returncode == 1
    assert "flux-job: cannot debug job that has finished running\n" in again.stderr


def test_a_job_that_waits_for_a_debugger_can_be_canceled(instance: Instance) -> None:
    words = ("mini", "submit", "-o", "stop-tasks-in-exec", "sleep", "60")
    jobid = instance.run(*words).stdout.strip()
    instance.run("job", "wait-event", "-p", "guest.exec.eventlog", jobid, "shell.init")
    instance.run("job", "cancel", jobid)
    assert instance.run("job", "wait-event", "-t", "60", jobid, "clean").returncode == 0


def test_events_and_output_stand_in_the_order_of_time(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "sh", "-c", "echo said >&2").stdout.strip()
    instance.run("job", "wait-event", jobid, "clean")
    shown = instance.run("job", "attach", "-EX", jobid).stderr.splitlines()
    at = shown.index("said")
    before, after = "\n".join(shown[:at]), "\n".join(shown[at:])
    assert "exec.shell.start" in before
    assert "job.finish" not in before
    assert [text.split()[1] for text in after.splitlines()[1:]] == [
        "exec.complete",
        "exec.done",
        "job.finish",
        "job.release",
        "job.free",
        "job.clean",
    ]
