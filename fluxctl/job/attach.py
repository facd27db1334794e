"""``flux job attach``: a job's output, events and exit code on this terminal."""

from __future__ import annotations

import click

from fluxctl.command import handle
from fluxctl.errors import CommandError
from fluxctl.job.options import HIGHEST_NUMBER, JobCommand, JobIdArguments, parse_id, usage
from fluxctl.option_groups import with_options
from fluxctl.option_types import Integer
from fluxctl.optional_value import OptionalValue


@click.command(
    "attach", cls=JobCommand, synopsis="[OPTIONS] id", help="Interactively attach to job"
)
@click.option("-E", "--show-events", is_flag=True, help="Show job events on stderr")
@click.option("-X", "--show-exec", is_flag=True, help="Show exec events on stderr")
@click.option("-l", "--label-io", is_flag=True, help="Label output by rank")
@click.option("-v", "--verbose", count=True, help="Increase verbosity; -vvv is -E -X")
@click.option("-q", "--quiet", is_flag=True, help="Do not show what the job shell logs")
@click.option("-r", "--read-only", is_flag=True, help="Disable reading stdin and capturing signals")
@click.option(
    "-w",
    "--wait-event",
    metavar="NAME",
    help="Detach at the event NAME, if it comes before the job has finished",
)
@click.option(
    "-i",
    "--stdin-ranks",
    metavar="RANKS",
    default="all",
    help="Send standard input to only RANKS (default: all)",
)
@click.option(
    "-u",
    "--unbuffered",
    is_flag=True,
    expose_value=False,
    help="Send input as it comes, as is always done",
)
@with_options(
    [
        OptionalValue(
            "--tail",
            implied="10",
            metavar="[=NUM]",
            kind=Integer(0, HIGHEST_NUMBER),
            text="Show only the last NUM lines of the output so far (default: 10)",
        )
    ]
)
@click.option("--show-status", is_flag=True, help="Show on stderr what a pending job waits for")
@click.option(
    "--debug",
    is_flag=True,
    help="Be the debugger of a job that runs: continue tasks that wait for one",
)
@click.option("--debug-emulate", is_flag=True, hidden=True, help="The same")
@click.argument("args", nargs=-1, cls=JobIdArguments)
@click.pass_context
def attach(
    ctx: click.Context,
    show_events: bool,
    show_exec: bool,
    label_io: bool,
    verbose: int,
    quiet: bool,
    read_only: bool,
    wait_event: str | None,
    stdin_ranks: str,
    tail: int | None,
    show_status: bool,
    debug: bool,
    debug_emulate: bool,
    args: tuple[str, ...],
) -> None:
    if len(args) != 1:
        usage(ctx)
    from fluxctl.attach import AttachOptions
    from fluxctl.attach import attach as run

    options = AttachOptions(
        label=label_io,
        show_events=show_events or verbose > 2,
        show_exec=show_exec or verbose > 2,
        read_only=read_only,
        debug=debug or debug_emulate,
        quiet=quiet,
        tail=tail,
        status_after=0.0 if show_status else None,
        wait_event=wait_event,
        stdin_tasks=_checked(stdin_ranks),
    )
    code = run(handle(), parse_id(args[0]), options, args[0])
    if code:
        raise CommandError("", code)


def _checked(ranks: str) -> str:
    """Return the ranks of tasks, an idset or ``all``. Raises CommandError for anything else."""
    from flux.idset import IDset

    try:
        return ranks if ranks == "all" else str(IDset(ranks))
    except ValueError:
        raise CommandError(f"invalid value --stdin-ranks={ranks}") from None
