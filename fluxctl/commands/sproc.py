"""``flux sproc``: processes in the background that ``flux exec --bg`` started
(docs/todays-commands.md).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn, Unpack

import click

from flux.waitstatus import exit_code_of
from fluxctl import completions
from fluxctl.background import named
from fluxctl.command import FluxCommand, FluxGroup, handle
from fluxctl.errors import CommandError
from fluxctl.list_output import ListTable
from fluxctl.option_types import COUNT

if TYPE_CHECKING:
    from flux.wire.json import JsonObject
    from fluxctl.list_output import ListChoice
    from fluxctl.option_groups import F

PROCESSES = ListTable(
    {"rank": "RANK", "pid": "PID", "state": "ST", "label": "LABEL", "cmd": "COMMAND"},
    "{pid:>9} {state:<2} {label:<12} {cmd}",
)


def _place(function: F) -> F:
    """Add the options that say whose processes are meant."""
    rank = click.option(
        "-r",
        "--rank",
        type=COUNT,
        help="Those of the broker RANK, by default of this one.",
        shell_complete=completions.ranks,
    )
    service = click.option(
        "-s", "--service", default="rexec", show_default=True, help="Those of another service."
    )
    return rank(service(function))


def _ask(service: str, topic: str, payload: dict[str, object], rank: int | None) -> JsonObject:
    from flux.constants import FLUX_NODEID_ANY

    nodeid = FLUX_NODEID_ANY if rank is None else rank
    with handle() as h:
        try:
            found: JsonObject = h.rpc(f"{service}.{topic}", payload, nodeid=nodeid).get()
        except OSError as exc:
            verb = "ps" if topic == "list" else topic
            raise CommandError(f"ERROR: {verb}: {exc}", 1) from None
    return found


@click.group("sproc", cls=FluxGroup)
def command() -> None:
    """List, signal and wait for processes that run in the background."""


@command.command("ps", cls=FluxCommand)
@_place
@PROCESSES.options()
def ps(rank: int | None, service: str, **choice: Unpack[ListChoice]) -> None:
    """List processes: R runs, Z has ended and is not waited for yet."""
    answer = _ask(service, "list", {}, rank)
    none = "" if choice["as_json"] else "-"
    rows = [
        {**proc, "rank": answer["rank"], "label": proc["label"] or none} for proc in answer["procs"]
    ]
    PROCESSES.show(rows, choice)


def _wait(target: str, service: str, rank: int | None, *, output: bool) -> int:
    """Wait for a process and return its exit code; show what it wrote if that is wanted."""
    from flux.job.io import decode

    answer = _ask(service, "wait", named(target), rank)
    for kept in answer.get("output", ()) if output else ():
        chunk = decode(kept)
        stream = sys.stdout if chunk.stream == "stdout" else sys.stderr
        stream.buffer.write(chunk.data)
        stream.buffer.flush()
    return exit_code_of(answer["status"])


@command.command("kill", cls=FluxCommand)
@_place
@click.option("-w", "--wait", "waits", is_flag=True, help="Wait for the process afterwards.")
@click.argument("signum", type=click.IntRange(0, 64))
@click.argument("pid", metavar="PID|LABEL")
def kill(rank: int | None, service: str, waits: bool, signum: int, pid: str) -> NoReturn:
    """Send a signal to a process and those it started.

    With --wait the exit status is that of the process.
    """
    _ask(service, "kill", {**named(pid), "signum": signum}, rank)
    sys.exit(_wait(pid, service, rank, output=False) if waits else 0)


@command.command("wait", cls=FluxCommand)
@_place
@click.option("-o", "--output", is_flag=True, help="Print what it wrote, up to 1 MiB a stream.")
@click.argument("pid", metavar="PID|LABEL")
def wait(rank: int | None, service: str, output: bool, pid: str) -> NoReturn:
    """Wait for a process that was started with --waitable, and exit as it did."""
    sys.exit(_wait(pid, service, rank, output=output))


EXAMPLES = """
# Start a monitor on every node, and see it on rank 0
flux exec --bg --label=monitor vmstat 10
flux sproc ps -r 0
# End it there
flux sproc kill -r 0 15 monitor
# Take the result of a process and what it wrote
flux exec -r 0 --bg --waitable --label=check sh -c 'df -h /'
flux sproc wait -o check
"""
