"""``flux multi-prog``: another program for each task of a job (docs/todays-commands.md)."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from flux.idset import IDset
from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from collections.abc import Iterable

RANK: Final = "FLUX_TASK_RANK"
REST: Final = "*"
"""What a line begins with whose command is that of all tasks no other line names."""


@dataclass(frozen=True)
class Program:
    """A line: the tasks that it is for, None for the rest, and the words of the command."""

    tasks: IDset | None
    words: tuple[str, ...]

    def command(self, task: int) -> list[str]:
        """Return the words for one task: ``%t`` in them is its rank in the job, ``%o`` its place
        among the tasks of the line, from 0; 0 for each of the rest.
        """
        ranges = () if self.tasks is None else self.tasks.ranges()
        place = sum(min(last + 1, task) - first for first, last in ranges if first < task)
        return [word.replace("%t", str(task)).replace("%o", str(place)) for word in self.words]


def read(lines: Iterable[str]) -> list[Program]:
    """Return the programs of a file: on each line a set of tasks (RFC 22) or ``*``, and a command
    as a shell would split it; ``#`` begins a comment. Raises ValueError, which names the line.
    """
    found = []
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as exc:
            raise ValueError(f"line {number}: {line.rstrip()!r}: {exc}") from None
        if not words:
            continue
        named, *rest = words
        try:
            tasks = None if named == REST else IDset(named)
        except ValueError:
            raise ValueError(f"line {number}: invalid idset: {named}") from None
        if not rest:
            raise ValueError(f"line {number}: no command for {named}")
        found.append(Program(tasks, tuple(rest)))
    return found


def command_of(programs: Iterable[Program], task: int) -> list[str] | None:
    """Return the command of a task: that of the first line that names it, else of the first for the
    rest; None if there is neither.
    """
    others = None
    for program in programs:
        if program.tasks is None:
            others = others or program
        elif task in program.tasks:
            return program.command(task)
    return None if others is None else others.command(task)


def _tasks(_ctx: click.Context, _param: click.Parameter, value: str | None) -> IDset | None:
    try:
        return None if value is None else IDset(value)
    except ValueError:
        raise click.BadParameter(f"invalid IDset value: {value!r}") from None


@click.command(cls=PythonCommand, usage="flux multi-prog [OPTIONS] CONFIG")
@click.option(
    "-n",
    "--dry-run",
    "shown",
    metavar="IDS",
    callback=_tasks,
    help="Run nothing; print what the tasks IDS would run.",
)
@click.argument("config", type=click.Path())
def command(config: str, shown: IDset | None) -> None:
    """Run the program that the file CONFIG has for this task: each task of a job may have another.

    A line of CONFIG is a set of tasks, or *, for all that no line names, and a command. In it, %t
    is the rank of the task, and %o its place among the tasks of the line.
    """
    programs = _programs(config)
    if shown is not None:
        for task in shown:
            echo(f"{task}: {shlex.join(_command(programs, task, config))}")
        return
    try:
        task = int(os.environ[RANK])
    except (KeyError, ValueError):
        raise CommandError(f"ERROR: {RANK} not found or invalid") from None
    words = _command(programs, task, config)
    try:
        os.execvp(words[0], words)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "invalid name of a command"
        raise CommandError(f"ERROR: {words[0]}: {reason}") from None


def _programs(config: str) -> list[Program]:
    try:
        with open(config, encoding="utf-8") as file:
            return read(file)
    except OSError as exc:
        raise CommandError(f"ERROR: {exc.strerror}: {config!r}") from None
    except UnicodeDecodeError:
        raise CommandError(f"ERROR: {config}: not text in UTF-8") from None
    except ValueError as exc:
        raise CommandError(f"ERROR: {config}: {exc}") from None


def _command(programs: Iterable[Program], task: int, config: str) -> list[str]:
    words = command_of(programs, task)
    if words is None:
        raise CommandError(f"ERROR: {config}: No matching line for rank {task}")
    return words


EXAMPLES = """
# Task 0 does one thing, the others do another, each its part
printf '%s\\n' '0 hostname' '* echo part %t' >tasks.conf
flux run -n4 flux multi-prog tasks.conf
"""
