"""Processes beside the tasks of a job: `flux exec --jobid`, and by the IMP."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from flux.job.JobID import JobID
from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, background, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TALKER = "while :; do echo up; sleep 0.1; done"
STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.1; done"


@pytest.fixture(scope="module")
def pair() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def submitted(pair: Instance, *words: str) -> str:
    return pair.run("submit", "--wait-event=start", *words).stdout.strip()


def test_ranks_are_those_of_the_job(pair: Instance) -> None:
    second = submitted(pair, "-n1", "--requires=rank:1", "sleep", "1000")
    both = submitted(pair, "-N2", "-n2", "sleep", "1000")
    try:
        assert pair.run("exec", "-l", "-j", second, "flux", "getattr", "rank").stdout == "1: 1\n"
        assert pair.run("exec", "-l", "-r0", "-j", second, "echo", "hi").stdout == "1: hi\n"
        there = pair.run("exec", "-l", "-j", both, "-x0", "flux", "getattr", "rank")
        assert there.stdout == "1: 1\n"
        ended = pair.run("exec", "-j", both, "sh", "-c", "exit 3")
        assert (ended.returncode, ended.stderr) == (3, "[0-1]: Exit 3\n")
        quiet = pair.run("exec", "-q", "-j", both, "sh", "-c", "exit 3")
        assert (quiet.returncode, quiet.stderr) == (3, "")
        script = f"echo fed | flux exec -l -j {both} cat"
        fed = pair.run("exec", "-r0", "sh", "-c", script)
        assert sorted(fed.stdout.splitlines()) == ["0: fed", "1: fed"]
        missing = pair.run("exec", "-r0", "-j", both, "/no/such")
        assert missing.returncode == 127
        text = "rank 0: /no/such: error launching process: No such file or directory"
        assert missing.stderr == f"flux-exec: Error: {text}\n"
        for option, text in (
            ("-r1", "One or more invalid --ranks specified: 1"),
            ("-x0", "No targets specified"),
        ):
            refused = pair.run("exec", "-j", second, option, "true")
            assert (refused.returncode, refused.stderr) == (1, f"flux-exec: {text}\n")
    finally:
        pair.run("cancel", second, both)


def test_only_a_job_that_runs_has_processes(pair: Instance) -> None:
    ended = pair.run("submit", "--wait", "true").stdout.strip()
    for jobid, text in (
        ("f1", "job f1 not found"),
        ("x/y", 'error parsing jobid: "x/y"'),
        (ended, f"job {ended} is not currently running"),
    ):
        refused = pair.run("exec", "-j", jobid, "true")
        assert (refused.returncode, refused.stderr) == (1, f"flux-exec: {text}\n")


def test_processes_end_with_the_job(pair: Instance, tmp_path: Path) -> None:
    script = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    jobid = submitted(pair, "sh", "-c", script)
    service = f"{os.getuid()}-shell-{int(JobID(jobid))}.rexec"
    started = pair.run("exec", "-j", jobid, "--bg", "--label=beside", "sh", "-c", TALKER)
    rank, pid = started.stdout.split()
    rank = rank.rstrip(":")
    (row,) = pair.run("sproc", "ps", "-n", "-r", rank, "-s", service).stdout.splitlines()
    assert row.split() == [pid, "R", "beside", "sh"]
    assert pair.run("sproc", "ps", "-n", "-r", rank).stdout == ""
    with background(pair, "exec", "-j", jobid, "--attach", "beside") as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "up\n"
        (tmp_path / "go").touch()
        assert pair.run("job", "status", jobid).returncode == 0
        assert follower.wait(PATIENCE) == 143
    gone = pair.run("sproc", "ps", "-r", rank, "-s", service)
    problem = f"[Errno 38] No service matching {service}.list is registered"
    assert gone.stderr == f"flux-sproc: ERROR: ps: {problem}\n"


def test_a_job_that_is_killed_takes_stubborn_processes_with_it(
    pair: Instance, tmp_path: Path
) -> None:
    jobid = submitted(pair, "sleep", "1000")
    out = tmp_path / "out"
    with background(pair, "exec", "-j", jobid, "sh", "-c", f"{STUBBORN} >{out}") as one:
        until(out.exists)
        began = time.monotonic()
        pair.run("cancel", jobid)
        pair.run("job", "wait-event", jobid, "clean")
        assert one.wait(PATIENCE) == 137
    assert time.monotonic() - began < 30


def test_the_imp_runs_the_command(tmp_path: Path) -> None:
    imp = tmp_path / "imp"
    imp.write_text('#!/bin/sh\necho "imp $@"\n')
    imp.chmod(0o755)
    (tmp_path / "exec.toml").write_text(f'[exec]\nimp = "{imp}"\n')
    with running_instance(1, f"-o,-c{tmp_path}") as one:
        assert one.run("exec", "--with-imp", "a", "b").stdout == "imp run a b\n"


def test_there_is_no_imp(pair: Instance) -> None:
    refused = pair.run("exec", "--with-imp", "true")
    text = "--with-imp: exec.imp path not found in config: No such file or directory"
    assert (refused.returncode, refused.stderr) == (1, f"flux-exec: {text}\n")
