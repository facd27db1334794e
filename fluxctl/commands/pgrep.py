"""``flux pgrep``: find jobs by name or id (docs/todays-commands.md)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, Unpack

import click

from fluxctl import completions
from fluxctl.command import handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.job_search import NOTHING_FOUND, JobSearch, found, pattern_of, search_options
from fluxctl.json_output import json_option, print_json
from fluxctl.python_style import PythonCommand
from fluxctl.saved_formats import DEFAULT, HELP, job_formats

if TYPE_CHECKING:
    from flux.job.info import JobInfo, JobInfoFormat

IDS: Final = "{id.f58}"


@click.command(
    "pgrep",
    cls=PythonCommand,
    short_help="find jobs by name or id",
    usage="flux-pgrep [OPTIONS] EXPRESSION [EXPRESSION ...]",
)
@click.option("-a", "all_states", is_flag=True, help="In all states, ended ones too.")
@search_options
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@click.option(
    "-o",
    "--format",
    "layout",
    metavar="FORMAT|NAME",
    help=f"Print fields in this format, not ids. {HELP}",
    shell_complete=completions.job_format_fields,
)
@json_option("Print each job as one line of JSON.")
@click.argument("expressions", metavar="EXPRESSION", nargs=-1, required=True)
def command(
    all_states: bool,
    no_header: bool,
    layout: str | None,
    as_json: bool,
    expressions: tuple[str, ...],
    **search: Unpack[JobSearch],
) -> int:
    """Print the ids of jobs whose name has what a regular expression matches, or whose id is in a
    range FIRST..LAST, in the order of flux jobs.

    Exits with 1 if there are none.
    """
    from fluxctl.job_fields import parse_format

    pattern = pattern_of(expressions)
    text = job_formats(IDS, "flux-pgrep", full=True).read(layout, refusal="ERROR: ")
    rows = parse_format(text)
    attrs = _attributes(rows) if not as_json else _all_attributes()
    alone = layout in (None, DEFAULT) and text == IDS
    header = not alone and not no_header and not as_json
    code = NOTHING_FOUND
    jobs = found(handle(python_failure), pattern, search, attrs, all_states)
    if rows.needs_all and not as_json:
        kept = rows.sort_items(list(jobs))
        jobs, rows = iter(kept), _settled(rows, kept, not header)
    for job in jobs:
        if code == NOTHING_FOUND and header:
            sys.stdout.write(f"{rows.header()}\n")
        code = 0
        if as_json:
            print_json(job.raw())
            continue
        try:
            sys.stdout.write(f"{rows.format(job)}\n")
        except ValueError as exc:
            raise CommandError(f"ERROR: {exc}") from None
    return code


def _settled(rows: JobInfoFormat, jobs: list[JobInfo], no_header: bool) -> JobInfoFormat:
    """Return the format that fits some jobs."""
    try:
        return rows.settled(jobs, no_header)
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None


def _all_attributes() -> list[str]:
    from flux.job.list import VALID_ATTRS

    return list(VALID_ATTRS)


def _attributes(rows: JobInfoFormat) -> list[str]:
    from fluxctl.job_fields import attributes_of

    return attributes_of(rows.fields)


EXAMPLES = """
# Print the ids of my jobs whose name begins with sim
flux run --job-name=sim-1 true
flux pgrep -a '^sim'
# Print id, name and result of those that completed
flux run true
flux pgrep -f completed -o '{id.f58:>12} {name} {result}' .
"""
