"""``flux mini``: submit jobs (flux-mini(1))."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl.mini import actions
from fluxctl.mini import click_options as opts
from fluxctl.mini.commands import BatchCommand, MiniCommand
from fluxctl.mini.options import given
from fluxctl.option_groups import with_options
from fluxctl.python_style import PythonGroup

if TYPE_CHECKING:
    from fluxctl.mini.jobspec import Script


@click.group(cls=PythonGroup)
def command() -> None:
    """Submit jobs: N copies of a command, one command for many inputs, or a whole Flux instance."""


@command.command(cls=MiniCommand)
@with_options(opts.run_options())
@opts.words("COMMAND...")
def run(words: tuple[str, ...], **values: object) -> int:
    """Run a job and wait for it, with its output here."""
    return actions.run(given(values), words)


@command.command(cls=MiniCommand)
@with_options(opts.alloc_options())
@opts.words("[COMMAND...]")
def alloc(words: tuple[str, ...], **values: object) -> int:
    """Start a Flux instance as a job and attach to it."""
    return actions.alloc(given(values), words)


@command.command(cls=BatchCommand)
@with_options(opts.batch_options())
@opts.words("[SCRIPT...]")
@click.pass_obj
def batch(script: Script, /, words: tuple[str, ...], **values: object) -> int:
    """Submit a script that runs in a Flux instance of its own.

    Its options may stand in the script too, in comments: "# flux: -N2 -n4"; those on the command
    line count more.
    """
    del words  # have been read
    return actions.batch(given(values), script)


@command.command(cls=MiniCommand)
@with_options(opts.submit_options())
@opts.words("COMMAND...")
def submit(words: tuple[str, ...], **values: object) -> int:
    """Submit a job and print its id."""
    return actions.submit(given(values), words)


@command.command(cls=MiniCommand)
@with_options(opts.bulksubmit_options())
@opts.words("COMMAND...")
def bulksubmit(words: tuple[str, ...], **values: object) -> int:
    """Submit one job for each input, given after ::: or read from stdin."""
    return actions.bulksubmit(given(values), words)


EXAMPLES = """
# Run two copies of a program and see their output
flux mini run -n2 --label-io hostname
# Submit a job with a time limit and a file for its output
flux mini submit -t 10m --output='job-{{id}}.out' sleep 0
# Submit a hundred jobs, each with its number, and wait for all of them
flux mini submit --cc=1-100 --wait --quiet sh -c 'exit 0'
# Submit a job for each of some files
flux mini bulksubmit --wait gzip -kf {} ::: notes.txt report.sh
# Submit a script that gets an instance of its own, whose output goes to a file
flux mini batch -n1 --output=batch.out --wrap flux mini run hostname
# Run a program in an instance of its own, and wait for its end
flux mini alloc -n1 flux resource list
"""
