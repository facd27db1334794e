"""``flux help``: the manual of a sub-command, or the list of them."""

from __future__ import annotations

import sys

import click

from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError


@click.command(cls=FluxCommand)
@click.argument("topic", required=False)
def command(topic: str | None) -> None:
    """Show the options of a sub-command, or the list of the common ones."""
    from fluxctl.main import load, usage
    from fluxctl.table import COMMANDS

    if topic is None:
        sys.stderr.write(usage())
        return
    if topic not in COMMANDS:
        raise CommandError(f"flux: no manual page for `{topic}'", bare=True)
    target = load(topic)
    with click.Context(target, info_name=f"flux {topic}") as ctx:
        click.echo(target.get_help(ctx))
