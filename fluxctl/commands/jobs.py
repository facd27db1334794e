"""``flux jobs``: list jobs (flux-jobs(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Unpack

import click
from click.core import ParameterSource

from fluxctl import completions
from fluxctl.color import color_option, uses_color
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError, ReaderGone
from fluxctl.job_fields import REASON_FIELDS, attributes_of, parse_format
from fluxctl.job_rows import JsonJobs, Table, jobs_of_stdin, line_width
from fluxctl.jobs_list import (
    Listing,
    add_reasons,
    known_attributes,
    stats_line,
    with_reasons,
)
from fluxctl.jobs_options import ARRANGEMENT, CONDITIONS, Arrangement, Order
from fluxctl.jobs_request import check, is_filtered, query_of
from fluxctl.json_output import json_option
from fluxctl.option_groups import with_options
from fluxctl.option_types import COUNT
from fluxctl.python_style import PythonCommand
from fluxctl.saved_formats import HELP, TODAY, job_formats
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.handle import Flux
    from flux.job.info import JobInfoFormat
    from flux.job.list import JobList
    from fluxctl.job_query import JobQuery
    from fluxctl.job_selection import Selection

PROGRAM = "flux-jobs"
DEFAULT_FORMAT = (
    "{id.f58:>12} {username:<8.8} {name:<10.10} {status_abbrev:>2.2} "
    "{ntasks:>6} {nnodes:>6h} {runtime!F:>8h} {nodelist:h}"
)

#: For a person at a terminal: a job that has no nodes says why.
TERMINAL_FORMAT = DEFAULT_FORMAT.replace("{nodelist:h}", "{where:h}")

#: For programs: 0.29 has no such option, so whoever names it reads what today's flux-core prints.
NO_HEADER_FORMAT = TODAY

DEFAULT_COUNT = 1000


def _failure(text: object) -> CommandError:
    return CommandError(f"ERROR: {text}", 1)


def _warn_of_ignored(wanted: Selection) -> None:
    """Say on stderr which options have no effect beside others."""
    if wanted["jobids"] and is_filtered(wanted):
        echo(f"{PROGRAM}: WARNING: Filtering options ignored with jobid list", err=True)


def _sought(text: str, count: int) -> JobQuery:
    from fluxctl.job_query import JobQuery

    return JobQuery(text, count)


def _print_stats(flux: Flux) -> int:
    """Print the summary line and return the number of active jobs."""
    text, active = stats_line(flux)
    echo(text)
    return active


def _check_ids(jobids: Iterable[str]) -> None:
    from flux.job.JobID import JobID

    try:
        for jobid in jobids:
            JobID(jobid)
    except ValueError:
        raise _failure("[Errno 22] EINVAL: Invalid argument") from None


@click.command(
    cls=PythonCommand,
    name="jobs",
    short_help="list jobs submitted to Flux",
    usage="flux-jobs [OPTIONS] [JOBID ...]",
)
@click.option(
    "-a", "all_jobs", is_flag=True, help="List all jobs of the current user, ended ones included."
)
@click.option(
    "-A", "all_users", is_flag=True, help="List all jobs of all users, ended ones included."
)
@click.option("-n", "--suppress-header", is_flag=True, help="Do not print column headings.")
@click.option(
    "--no-header",
    is_flag=True,
    help="The same, with the columns of today's flux-core, which calls it so, unless a format is "
    "given.",
)
@click.option(
    "-u",
    "--user",
    metavar="USER",
    help="List jobs of a user name or id, or of all.",
    shell_complete=completions.users,
)
@click.option(
    "-c",
    "--count",
    metavar="N",
    type=COUNT,
    default=DEFAULT_COUNT,
    help=f"List at most N jobs, 0 for all (default {DEFAULT_COUNT}).",
)
@click.option(
    "-q",
    "--queue",
    "queues",
    metavar="QUEUE,...",
    help="List jobs of these queues only.",
    shell_complete=completions.queue_list,
)
@click.option(
    "-f",
    "--filter",
    "filters",
    metavar="STATE|RESULT",
    help="List jobs with these states or results (comma-separated).",
    shell_complete=completions.job_filters,
)
@with_options(CONDITIONS)
@click.option(
    "--query",
    "sought_text",
    metavar="QUERY",
    help="List jobs that a query finds: state:failed t>5m (-name:test* OR user:alice).",
    shell_complete=completions.queries,
)
@click.option(
    "-o",
    "--format",
    "layout",
    metavar="FORMAT|NAME",
    help=f"Print fields in a format of your own. {HELP}",
    shell_complete=completions.job_format_fields,
)
@with_options(ARRANGEMENT)
@color_option()
@click.option("--stats", is_flag=True, help="Print a summary line before the header.")
@click.option(
    "--stats-only", is_flag=True, help="Print the summary line only; exit 1 if no job is active."
)
@json_option(
    "Print one JSON object, whose jobs are the list; with one JOBID, that job. With --watch, a line"
    " for each."
)
@click.option("--from-stdin", is_flag=True, hidden=True, help="Read jobs as JSON, one a line.")
@click.option(
    "--watch",
    is_flag=True,
    help="Go on: at a terminal in place, else with a line for each change; Ctrl+C ends it.",
)
@click.argument("jobids", metavar="[JOBID ...]", nargs=-1, shell_complete=completions.job_ids)
def command(
    suppress_header: bool,
    no_header: bool,
    layout: str | None,
    color: str,
    stats: bool,
    stats_only: bool,
    as_json: bool,
    from_stdin: bool,
    watch: bool,
    sought_text: str | None,
    order: str | None,
    width: int | None,
    recursive: bool,
    recurse_all: bool,
    level: int | None,
    threads: int | None,
    **wanted: Unpack[Selection],
) -> int:
    """List jobs, by default those of the current user that have not ended.

    At a terminal a job without nodes shows in their place why: it is held, waits for resources or
    for other jobs, or had an exception. The fields {reason} and {where} give a format of your own
    the same.
    """
    shape = Arrangement(
        order=order,
        width=width,
        recursive=recursive,
        recurse_all=recurse_all,
        level=level,
        threads=threads,
    )
    if watch:
        _check_watch(stats_only or from_stdin, shape, wanted)
    _check_json(as_json, stats or stats_only)
    if stats_only:
        return 0 if _print_stats(handle(python_failure)) else 1
    own = TERMINAL_FORMAT if sys.stdout.isatty() else DEFAULT_FORMAT
    if no_header and layout is None:
        layout = NO_HEADER_FORMAT
    rows = parse_format(job_formats(DEFAULT_FORMAT).read(layout, own, "ERROR: "))
    if watch:
        rows = rows.unmarked()  # what comes later is not known
    # Before there is a connection: a typing error is reported without an instance, too.
    _check_ids(wanted["jobids"])
    check(wanted)
    by_fields = Order(shape["order"], rows.headings) if shape["order"] else None
    _warn_of_ignored(wanted)
    silent = suppress_header or no_header or as_json
    header = None if silent else rows.header()
    # What comes one after the other is a line each.
    whole = JsonJobs(len(wanted["jobids"]) == 1) if as_json and not watch else None
    table = Table(rows, as_json, uses_color(color), header, line_width(shape["width"]), whole)
    if from_stdin:
        return _show_given(table)
    sought = None if sought_text is None else _sought(sought_text, wanted["count"])
    keys = [key.removeprefix("-") for key in rows.sort_keys]
    listing = Listing(wanted, [*rows.fields, *keys], sought, by_fields, stats)
    flux = handle(python_failure)
    if stats:
        _print_stats(flux)
    try:
        if watch:
            return _watch(flux, table, rows, sought, wanted)
        query = _list(flux, table, listing, shape)
    except OSError as exc:
        if isinstance(exc, ReaderGone):
            raise
        raise _failure(f"[Errno {exc.errno}] {exc.strerror}") from None
    code = _end(table, wanted)
    for text in query.errors:
        echo(text, err=True)
    _warn(flux, table.shown, sought, wanted)
    return code


def _check_watch(other: bool, shape: Arrangement, wanted: Selection) -> None:
    """Refuse what ``--watch`` does not go with."""
    if other:
        raise _failure("--watch shows jobs of the instance: no --stats-only, no --from-stdin")
    whole = shape["order"], shape["width"], wanted["since"], wanted["include"]
    if shape["recursive"] or shape["recurse_all"] or any(one is not None for one in whole):
        raise _failure("--watch has no --recursive, --sort, --width, --since and --include")


def _check_json(as_json: bool, summarized: bool) -> None:
    if as_json and summarized:
        raise _failure("--json incompatible with --stats or --stats-only")


def _end(table: Table, wanted: Selection) -> int:
    """Print what is left of a list, and return the exit code: 1 with ``--json`` if none of the jobs
    that are named is there, of which nothing is printed then.
    """
    if table.as_json and wanted["jobids"] and not table.shown:
        return 1
    table.end()
    return 0


def _show_given(table: Table) -> int:
    for page in jobs_of_stdin():
        table.show(page)
    table.end()
    return 0


def _list(flux: Flux, table: Table, listing: Listing, shape: Arrangement) -> JobList:
    """Show the jobs that are wanted and return the request for them; raises OSError."""
    if shape["recursive"] or shape["recurse_all"]:
        from fluxctl.jobs_list import NestedJobs

        threads = shape["threads"] or 0
        return NestedJobs(listing, shape["level"], shape["recurse_all"], threads).show(flux, table)
    query = listing.query(flux, table.as_json)
    for page in listing.pages(flux, query, plain=table.as_json):
        table.show(page)
    return query


def _warn_of_queues(flux: Flux, wanted: list[str]) -> None:
    """Say on stderr which of some queues there are not, and which may be meant."""
    from flux.queue import queue_names

    try:
        known = queue_names(flux)
    except OSError:
        return  # a broker of 0.29 knows none by name
    for name in wanted:
        if name and name not in known:
            echo(f"{PROGRAM}: WARNING: there is no queue {name}", err=True)
            if hint := suggestion(name, known):
                echo(f"{PROGRAM}: {hint}", err=True)


def _warn(flux: Flux, shown: int, sought: JobQuery | None, wanted: Selection) -> None:
    """Say on stderr what a list of ``shown`` jobs does not tell."""
    if wanted["queues"] is not None and not shown:
        _warn_of_queues(flux, wanted["queues"].split(","))
    if shown >= wanted["count"] > 0 and not wanted["jobids"]:
        _warn_of_the_rest(flux, shown, sought, wanted)


def _watch(
    flux: Flux,
    table: Table,
    layout: JobInfoFormat,
    sought: JobQuery | None,
    wanted: Selection,
) -> int:
    """Show the jobs that are wanted, and how they change; raises OSError."""
    from fluxctl.jobs_watch import NEEDED, JobsView, JobsWatch, TerminalView

    reasons = not table.as_json and not REASON_FIELDS.isdisjoint(layout.fields)
    attrs = known_attributes(flux, wanted["queues"]) if table.as_json else None
    attrs = attrs or [*attributes_of(layout.fields), *NEEDED]
    source = click.get_current_context().get_parameter_source("count")
    if source is ParameterSource.DEFAULT:
        wanted = {**wanted, "count": 0}
    if sought is not None:
        attrs += sought.attributes
        reasons = reasons or sought.needs_reasons
        wanted = sought.widened(wanted)
    query = query_of(flux, wanted, list(dict.fromkeys(attrs)))
    view = JobsView(table, layout)
    if sys.stdout.isatty() and not table.as_json and os.environ.get("TERM") not in ("", "dumb"):
        view = TerminalView(table, layout)
    for text in JobsWatch(flux, query, sought, add_reasons if reasons else None).run(view):
        echo(text, err=True)
    return 0


def _warn_of_the_rest(flux: Flux, shown: int, sought: JobQuery | None, wanted: Selection) -> None:
    """Say on stderr how many jobs there are beyond those listed, if there are more.

    Whoever asked for a number knows that; a person at a terminal is told all the same.
    """
    source = click.get_current_context().get_parameter_source("count")
    if source is not ParameterSource.DEFAULT and not sys.stderr.isatty():
        return
    rest: Selection = {**wanted, "count": 0}
    attrs: list[str] = []
    if sought is not None:
        attrs, rest = sought.attributes, sought.widened(rest)
    pages = query_of(flux, rest, attrs).pages()
    if sought is not None:
        pages = sought.unbounded(with_reasons(flux, pages) if sought.needs_reasons else pages)
    try:
        total = sum(map(len, pages))
    except OSError:
        return  # the list itself is whole, and the broker has gone meanwhile
    if total > shown:
        text = f"listed {shown} of {total} jobs; --count=0 lists all"
        echo(f"{PROGRAM}: WARNING: {text}", err=True)


EXAMPLES = """
# List all jobs of mine, ended ones too
flux jobs -a
# Print id, name and run time of the last ten jobs that failed
flux jobs -c 10 -f failed -o '{id.f58:>12} {name:<20} {runtime!F}'
# List those of alice that failed or ran for more than an hour
flux jobs -c 0 --query 'user:alice (state:failed OR t>1h)'
# Watch two jobs until both have ended
flux jobs --watch $(flux mini submit --cc=1-2 sleep 1)
# List the jobs of mine and those inside of them, the largest first
flux jobs --recursive --sort=-nnodes
# Count those that ended in the last hour
flux jobs --since=-1h --filter=inactive -n --format='{id}' | wc -l
"""
