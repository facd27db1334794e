"""Processes that `flux exec --bg` leaves in the background, and `flux sproc`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

from .watching import PATIENCE, background, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def pair() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


def test_processes_in_the_background(pair: Instance, tmp_path: Path) -> None:
    script = f"echo out; echo err >&2; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; exit 3"
    words = ["--bg", "--waitable", "--label=it", "sh", "-c", script]
    started = pair.run("exec", "-r1", *words)
    rank, pid = started.stdout.split()
    assert rank == "1:"
    (row,) = pair.run("sproc", "ps", "-n", "-r1").stdout.splitlines()
    facts = json.loads(pair.run("sproc", "ps", "--json", "-r1").stdout)
    assert (facts["rank"], facts["label"], facts["state"]) == (1, "it", "R")
    assert row.split() == [pid, "R", "it", "sh"]
    again = pair.run("exec", "-r1", "--bg", "--label=it", "true")
    assert "command label is not unique" in again.stderr
    assert again.returncode == 1
    missing = pair.run("exec", "--bg", "-r0", "/no/such")
    assert missing.returncode == 1
    assert "error launching process: No such file or directory" in missing.stderr
    (tmp_path / "go").touch()
    ended = pair.run("sproc", "wait", "-o", "-r1", "it")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "out\n", "err\n")
    assert pair.run("sproc", "ps", "-n", "-r1").stdout == ""


def test_background_processes_are_killed_and_followed(pair: Instance, tmp_path: Path) -> None:
    script = f"while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo late"
    pids = pair.run("exec", "-r0", "--bg", "--label=a", "sh", "-c", script).stdout
    assert pids.startswith("0: ")
    follow = ["exec", "-r0", "-l", "--attach", "a"]
    with (
        background(pair, *follow) as one,
        background(pair, *follow) as two,
    ):
        both = [one, two]
        until(lambda: any(follower.poll() is not None for follower in both))
        (tmp_path / "go").touch()
        told = sorted((follower.wait(PATIENCE), follower.communicate()[0]) for follower in both)
    assert told == [(0, "0: late\n"), (1, "")]
    quiet = ["exec", "--bg", "-q", "--waitable", "-r0", "--label=k", "sleep", "1000"]
    assert pair.run(*quiet).stdout == ""
    assert pair.run("sproc", "kill", "-w", "-r0", "9", "k").returncode == 137


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exec", "--waitable", "true"], "--waitable can only be used with --bg"),
        (["exec", "--attach", "--bg", "1"], "--attach cannot be used with --bg or --waitable"),
        (["exec", "--attach"], "--attach requires a pid or label argument"),
        (["exec", "--attach", "1", "2"], "--attach takes a single pid or label argument"),
        (["exec", "--attach", "1"], "--attach by pid requires a single target rank (use --rank)"),
        (["exec", "-r0", "--attach", "x"], "rank 0: label x: label x does not belong to any"),
        (["sproc", "wait", "1"], "ERROR: wait: [Errno 3] pid 1 does not belong to any subprocess"),
        (["sproc", "kill", "9", "x"], "ERROR: kill: [Errno 3] label x does not belong to any"),
        (["sproc", "ps", "-s", "nosuch"], "ERROR: ps: [Errno 38] No service matching nosuch.list"),
    ],
)
def test_what_is_refused_of_the_background(pair: Instance, words: list[str], said: str) -> None:
    done = pair.run(*words)
    assert said in done.stderr
    assert done.returncode != 0
