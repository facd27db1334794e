"""``flux getattr``: print a broker attribute (flux-getattr(1))."""

from __future__ import annotations

import click

from flux.core.attributes import attribute_of
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.completions import attributes as attribute_names
from fluxctl.errors import CommandError
from fluxctl.hints import attributes, did_you_mean
from fluxctl.json_output import json_option, print_json


@click.command(cls=FluxCommand)
@json_option()
@click.argument("name", shell_complete=attribute_names)
def command(name: str, as_json: bool) -> None:
    """Print the value of a broker attribute."""
    with handle() as h:
        value = attribute_of(h, name)
        if value is None:
            hint = did_you_mean(name, lambda: attributes(h))
            raise CommandError(f"{name}: No such file or directory{hint}")
    if as_json:
        print_json({"name": name, "value": value})
        return
    echo(value, raw=True)


EXAMPLES = """
# Tell how many brokers there are, and which one this is
flux getattr size
flux getattr rank
# Find the directory of this broker's socket and files
ls $(flux getattr rundir)
"""
