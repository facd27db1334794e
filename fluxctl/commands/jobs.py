"""``flux jobs``: list jobs (flux-jobs(1))."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Unpack

import click
from click.core import ParameterSource

from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError, ReaderGone
from fluxctl.option_types import COUNT
from fluxctl.python_style import PythonCommand
from fluxctl.standard_input import announce

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

_RESULT_COLORS: dict[int | str, str] = {
    1: "\033[01;32m",
    2: "\033[01;31m",
    4: "\033[37m",
    8: "\033[01;31m",
}
_RESET = "\033[0;0m"
_ROWS_AT_ONCE = 2000
DEFAULT_COUNT = 1000

_RUNTIME = ("t_run", "t_cleanup")
_REASON = (
    "state",
    "priority",
    "dependencies",
    "annotations",
    "result",
    "exception_type",
    "exception_note",
    "waitstatus",
)
_FIELD_ATTRS: dict[str, tuple[str, ...]] = {
    "id": (),
    "username": ("userid",),
    "status": ("state", "result"),
    "status_abbrev": ("state", "result"),
    "state_single": ("state",),
    "result_abbrev": ("result",),
    "returncode": ("waitstatus", "result"),
    "runtime": _RUNTIME,
    "reason": _REASON,
    "where": ("nodelist", *_REASON),
    "t_remaining": ("state", "expiration"),
    "exception.occurred": ("exception_occurred",),
    "exception.severity": ("exception_severity",),
    "exception.type": ("exception_type",),
    "exception.note": ("exception_note",),
    "sched": ("annotations",),
    "user": ("annotations",),
}


def attributes_of(fields: Iterable[str]) -> list[str]:
    """Return the job-list attributes that output fields are made of; ``result`` is always among
    them, for the color.
    """
    wanted = {"result": None}
    for field in fields:
        attrs = _FIELD_ATTRS.get(field)
        if attrs is None:
            attrs = _FIELD_ATTRS.get(field.partition(".")[0], (field.partition(".")[0],))
        wanted.update(dict.fromkeys(attrs))
    return list(wanted)


def _failure(text: object) -> CommandError:
    return CommandError(f"ERROR: {text}", 1)


def _parse_format(text: str) -> JobInfoFormat:
    from flux.job.info import JobInfoFormat

    try:
        return JobInfoFormat(text)
    except ValueError as exc:
        raise _failure(f"Error in user format: {exc}") from None


def _use_color(when: str) -> bool:
    if when == "auto":
        return sys.stdout.isatty()
    return when == "always"


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
        return JobList(flux, attrs, names, wanted["jobids"], user, wanted["count"], queues)
    except ValueError as exc:
        raise _failure(exc) from None


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


def _print(jobs: list[JobInfo], layout: JobInfoFormat, color: bool) -> None:
    """Print the rows in pieces, so that the first ones appear at once and a reader that stops early
    costs little.
    """
    format_row, write = layout.format, sys.stdout.write
    for start in range(0, len(jobs), _ROWS_AT_ONCE):
        lines: list[str] = []
        try:
            for job in jobs[start : start + _ROWS_AT_ONCE]:
                paint = _RESULT_COLORS.get(job.result_id, "") if color else ""
                line = format_row(job)
                lines.append(f"{paint}{line}\n{_RESET}" if paint else f"{line}\n")
        except ValueError as exc:
            write("".join(lines))
            raise _failure(exc) from None
        write("".join(lines))
        sys.stdout.flush()


def _known_attributes(flux: Flux, queues: str | None) -> list[str]:
    """Return all attributes of jobs that the broker knows."""
    from flux.job.list import VALID_ATTRS

    known = flux.rpc("job-list.list-attrs", {}).get()["attrs"]
    if queues and "queue" not in known:
        raise _failure("the broker knows no queues")
    return [name for name in VALID_ATTRS if name in known]


def _print_json(jobs: list[JobInfo]) -> None:
    """Print the attributes of each job as job-list has them, its short id and its status."""
    from flux.job.JobID import id_encode
    from flux.wire import json

    for job in jobs:
        echo(
            json.dumps_str({**job.to_dict(), "f58": id_encode(job.id, "f58"), "status": job.status})
        )


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
@click.option("-u", "--user", metavar="USER", help="List jobs of a user name or id, or of all.")
@click.option(
    "-c",
    "--count",
    metavar="N",
    type=COUNT,
    default=DEFAULT_COUNT,
    help=f"List at most N jobs, 0 for all (default {DEFAULT_COUNT}).",
)
@click.option(
    "-q", "--queue", "queues", metavar="QUEUE,...", help="List jobs of these queues only."
)
@click.option(
    "-f",
    "--filter",
    "filters",
    metavar="STATE|RESULT",
    help="List jobs with these states or results (comma-separated).",
)
@click.option(
    "--query",
    "sought_text",
    metavar="QUERY",
    help="List jobs that a query finds: state:failed t>5m (-name:test* OR user:alice).",
)
@click.option(
    "-o", "--format", "layout", metavar="FORMAT", help="Print fields in a format of your own."
)
@click.option(
    "--color",
    type=click.Choice(["never", "always", "auto"]),
    is_flag=False,
    flag_value="always",
    default="auto",
    help="Color the output: never, always or auto (the default).",
)
@click.option("--stats", is_flag=True, help="Print a summary line before the header.")
@click.option(
    "--stats-only", is_flag=True, help="Print the summary line only; exit 1 if no job is active."
)
@click.option("--json", "as_json", is_flag=True, help="Print each job as one line of JSON.")
@click.option("--from-stdin", is_flag=True, hidden=True, help="Read jobs as JSON, one a line.")
@click.argument("jobids", metavar="[JOBID ...]", nargs=-1)
def command(
    suppress_header: bool,
    layout: str | None,
    color: str,
    stats: bool,
    stats_only: bool,
    as_json: bool,
    from_stdin: bool,
    sought_text: str | None,
    **wanted: Unpack[Selection],
) -> int:
    """List jobs, by default those of the current user that have not ended.

    At a terminal a job without nodes shows in their place why: it is held, waits for resources or
    for other jobs, or had an exception. The fields {reason} and {where} give a format of your own
    the same.
    """
    if stats_only:
        return 0 if _print_stats(handle(python_failure)) else 1
    rows = _parse_format(layout or (TERMINAL_FORMAT if sys.stdout.isatty() else DEFAULT_FORMAT))
    # Before there is a connection: a typing error is reported without an instance, too.
    _check_ids(wanted["jobids"])
    _warn_of_ignored(wanted)
    header = None if suppress_header or as_json else rows.header()
    table = Table(rows, as_json, _use_color(color), header)
    if from_stdin:
        for page in _from_stdin():
            table.show(page)
        table.end()
        return 0
    sought = None if sought_text is None else _sought(sought_text, wanted["count"])
    flux = handle(python_failure)
    if stats and not as_json:
        _print_stats(flux)
    try:
        query = _list(flux, table, rows.fields, sought, wanted)
    except OSError as exc:
        if isinstance(exc, ReaderGone):
            raise
        raise _failure(f"[Errno {exc.errno}] {exc.strerror}") from None
    table.end()
    for text in query.errors:
        echo(text, err=True)
    if table.shown >= wanted["count"] == DEFAULT_COUNT and not wanted["jobids"]:
        _warn_of_the_rest()
    return 0


def _list(
    flux: Flux,
    table: Table,
    fields: Sequence[str],
    sought: JobQuery | None,
    wanted: Selection,
) -> JobList:
    """Show the jobs that are wanted and return the request for them; raises OSError."""
    reasons = not table.as_json and not {"reason", "where"}.isdisjoint(fields)
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


def _warn_of_the_rest() -> None:
    """Say on stderr that the list ends where the default has it end, unless a number was asked
    for.
    """
    source = click.get_current_context().get_parameter_source("count")
    if source is ParameterSource.DEFAULT:
        text = f"stopped after {DEFAULT_COUNT} jobs, the default; --count=0 lists all"
        echo(f"{PROGRAM}: WARNING: {text}", err=True)


class Table:
    """The output: a header, if any, before the first rows, then rows as they come; ``shown`` is
    their number.
    """

    def __init__(
        self, layout: JobInfoFormat, as_json: bool, color: bool, header: str | None
    ) -> None:
        self._layout = layout
        self.as_json = as_json
        self._color = color
        self._header = header
        self.shown = 0

    def _begin(self) -> None:
        """Print the header, which waits for an answer: an error has none."""
        if self._header is not None:
            echo(self._header)
            self._header = None

    def show(self, jobs: list[JobInfo]) -> None:
        """Print rows."""
        self._begin()
        self.shown += len(jobs)
        if self.as_json:
            _print_json(jobs)
        else:
            _print(jobs, self._layout, self._color)

    def end(self) -> None:
        """Print what is left to print."""
        self._begin()
        sys.stdout.flush()


_PARTIAL_JOB: dict[str, object] = dict.fromkeys(("userid", "urgency", "t_submit", "state"), 0)
"""What is shown of a job that says nothing of it; `JobInfo` knows the rest."""


def _from_stdin() -> Iterator[list[JobInfo]]:
    """Yield jobs from lines of JSON, as ``flux job list`` prints them."""
    from flux.job.info import JobInfo
    from flux.wire import json

    announce("jobs as JSON, one a line,")
    page: list[JobInfo] = []
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            page.append(JobInfo(_PARTIAL_JOB | json.loads(line)))
        except (ValueError, TypeError, KeyError):
            raise _failure(f"line {number} of standard input is no job") from None
        if len(page) >= _ROWS_AT_ONCE:
            yield page
            page = []
    if page:
        yield page


EXAMPLES = """
# List all jobs of mine, ended ones too
flux jobs -a
# Print id, name and run time of the last ten jobs that failed
flux jobs -c 10 -f failed -o '{id.f58:>12} {name:<20} {runtime!F}'
# List those of alice that failed or ran for more than an hour
flux jobs -c 0 --query 'user:alice (state:failed OR t>1h)'
# Hand ids to another program
flux jobs -a --suppress-header --format='{id}' | wc -l
"""
