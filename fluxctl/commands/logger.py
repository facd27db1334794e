"""``flux logger``: add a line to the broker's log (flux-logger(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from flux.logline import SEVERITIES, readable_text
from fluxctl.command import FluxCommand, handle
from fluxctl.completions import words
from fluxctl.errors import CommandError
from fluxctl.standard_input import announce
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command(cls=FluxCommand, context_settings={"allow_interspersed_args": False})
@click.option(
    "-s",
    "--severity",
    default="info",
    metavar="LEVEL",
    help="Severity of the message (default info).",
    shell_complete=words(lambda: SEVERITIES),
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
        text = f"invalid severity: Use {'|'.join(SEVERITIES)}"
        raise CommandError(text, hint=suggestion(severity, SEVERITIES))
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
    announce("lines for the log")
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
