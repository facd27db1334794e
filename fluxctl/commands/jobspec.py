"""``flux jobspec``: make a jobspec from options in the manner of another resource manager."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from fluxctl.command import current_directory, echo
from fluxctl.errors import CommandError
from fluxctl.option_types import Integer
from fluxctl.python_style import PythonCommand, PythonGroup, usage_error
from fluxctl.slurm_request import exported, jobspec_of, seconds_of

if TYPE_CHECKING:
    from flux.wire.json import JsonObject

PROGRAM = "flux-jobspec"
COUNT_MAX = 0x7FFFFFFF


class Count(Integer):
    """A number of things to ask for, one or more; refused in the words of argparse."""

    def refuse(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        """Fail for what is not an integer."""
        self.fail(f"invalid int value: {text!r}", param, ctx)

    def out_of_range(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> NoReturn:
        """Fail for an integer that is out of bounds."""
        self.fail(f"must be between {self.least} and {self.most}: {text!r}", param, ctx)


COUNT = Count(1, COUNT_MAX)


class SrunCommand(PythonCommand):
    """Options stop at the first word of the command."""

    allow_interspersed_args = False


@click.group(cls=PythonGroup)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "yaml"]),
    default="json",
    help="Format of the jobspec, json by default.",
)
def command(form: str) -> None:
    """Print a jobspec of version 1 on standard output; no instance is needed."""


@command.command("srun", cls=SrunCommand)
@click.option("-N", "--nodes", type=COUNT, metavar="N", help="Number of nodes.")
@click.option("-n", "--ntasks", type=COUNT, metavar="N", help="Number of tasks.")
@click.option(
    "-c", "--cpus-per-task", type=COUNT, default=1, metavar="N", help="Cores for each task."
)
@click.option(
    "-t",
    "--time",
    metavar="TIME",
    help="Time limit: minutes[:seconds] or [days-]hours:minutes:seconds.",
)
@click.option("-o", "--output", metavar="FILE", help="Where the tasks' output goes.")
@click.option(
    "--export",
    multiple=True,
    metavar="RULE",
    help="The job's environment: ALL (default), NONE, VAR or VAR=VALUE; a list adds up.",
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="COMMAND...")
@click.pass_context
def srun(
    ctx: click.Context,
    words: tuple[str, ...],
    nodes: int | None,
    ntasks: int | None,
    cpus_per_task: int,
    time: str | None,
    output: str | None,
    export: tuple[str, ...],
) -> None:
    """Make a jobspec from options of srun."""
    if not words:
        usage = f"{PROGRAM} srun [-h] {' '.join(ctx.command.collect_usage_pieces(ctx))}"
        raise usage_error(usage, PROGRAM, "command is required")
    system: JsonObject = {
        "cwd": current_directory(),
        "environment": exported(export, os.environ),
        "duration": seconds_of(time) if time is not None else 0.0,
    }
    if output is not None:
        stdout = {"type": "file", "path": output}
        system["shell"] = {"options": {"output": {"stdout": stdout}}}
    jobspec, warning = jobspec_of(words, system, nodes, ntasks, cpus_per_task)
    if warning:
        sys.stderr.write(f"{PROGRAM}: {warning}\n")
    _print(jobspec, ctx.find_root().params["form"])


def _print(jobspec: JsonObject, form: str) -> None:
    from json import dumps

    if form == "json":
        echo(dumps(jobspec), raw=True)
        return
    import yaml

    try:
        echo(yaml.safe_dump(jobspec, sort_keys=False), nl=False, raw=True)
    except yaml.YAMLError as exc:
        raise CommandError(f"ERROR: {exc}") from None


EXAMPLES = """
# See what a job of four tasks on two nodes asks for, as a form to edit
flux jobspec --format=yaml srun -N2 -n4 hostname >jobspec.yaml
# Submit a jobspec of options of srun
flux jobspec srun -n1 -t 5 hostname | flux job submit
"""
