"""``flux alloc``: ``flux mini alloc`` in today's spelling (docs/todays-commands.md)."""

from __future__ import annotations

import click

from fluxctl.mini import actions
from fluxctl.mini import todays_options as opts
from fluxctl.mini.click_options import words
from fluxctl.mini.commands import MiniCommand
from fluxctl.mini.options import given
from fluxctl.option_groups import with_options


@click.command("alloc", cls=MiniCommand)
@with_options(opts.alloc_options())
@words("[COMMAND...]")
def command(words: tuple[str, ...], **values: object) -> int:
    """Start a Flux instance as a job and attach to it."""
    return actions.alloc(given(values, todays=True), words)


EXAMPLES = """
# Run a program in an instance of its own, and wait for its end
flux alloc -n1 flux resource list
# Start an instance that stays, run something in it, and end it
id=$(flux alloc -n1 --bg)
flux proxy $id flux run hostname
flux shutdown --quiet $id
"""
