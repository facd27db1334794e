"""Terminals of tasks: those that are captured, on any rank, and what they read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

SAY = ["sh", "-c", "tty >/dev/null && echo terminal $FLUX_TASK_RANK || echo none $FLUX_TASK_RANK"]


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as instance:
        yield instance


def mini(instance: Instance, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return instance.run("mini", "run", *arguments, stdin=stdin, timeout=60)


@pytest.mark.parametrize(
    ("options", "terminals"),
    [
        (["pty.capture"], {0, 1, 2, 3}),
        (["pty.ranks=all"], {0, 1, 2, 3}),
        (["pty.ranks=3"], {3}),
        (["pty.ranks=1-2", "pty.capture=true"], {1, 2}),
        (['pty.ranks="[0,3]"'], {0, 3}),
        (["pty.ranks=7"], set()),
        (["pty=false"], set()),
    ],
)
def test_tasks_with_a_terminal(instance: Instance, options: list[str], terminals: set[int]) -> None:
    words = [word for option in options for word in ("-o", option)]
    done = mini(instance, "-N2", "-n4", *words, *SAY)
    expected = [("terminal" if rank in terminals else "none") + f" {rank}" for rank in range(4)]
    assert sorted(done.stdout.splitlines()) == sorted(expected), done.stderr
    assert done.returncode == 0


def test_a_terminal_has_a_size_before_a_client_gives_it_one(instance: Instance) -> None:
    done = mini(instance, "-n2", "-l", "-o", "pty.capture", "stty", "size")
    assert sorted(done.stdout.splitlines()) == ["0: 25 80", "1: 25 80"]
    done = mini(instance, "-o", "pty.interactive", "stty", "size")
    assert done.stdout.splitlines()[0] == "25 80"


def test_what_a_terminal_shows_is_output_like_any_other(instance: Instance) -> None:
    both = ["sh", "-c", "echo out; echo err >&2"]
    done = mini(instance, "-n2", "-l", "-o", "pty.capture", *both)
    assert sorted(done.stdout.splitlines()) == ["0: err", "0: out", "1: err", "1: out"]
    path = instance.home / "screen"
    done = mini(instance, f"--output={path}", "-o", "pty.capture", *both)
    assert path.read_bytes() == b"out\r\nerr\r\n"
    done = mini(instance, "-o", "output.limit=1k", "-o", "pty.capture", "seq", "1000")
    assert "stdout will be truncated, 1000 limit exceeded" in done.stderr
    jobid = instance.run("mini", "submit", "--wait", "-o", "pty.capture", *both).stdout.strip()
    log = instance.run("job", "eventlog", "-p", "guest.output", jobid).stdout
    assert len(re.findall(r'stream="std(?:out|err)" rank="0" eof=true', log)) == 2


def test_a_terminal_without_a_client_reads_the_jobs_input(instance: Instance) -> None:
    read = ["sh", "-c", "stty -echo; echo ready; while read x; do echo got $x; done; echo end"]
    done = mini(instance, "-n2", "-l", "-o", "pty.capture", *read, stdin="a\nb\n")
    lines = done.stdout.splitlines()
    for rank in range(2):
        said = [line for line in lines if line.startswith(f"{rank}: ")]
        assert [line for line in said if "got" in line] == [f"{rank}: got a", f"{rank}: got b"]
        assert said[-1] == f"{rank}: end"
    path = instance.home / "input"
    path.write_text("from a file\nhalf")
    done = mini(instance, f"--input={path}", "-o", "pty.capture", "cat")
    assert "from a file" in done.stdout
    assert done.returncode == 0


@pytest.mark.parametrize("option", ["pty", "pty.capture"])
def test_a_task_that_lets_go_of_its_terminal_goes_on(instance: Instance, option: str) -> None:
    """Programs close their streams before they end; nobody may hang up on them by then."""
    script = "echo last; exec <&- >&- 2>&-; sleep 0.2; exit 3"
    done = mini(instance, "-o", option, "sh", "-c", script)
    assert done.stdout.startswith("last\n")
    assert done.returncode == 3


def test_an_interactive_terminal_is_on_the_first_node(instance: Instance) -> None:
    moved = ["-N2", "-n2", "-o", "taskmap=manual:1;0"]
    done = mini(instance, *moved, "-o", "pty.interactive", "true")
    assert "pty.interactive=true is invalid: task 0 has to be on the first node" in done.stderr
    assert done.returncode != 0


def test_ranks_of_an_interactive_terminal(instance: Instance) -> None:
    options = ["-o", "pty.interactive", "-o", "pty.ranks=1"]
    jobid = instance.run("mini", "submit", "--wait", "-n2", *options, *SAY).stdout.strip()
    log = instance.run("job", "eventlog", "-p", "guest.output", jobid).stdout
    assert 'message="adding pty to rank 0 for interactive support"' in log
    assert 'rank="1" data="terminal 1' in log
    where = ["-p", "guest.exec.eventlog", jobid]
    assert 'pty="terminus.0"' in instance.run("job", "eventlog", *where).stdout


def test_a_captured_session_is_part_of_the_output(instance: Instance) -> None:
    options = ["-o", "pty.interactive", "-o", "pty.capture"]
    jobid = instance.run("mini", "submit", "--wait", *options, *SAY).stdout.strip()
    log = instance.run("job", "eventlog", "-p", "guest.output", jobid).stdout
    assert log.count('data="terminal 0') == 1
    where = ["-p", "guest.exec.eventlog", jobid]
    assert 'pty="terminus.0" capture=1' in instance.run("job", "eventlog", *where).stdout


@pytest.mark.parametrize(
    "options", [["pty"], ["pty.interactive"], ["pty.interactive", "pty.capture"]]
)
def test_a_session_that_is_over_is_told_later(instance: Instance, options: list[str]) -> None:
    words = [word for option in options for word in ("-o", option)]
    jobid = instance.run("mini", "submit", "--wait", *words, *SAY).stdout.strip()
    for _ in range(5):
        done = instance.run("job", "attach", jobid, timeout=60)
        assert (done.stdout.splitlines(), done.returncode) == (["terminal 0"], 0)


def test_who_is_connected_sees_the_others_if_the_session_is_captured(instance: Instance) -> None:
    options = ["-n2", "-o", "pty.interactive", "-o", "pty.capture"]
    done = mini(instance, *options, *SAY)
    assert done.stdout.count("terminal 0") == 1
    assert done.stdout.count("none 1") == 1
    assert "[detached: session exiting]" in done.stdout
