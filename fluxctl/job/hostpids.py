"""``flux job hostpids``: the process of each task of a job, and its host."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import click

from fluxctl.command import echo, handle
from fluxctl.errors import CommandError
from fluxctl.job.awaited_event import Patience, await_event
from fluxctl.job.options import JobCommand, JobIdArguments, parse_duration, parse_id, usage
from fluxctl.job.taskmap import placed_tasks
from fluxctl.json_output import LINES, json_option, print_json_lines

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.idset import IDset


@click.command(
    "hostpids",
    cls=JobCommand,
    synopsis="[OPTIONS] JOBID",
    help="Print host:pid pairs for tasks in JOBID",
)
@click.option(
    "-d", "--delimiter", metavar="STRING", default=",", help='Set output delimiter (default=",")'
)
@click.option("-r", "--ranks", metavar="IDSET", help="Include only task ranks in IDSET")
@click.option("-t", "--timeout", metavar="DURATION", help="timeout after DURATION")
@json_option(LINES)
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def hostpids(
    ctx: click.Context,
    delimiter: str,
    ranks: str | None,
    timeout: str | None,
    as_json: bool,
    args: tuple[str, ...],
) -> None:
    if len(args) != 1:
        usage(ctx)
    wanted = None if ranks is None else _idset(ranks)
    seconds = None if timeout is None else parse_duration(ctx, "timeout", timeout)
    name, jobid, h = args[0], parse_id(args[0]), handle()
    try:
        pids = _pids(h, jobid, name, Patience(seconds))
        placed = placed_tasks(h, jobid)
    except OSError as exc:
        if exc.errno == errno.ETIMEDOUT:
            raise CommandError("hostpids: timeout waiting for shell.start event") from None
        unknown = exc.errno == errno.ENOENT
        raise CommandError(f"{name}: {'No such job' if unknown else exc.strerror}") from None
    nodes = zip(placed.hosts, placed.nodes, strict=False)
    hosts = {task: host for host, tasks in nodes for task in tasks}
    rows = [
        {"rank": task, "host": hosts.get(task, ""), "pid": pid}
        for task, pid in sorted(pids.items())
        if wanted is None or task in wanted
    ]
    if as_json:
        print_json_lines(rows)
    else:
        between = delimiter.replace("\\n", "\n").replace("\\t", "\t")
        echo(between.join(f"{row['host']}:{row['pid']}" for row in rows))


def _idset(text: str) -> IDset:
    from flux.idset import IDset
    from flux.taskmap import wrong_range

    if not text:
        raise CommandError("--ranks=: cannot create an empty idset: Invalid argument")
    try:
        return IDset(text)
    except ValueError:
        wrong = wrong_range(text)
        reason = f"error parsing range '{wrong}': Invalid argument"
        raise CommandError(f"--ranks={text}: {reason}") from None


def _pids(h: Flux, jobid: int, name: str, patience: Patience) -> dict[int, int]:
    """Return the process of each task once all are there.

    Raises CommandError if the job has ended, OSError: ENOENT if there is no such job, ETIMEDOUT if
    it does not start in time.
    """
    from flux import proctable
    from flux.job.follow import EXEC, MAIN

    if await_event(h, jobid, MAIN, "start", patience) is None or _has_ended(h, jobid):
        raise CommandError(f"hostpids: job {name} is inactive")
    init = await_event(h, jobid, EXEC, "shell.init", patience)
    started = None if init is None else await_event(h, jobid, EXEC, "shell.start", patience)
    if init is None or started is None:
        raise CommandError(f"hostpids: job {name} is inactive")
    topic = f"{init['service']}.proctable"
    rpc = h.rpc(topic, {}, nodeid=int(str(init["leader-rank"])))
    try:
        if patience.left is not None:
            rpc.wait_for(patience.left)
        table = proctable.decode(rpc.get())
    except ValueError as exc:
        raise CommandError(f"hostpids: {exc}") from None
    except OSError as exc:
        if exc.errno == errno.ETIMEDOUT:
            raise
        raise CommandError(f"hostpids: job {name} is inactive") from None
    return {process.task: process.pid for process in table}


def _has_ended(h: Flux, jobid: int) -> bool:
    from flux.constants import FLUX_JOB_STATE_INACTIVE
    from flux.job.list import job_list_id

    try:
        return bool(job_list_id(h, jobid, ["state"]).get_job()["state"] == FLUX_JOB_STATE_INACTIVE)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
