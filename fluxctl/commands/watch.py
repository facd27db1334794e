"""``flux watch``: follow the output of jobs (docs/todays-commands.md)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

from flux.job.state_names import ALL_STATES
from fluxctl import completions
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.job.arguments import JOBID, JobIds
from fluxctl.option_types import COUNT
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.core.handle import Flux
    from flux.job.JobID import JobID
    from flux.progress import ProgressBar

DEFAULT_COUNT: Final = 1000
WRONG_TIME: Final = 2
"""The exit code for a ``--since`` that makes no sense."""


class Wanted(TypedDict):
    """Which jobs to watch, beside those that are named."""

    active: bool
    every: bool
    count: int
    filters: str | None
    since: str | None


@click.command(
    "watch",
    cls=PythonCommand,
    short_help="follow the output of jobs",
    usage="flux-watch [OPTIONS] [JOBID ...]",
)
@click.option("-a", "--active", is_flag=True, help="Watch all my jobs that have not ended.")
@click.option("-A", "--all", "every", is_flag=True, help="Watch all my jobs, ended ones too.")
@click.option(
    "-c",
    "--count",
    metavar="N",
    type=COUNT,
    default=DEFAULT_COUNT,
    help=f"Watch at most N jobs, 0 for all (default {DEFAULT_COUNT}).",
)
@click.option(
    "-f",
    "--filter",
    "filters",
    metavar="STATE|RESULT",
    help="Watch my jobs with these states or results (comma-separated).",
    shell_complete=completions.job_filters,
)
@click.option(
    "--since",
    metavar="WHEN",
    help="Leave out jobs that ended before WHEN, such as -1h; implies --active without --filter.",
)
@click.option("--progress", is_flag=True, help="Show a progress bar.")
@click.option("--jps", is_flag=True, help="Show jobs per second in the progress bar.")
@click.option(
    "-l", "--label-io", is_flag=True, help="Put the job id and the task rank before each line."
)
@click.option(
    "--raw",
    is_flag=True,
    help="Output only: no exceptions, nothing of what the shells say.",
)
@click.option("-v", "--verbose", count=True, help="Say how jobs ended, with -vv show their events.")
@click.argument("jobids", metavar="[JOBID ...]", nargs=-1, cls=JobIds, type=JOBID)
def command(
    progress: bool,
    jps: bool,
    label_io: bool,
    raw: bool,
    verbose: int,
    jobids: tuple[JobID, ...],
    **wanted: Unpack[Wanted],
) -> int:
    """Show the output of jobs until they have ended, and exit with the largest exit code.

    Jobs that have ended show what they have written.
    """
    from fluxctl.mini.submission import Settings
    from fluxctl.watching import JobWatch

    h = handle(python_failure)
    found = _known(h, jobids) if jobids else _jobs(h, wanted)
    if not found:
        echo("flux-watch: INFO: No matching jobs", err=True)
        return 0
    settings = Settings(
        watch=True,
        label=label_io,
        label_jobs=True,
        verbose=verbose,
        raw=raw,
        todays=True,
    )
    if verbose:
        echo(f"flux-watch: INFO: Watching {len(found)} jobs", err=True)
    bar = _bar(len(found), jps) if progress else None
    try:
        return JobWatch(h, settings, bar).run(found)
    except OSError as exc:
        raise CommandError(f"ERROR: {exc.strerror}") from None


def _known(h: Flux, jobids: Sequence[JobID]) -> Sequence[JobID]:
    """Return the jobs that there are; says of the others that they are unknown."""
    from flux.job.list import JobList

    asked = list(dict.fromkeys(jobids))
    there = {int(job.id) for job in JobList(h, [], ids=asked).jobs()}
    for jobid in asked:
        if int(jobid) not in there:
            echo(f"flux-watch: ERROR: JobID {jobid.orig} unknown", err=True)
    return [jobid for jobid in asked if int(jobid) in there]


def _jobs(h: Flux, wanted: Wanted) -> Sequence[JobID]:
    """Return the jobs that options choose, the oldest first."""
    from flux.job.list import JobList

    since = _since(wanted["since"])
    active = wanted["active"] or since > 0
    filters = wanted["filters"]
    if not (wanted["every"] or active or filters):
        raise CommandError("ERROR: At least one job selection option is required")
    if wanted["every"]:
        filters = ALL_STATES
    elif filters is None:
        filters = ALL_STATES if since else "pending,running"
    names = [name for name in filters.split(",") if name]
    try:
        query = JobList(h, [], names, user=os.getuid(), max_entries=wanted["count"], since=since)
        found = [job.id for page in query.pages() for job in page]
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None
    if len(found) == wanted["count"] == DEFAULT_COUNT:
        text = f"stopped after {DEFAULT_COUNT} jobs, the default; --count=0 watches all"
        echo(f"flux-watch: WARNING: {text}", err=True)
    return sorted(found)


def _since(text: str | None) -> float:
    """Return a time in seconds since the epoch, 0 for none.

    Raises CommandError for what is no time, or one that is still to come.
    """
    if text is None:
        return 0.0
    from time import time

    moment = _moment(text)
    if moment > time():
        raise CommandError(f"ERROR: --since={text} appears to be in the future", WRONG_TIME)
    return moment


def _moment(text: str) -> float:
    from time import time

    from flux.duration import parse_datetime, parse_fsd
    from fluxctl.numbers import real

    try:
        if text.startswith("-"):
            return time() - parse_fsd(text[1:])
        number = real(text)
        return parse_datetime(text).timestamp() if number is None else number
    except ValueError:
        raise CommandError(f"ERROR: --since: invalid value '{text}'", WRONG_TIME) from None


def _bar(total: int, jps: bool) -> ProgressBar | None:
    if not sys.stdout.isatty():
        echo("flux-watch: WARNING: stdout is not a tty. Ignoring --progress option", err=True)
        return None
    from fluxctl.mini.progress import progress_bar

    return progress_bar(total, waits=True, jps=jps)


EXAMPLES = """
# See what a job writes, from the beginning to its end
flux watch $(flux submit -n2 hostname)
# Watch all jobs of mine that have not ended
flux watch --active
"""
