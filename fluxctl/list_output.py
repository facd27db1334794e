"""``--json``, ``-o FORMAT``, ``-n`` and ``--color``, the same on every command that lists.

A list is a table of fields and headings with a format of its own; a user's format, in the language
of ``flux jobs -o``, names any of the fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, TypedDict, TypeVar

import click

from fluxctl.color import Paint, color_option
from fluxctl.command import echo
from fluxctl.completions import format_fields
from fluxctl.errors import CommandError
from fluxctl.json_output import LINES, json_option, print_json_lines
from fluxctl.saved_formats import HELP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flux.output_format import OutputFormat
    from fluxctl.color import Role
    from fluxctl.option_groups import F
    from fluxctl.saved_formats import SavedFormats


R = TypeVar("R")


class ListChoice(TypedDict):
    """The values of the options of a list: ``layout`` is None for the list's own format."""

    as_json: bool
    layout: str | None
    no_header: bool
    color: str


class ListRow:
    """A row of a list: its fields as attributes; one that is missing, or null, is empty."""

    __slots__ = ("_facts",)

    def __init__(self, facts: Mapping[str, object]) -> None:
        self._facts = facts

    def __getattr__(self, name: str) -> object:
        value = self._facts.get(name)
        return "" if value is None else value


def read_format(headings: Mapping[str, str], text: str, refusal: str = "") -> OutputFormat:
    """Return the output format that a user has typed; ``refusal`` stands before what is wrong.

    Raises CommandError, with the field that may be meant.
    """
    from flux.output_format import OutputFormat, UnknownField
    from fluxctl.suggestions import suggestion

    try:
        return OutputFormat(headings, text)
    except UnknownField as exc:
        hint = suggestion(exc.field, headings)
        raise CommandError(f"{refusal}{exc}", hint=hint) from None
    except ValueError as exc:
        raise CommandError(f"{refusal}{exc}") from None


def _settled(
    rows: Iterable[R], layout: OutputFormat, fields: Callable[[R], object], no_header: bool
) -> tuple[list[R], OutputFormat]:
    """Return all rows, sorted, and the format that fits them; raises CommandError for a conversion
    or a width that does not fit a field.
    """
    kept = [(row, fields(row)) for row in rows]
    order = {id(shown): row for row, shown in kept}
    shown = layout.sort_items([shown for _, shown in kept])
    try:
        return [order[id(one)] for one in shown], layout.settled(shown, no_header)
    except ValueError as exc:
        raise CommandError(str(exc)) from None


@dataclass(frozen=True, slots=True)
class ListTable:
    """A list: the heading of each field, and its own format, which may be without headings, and
    may be one of those that are ``saved``; ``refusal`` stands before what is wrong.
    """

    headings: Mapping[str, str]
    layout: str
    headed: bool = True
    saved: SavedFormats | None = None
    refusal: str = ""

    def options(
        self, json_text: str = LINES, *, short: bool = True, colors: tuple[str, ...] = ()
    ) -> Callable[[F], F]:
        """Return the decorator that gives a command the options of the list; without ``short`` the
        letter -n is another option's. ``colors`` are further names of ``--color``.
        """

        def decorate(function: F) -> F:
            names = ("-n", "--no-header") if short else ("--no-header",)
            for option in (
                color_option(*colors),
                click.option(*names, is_flag=True, help="Do not print column headings."),
                click.option(
                    "-o",
                    "--format",
                    "layout",
                    metavar="FORMAT" if self.saved is None else "FORMAT|NAME",
                    help=f"Print fields in this format: {', '.join(self.headings)}."
                    f"{'' if self.saved is None else f' {HELP}'}",
                    shell_complete=format_fields(self.headings),
                ),
                json_option(json_text),
            ):
                function = option(function)
            return function

        return decorate

    def format_of(self, choice: ListChoice) -> OutputFormat:
        """Return the format to print in; raises CommandError for one that cannot be read."""
        text = choice["layout"] or self.layout
        if self.saved is not None:
            text = self.saved.read(choice["layout"], refusal=self.refusal)
        return read_format(self.headings, text, self.refusal)

    def show(
        self,
        rows: Iterable[Mapping[str, object]],
        choice: ListChoice,
        role: Callable[[Mapping[str, object]], Role] = lambda row: "",
    ) -> None:
        """Print rows, each in the color of its role, or as JSON lines if that is chosen; a command
        that has more to tell in JSON prints it itself.

        Raises CommandError for a conversion or a width that does not fit a field.
        """
        if choice["as_json"]:
            print_json_lines(rows)
        else:
            self._print(rows, ListRow, choice, role)

    def show_objects(self, rows: Iterable[object], choice: ListChoice) -> None:
        """Print rows that have the fields as attributes; raises CommandError as `show` does."""
        self._print(rows, lambda row: row, choice, lambda row: "")

    def _print(
        self,
        rows: Iterable[R],
        fields: Callable[[R], object],
        choice: ListChoice,
        role: Callable[[R], Role],
    ) -> None:
        layout, paint = self.format_of(choice), Paint(choice["color"])
        if layout.needs_all:
            rows, layout = _settled(rows, layout, fields, choice["no_header"])
        rest = iter(rows)
        first = list(islice(rest, 1))  # an error has no header: rows may be asked for as they come
        if not choice["no_header"] and (self.headed or choice["layout"]):
            echo(paint(layout.header(), "heading"), raw=True)
        for row in chain(first, rest):
            try:
                line = layout.format(fields(row))
            except ValueError as exc:
                raise CommandError(f"{self.refusal}{exc}") from None
            echo(paint(line, role(row)), raw=True)
