"""``flux resource``: list resources, and take ranks out of scheduling."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.color import Paint, color_option
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import LINES, json_option, print_json, print_json_lines
from fluxctl.list_output import read_format
from fluxctl.python_style import PythonGroup
from fluxctl.resource_formats import (
    DRAIN_FORMATS,
    DRAIN_HEADINGS,
    LIST_FORMATS,
    LIST_HEADINGS,
    STATUS_FORMAT,
    STATUS_FORMAT_REASONS,
    STATUS_FORMATS,
    STATUS_HEADINGS,
)
from fluxctl.resource_info import info
from fluxctl.resource_log import acquire_mute, eventlog
from fluxctl.resource_status import (
    DrainRow,
    StatusRow,
    drain_rows,
    row_facts,
    split_by_queue,
    status_rows,
)
from fluxctl.saved_formats import HELP
from fluxctl.standard_input import read_text
from fluxctl.suggestions import for_a_person, queue_suggestion, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flux.core.handle import Flux
    from flux.output_format import OutputFormat
    from flux.resource.list import ResourceStatus
    from flux.resource.ResourceSet import ResourceSet
    from fluxctl.color import Role
    from fluxctl.option_groups import F


def _failure(text: object) -> CommandError:
    return CommandError(f"ERROR: {text}", 1)


def _rpc_failure(exc: OSError) -> CommandError:
    return _failure(f"[Errno {exc.errno}] {exc.strerror}")


def _layout(headings: Mapping[str, str], text: str) -> OutputFormat:
    try:
        return read_format(headings, text, "ERROR: ")
    except CommandError as exc:
        exc.hint = for_a_person(exc.hint)
        raise


_queue_option = click.option(
    "-q",
    "--queue",
    "queues",
    metavar="QUEUE,...",
    help="Show resources of these queues only.",
    shell_complete=completions.queue_list,
)


def _format_option(headings: Mapping[str, str], names: str = "") -> Callable[[F], F]:
    return click.option(
        "-o",
        "--format",
        "layout",
        metavar="FORMAT|NAME" if names else "FORMAT",
        help=f"Print fields in this format: {', '.join(headings)}.{names}",
        shell_complete=completions.format_fields(headings),
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
        raise _rpc_failure(exc) from None
    return found if not _QUEUE_FIELDS.isdisjoint(layout.fields) else dict.fromkeys(found, ())


_ROLES: dict[str, Role] = {"down": "bad", "offline": "bad", "drain": "warn", "exclude": "faint"}
"""What stands out, by the states of resources."""


def _print_table(
    layout: OutputFormat, rows: Iterable[object], *, header: bool, color: str = "never"
) -> None:
    paint = Paint(color)
    if layout.needs_all:
        rows = layout.sort_items(list(rows))
        layout = _settled(layout, rows, not header)
    rest = iter(rows)
    first = list(islice(rest, 1))  # an error has no header: rows may be asked for as they come
    if header:
        echo(paint(layout.header(), "heading"), raw=True)
    for row in chain(first, rest):
        try:
            line = layout.format(row)
        except ValueError as exc:
            raise _failure(exc) from None
        echo(paint(line, _ROLES.get(getattr(row, "state", ""), "")), raw=True)


def _settled(layout: OutputFormat, rows: Iterable[object], no_header: bool) -> OutputFormat:
    """Return the format that fits some rows."""
    try:
        return layout.settled(rows, no_header)
    except ValueError as exc:
        raise _failure(exc) from None


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


@command.command("drain")
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@_format_option(DRAIN_HEADINGS, f" {HELP}")
@json_option("Print what is drained, each reason as one line of JSON.")
@color_option()
@click.argument("targets", metavar="[TARGETS]", required=False, shell_complete=completions.nodes)
@click.argument("reason", metavar="[REASON ...]", nargs=-1)
def drain(
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
        table = _layout(DRAIN_HEADINGS, DRAIN_FORMATS.read(layout, refusal="ERROR: "))
        rows = _drained(handle(python_failure))
        if as_json:
            print_json_lines(map(row_facts, rows))
        else:
            _print_table(table, rows, header=not no_header, color=color)
        return
    if layout is not None or as_json:
        raise _failure("TARGETS are drained, not listed: --format and --json are for the list")
    try:
        handle(python_failure).rpc(
            "resource.drain", {"targets": targets, "reason": " ".join(reason)}, nodeid=0
        ).get()
    except OSError as exc:
        raise _rpc_failure(exc) from None


def _drained(flux: Flux) -> list[DrainRow]:
    from flux.resource.list import resource_status

    try:
        return drain_rows(resource_status(flux).get())
    except OSError as exc:
        raise _rpc_failure(exc) from None


@command.command("undrain")
@click.argument("targets", metavar="TARGETS", shell_complete=completions.drained_nodes)
def undrain(targets: str) -> None:
    """Give TARGETS (ranks or hosts) back to the scheduler."""
    try:
        handle(python_failure).rpc("resource.undrain", {"targets": targets}, nodeid=0).get()
    except OSError as exc:
        raise _rpc_failure(exc) from None


_STATUS_STATES = ("all", "online", "avail", "offline", "exclude", "drain")
_STATUS_HINT = f"\nflux-resource: INFO: valid states: {','.join(_STATUS_STATES)}"
_FORMATS_HINT = "flux-resource: INFO: valid formats: state,nnodes,ranks,nodelist,reason"


@command.command("status")
@click.option(
    "-v", "--verbose", count=True, help="Show states without ranks; twice: why ranks are drained."
)
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@_format_option(STATUS_HEADINGS, f" {HELP}")
@click.option(
    "-s",
    "--states",
    metavar="STATE,...",
    help=f"Show these states: {', '.join(_STATUS_STATES)}.",
    shell_complete=completions.word_list(lambda: _STATUS_STATES),
)
@json_option(LINES)
@color_option()
@click.option("--from-stdin", is_flag=True, hidden=True, help="Show an answer of resource.status.")
@_queue_option
def status(
    verbose: int,
    no_header: bool,
    layout: str | None,
    states: str | None,
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
    table = _layout(STATUS_HEADINGS, chosen)  # after the request, as in flux-core
    rows: list[StatusRow] = []
    if answer is not None:
        by_queue = None
        if not from_stdin:
            by_queue = _by_queue(handle(python_failure), answer.rset, queues, table)
        for row in status_rows(answer, wanted, bool(verbose), "reason" in table.fields):
            rows += split_by_queue(row, answer, by_queue)
    if as_json:
        print_json_lines(map(row_facts, rows))
        return
    _print_table(table, rows, header=not no_header, color=color)


def _status_of_instance() -> ResourceStatus:
    from flux.resource.list import resource_status

    try:
        return resource_status(handle(python_failure), nodeid=0).get()
    except OSError as exc:
        raise _rpc_failure(exc) from None


def _status_of_input() -> ResourceStatus | None:
    """Return the answer that standard input has, None if that is empty."""

    from flux.resource.list import ResourceStatus
    from flux.wire import json

    try:
        text = read_text("an answer to resource.status")
        return ResourceStatus(json.loads(text)) if text.strip() else None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _failure("standard input has no answer to resource.status") from None


_LIST_STATES = ("all", "up", "down", "allocated", "free")


@command.command("list")
@click.option("-v", "--verbose", is_flag=True, help="Show ranks and cores instead of hosts.")
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@_format_option(LIST_HEADINGS, f" {HELP}")
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
def list_resources(
    verbose: bool,
    no_header: bool,
    layout: str | None,
    states: str,
    as_json: bool,
    color: str,
    queues: str | None,
) -> None:
    """Show how many nodes, cores and GPUs are free, allocated or down.

    A format with {queue} or {properties} has a line for each set of queues or properties.
    """
    from flux.idset import IDset
    from flux.resource.list import resource_list
    from fluxctl.resource_rows import queue_rows

    wanted = _states(states, _LIST_STATES)
    chosen = layout or ("rlist" if verbose else None)
    table = _layout(LIST_HEADINGS, LIST_FORMATS.read(chosen, refusal="ERROR: "))
    try:
        resources = resource_list(handle(python_failure)).get()
    except OSError as exc:
        raise _rpc_failure(exc) from None
    by_queue = _by_queue(handle(python_failure), resources.all, queues, table)
    if queues is not None and by_queue is not None:
        outside = resources.all.ranks.difference(IDset(by_queue))
        resources = resources.only(lambda part: part.copy().remove_ranks(outside))
    if as_json:
        print_json({state: _plain(resources[state]) for state in wanted})
        return
    rows: list[object] = [resources[state] for state in wanted]
    if by_queue is not None and not _QUEUE_FIELDS.isdisjoint(table.fields):
        rows = [row for state in wanted for row in queue_rows(resources[state], by_queue)]
    _print_table(table, rows, header=not no_header, color=color)


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
        raise _rpc_failure(exc) from None


for _later in (info, eventlog, acquire_mute):
    command.add_command(_later)
command.unlisted = frozenset(("info", "eventlog", "acquire-mute"))

EXAMPLES = """
# See how many nodes and cores are free
flux resource list
# See how many there are in all
flux resource info
# Take a rank out of scheduling, see why it was, and give it back
flux resource drain 1 its fan is broken
flux resource drain
flux resource undrain 1
# What has happened to rank 1 so far, with times for people?
flux resource eventlog --human --include=1
# Print the host names of everything that is up
flux resource list --no-header --states=up --format={nodelist}
"""
