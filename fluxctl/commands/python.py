"""``flux python``: run the interpreter that ``flux`` itself runs in (flux(1))."""

from __future__ import annotations

import os
import sys

import click

from flux.waitstatus import code_of_failure
from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError


class PassedOn(FluxCommand):
    """A command whose words all belong to somebody else, options and ``--`` as well."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words as they are."""
        ctx.params["words"] = tuple(args)
        ctx.args = []
        return []


@click.command(cls=PassedOn, add_help_option=False)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS] [FILE [ARGS...]]")
def command(words: tuple[str, ...]) -> None:
    """Run Python with the packages of Flux; options and arguments are those of python(1)."""
    try:
        os.execv(sys.executable, [sys.executable, *words])
    except OSError as exc:
        raise CommandError(f"{sys.executable}: {exc.strerror}", code_of_failure(exc)) from None


EXAMPLES = """
# Ask the instance for its size
flux python -c 'import flux; print(flux.Flux().attr_get("size"))'
# Run a program with the packages of Flux
flux python ./program.py
"""
