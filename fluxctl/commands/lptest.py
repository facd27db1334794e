"""``flux lptest``: lines of regular text, to try output with (docs/todays-commands.md)."""

from __future__ import annotations

from typing import Final

import click

from fluxctl.command import FluxCommand, echo
from fluxctl.errors import CommandError

PRINTABLE: Final = "".join(map(chr, range(ord("!"), ord("~") + 1)))
_LENGTH: Final = 79
_COUNT: Final = 200


@click.command("lptest", cls=FluxCommand, context_settings={"ignore_unknown_options": True})
@click.argument("length", default=str(_LENGTH))
@click.argument("count", default=str(_COUNT))
def command(length: str, count: str) -> None:
    """Print COUNT lines (200) of LENGTH characters (79), each of which begins one character later
    than the one before.
    """
    width, lines = _number(length, "length"), _number(count, "count")
    size = len(PRINTABLE)
    for number in range(lines):
        start = number % size
        text = PRINTABLE[start:] + PRINTABLE[:start]
        for _ in range(width // size):
            echo(text, nl=False)
        echo(text[: width % size])


def _number(text: str, what: str) -> int:
    try:
        return max(0, int(text))
    except ValueError:
        raise CommandError(f"error parsing {what}") from None


EXAMPLES = """
# Does a job's output arrive whole?
flux run flux lptest 79 1000 | md5sum
"""
