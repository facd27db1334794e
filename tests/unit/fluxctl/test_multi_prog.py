"""Another program for each task, and lines of regular text."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux
from fluxctl.commands.lptest import PRINTABLE
from fluxctl.commands.multi_prog import command_of, read
from tests.option_fuzz import Run, harmless, run_here

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

CONFIG = """
# who does what
0 first %t %o "a b"
2-3,5 some task:%t off:%o  # three of them
* rest %t %o
3 never
* never
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with harmless(tmp_path, monkeypatch):
        yield


def run(*words: str, **environment: str) -> Run:
    return run_here([*words], {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}, 20.0)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (0, ["first", "0", "0", "a b"]),
        (1, ["rest", "1", "0"]),
        (2, ["some", "task:2", "off:0"]),
        (3, ["some", "task:3", "off:1"]),
        (5, ["some", "task:5", "off:2"]),
        (6, ["rest", "6", "0"]),
    ],
)
def test_the_command_of_a_task(task: int, words: list[str]) -> None:
    assert command_of(read(CONFIG.splitlines(keepends=True)), task) == words


def test_a_hundred_thousand_tasks_take_no_time_for_each_other() -> None:
    (program,) = read(["0,10-99999,200000 run %o"])
    found = [program.command(task)[1] for task in range(10, 100_000)]
    assert found == [str(place) for place in range(1, 99_991)]
    assert program.command(200_000) == ["run", "99991"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0-x echo", "line 1: invalid idset: 0-x"),
        ("all echo", "line 1: invalid idset: all"),
        ('0 echo "a', "line 1: '0 echo \"a': No closing quotation"),
        ("0-1", "line 1: no command for 0-1"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        read([line])


def test_what_tasks_would_run_is_printed_as_a_shell_reads_it(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tasks.conf"
    path.write_text("0 echo %t 'a b'\n1 ~/x $HOME\n")
    done = run("multi-prog", "-n", "0-1", str(path))
    assert (done.code, done.output) == (0, "0: echo 0 'a b'\n1: '~/x' '$HOME'\n")
    done = run("multi-prog", "-n", "0-2", str(path))
    assert (done.code, done.errors) == (
        1,
        f"flux-multi-prog: ERROR: {path}: No matching line for rank 2\n",
    )


@pytest.mark.parametrize(
    ("words", "rank", "code", "sentence"),
    [
        (("/nosuch.conf",), "0", 1, "ERROR: No such file or directory: '/nosuch.conf'"),
        (("FILE",), "", 1, "ERROR: FLUX_TASK_RANK not found or invalid"),
        (("FILE",), "x", 1, "ERROR: FLUX_TASK_RANK not found or invalid"),
        (("-n", "x", "FILE"), "0", 2, "error: argument -n/--dry-run: invalid IDset value: 'x'"),
        ((), "0", 2, "error: the following arguments are required: CONFIG"),
    ],
)
def test_mistakes(
    words: tuple[str, ...], rank: str, code: int, sentence: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "tasks.conf"
    path.write_text("0 /nosuch a\n")
    given = [str(path) if word == "FILE" else word for word in words]
    done = run("multi-prog", *given, FLUX_TASK_RANK=rank)
    assert (done.code, done.errors.splitlines()[-1]) == (code, f"flux-multi-prog: {sentence}")


def test_a_task_becomes_its_program(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "tasks.conf"
    path.write_text("0 /nosuch a\n1 sh -c 'echo %t; exit 3'\n")
    done = [
        subprocess.run(
            [default_flux(), "multi-prog", path],
            env={**os.environ, "FLUX_TASK_RANK": str(task)},
            capture_output=True,
            text=True,
            check=False,
        )
        for task in (0, 1)
    ]
    reason = "flux-multi-prog: ERROR: /nosuch: No such file or directory\n"
    assert (done[0].returncode, done[0].stderr) == (1, reason)
    assert (done[1].returncode, done[1].stdout) == (3, "1\n")


def test_lines_of_regular_text() -> None:
    assert run("lptest", "5", "3").output == '!"#$%\n"#$%&\n#$%&\'\n'
    lines = run("lptest").output.splitlines()
    assert (len(lines), {len(line) for line in lines}) == (200, {79})
    assert lines[93][0] == "~"
    assert lines[94] == lines[0]
    assert run("lptest", "200", "1").output == (PRINTABLE * 3)[:200] + "\n"
    assert run("lptest", "94", "2").output == f"{PRINTABLE}\n{PRINTABLE[1:]}!\n"
    assert run("lptest", "0", "2").output == "\n\n"
    assert run("lptest", "3", "-1").output == ""
    assert run("lptest", "x").errors == "flux-lptest: error parsing length\n"
    assert run("lptest", "3", "x").errors == "flux-lptest: error parsing count\n"
