"""``flux batch``: ``flux mini batch`` in today's spelling (docs/todays-commands.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl.mini import actions
from fluxctl.mini import todays_options as opts
from fluxctl.mini.click_options import words
from fluxctl.mini.commands import BatchCommand
from fluxctl.mini.options import given
from fluxctl.option_groups import with_options

if TYPE_CHECKING:
    from fluxctl.mini.jobspec import Script


@click.command("batch", cls=BatchCommand)
@with_options(opts.batch_options())
@words("[SCRIPT...]")
@click.pass_obj
def command(script: Script, /, words: tuple[str, ...], **values: object) -> int:
    """Submit a script that runs in a Flux instance of its own.

    Its options may stand in the script too, in comments: "# flux: -N2 -n4"; those on the command
    line count more.
    """
    del words  # have been read
    return actions.batch(given(values, todays=True), script)


EXAMPLES = """
# Submit a command that gets an instance of its own, whose output goes to a file
flux batch -n1 --output=batch.out --wrap flux run hostname
# Have the instance start with a configuration
flux batch -n1 --conf=tbon.keepalive_count=4 --wrap flux run hostname
"""
