"""``flux setattr``: change, add or delete a broker attribute (flux-setattr(1))."""

from __future__ import annotations

import click

from fluxctl.command import FluxCommand, handle
from fluxctl.completions import attributes
from fluxctl.errors import CommandError

USAGE = """\
Usage: flux setattr name value
Set broker attribute
  -h, --help             Display this message.
  -e, --expunge          Unset the specified attribute"""


@click.command(cls=FluxCommand)
@click.option("-e", "--expunge", is_flag=True, help="Unset the specified attribute.")
@click.argument("words", nargs=-1, metavar="NAME [VALUE]", shell_complete=attributes)
def command(expunge: bool, words: tuple[str, ...]) -> None:
    """Set a broker attribute, or remove it with --expunge."""
    if len(words) != (1 if expunge else 2):
        raise CommandError(USAGE, bare=True)
    with handle() as h:
        try:
            if expunge:
                h.rpc("attr.rm", {"name": words[0]}).get()
            else:
                h.rpc("attr.set", {"name": words[0], "value": words[1]}).get()
        except OSError as exc:
            raise CommandError(f"flux_attr_set: {exc.strerror}") from None


EXAMPLES = """
# Log more on this broker's error output
flux setattr log-stderr-level 7
# Leave a note for other programs, and remove it
flux setattr project apollo
flux setattr --expunge project
"""
