"""``flux uri``: print the URI of a Flux instance."""

from __future__ import annotations

import click

from fluxctl.command import FluxCommand, echo
from fluxctl.errors import CommandError
from fluxctl.target import local_form, remote_form, resolve


@click.command(cls=FluxCommand)
@click.option("--local", is_flag=True, help="Print the local:// form.")
@click.option("--remote", is_flag=True, help="Print the ssh:// form.")
@click.argument("target")
def command(local: bool, remote: bool, target: str) -> None:
    """Print the URI of the instance that TARGET names.

    TARGET is the id of a job that is a Flux instance, ids separated by slashes for an instance in
    an instance, pid:N for a process in it, or a URI.
    """
    if local and remote:
        raise CommandError("--local and --remote exclude each other")
    uri = resolve(target)
    echo(local_form(uri) if local else remote_form(uri) if remote else uri)
