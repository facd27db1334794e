"""``--json``, the same on every command that reads: one object, or one a line where there may be
many or where they come one after the other.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fluxctl.command import echo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fluxctl.option_groups import F

ONE = "Print one JSON object."
LINES = "Print each as one line of JSON."
ALWAYS = "Print JSON, which is what it prints without this option, too."


def json_option(text: str = ONE, *names: str) -> Callable[[F], F]:
    """Return the decorator that gives a command ``--json``, which sets ``as_json``; ``names`` are
    further names of the option.
    """
    return click.option(*names, "--json", "as_json", is_flag=True, help=text)


#: for a command that prints JSON anyway: scripts need not know which ones do
always_json = click.option("--json", is_flag=True, expose_value=False, help=ALWAYS)


def print_json(value: object) -> None:
    """Print a value as one line of JSON; control characters in it are escaped as JSON escapes
    them.
    """
    from flux.wire import json

    echo(json.dumps_str(value))


def print_json_lines(values: Iterable[object], *, now: bool = False) -> None:
    """Print each value as one line of JSON; with ``now`` a reader gets each as soon as it is
    there.
    """
    for value in values:
        print_json(value)
        if now:
            sys.stdout.flush()


def data_facts(data: bytes, text: str = "data") -> dict[str, object]:
    """Return how JSON tells of bytes: as text under the name ``text``, or in base64 if they are
    none.
    """
    from flux.b64 import b64encode
    from flux.job.io import BASE64

    try:
        return {text: data.decode()}
    except UnicodeDecodeError:
        return {BASE64: b64encode(data)}
