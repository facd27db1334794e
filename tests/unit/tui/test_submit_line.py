"""A jobspec as the command that submits it, held against that command."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flux.job import JobspecV1
from tui import processes
from tui.model.submit_line import SPELLINGS, quoted, spelling_for, submit_line


def jobspec_of(*words: str) -> Any:
    """Return the jobspec that ``flux mini submit`` makes of options, without the environment."""
    command = [processes.flux_program(), "mini", "submit", "--dry-run", "--env=-*", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    jobspec = json.loads(done.stdout)
    jobspec["attributes"]["system"].pop("environment", None)
    return jobspec


@pytest.mark.parametrize(
    "words",
    [
        ("true",),
        ("-n4", "-c2", "-g1", "echo", "a b", "it's", "$HOME"),
        ("-N2", "-n3", "-x", "-t", "90", "sh", "-c", "echo \"x\" 'y' \\z"),
        ("-N2", "-n4", "hostname"),
        ("--queue=batch", "--job-name=a b", "-o", "verbose=2", "-o", "a.b=x", "true"),
        ("--output=o.txt", "--error=e.txt", "--label-io", "true"),
        ("--setattr=user.x=1", "--setattr=system.y={\"a\": [1, null]}", "true"),
        ("--dependency=afterok:f1", "--requires=rank:0", "true"),
        ("--", "-odd", "--name"),
        ("echo", "two\nlines\tand \x1b[31m", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_command_makes_the_same_jobspec(words: tuple[str, ...], spelling: str) -> None:
    jobspec = jobspec_of(*words)
    line = submit_line(jobspec, spelling=spelling)
    assert line.startswith(f"{spelling} ")
    assert line.isprintable()
    dry = line.replace(spelling, f"{spelling} --dry-run '--env=-*'", 1)
    path = f"{Path(processes.flux_program()).parent}:{os.environ['PATH']}"
    # bash: as people's shells, it knows $'...'.
    done = subprocess.run(
        ["bash", "-c", dry], check=True, capture_output=True, timeout=120,
        env={**os.environ, "PATH": path},
    )  # fmt: skip
    again = json.loads(done.stdout)
    again["attributes"]["system"].pop("environment", None)
    assert again == jobspec


@pytest.mark.parametrize(
    ("version", "spelling"),
    [
        ("0.29.0", "flux mini submit"),
        ("0.47.0-12-gabc", "flux mini submit"),
        ("0.48.0", "flux submit"),
        ("0.88.0", "flux submit"),
        ("1.2", "flux submit"),
        ("", "flux mini submit"),
        ("of tomorrow", "flux mini submit"),
    ],
)
def test_the_spelling_is_that_of_the_instance(version: str, spelling: str) -> None:
    assert spelling_for(version) == spelling


def test_urgency_and_what_makes_a_shell_stumble() -> None:
    jobspec = JobspecV1.from_command(["true"]).jobspec
    assert "--urgency=20" in submit_line(jobspec, 20)
    assert "--urgency" not in submit_line(jobspec, 16)
    assert shlex.split(quoted('a\'b "c" $x')) == ['a\'b "c" $x']
    assert quoted("\x1b[201~rm") == "$'\\x1b[201~rm'"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tasks": []}, "no single command"),
        ({"tasks": [{"command": ["a"]}, {"command": ["b"]}]}, "no single command"),
        ({"resources": []}, "resources cannot be written"),
        ({"resources": [{"type": "rack", "count": 1}]}, "resources cannot be written"),
        (
            {"resources": [{"type": "slot", "count": 1, "with": [{"type": "memory", "count": 1}]}]},
            "resources cannot be written",
        ),
        ({"attributes": {"system": {"a.b": 1}}}, "attribute a.b cannot be written"),
        ({"attributes": {"system": {"dependencies": [3]}}}, "dependencies cannot be written"),
    ],
)
def test_what_options_do_not_say_is_refused(change: dict[str, object], why: str) -> None:
    jobspec = {**JobspecV1.from_command(["true"]).jobspec, **change}
    with pytest.raises(ValueError, match=why):
        submit_line(jobspec)


@pytest.mark.parametrize("jobspec", [None, 3, {}, {"tasks": 3}, {"tasks": [{"command": "x"}]}])
def test_nonsense_is_refused(jobspec: object) -> None:
    with pytest.raises(ValueError, match="no single command"):
        submit_line(jobspec)
