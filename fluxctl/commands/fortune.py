"""``flux fortune``: a saying, for whoever asks (docs/todays-commands.md)."""

from __future__ import annotations

import random
from typing import Final

import click

from fluxctl.color import color_option, uses_color
from fluxctl.command import echo
from fluxctl.python_style import PythonCommand

_COLORS: Final = {"valentines": "95", "fun": "94", "facts": "91", "art": "37"}
ALL: Final = "all"


@click.command("fortune", cls=PythonCommand, usage="flux fortune [OPTIONS...]")
@click.option(
    "-c",
    "--category",
    type=click.Choice([ALL, *_COLORS]),
    default=ALL,
    help="Choose among these sayings.",
)
@color_option()
def command(category: str, color: str) -> None:
    """Say something, true or not."""
    from fluxctl.fortunes import CATEGORIES

    kind = random.choice(sorted(CATEGORIES)) if category == ALL else category
    text = random.choice(CATEGORIES[kind]).strip("\n")
    if uses_color(color):
        text = f"\033[{_COLORS[kind]}m{text}\033[0m"
    echo(text, raw=True)


EXAMPLES = """
# Learn something about Flux
flux fortune --category=facts
"""
