"""``flux help``: the manual of a sub-command, or the list of them."""

from __future__ import annotations

import sys

import click

from fluxctl.command import FluxCommand, echo
from fluxctl.errors import CommandError


@click.command(cls=FluxCommand)
@click.argument("topic", required=False)
@click.argument("words", nargs=-1, metavar="[SUB-COMMAND...]")
def command(topic: str | None, words: tuple[str, ...]) -> None:
    """Show the options of a sub-command, or the list of the common ones."""
    from fluxctl.main import usage
    from fluxctl.table import COMMANDS

    if topic is None:
        sys.stderr.write(usage())
        return
    if topic not in COMMANDS:
        raise CommandError(f"flux: no manual page for `{topic}'", bare=True)
    ctx = _context(COMMANDS[topic].load(), f"flux {topic}")
    for word in words:
        group = ctx.command
        target = group.get_command(ctx, word) if isinstance(group, click.Group) else None
        if target is None:
            raise CommandError(f"flux: no manual page for `{' '.join((topic, *words))}'", bare=True)
        ctx = _context(target, word, ctx)
    echo(ctx.get_help())


def _context(
    target: click.Command, name: str, parent: click.Context | None = None
) -> click.Context:
    return click.Context(target, info_name=name, parent=parent, **target.context_settings)
