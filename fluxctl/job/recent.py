"""``flux job`` last, timeleft: the job that one has just submitted, the time that one has left."""

from __future__ import annotations

import errno
import math
from typing import TYPE_CHECKING, Final

import click

from fluxctl.command import echo, handle
from fluxctl.errors import CommandError
from fluxctl.job.options import JobCommand, JobIdArguments, parse_id, usage
from fluxctl.json_output import LINES, json_option, print_json, print_json_lines
from fluxctl.numbers import integer

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.job.JobID import JobID

NO_LIMIT: Final = (1 << 32) - 1
"""What ``timeleft`` prints for a job without a time limit."""
NEWEST: Final = "[:1]"


@click.command(
    "last",
    cls=JobCommand,
    synopsis="SLICE",
    help="List my most recently submitted job id(s)",
    context_settings={"ignore_unknown_options": True},
)
@json_option(LINES)
@click.argument("args", nargs=-1)
@click.pass_context
def last(ctx: click.Context, as_json: bool, args: tuple[str, ...]) -> None:
    from flux.job.JobID import id_encode

    if len(args) > 1:
        usage(ctx)
    wanted = NEWEST
    if args:
        count = integer(args[0])
        if count is None and not args[0].startswith("["):
            usage(ctx)
        wanted = args[0] if count is None else f"[:{count}]"
    try:
        found = handle().rpc("job-manager.history.get", {"slice": wanted}).get()["jobs"]
    except OSError as exc:
        if exc.errno == errno.EINVAL:
            text = "could not parse python-style slice expression"
            raise CommandError(text) from None
        raise CommandError(exc.strerror or str(exc)) from None
    if not found:
        raise CommandError("job history is empty")
    if as_json:
        print_json_lines({"id": jobid, "f58": id_encode(jobid, "f58")} for jobid in found)
        return
    for jobid in found:
        echo(id_encode(jobid))


@click.command(
    "timeleft",
    cls=JobCommand,
    synopsis="[JOBID]",
    help="Find remaining runtime for job or enclosing instance",
)
@click.option(
    "-H",
    "--human",
    is_flag=True,
    help="Output in Flux Standard Duration instead of seconds.",
)
@json_option("Print one JSON object, whose seconds are null without a limit.")
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def timeleft(ctx: click.Context, human: bool, as_json: bool, args: tuple[str, ...]) -> None:
    from flux.duration import fsd
    from flux.job.JobID import JobID
    from flux.job.timeleft import timeleft as left

    if len(args) > 1:
        usage(ctx)
    jobid = JobID(parse_id(args[0], "failed to parse jobid {}")) if args else None
    try:
        h = handle()
        seconds = left(h, jobid)
        if jobid is not None and seconds == 0 and _is_pending(h, jobid):
            raise CommandError(f"job {args[0]} has not started")
    except OSError as exc:
        unknown = exc.errno == errno.ENOENT and args
        reason = "no such jobid" if unknown else exc.strerror
        raise CommandError(f"{args[0]}: {reason}" if args else str(reason)) from None
    if as_json:
        print_json({"seconds": None if math.isinf(seconds) else seconds})
    elif human:
        echo("infinity" if math.isinf(seconds) else fsd(seconds))
    else:
        echo(str(NO_LIMIT if math.isinf(seconds) else int(seconds)))


def _is_pending(h: Flux, jobid: JobID) -> bool:
    """Whether a job has not started yet."""
    from flux.constants import FLUX_JOB_STATE_PENDING
    from flux.job.list import job_list_id

    return bool(job_list_id(h, jobid, ["state"]).get_job()["state"] & FLUX_JOB_STATE_PENDING)
