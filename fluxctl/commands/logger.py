"""``flux logger``: add a line to the broker's log (flux-logger(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from flux.logline import SEVERITIES, readable_text
from fluxctl.command import FluxCommand, handle
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator


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
@click.argument("message", nargs=-1)
def command(severity: str, appname: str, message: tuple[str, ...]) -> None:
    """Append a message to the log of the local broker; without one, the lines of standard input.

    Each line is an entry of its own, empty ones are skipped.
    """
    if severity not in SEVERITIES:
        raise CommandError(f"invalid severity: Use {'|'.join(SEVERITIES)}")
    if len(appname.split()) != 1 or appname.split()[0] != appname:
        raise CommandError(f"invalid appname: '{appname}' is not one word")
    with handle() as h:
        h.log_name = appname
        for text in _texts(message):
            h.log(SEVERITIES.index(severity), text)


def _texts(message: tuple[str, ...]) -> Iterator[str]:
    if message:
        yield readable_text(os.fsencode(" ".join(message)))
        return
    for line in sys.stdin.buffer:
        text = readable_text(line.rstrip(b"\r\n\0"))
        if text:
            yield text


EXAMPLES = """
# Write a line to the log of the instance
flux logger the disk is nearly full
# Write a line of an important kind in the name of a program
flux logger --severity=warning --appname=backup nothing was saved
"""
