"""``flux resource drain`` and ``undrain``: ranks out of scheduling, and back (flux-resource(1))."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.color import color_option
from fluxctl.command import handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json_lines
from fluxctl.python_style import PythonCommand
from fluxctl.resource_formats import DRAIN_FORMATS, DRAIN_HEADINGS
from fluxctl.resource_info import ranks_named
from fluxctl.resource_status import drain_rows, row_facts
from fluxctl.resource_table import (
    failure,
    format_option,
    include_option,
    layout_of,
    print_table,
    rpc_failure,
)
from fluxctl.saved_formats import HELP
from fluxctl.suggestions import queue_suggestion

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.resource.list import ResourceStatus
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
@click.option(
    "-q",
    "--queue",
    "queues",
    metavar="QUEUE,...",
    help="Show resources of these queues only.",
    shell_complete=completions.queue_list,
)
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@format_option(DRAIN_HEADINGS, f" {HELP}")
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
    mode = _mode(force, update)
    if targets is None:
        table = layout_of(DRAIN_HEADINGS, DRAIN_FORMATS.read(layout, refusal="ERROR: "))
        rows = _drained(handle(python_failure), include, queues)
        if as_json:
            print_json_lines(map(row_facts, rows))
        else:
            print_table(table, rows, header=not no_header, color=color)
        return
    if layout is not None or as_json:
        raise failure("TARGETS are drained, not listed: --format and --json are for the list")
    _ask("resource.drain", {"targets": targets, "reason": " ".join(reason), **mode})


def _ask(topic: str, payload: dict[str, str]) -> None:
    try:
        handle(python_failure).rpc(topic, payload, nodeid=0).get()
    except OSError as exc:
        raise rpc_failure(exc) from None


def _drained(flux: Flux, include: str | None, queues: str | None) -> list[DrainRow]:
    """Return what is drained of the chosen ranks."""
    from flux.resource.list import resource_status

    try:
        answer = resource_status(flux).get()
        rows = drain_rows(answer)
        if include is None and queues is None:
            return rows
        kept = _chosen(flux, answer, include, queues)
    except OSError as exc:
        raise rpc_failure(exc) from None
    found = []
    for row in rows:
        row.ranks = row.ranks.intersect(kept)
        row.nodelist = answer.hosts_of(row.ranks)
        if len(row.ranks):
            found.append(row)
    return found


def _chosen(flux: Flux, answer: ResourceStatus, include: str | None, queues: str | None) -> IDset:
    from flux.idset import IDset
    from flux.queue import queues_by_rank

    kept = answer.rset.ranks
    try:
        if include is not None:
            kept = kept.intersect(ranks_named(include, answer.rset))
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None
    if queues is None:
        return kept
    names = queues.split(",")
    try:
        return kept.intersect(IDset(list(queues_by_rank(flux, answer.rset, names))))
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}", hint=queue_suggestion(flux, names)) from None


@click.command("undrain", cls=PythonCommand)
@click.option("-u", "--update", is_flag=True, help="Pass over TARGETS that are not drained.")
@click.option(
    "-f", "--force", count=True, help="The same as without: the event has the new REASON."
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
    _ask("resource.undrain", payload)
