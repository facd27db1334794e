"""``flux resource``: list resources, and take ranks out of scheduling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.color import color_option
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import LINES, json_option, print_json, print_json_lines
from fluxctl.python_style import PythonGroup
from fluxctl.queue_options import queues_option
from fluxctl.resource_choice import (
    chosen_ranks,
    include_option,
    queues_of_ranks,
)
from fluxctl.resource_drain import drain, undrain
from fluxctl.resource_formats import LIST, LIST_WITH_RANKS, STATUS, STATUS_WITH_REASONS
from fluxctl.resource_info import info, resource_set
from fluxctl.resource_log import acquire_mute, eventlog
from fluxctl.resource_status import StatusRow, row_facts, split_by_queue, status_rows
from fluxctl.resource_table import failure, format_option, layout_of, print_table, rpc_failure
from fluxctl.saved_formats import HELP
from fluxctl.standard_input import read_text
from fluxctl.suggestions import for_a_person, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.core.handle import Flux
    from flux.output_format import OutputFormat
    from flux.resource.list import ResourceStatus, SchedResourceList
    from flux.resource.ResourceSet import ResourceSet


def _states(text: str, valid: Iterable[str], hint: str = "") -> list[str]:
    """Return the states that an option names; raises CommandError for one that is not ``valid``."""
    wanted = text.split(",")
    for state in wanted:
        if state not in valid:
            text = f"ERROR: Invalid resource state {state} specified{hint}"
            raise CommandError(text, 1, hint=for_a_person(suggestion(state, valid)))
    return wanted


@click.group(cls=PythonGroup, name="resource", short_help="list and control resources")
def command() -> None:
    """List the resources of an instance, drain and undrain them."""


command.add_command(drain)
command.add_command(undrain)


_OLD_STATES = ("all", "online", "avail", "offline", "exclude", "drain")
_STATUS_STATES = (*_OLD_STATES, "draining", "drained", "torpid", "allocated", "housekeeping")
_NEW_STATES = frozenset(_STATUS_STATES).difference(_OLD_STATES)
_VALID = "flux-resource: INFO: valid states: "
_FORMATS_HINT = "flux-resource: INFO: valid formats: state,nnodes,ranks,nodelist,reason"
_TWICE = 2


@command.command("status")
@click.option(
    "-v", "--verbose", count=True, help="Show states without ranks; twice: why ranks are drained."
)
@click.option("-n", "--no-header", is_flag=True, help="Do not print column headings.")
@format_option(STATUS.today, f" {HELP}")
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
@queues_option
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

    The states help and the format help list what there is. With --include, --queue, --skip-empty,
    a state that 0.29 does not have, a format by name, or one with a field such as {up}, there are
    the lines of today's flux-core: drained and draining ranks, and * behind what is offline.
    """
    if states == "help" or layout == "help":
        text = f"{_VALID}{','.join(_STATUS_STATES)}" if states == "help" else _FORMATS_HINT
        echo(text, err=True)
    if states == "help":
        return
    named = states.split(",") if states else []
    asked = include is not None or queues is not None or skip_empty
    todays = STATUS.are_todays(layout, asked=asked or not _NEW_STATES.isdisjoint(named))
    default = None if todays or verbose < _TWICE else STATUS_WITH_REASONS
    chosen = STATUS.read(layout, default, todays=todays)
    known = _STATUS_STATES if todays else _OLD_STATES
    wanted = _states(states, known, f"\n{_VALID}{','.join(known)}") if states else []
    answer = _status_of_input() if from_stdin else None
    if todays and not (from_stdin and answer is None):
        from fluxctl.resource_ranks import RankChoice, print_answer, print_status

        skipped = skip_empty or not (wanted or verbose)
        choice = RankChoice(wanted, include, queues, skipped, not no_header, as_json, color)
        if answer is None:
            print_status(handle(python_failure), layout_of(STATUS.today, chosen), choice)
        else:
            print_answer(answer, layout_of(STATUS.today, chosen), choice)
        return
    if not from_stdin:
        answer = _status_of_instance()
    table = layout_of(STATUS.headings, chosen)  # after the request, as in flux-core
    rows: list[StatusRow] = []
    if answer is not None:
        rows += status_rows(answer, wanted, bool(verbose), "reason" in table.fields)
        if "queue" in table.fields and not from_stdin:
            rows = _split(rows, answer)
    if as_json:
        print_json_lines(map(row_facts, rows))
        return
    print_table(table, rows, header=not no_header, color=color)


def _split(rows: Iterable[StatusRow], answer: ResourceStatus) -> list[StatusRow]:
    """Return a row for the ranks of each set of queues."""
    try:
        queues = queues_of_ranks(handle(python_failure), answer.rset)
    except OSError as exc:
        raise rpc_failure(exc) from None
    return [part for row in rows for part in split_by_queue(row, answer, queues)]


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
@format_option(LIST.headings, f" {HELP}")
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
@queues_option
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

    With --include, --queue, --skip-empty, a format by name, or one with {queue} or {properties},
    there are the lines of today's flux-core: one for what looks the same in all that is shown.
    """
    from flux.queue import known_resources
    from flux.resource.list import resource_list

    wanted = _states(states, _LIST_STATES)
    typed = LIST_WITH_RANKS if layout is None and verbose else layout
    asked = include is not None or queues is not None or skip_empty is not None
    todays = LIST.are_todays(typed, asked=asked)
    table = layout_of(LIST.headings, LIST.read(typed, todays=todays))
    h = handle(python_failure)
    rows: list[object] = []
    try:
        resources = known_resources(h) if todays else resource_list(h).get()
        kept = chosen_ranks(h, resources.all, include, queues)
        if kept is not None:
            resources = resources.only(lambda part: part.copy_ranks(kept))
        if todays and not as_json:
            rows = _todays_rows(h, resources, wanted, queues, table)
    except OSError as exc:
        raise rpc_failure(exc) from None
    if as_json:
        print_json({state: _plain(resources[state]) for state in wanted})
        return
    if not todays:
        rows = [resources[state] for state in wanted]
    if skip_empty if skip_empty is not None else include:
        rows = [row for row in rows if getattr(row, "nnodes", 0)]
    print_table(table, rows, header=not no_header, color=color)


def _todays_rows(
    h: Flux,
    resources: SchedResourceList,
    states: list[str],
    queues: str | None,
    table: OutputFormat,
) -> list[object]:
    """Return the rows of some states; raises OSError."""
    from fluxctl.resource_rows import QUEUE_FIELDS, resource_rows

    known: list[str] = []
    by_rank: dict[int, tuple[str, ...]] = {}
    if not QUEUE_FIELDS.isdisjoint(table.fields):
        from flux.queue import queue_names

        known, by_rank = queue_names(h), queues_of_ranks(h, resources.all, queues)
    wanted = known if queues is None else queues.split(",")
    return [*resource_rows(resources, states, table.fields, by_rank, known, wanted)]


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
        raise failure(exc.strerror) from None


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
