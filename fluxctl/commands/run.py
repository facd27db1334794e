"""``flux run``: ``flux mini run`` in today's spelling (docs/todays-commands.md)."""

from __future__ import annotations

import click

from fluxctl.mini import actions
from fluxctl.mini import todays_options as opts
from fluxctl.mini.click_options import words
from fluxctl.mini.commands import MiniCommand
from fluxctl.mini.options import given
from fluxctl.option_groups import with_options


@click.command("run", cls=MiniCommand)
@with_options(opts.run_options())
@words("COMMAND...")
def command(words: tuple[str, ...], **values: object) -> int:
    """Run a job and wait for it, with its output here."""
    return actions.run(given(values, todays=True), words)


EXAMPLES = """
# Run two copies of a program and see their output
flux run -n2 --label-io hostname
# Run a task on each core of a node
flux run -N1 --tasks-per-core=1 true
"""
