"""docs/from-slurm.md: each command of its tables runs, each option is taken, each variable is set,
and its examples print what the page shows.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import Instance, running_instance
from tests.docs.pages import ROOT, matches, run, steps

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PAGE = (ROOT / "docs" / "from-slurm.md").read_text("utf-8")
SPAN = re.compile(r"`([^`]+)`")
ENDED = ("attach", "wait-event", "returncode")
"""Words of commands that are for a job that has ended, in the place of one that runs."""
INSTEAD = {
    "flux top": "flux top --help",  # both wait for a person at a terminal
    "flux priority": "flux priority --help",  # is for a configured instance
    "flux mini run -o pty bash": "flux mini run -o pty true",
    "flux update $JOB queue=P name=N": "flux update $JOB name=N",  # there is no queue P
    "flux getattr jobid": "flux mini alloc -n1 flux getattr jobid",  # is for scripts of batch jobs
}
UNKNOWN = ("--queue=part", "--requires=ssd", "--dry-run")
"""What an instance without configuration does not have, or is tried without submitting."""


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(title: str) -> list[tuple[str, str]]:
    """The first two columns of a section's tables."""
    found = re.findall(r"^\| (.*?) \| (.*?) \|", section(title), re.M)
    return [row for row in found if not row[0].startswith(("---", "Slurm", "`sbatch`, `srun`"))]


COMMANDS = [
    one
    for title in ("Commands", "Arrays", "Variables")
    for _, cell in rows(title)
    for one in SPAN.findall(cell)
    if one.startswith("flux ")
]
OPTIONS = [one for _, cell in rows("Options") for one in SPAN.findall(cell) if one.startswith("-")]


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(4) as instance:
        for name, text in (("app", "echo app ran"), ("job.sh", "flux mini run app")):
            program = instance.home / name
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
        (instance.home / "app.conf").write_text("x\n")
        (instance.home / "inputs").write_text("1\n2\n")
        instance.environment["PATH"] += os.pathsep + str(instance.home)
        instance.environment["OLD"] = instance.run("mini", "submit", "--wait", "true").stdout[:-1]
        instance.run("resource", "drain", "3", "disk")
        yield instance


def shell(instance: Instance, command: str) -> subprocess.CompletedProcess[str]:
    return run(instance, "sh", "-c", command)


def test_the_page_has_tables() -> None:
    assert len(COMMANDS) > 40
    assert len(OPTIONS) > 40


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_tables_runs(instance: Instance, command: str) -> None:
    job = "$OLD"
    if "$JOB" in command and not any(word in command for word in ENDED):
        pending = "urgency" in command or "name=" in command
        held = "--urgency=hold " if pending else ""
        job = shell(instance, f"flux mini submit -t 1h {held}sleep 300").stdout.strip()
        seen = "priority" if pending else "start"
        assert shell(instance, f"flux job wait-event -t 30 {job} {seen}").returncode == 0
    text = INSTEAD.get(command, command).replace("$JOB", job)
    done = shell(instance, f"{text} </dev/null")
    shell(instance, "flux job cancelall -q -f")
    assert done.returncode == 0, f"{text}\n{done.stdout}"


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_of_the_table_is_taken(instance: Instance, option: str) -> None:
    held = "flux mini submit --urgency=hold true"
    options = option.replace("$JOB", shell(instance, held).stdout.strip())
    options = options.replace("node1", "$(hostname)").replace("node2", "nosuch")
    how = "run --dry-run" if option in UNKNOWN else "submit"
    done = shell(instance, f"flux mini {how} {options} app")
    shell(instance, "flux job cancelall -q -f")
    assert done.returncode == 0, done.stdout


def test_tasks_find_the_variables(instance: Instance) -> None:
    names = [cell.strip("`").partition("`")[0] for _, cell in rows("Variables") if "FLUX_" in cell]
    assert len(names) > 6
    done = run(instance, "flux", "mini", "submit", "--cc=1", "--watch", "-q", "env")
    found = {line.partition("=")[0] for line in done.stdout.splitlines()}
    assert set(names) <= found


def test_the_examples_do_what_the_page_says(instance: Instance) -> None:
    instance.run("resource", "undrain", "3")
    for command, output in steps(PAGE):
        done = shell(instance, command)
        shown = f"$ {command}\n{done.stdout}"
        assert done.returncode == 0, shown
        assert matches(output, done.stdout), f"the page shows:\n{output}\nprinted:\n{shown}"
