"""``flux pkill``: cancel jobs by name or id (docs/todays-commands.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from fluxctl.command import handle, python_failure, talk
from fluxctl.job_search import NOTHING_FOUND, JobSearch, found, pattern_of, search_options
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flux.core.handle import Flux
    from flux.job.JobID import JobID


@click.command(
    "pkill",
    cls=PythonCommand,
    short_help="cancel jobs by name or id",
    usage="flux-pkill [OPTIONS] EXPRESSION [EXPRESSION ...]",
)
@search_options
@click.option("--wait", is_flag=True, help="Wait until the jobs have ended.")
@click.option("-m", "--message", metavar="NOTE", help="The note of the exception.")
@click.option("-n", "--dry-run", is_flag=True, help="Cancel nothing: tell how many it would be.")
@click.argument("expressions", metavar="EXPRESSION", nargs=-1, required=True)
@click.pass_context
def command(
    ctx: click.Context,
    wait: bool,
    message: str | None,
    dry_run: bool,
    expressions: tuple[str, ...],
    **search: Unpack[JobSearch],
) -> int:
    """Cancel the jobs that `flux pgrep` finds: by a regular expression of their name, or a range
    FIRST..LAST of ids.

    Exits with 1 if there are none, or if one cannot be canceled.
    """
    from fluxctl.commands.cancel import cancel_jobs, counted

    pattern = pattern_of(expressions)
    h = handle(python_failure)
    jobids: list[JobID] = [job.id for job in found(h, pattern, search, ())]
    if dry_run:
        talk(ctx, f"Would cancel {counted(len(jobids))}")
        return 0 if jobids else NOTHING_FOUND
    failures = cancel_jobs(h, jobids, message)
    for jobid, errno, reason in failures:
        talk(ctx, f"ERROR: {jobid.f58}: cancel: [Errno {errno}] {reason}")
    if wait:
        _wait(h, jobids)
    if jobids:
        talk(ctx, f"INFO: Canceled {counted(len(jobids) - len(failures))}")
    return 0 if jobids and not failures else 1


def _wait(h: Flux, jobids: Sequence[JobID]) -> None:
    """Wait until jobs have ended."""
    from flux.job.event import event_wait

    for jobid in jobids:
        event_wait(h, jobid, "clean", raiseJobException=False)


EXAMPLES = """
# Cancel my jobs whose name begins with sim, and wait for their end
flux submit --quiet --cc=1-2 --job-name=sim sleep 600
flux pkill --wait '^sim'
"""
