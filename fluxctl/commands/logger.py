"""``flux logger``: add a line to the broker's log (flux-logger(1))."""

from __future__ import annotations

import click

from flux.logline import SEVERITIES
from fluxctl.command import FluxCommand, handle
from fluxctl.errors import CommandError


@click.command(cls=FluxCommand, context_settings={"allow_interspersed_args": False})
@click.option(
    "-s",
    "--severity",
    default="info",
    metavar="LEVEL",
    help="Severity of the message (default info).",
)
@click.option(
    "-n",
    "--appname",
    default="logger",
    metavar="NAME",
    help="Application name of the message (default logger).",
)
@click.argument("message", nargs=-1, required=True)
def command(severity: str, appname: str, message: tuple[str, ...]) -> None:
    """Append a message to the log of the local broker."""
    if severity not in SEVERITIES:
        raise CommandError(f"invalid severity: Use {'|'.join(SEVERITIES)}")
    if len(appname.split()) != 1 or appname.split()[0] != appname:
        raise CommandError(f"invalid appname: '{appname}' is not one word")
    with handle() as h:
        h.log_name = appname
        h.log(SEVERITIES.index(severity), " ".join(message))
