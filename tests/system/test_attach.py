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


def test_only_the_last_lines_of_what_there_is(instance: Instance) -> None:
    script = "seq 5; echo warned >&2; read line; seq 6 8"
    jobid = instance.run("submit", "sh", "-c", script).stdout.strip()
    written = ("job", "wait-event", "-c", "6", "-p", "guest.output", jobid, "data")
    assert instance.run(*written).returncode == 0
    shown = instance.run("job", "attach", "--tail=2", jobid, stdin="go on\n")
    assert shown.stdout.splitlines()[-3:] == ["6", "7", "8"]
    assert len((shown.stdout + shown.stderr).splitlines()) == 5
    ended = instance.run("job", "attach", "--tail=2", "-l", jobid)
    assert ended.stdout == "0: 7\n0: 8\n"
    assert len(instance.run("job", "attach", "--tail", jobid).stdout.splitlines()) <= 9
    assert instance.run("job", "attach", "--tail=0", jobid).stdout == ""
    silent = instance.run("submit", "true").stdout.strip()
    assert instance.run("job", "attach", "--tail", silent).returncode == 0
    assert instance.run("job", "attach", "--tail=-1", jobid).returncode == 1


def test_what_a_job_waits_for(instance: Instance) -> None:
    jobid = instance.run("submit", "--urgency=hold", "true").stdout.strip()
    with background(instance, "job", "attach", "--show-status", jobid) as attach:
        assert attach.stderr is not None
        seen = ""
        while "waiting for resources" not in seen:
            seen += attach.stderr.read(1)
        instance.run("job", "urgency", jobid, "16")
        seen += attach.communicate(timeout=PATIENCE)[1]
    # Read as text: what was a carriage return is a new line.
    last = [line.rsplit(None, 1)[0] for line in seen.split("\n") if "flux-job" in line]
    assert last[-2:] == [f"flux-job: {jobid} starting", f"flux-job: {jobid} started"]


def test_programs_may_ask_for_quiet(instance: Instance) -> None:
    done = instance.run("run", "--quiet", "-u", "echo", "hello")
    assert (done.stdout, done.stderr, done.returncode) == ("hello\n", "", 0)
    done = instance.run("alloc", "--quiet", "-n1", "echo", "hello")
    assert (done.stdout, done.returncode) == ("hello\n", 0)
    assert instance.run("job", "attach", "-u", "--debug", "12345").returncode == 1
