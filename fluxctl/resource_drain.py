"""``flux resource drain`` and ``undrain``: ranks out of scheduling, and back (flux-resource(1))."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.color import color_option
from fluxctl.command import handle, python_failure
from fluxctl.json_output import json_option, print_json_lines
from fluxctl.python_style import PythonCommand
from fluxctl.queue_options import queues_option
from fluxctl.resource_choice import include_option
from fluxctl.resource_formats import DRAIN
from fluxctl.resource_status import drain_rows, row_facts
from fluxctl.resource_table import failure, format_option, layout_of, print_table, rpc_failure
from fluxctl.saved_formats import HELP

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from fluxctl.resource_status import DrainRow

_TWICE = 2


def _mode(force: int, update: bool) -> dict[str, str]:
    """Return what a request says of ranks that are as it wants them already."""
    if force and update:
        raise failure("Only one of --force and --update may be specified")
    if update:
        return {"mode": "update"}
    if not force:
        return {}
    return {"mode": "force-overwrite" if force >= _TWICE else "overwrite"}


@click.command("drain", cls=PythonCommand)
@click.option(
    "-f",
    "--force",
    count=True,
    help="Change the reason of TARGETS that are drained; twice: and since when they are.",
)
@click.option(
    "-u", "--update", is_flag=True, help="Leave TARGETS that are drained for a reason as they are."
)
@include_option
@queues_option
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@format_option(DRAIN.today, f" {HELP}")
@json_option("Print what is drained, each reason as one line of JSON.")
@color_option("-L")
@click.argument("targets", metavar="[TARGETS]", required=False, shell_complete=completions.nodes)
@click.argument("reason", metavar="[REASON ...]", nargs=-1)
def drain(
    force: int,
    update: bool,
    include: str | None,
    queues: str | None,
    no_header: bool,
    layout: str | None,
    as_json: bool,
    color: str,
    targets: str | None,
    reason: tuple[str, ...],
) -> None:
    """Take TARGETS (ranks or hosts) out of scheduling; without targets list what is drained and
    why.
    """
    if targets is None:
        _print_drained(layout, include, queues, no_header=no_header, as_json=as_json, color=color)
        return
    mode = _mode(force, update)
    if layout is not None or as_json:
        raise failure("TARGETS are drained, not listed: --format and --json are for the list")
    _ask("resource.drain", {"targets": targets, "reason": " ".join(reason), **mode})


def _print_drained(
    layout: str | None,
    include: str | None,
    queues: str | None,
    *,
    no_header: bool,
    as_json: bool,
    color: str,
) -> None:
    todays = DRAIN.are_todays(layout, asked=include is not None or queues is not None)
    table = layout_of(DRAIN.today if todays else DRAIN.headings, DRAIN.read(layout, todays=todays))
    if todays:
        from fluxctl.resource_ranks import RankChoice, print_status

        choice = RankChoice(["drain"], include, queues, True, not no_header, as_json, color)
        print_status(handle(python_failure), table, choice)
        return
    rows = _drained(handle(python_failure))
    if as_json:
        print_json_lines(map(row_facts, rows))
    else:
        print_table(table, rows, header=not no_header, color=color)


def _ask(topic: str, payload: dict[str, str], *, numbered: bool = True) -> None:
    try:
        handle(python_failure).rpc(topic, payload, nodeid=0).get()
    except OSError as exc:
        raise (rpc_failure(exc) if numbered else failure(exc.strerror)) from None


def _drained(flux: Flux) -> list[DrainRow]:
    """Return what is drained."""
    from flux.resource.list import resource_status

    try:
        return drain_rows(resource_status(flux).get())
    except OSError as exc:
        raise rpc_failure(exc) from None


@click.command("undrain", cls=PythonCommand)
@click.option("-u", "--update", is_flag=True, help="Pass over TARGETS that are not drained.")
@click.option(
    "-f", "--force", count=True, help="TARGETS may be undrained: the log has another REASON then."
)
@click.argument("targets", metavar="TARGETS", shell_complete=completions.drained_nodes)
@click.argument("reason", metavar="[REASON ...]", nargs=-1)
def undrain(force: int, update: bool, targets: str, reason: tuple[str, ...]) -> None:
    """Give TARGETS (ranks or hosts) back to the scheduler; the REASON is kept in the log of the
    resources.
    """
    payload = {"targets": targets, **_mode(force, update)}
    if reason:
        payload["reason"] = " ".join(reason)
    # What 0.29 cannot be asked for is refused as today's flux-core does, without a number.
    _ask("resource.undrain", payload, numbered=len(payload) == 1)
