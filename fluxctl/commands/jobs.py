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
from fluxctl.job_rows import Table, jobs_of_stdin
from fluxctl.json_output import json_option
from fluxctl.option_types import COUNT
from fluxctl.python_style import PythonCommand
from fluxctl.saved_formats import HELP, TODAY, job_formats
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from flux.core.handle import Flux
    from flux.job.info import JobInfo, JobInfoFormat
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


def _query(flux: Flux, wanted: Selection, attrs: list[str]) -> JobList:
    """Return the query for the jobs that are wanted, not sent yet."""
    from flux.job.list import JobList

    filters = wanted["filters"] or "pending,running"
    user: str | int = wanted["user"] if wanted["user"] is not None else os.getuid()
    if wanted["all_jobs"] or wanted["all_users"]:
        filters = "pending,running,inactive"
    if wanted["all_users"]:
        user = "all"
    names = [name for name in filters.split(",") if name]
    queues = None if wanted["queues"] is None else wanted["queues"].split(",")
    try:
        return JobList(flux, attrs, names, wanted["jobids"], user, wanted["count"], queue=queues)
    except ValueError as exc:
        known = {*JobList.STATES, *JobList.RESULTS, "all"}
        wrong = next((name for name in names if name.lower() not in known), "")
        raise CommandError(f"ERROR: {exc}", hint=suggestion(wrong.lower(), known)) from None


def _warn_of_ignored(wanted: Selection) -> None:
    """Say on stderr which options have no effect beside others."""
    filters = (wanted["all_jobs"], wanted["all_users"], wanted["filters"], wanted["user"])
    if wanted["jobids"] and any((*filters, wanted["queues"])):
        echo(f"{PROGRAM}: WARNING: Filtering options ignored with jobid list", err=True)


def _add_reasons(flux: Flux, jobs: list[JobInfo]) -> None:
    """Ask why the pending ones of some jobs wait."""
    import time

    from flux.constants import FLUX_JOB_STATE_SCHED
    from flux.job.reasons import pending_reasons

    waiting = {int(job.id): job for job in jobs if job.state_id == FLUX_JOB_STATE_SCHED}
    for jobid, reason in pending_reasons(flux, waiting, time.time()).items():
        waiting[jobid].set_pending_reason(reason)


def _with_reasons(flux: Flux, pages: Iterator[list[JobInfo]]) -> Iterator[list[JobInfo]]:
    for page in pages:
        _add_reasons(flux, page)
        yield page


def _sought(text: str, count: int) -> JobQuery:
    from fluxctl.job_query import JobQuery

    return JobQuery(text, count)


def _known_attributes(flux: Flux, queues: str | None) -> list[str]:
    """Return all attributes of jobs that the broker knows."""
    from flux.job.list import VALID_ATTRS

    known = flux.rpc("job-list.list-attrs", {}).get()["attrs"]
    if queues and "queue" not in known:
        raise _failure("the broker knows no queues")
    return [name for name in VALID_ATTRS if name in known]


def _print_stats(flux: Flux) -> int:
    """Print the summary line and return the number of active jobs."""
    from flux.job.stats import JobStats

    stats = JobStats(flux)
    stats.update_sync()
    echo(
        f"{stats.running} running, {stats.successful} completed, "
        f"{stats.failed} failed, {stats.pending} pending"
    )
    return stats.active


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
@color_option()
@click.option("--stats", is_flag=True, help="Print a summary line before the header.")
@click.option(
    "--stats-only", is_flag=True, help="Print the summary line only; exit 1 if no job is active."
)
@json_option("Print each job as one line of JSON.")
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
    **wanted: Unpack[Selection],
) -> int:
    """List jobs, by default those of the current user that have not ended.

    At a terminal a job without nodes shows in their place why: it is held, waits for resources or
    for other jobs, or had an exception. The fields {reason} and {where} give a format of your own
    the same.
    """
    if watch and (stats_only or from_stdin):
        raise _failure("--watch shows jobs of the instance: no --stats-only, no --from-stdin")
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
    _warn_of_ignored(wanted)
    silent = suppress_header or no_header or as_json
    table = Table(rows, as_json, uses_color(color), None if silent else rows.header())
    if from_stdin:
        return _show_given(table)
    sought = None if sought_text is None else _sought(sought_text, wanted["count"])
    flux = handle(python_failure)
    if stats and not as_json:
        _print_stats(flux)
    try:
        if watch:
            return _watch(flux, table, rows, sought, wanted)
        query = _list(flux, table, rows.fields, sought, wanted)
    except OSError as exc:
        if isinstance(exc, ReaderGone):
            raise
        raise _failure(f"[Errno {exc.errno}] {exc.strerror}") from None
    table.end()
    for text in query.errors:
        echo(text, err=True)
    _warn(flux, table.shown, sought, wanted)
    return 0


def _show_given(table: Table) -> int:
    for page in jobs_of_stdin():
        table.show(page)
    table.end()
    return 0


def _list(
    flux: Flux,
    table: Table,
    fields: Sequence[str],
    sought: JobQuery | None,
    wanted: Selection,
) -> JobList:
    """Show the jobs that are wanted and return the request for them; raises OSError."""
    reasons = not table.as_json and not REASON_FIELDS.isdisjoint(fields)
    attrs = _known_attributes(flux, wanted["queues"]) if table.as_json else attributes_of(fields)
    if sought is not None:
        attrs = list(dict.fromkeys([*attrs, *sought.attributes]))
        reasons = reasons or sought.needs_reasons
        wanted = sought.widened(wanted)
    query = _query(flux, wanted, attrs)
    pages = _with_reasons(flux, query.pages()) if reasons else query.pages()
    for page in pages if sought is None else sought.found(pages):
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
    attrs = _known_attributes(flux, wanted["queues"]) if table.as_json else None
    attrs = attrs or [*attributes_of(layout.fields), *NEEDED]
    source = click.get_current_context().get_parameter_source("count")
    if source is ParameterSource.DEFAULT:
        wanted = {**wanted, "count": 0}
    if sought is not None:
        attrs += sought.attributes
        reasons = reasons or sought.needs_reasons
        wanted = sought.widened(wanted)
    query = _query(flux, wanted, list(dict.fromkeys(attrs)))
    view = JobsView(table, layout)
    if sys.stdout.isatty() and not table.as_json and os.environ.get("TERM") not in ("", "dumb"):
        view = TerminalView(table, layout)
    for text in JobsWatch(flux, query, sought, _add_reasons if reasons else None).run(view):
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
    pages = _query(flux, rest, attrs).pages()
    if sought is not None:
        pages = sought.unbounded(_with_reasons(flux, pages) if sought.needs_reasons else pages)
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
# Hand ids to another program
flux jobs -a --suppress-header --format='{id}' | wc -l
"""
