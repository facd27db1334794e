"""Jobs on a live instance of four brokers, as their users run them, and what goes wrong with
them.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

import flux
import flux.job
from flux.job import JobspecV1
from flux.testing.instance import Instance, default_flux, running_instance

from .watching import (
    PATIENCE,
    background,
    broker_pid,
    kill_instance,
    line,
    mark,
    until,
    until_equal,
    until_none_sleeps,
    until_sleeping,
)

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


CORES = len(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as running:
        yield running


def state(instance: Instance, jobid: str) -> str:
    return instance.run("jobs", "-n", "-o", "{state}", jobid).stdout.strip()


def test_a_pipeline_into_bulksubmit(instance: Instance) -> None:
    inputs = "".join(f"{number}\n" for number in range(100))
    done = instance.run("mini", "bulksubmit", "--watch", "--quiet", "echo", "got-{}", stdin=inputs)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(f"got-{number}" for number in range(100))


def test_one_failed_job_of_many_sets_the_exit_code(instance: Instance) -> None:
    done = instance.run(
        "mini", "bulksubmit", "--wait", "--quiet", "sh", "-c", "exit {}", ":::", "0", "3", "0"
    )
    assert done.returncode == 3


def test_ten_mebibytes_of_output_arrive_whole(instance: Instance) -> None:
    script = "head -c 10485760 /dev/zero | tr '\\0' x | fold -w 100"
    data = subprocess.run(
        [default_flux(), "mini", "run", "sh", "-c", script],
        env=instance.environment,
        stdout=subprocess.PIPE,
        timeout=100,
        check=True,
    ).stdout
    expected = b"\n".join([b"x" * 100] * 104857) + b"\n" + b"x" * 60
    assert len(data) == len(expected)
    assert hashlib.sha256(data).digest() == hashlib.sha256(expected).digest()


def test_binary_output_arrives_unchanged(instance: Instance, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 500)
    done = subprocess.run(
        [default_flux(), "mini", "run", "cat", path],
        env=instance.environment,
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == path.read_bytes()


def test_output_without_a_newline_stays_without(instance: Instance) -> None:
    assert instance.run("mini", "run", "printf", "nonewline").stdout == "nonewline"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("nosuchcmd",), 127, "nosuchcmd: No such file or directory"),
        (("/etc/passwd",), 126, "/etc/passwd: Permission denied"),
        (("sh", "-c", "kill -9 $$"), 137, "exit code 137"),
        (("sh", "-c", "exit 3"), 3, "exit code 3"),
        (("false",), 1, "exit code 1"),
    ],
)
def test_how_a_task_fails(
    instance: Instance, command: tuple[str, ...], code: int, words: str
) -> None:
    done = instance.run("mini", "run", *command)
    assert done.returncode == code
    assert words in done.stderr


def test_a_job_larger_than_the_instance_says_why(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "-n1000", "true").stdout.strip()
    until_equal(lambda: state(instance, jobid), "INACTIVE")
    done = instance.run("job", "attach", jobid)
    assert done.returncode != 0
    assert "unsatisfiable request" in done.stderr


def test_a_job_that_must_wait_waits_and_then_runs(instance: Instance) -> None:
    first = instance.run("mini", "submit", "-N4", f"-n{4 * CORES}", "sleep", "60").stdout.strip()
    second = instance.run("mini", "submit", "true").stdout.strip()
    until_equal(lambda: state(instance, first), "RUN")
    until_equal(lambda: state(instance, second), "SCHED")
    instance.run("job", "cancel", first)
    assert instance.run("job", "wait-event", "-t", "60", second, "clean").returncode == 0


@pytest.mark.parametrize(
    "text",
    [
        "notjson",
        "{}",
        '{"version":1,"resources":[],"tasks":[],"attributes":{"system":{"duration":0}}}',
    ],
)
def test_a_bad_jobspec_is_refused_and_nothing_is_left(instance: Instance, text: str) -> None:
    before = instance.run("jobs", "-a", "-n", "-o", "{id}").stdout
    done = instance.run("job", "submit", stdin=text)
    assert done.returncode == 1
    assert done.stderr.startswith("flux-job: ")
    assert "Traceback" not in done.stderr
    assert instance.run("jobs", "-a", "-n", "-o", "{id}").stdout == before


def test_interrupting_mini_run_ends_the_job(instance: Instance) -> None:
    with background(instance, "mini", "run", "sh", "-c", "echo up; sleep 60") as run:
        assert line(run) == "up\n"
        assert run.stderr is not None
        run.send_signal(signal.SIGINT)
        errors = run.stderr.readline()
        run.send_signal(signal.SIGINT)
        errors += run.communicate(timeout=PATIENCE)[1]
    assert run.returncode != 0
    assert "Traceback" not in errors
    until_equal(lambda: instance.run("jobs", "-n").stdout, "")


def test_a_watcher_killed_in_mid_stream_leaves_no_watch(instance: Instance) -> None:
    jobid = instance.run("mini", "submit", "sh", "-c", "echo up; sleep 60").stdout.strip()

    def watchers() -> int:
        return int(json.loads(instance.run("module", "stats", "job-info").stdout)["watchers"])

    before = watchers()
    with background(instance, "job", "attach", jobid) as attach:
        assert line(attach) == "up\n"
        assert watchers() > 0
        attach.kill()
    until(lambda: watchers() <= before)  # those of the tests before may still have been there
    instance.run("job", "cancel", jobid)
    instance.run("job", "wait-event", "-t", "60", jobid, "clean")


def test_cancelling_ends_every_process_of_a_job(instance: Instance) -> None:
    script = f"sleep {mark(7000)} & sleep {mark(7000)}"
    jobid = instance.run("mini", "submit", "-n4", "sh", "-c", script).stdout.strip()
    until_sleeping(mark(7000), 8)
    instance.run("job", "cancel", jobid)
    assert instance.run("job", "wait-event", "-t", "60", jobid, "clean").returncode == 0
    until_none_sleeps(mark(7000))


def test_two_submitters_at_once(instance: Instance) -> None:
    words = ("mini", "bulksubmit", "--wait", "--quiet", "true", "{}", ":::", *map(str, range(60)))
    with background(instance, *words) as one, background(instance, *words) as other:
        assert [run.communicate(timeout=90)[1] for run in (one, other)] == ["", ""]
        assert (one.returncode, other.returncode) == (0, 0)


def test_the_python_api_submits_watches_and_gets_the_result(instance: Instance) -> None:
    with flux.Flux(instance.uri) as h:
        jobspec = JobspecV1.from_command(["sh", "-c", "exit 2"])
        jobspec.cwd = "/tmp"
        jobspec.environment = {"PATH": os.environ["PATH"]}
        jobid = flux.job.submit(h, jobspec, waitable=True)
        names = [event.name for event in flux.job.event_watch(h, jobid)]
        assert names == [
            "submit",
            "depend",
            "priority",
            "alloc",
            "start",
            "finish",
            "release",
            "free",
            "clean",
        ]
        assert flux.job.result(h, jobid).returncode == 2
        status = flux.job.wait(h, jobid)
        assert (status.jobid, status.success) == (jobid, False)
        jobs = flux.job.JobList(h, ids=[jobid]).jobs()
        assert [(job.id, job.result, job.returncode) for job in jobs] == [(jobid, "FAILED", 2)]


def test_a_killed_broker_fails_its_jobs_and_the_others_go_on() -> None:
    with running_instance(4, "--test-exit-mode=leader") as instance:
        wide = instance.run("mini", "submit", "-N4", "-n4", "sleep", "60").stdout.strip()
        assert instance.run("job", "wait-event", "-t", "60", wide, "start").returncode == 0
        os.kill(broker_pid(instance, 2), signal.SIGKILL)
        assert instance.run("job", "wait-event", "-t", "60", wide, "clean").returncode == 0
        done = instance.run("job", "attach", wide)
        assert done.returncode != 0
        assert "exception" in done.stderr
        assert instance.run("mini", "run", f"-n{3 * CORES}", "true").returncode == 0
        listed = instance.run("resource", "list", "-n", "-s", "down", "-o", "{nnodes} {ncores}")
        assert listed.stdout.split() == ["1", str(CORES)]
        assert instance.stop(PATIENCE) == 0


def test_an_acknowledged_job_survives_a_kill_of_the_instance(tmp_path: pathlib.Path) -> None:
    option = f"-o,-Scontent.backing-path={tmp_path}/store.sqlite"
    with running_instance(1, option) as instance:
        held = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
        ran = instance.run("mini", "submit", "--wait", "true").stdout.strip()
        kill_instance(instance)
    with running_instance(1, option) as instance:
        until_equal(lambda: state(instance, held), "SCHED")
        instance.run("job", "urgency", held, "16")
        for job in (
            held,
            ran,
        ):  # the last events of `ran` may be lost with the broker; then it runs again
            assert instance.run("job", "wait-event", "-t", "60", job, "clean").returncode == 0
            assert state(instance, job) == "INACTIVE"
