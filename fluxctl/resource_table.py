"""What the sub-commands of ``flux resource`` share: their failures, formats and tables."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.color import Paint
from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.list_output import read_format
from fluxctl.suggestions import for_a_person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flux.output_format import OutputFormat
    from fluxctl.color import Role
    from fluxctl.option_groups import F

_ROLES: dict[str, Role] = {"down": "bad", "offline": "bad", "drain": "warn", "exclude": "faint"}
"""What stands out, by the states of resources."""


def failure(text: object) -> CommandError:
    """Return the failure of a sub-command."""
    return CommandError(f"ERROR: {text}", 1)


def rpc_failure(exc: OSError) -> CommandError:
    """Return the failure of a sub-command whose request was refused."""
    return failure(f"[Errno {exc.errno}] {exc.strerror}")


def layout_of(headings: Mapping[str, str], text: str) -> OutputFormat:
    """Return the format that a user has typed; raises CommandError."""
    try:
        return read_format(headings, text, "ERROR: ")
    except CommandError as exc:
        exc.hint = for_a_person(exc.hint)
        raise


def format_option(headings: Mapping[str, str], names: str = "") -> Callable[[F], F]:
    """Return the decorator that gives a command ``--format`` with these fields."""
    return click.option(
        "-o",
        "--format",
        "layout",
        metavar="FORMAT|NAME" if names else "FORMAT",
        help=f"Print fields in this format: {', '.join(headings)}.{names}",
        shell_complete=completions.format_fields(headings),
    )


def print_table(
    layout: OutputFormat, rows: Iterable[object], *, header: bool, color: str = "never"
) -> None:
    """Print rows in a format, in the colors of their states; raises CommandError for a value that
    it cannot show.
    """
    paint = Paint(color)
    if layout.needs_all:
        rows = layout.sort_items(list(rows))
        layout = _settled(layout, rows, not header)
    rest = iter(rows)
    first = list(islice(rest, 1))  # an error has no header: rows may be asked for as they come
    if header:
        echo(paint(layout.header(), "heading"), raw=True)
    for row in chain(first, rest):
        try:
            line = layout.format(row)
        except ValueError as exc:
            raise failure(exc) from None
        echo(paint(line, _ROLES.get(getattr(row, "state", ""), "")), raw=True)


def _settled(layout: OutputFormat, rows: Iterable[object], no_header: bool) -> OutputFormat:
    """Return the format that fits some rows."""
    try:
        return layout.settled(rows, no_header)
    except ValueError as exc:
        raise failure(exc) from None
