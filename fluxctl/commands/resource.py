"""``flux resource``: list resources, and take ranks out of scheduling."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.color import color_option
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import LINES, json_option, print_json, print_json_lines
from fluxctl.python_style import PythonGroup
from fluxctl.resource_drain import drain, undrain
from fluxctl.resource_formats import (
    LIST_FORMATS,
    LIST_HEADINGS,
    STATUS_FORMAT,
    STATUS_FORMAT_REASONS,
    STATUS_FORMATS,
    STATUS_HEADINGS,
)
from fluxctl.resource_info import info, ranks_named, resource_set
from fluxctl.resource_log import acquire_mute, eventlog
from fluxctl.resource_status import (
    StatusRow,
    row_facts,
    split_by_queue,
    split_by_up,
    status_rows,
)
from fluxctl.resource_table import (
    failure,
    format_option,
    include_option,
    layout_of,
    print_table,
    rpc_failure,
)
from fluxctl.saved_formats import HELP
from fluxctl.standard_input import read_text
from fluxctl.suggestions import for_a_person, queue_suggestion, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.output_format import OutputFormat
    from flux.resource.list import ResourceStatus
    from flux.resource.ResourceSet import ResourceSet


_queue_option = click.option(
    "-q",
    "--queue",
    "queues",
    metavar="QUEUE,...",
    help="Show resources of these queues only.",
    shell_complete=completions.queue_list,
)


def _by_queue(
    flux: Flux, resources: ResourceSet, queues: str | None, layout: OutputFormat
) -> dict[int, tuple[str, ...]] | None:
    """Return the queues of each rank if they are asked for, of the chosen ranks only; none of the
    queues where they are not shown.
    """
    if queues is None and _QUEUE_FIELDS.isdisjoint(layout.fields):
        return None
    from flux.queue import queues_by_rank

    try:
        found = queues_by_rank(flux, resources, None if queues is None else queues.split(","))
    except ValueError as exc:
        hint = queue_suggestion(flux, (queues or "").split(","))
        raise CommandError(f"ERROR: {exc}", hint=hint) from None
    except OSError as exc:
        raise rpc_failure(exc) from None
    return found if not _QUEUE_FIELDS.isdisjoint(layout.fields) else dict.fromkeys(found, ())


def _states(text: str, valid: Iterable[str], hint: str = "") -> list[str]:
    wanted = [state for state in text.split(",") if state]
    for state in wanted:
        if state not in valid:
            text = f"ERROR: Invalid resource state {state} specified{hint}"
            raise CommandError(text, 1, hint=for_a_person(suggestion(state, valid)))
    return wanted


_QUEUE_FIELDS = frozenset(("queue", "properties", "propertiesx"))


@click.group(cls=PythonGroup, name="resource", short_help="list and control resources")
def command() -> None:
    """List the resources of an instance, drain and undrain them."""


command.add_command(drain)
command.add_command(undrain)


_STATUS_STATES = ("all", "online", "avail", "offline", "exclude", "drain")
_STATUS_HINT = f"\nflux-resource: INFO: valid states: {','.join(_STATUS_STATES)}"
_FORMATS_HINT = "flux-resource: INFO: valid formats: state,nnodes,ranks,nodelist,reason"


@command.command("status")
@click.option(
    "-v", "--verbose", count=True, help="Show states without ranks; twice: why ranks are drained."
)
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@format_option(STATUS_HEADINGS, f" {HELP}")
@click.option(
    "-s",
    "--states",
    metavar="STATE,...",
    help=f"Show these states: {', '.join(_STATUS_STATES)}.",
    shell_complete=completions.word_list(lambda: _STATUS_STATES),
)
@json_option(LINES)
@color_option("-L")
@include_option
@click.option("--skip-empty", is_flag=True, help="Leave out states without ranks.")
@click.option("--from-stdin", is_flag=True, hidden=True, help="Show an answer of resource.status.")
@_queue_option
def status(
    verbose: int,
    no_header: bool,
    layout: str | None,
    states: str | None,
    include: str | None,
    skip_empty: bool,
    from_stdin: bool,
    queues: str | None,
    as_json: bool,
    color: str,
) -> None:
    """Show which ranks are available, drained, excluded or offline.

    The states help and the format help list what there is.
    """
    if states == "help" or layout == "help":
        echo(_STATUS_HINT.strip() if states == "help" else _FORMATS_HINT, err=True)
    if states == "help":
        return
    default = STATUS_FORMAT_REASONS if verbose > 1 else STATUS_FORMAT
    chosen = STATUS_FORMATS.read(layout, default, "ERROR: ")
    wanted = None if states is None else _states(states, _STATUS_STATES, _STATUS_HINT)
    answer = _status_of_input() if from_stdin else _status_of_instance()
    table = layout_of(STATUS_HEADINGS, chosen)  # after the request, as in flux-core
    rows: list[StatusRow] = []
    if answer is not None:
        by_queue = None
        if not from_stdin:
            by_queue = _by_queue(handle(python_failure), answer.rset, queues, table)
        for row in status_rows(answer, wanted, bool(verbose), "reason" in table.fields):
            for part in split_by_up(_limited(row, answer, include), answer, table.fields):
                rows += split_by_queue(part, answer, by_queue)
    if skip_empty or include is not None:
        rows = [row for row in rows if len(row.ranks)]
    if as_json:
        print_json_lines(map(row_facts, rows))
        return
    print_table(table, rows, header=not no_header, color=color)


def _limited(row: StatusRow, answer: ResourceStatus, include: str | None) -> StatusRow:
    """Return the part of a row that is on chosen ranks or hosts."""
    if include is None:
        return row
    ranks = row.ranks.intersect(_named(include, answer.rset))
    return replace(row, ranks=ranks, nodelist=answer.hosts_of(ranks))


def _named(include: str, resources: ResourceSet) -> IDset:
    try:
        return ranks_named(include, resources)
    except ValueError as exc:
        raise failure(f"-i/--include: {exc}") from None


def _status_of_instance() -> ResourceStatus:
    from flux.resource.list import resource_status

    try:
        return resource_status(handle(python_failure), nodeid=0).get()
    except OSError as exc:
        raise rpc_failure(exc) from None


def _status_of_input() -> ResourceStatus | None:
    """Return the answer that standard input has, None if that is empty."""

    from flux.resource.list import ResourceStatus
    from flux.wire import json

    try:
        text = read_text("an answer to resource.status")
        return ResourceStatus(json.loads(text)) if text.strip() else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise failure("standard input has no answer to resource.status") from None


_LIST_STATES = ("all", "up", "down", "allocated", "free")


@command.command("list")
@click.option("-v", "--verbose", is_flag=True, help="Show ranks and cores instead of hosts.")
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@format_option(LIST_HEADINGS, f" {HELP}")
@click.option(
    "-s",
    "--states",
    metavar="STATE,...",
    default="free,allocated,down",
    help="Show these states.",
    shell_complete=completions.word_list(lambda: _LIST_STATES),
)
@json_option("Print one JSON object with a member for each state.")
@color_option()
@_queue_option
@include_option
@click.option(
    "--skip-empty/--no-skip-empty",
    default=None,
    help="Leave out states without resources, as --include does; or show them all the same.",
)
def list_resources(
    verbose: bool,
    no_header: bool,
    layout: str | None,
    states: str,
    as_json: bool,
    color: str,
    queues: str | None,
    include: str | None,
    skip_empty: bool | None,
) -> None:
    """Show how many nodes, cores and GPUs are free, allocated or down.

    A format with {queue} or {properties} has a line for each set of queues or properties.
    """
    from flux.idset import IDset
    from flux.resource.list import resource_list
    from fluxctl.resource_rows import queue_rows

    wanted = _states(states, _LIST_STATES)
    chosen = layout or ("rlist" if verbose else None)
    table = layout_of(LIST_HEADINGS, LIST_FORMATS.read(chosen, refusal="ERROR: "))
    try:
        resources = resource_list(handle(python_failure)).get()
    except OSError as exc:
        raise rpc_failure(exc) from None
    by_queue = _by_queue(handle(python_failure), resources.all, queues, table)
    if queues is not None and by_queue is not None:
        outside = resources.all.ranks.difference(IDset(by_queue))
        resources = resources.only(lambda part: part.copy().remove_ranks(outside))
    if include is not None:
        kept = _named(include, resources.all)
        resources = resources.only(lambda part: part.copy_ranks(kept))
    if as_json:
        print_json({state: _plain(resources[state]) for state in wanted})
        return
    rows: list[object] = [resources[state] for state in wanted]
    if by_queue is not None and not _QUEUE_FIELDS.isdisjoint(table.fields):
        rows = [row for state in wanted for row in queue_rows(resources[state], by_queue)]
    if skip_empty if skip_empty is not None else include is not None:
        rows = [row for row in rows if getattr(row, "nnodes", 0)]
    print_table(table, rows, header=not no_header, color=color)


def _plain(resources: ResourceSet) -> dict[str, object]:
    """Return the fields of ``flux resource list`` as plain values."""
    counts = {name: getattr(resources, name) for name in ("nnodes", "ncores", "ngpus")}
    return counts | {name: str(getattr(resources, name)) for name in ("ranks", "nodelist", "rlist")}


@command.command("reload")
@click.option(
    "-x", "--xml", is_flag=True, help="PATH is a directory of hwloc XML files called RANK.xml."
)
@click.option("-f", "--force", is_flag=True, help="Accept ranks that the instance does not have.")
@click.argument("path", metavar="PATH", type=click.Path())
def reload(xml: bool, force: bool, path: str) -> None:
    """Replace the resources of the instance by those in the R file PATH, or by those that the XML
    files in PATH describe; the scheduler must be unloaded.
    """
    import os

    payload = {"path": os.path.abspath(path), "xml": xml, "force": force}
    try:
        handle(python_failure).rpc("resource.reload", payload, nodeid=0).get()
    except OSError as exc:
        raise rpc_failure(exc) from None


for _later in (info, eventlog, acquire_mute, resource_set):
    command.add_command(_later)
command.unlisted = frozenset(("info", "eventlog", "acquire-mute", "R"))

EXAMPLES = """
# See how many nodes and cores are free
flux resource list
# See how many there are in all
flux resource info
# Take a rank out of scheduling, see why it was, and give it back
flux resource drain 1 its fan is broken
flux resource drain
flux resource undrain 1
# See what is free on two ranks, as R
flux resource R --states=free --include=0-1
# What has happened to rank 1 so far, with times for people?
flux resource eventlog --human --include=1
# Print the host names of everything that is up
flux resource list --no-header --states=up --format={nodelist}
"""
