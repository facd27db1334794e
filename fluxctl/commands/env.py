"""``flux env``: print the environment of flux, or run a command in it (flux-env(1))."""

from __future__ import annotations

import os

import click

from flux.waitstatus import NOT_FOUND, code_of_failure
from fluxctl.command import FluxCommand, echo
from fluxctl.errors import CommandError


@click.command(cls=FluxCommand, context_settings={"allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [ARGS...]]")
def command(words: tuple[str, ...]) -> None:
    """Print the environment as set by flux, or run a command in it."""
    if not words:
        for name in sorted(os.environ):
            echo(f"{name}={os.environ[name]}", raw=True)
        return
    try:
        os.execvp(words[0], list(words))
    except ValueError:
        raise CommandError("the name of the command is empty", NOT_FOUND) from None
    except OSError as exc:
        raise CommandError(f"{words[0]}: {exc.strerror}", code_of_failure(exc)) from None
