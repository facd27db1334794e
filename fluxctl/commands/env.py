"""``flux env``: print the environment of flux, or run a command in it (flux-env(1))."""

from __future__ import annotations

import os

import click

from flux.waitstatus import NOT_FOUND, code_of_failure
from fluxctl.command import FluxCommand, echo
from fluxctl.environment import SHOWN, exports
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json


@click.command(cls=FluxCommand, context_settings={"allow_interspersed_args": False})
@json_option("Print the environment as one JSON object.")
@click.argument(
    "words", nargs=-1, type=click.UNPROCESSED, metavar="[NAME=VALUE...] [COMMAND [ARGS...]]"
)
def command(words: tuple[str, ...], as_json: bool) -> None:
    """Print the environment as set by flux, or run a command in it.

    It is printed as lines for a shell: eval $(flux env).
    Words NAME=VALUE before the command set variables for it, as with env(1).
    """
    given: dict[str, str] = {}
    rest = list(words)
    while rest and "=" in rest[0][1:]:
        name, _, value = rest.pop(0).partition("=")
        given[name] = value
    os.environ.update(given)
    if not rest:
        if as_json:
            shown = sorted({*SHOWN, *given} & set(os.environ))
            print_json({name: os.environ[name] for name in shown})
            return
        for line in exports(os.environ, {*SHOWN, *given}):
            echo(line, raw=True)
        return
    try:
        os.execvp(rest[0], rest)
    except ValueError:
        raise CommandError("the name of the command is empty", NOT_FOUND) from None
    except OSError as exc:
        raise CommandError(f"{rest[0]}: {exc.strerror}", code_of_failure(exc)) from None


EXAMPLES = """
# Run a program that uses Flux's Python packages
flux env python3 -c 'import flux; print(flux.Flux().get_rank())'
# Set up the environment of this shell
eval $(flux env)
"""
