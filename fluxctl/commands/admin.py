"""``flux admin``: what the owner of an instance arranges for it."""

from __future__ import annotations

import shlex

import click

from fluxctl.command import FluxGroup, handle
from fluxctl.errors import CommandError
from fluxctl.standard_input import read_all


@click.group(cls=FluxGroup)
def command() -> None:
    """Administer the local broker."""


@command.command("cleanup-push", context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [ARGS...]]")
def cleanup_push(words: tuple[str, ...]) -> None:
    """Have COMMAND run before the instance ends, after the initial program.

    One word is a line for the shell; several words are a command and its arguments. Without any,
    standard input is read: each line that is not blank is a command.

    What was pushed last is run first, the lines of one input in their own order. All are run,
    whether or not one fails; the exit code of the first that fails becomes that of the instance
    unless the initial program has failed. Output goes where that of the broker goes.
    """
    if words:
        commands = [words[0] if len(words) == 1 else shlex.join(words)]
    else:
        # Bytes that are no text go through as they are, as arguments do.
        lines = read_all("commands, one a line,").decode("utf-8", "surrogateescape").split("\n")
        commands = [line for line in lines if line.strip()]
    with handle() as h:
        try:
            h.rpc("runat.push", {"name": "cleanup", "commands": commands}).get()
        except OSError as exc:
            raise CommandError(f"runat.push: {exc.strerror}") from None


EXAMPLES = """
# Have a file removed when the instance ends
flux admin cleanup-push rm -f /tmp/scratch.dat
# Have a line run by the shell, with what it stands for then
flux admin cleanup-push 'echo done at $(date) >>instance.log'
"""
