"""``flux cancel``: cancel jobs by id, or all of a kind (docs/todays-commands.md)."""

from __future__ import annotations

import errno
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from fluxctl import completions
from fluxctl.command import handle, python_failure, talk
from fluxctl.errors import CommandError
from fluxctl.job.arguments import JOBID, JobIds
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.handle import Flux
    from flux.job.JobID import JobID

AT_ONCE: Final = 512
"""Requests that are under way at a time."""
ACTIVE: Final = "active"


@click.command(
    "cancel",
    cls=PythonCommand,
    short_help="cancel one or more jobs",
    usage="flux cancel [OPTIONS] [JOBID...]",
)
@click.option("--all", "every", is_flag=True, help="Cancel all active jobs of the user.")
@click.option("-n", "--dry-run", is_flag=True, help="Cancel nothing: tell how many it would be.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing if no job matches.")
@click.option(
    "-u",
    "--user",
    metavar="USER",
    help="Cancel the jobs of a user, or of all.",
    shell_complete=completions.users,
)
@click.option(
    "-S",
    "--states",
    metavar="STATES",
    help="Cancel jobs in these states (default active).",
    shell_complete=completions.job_states,
)
@click.option("-m", "--message", metavar="NOTE", help="The note of the exception.")
@click.argument("jobids", metavar="[JOBID...]", nargs=-1, cls=JobIds, type=JOBID)
@click.pass_context
def command(
    ctx: click.Context,
    every: bool,
    dry_run: bool,
    quiet: bool,
    user: str | None,
    states: str | None,
    message: str | None,
    jobids: tuple[JobID, ...],
) -> int:
    """Cancel jobs that have not ended, with an optional note."""
    matching = every or user is not None or states is not None
    if jobids and matching:
        text = "Do not specify a list of jobids with --all,--user,--states options"
        raise CommandError(f"ERROR: {text}")
    if jobids and dry_run:
        talk(ctx, f"Would cancel {counted(len(jobids))}")
        return 0
    if jobids:
        failures = cancel_jobs(handle(python_failure), jobids, message)
        for failure in failures:
            talk(ctx, f"ERROR: {failure.jobid.f58}: {failure.reason}")
        return 1 if failures else 0
    if not matching:
        raise CommandError("ERROR: No target jobs were provided")
    count, errors = _cancel_matching(user, ACTIVE if states is None else states, message, dry_run)
    if count or not quiet:
        talk(ctx, _told(count, errors, dry_run))
    return 1 if errors else 0


def _told(count: int, errors: int, dry_run: bool) -> str:
    if not count:
        return "Matched 0 jobs"
    return (
        f"Would cancel {counted(count)}"
        if dry_run
        else (f"Canceled {counted(count)} ({errors} errors)")
    )


def counted(count: int) -> str:
    """Return a number of jobs in words: ``1 job``, ``3 jobs``."""
    return f"{count} job{'' if count == 1 else 's'}"


class Refusal(NamedTuple):
    """A job that could not be canceled, the number of the error, and why."""

    jobid: JobID
    errno: int
    reason: str


def cancel_jobs(h: Flux, jobids: Iterable[JobID], note: str | None) -> list[Refusal]:
    """Cancel jobs; returns those that could not be.

    Raises OSError if the connection is lost.
    """
    from flux.job.kill import raise_async

    failures = []
    left = iter(jobids)
    while some := list(islice(left, AT_ONCE)):
        asked = [(jobid, raise_async(h, jobid, "cancel", 0, note)) for jobid in some]
        for jobid, rpc in asked:
            try:
                rpc.get()
            except ConnectionError:
                raise
            except OSError as exc:
                failures.append(Refusal(jobid, exc.errno or 0, _reason(h, jobid, exc)))
    return failures


def _reason(h: Flux, jobid: JobID, refusal: OSError) -> str:
    """Return why a job could not be canceled; the job manager does not know of those that have
    ended.
    """
    from flux.job.list import get_job

    if refusal.errno == errno.ENOENT and get_job(h, jobid) is not None:
        return "job is inactive"
    return refusal.strerror or str(refusal)


def _cancel_matching(
    user: str | None, states: str, note: str | None, dry_run: bool
) -> tuple[int, int]:
    """Return how many jobs match, and how many of these could not be canceled."""
    payload = {
        "userid": _userid(user),
        "states": _mask(states),
        "severity": 0,
        "type": "cancel",
        "note": note or "",
        "dry_run": dry_run,
    }
    try:
        answer = handle(python_failure).rpc("job-manager.raiseall", payload).get()
    except OSError as exc:
        raise CommandError(f"ERROR: {exc.strerror}") from None
    return int(answer["count"]), int(answer["errors"])


def _userid(user: str | None) -> int:
    from fluxctl.job.options import parse_userid

    try:
        return parse_userid(user)
    except CommandError:
        raise CommandError(f"ERROR: Invalid user {user} specified") from None


def _cancelable() -> list[str]:
    """Return the names of the states whose jobs can be canceled."""
    from flux.constants import FLUX_JOB_STATE_INACTIVE
    from flux.job.state_names import STATE_FILTERS

    return [name for name, mask in STATE_FILTERS.items() if not mask & FLUX_JOB_STATE_INACTIVE]


def _mask(states: str) -> int:
    from flux.constants import FLUX_JOB_STATE_INACTIVE
    from flux.job.state_names import STATE_FILTERS
    from fluxctl.suggestions import suggestion

    mask = 0
    for name in states.split(","):
        number = STATE_FILTERS.get(name.strip().lower(), FLUX_JOB_STATE_INACTIVE)
        if number & FLUX_JOB_STATE_INACTIVE:
            hint = suggestion(name.strip().lower(), _cancelable())
            raise CommandError(f"ERROR: Invalid state {name} specified", hint=hint)
        mask |= number
    return mask


EXAMPLES = """
# Cancel two jobs, and say why
flux cancel -m 'wrong input' $(flux submit sleep 600) $(flux submit sleep 600)
# See how many jobs of mine would be canceled, then cancel those that do not run yet
flux cancel --all --dry-run
flux cancel --states=pending
"""
