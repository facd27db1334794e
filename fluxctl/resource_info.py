"""``flux resource info``: how much there is, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from fluxctl import completions
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import always_json, json_option, print_json
from fluxctl.python_style import PythonCommand
from fluxctl.queue_options import queues_option
from fluxctl.resource_choice import chosen_ranks, include_option
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from flux.resource.list import SchedResourceList
    from flux.resource.ResourceSet import ResourceSet

STATES: Final = ("all", "up", "down", "allocated", "free")


_states_option = click.option(
    "-s",
    "--states",
    metavar="STATE,...",
    default="all",
    help="Resources in these states (default: all).",
    shell_complete=completions.word_list(lambda: STATES),
)


@click.command("info", cls=PythonCommand)
@_states_option
@include_option
@queues_option
@json_option()
def info(states: str, include: str | None, queues: str | None, as_json: bool) -> None:
    """Print how many nodes, cores and GPUs there are.

    The states are all, up, down, allocated and free.
    """
    part = _chosen(states or "all", include, queues)
    found = {name: getattr(part, name) for name in ("nnodes", "ncores", "ngpus")}
    if as_json:
        print_json(found)
    elif part.nnodes or not include:
        echo(f"{found['nnodes']} Nodes, {found['ncores']} Cores, {found['ngpus']} GPUs")


@click.command("R", cls=PythonCommand)
@_states_option
@include_option
@queues_option
@always_json
def resource_set(states: str, include: str | None, queues: str | None) -> None:
    """Print resources as R (RFC 20), which ``flux R`` works with.

    The states are all, up, down, allocated and free.
    """
    import json

    echo(json.dumps(_chosen(states, include, queues).to_dict(), ensure_ascii=False))


def _chosen(states: str, include: str | None, queues: str | None) -> ResourceSet:
    """Return the resources that the options mean; raises CommandError."""
    from flux.queue import known_resources

    h = handle(python_failure)
    try:
        resources = known_resources(h)
        kept = chosen_ranks(h, resources.all, include, queues)
    except OSError as exc:
        raise CommandError(f"ERROR: [Errno {exc.errno}] {exc.strerror}") from None
    part = _united(resources, states)
    return part if kept is None else part.copy_ranks(kept)


def _united(resources: SchedResourceList, states: str) -> ResourceSet:
    """Return a set of what is in any of some states. Raises CommandError for an unknown one."""
    names = states.split(",")
    for name in names:
        if name not in STATES:
            hint = suggestion(name, STATES)
            raise CommandError(f"ERROR: Invalid resource state {name} specified", hint=hint)
    part = resources[names[0]].copy()
    for name in names[1:]:
        part = part.union(resources[name])
    return part
