"""``flux getattr``: print a broker attribute (flux-getattr(1))."""

from __future__ import annotations

import click

from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError
from fluxctl.hints import attributes, did_you_mean


@click.command(cls=FluxCommand)
@click.argument("name")
def command(name: str) -> None:
    """Print the value of a broker attribute."""
    with handle() as h:
        value = h.attr_get(name)
        if value is None:
            hint = did_you_mean(name, lambda: attributes(h))
            raise CommandError(f"{name}: No such file or directory{hint}")
    echo(value, raw=True)


EXAMPLES = """
# Tell how many brokers there are, and which one this is
flux getattr size
flux getattr rank
# Find the directory of this broker's socket and files
ls $(flux getattr rundir)
"""
