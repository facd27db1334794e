"""``flux resource info``: how much there is, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from fluxctl import completions
from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.json_output import always_json, json_option, print_json
from fluxctl.option_groups import text_option, with_options
from fluxctl.python_style import PythonCommand
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.resource.list import SchedResourceList
    from flux.resource.ResourceSet import ResourceSet

STATES: Final = ("all", "up", "down", "allocated", "free")


_CHOICE = [
    click.Option(
        ["-s", "--states"],
        metavar="STATE,...",
        default="all",
        help="Resources in these states (default: all).",
        shell_complete=completions.word_list(lambda: STATES),
    ),
    text_option(
        "-i",
        "--include",
        metavar="TARGETS",
        text="Of these ranks or hosts only.",
        complete=completions.nodes,
    ),
    text_option(
        "-q",
        "--queue",
        "queues",
        metavar="QUEUE,...",
        text="Of these queues only.",
        complete=completions.queue_list,
    ),
]


@click.command("info", cls=PythonCommand)
@with_options(_CHOICE)
@json_option()
def info(states: str, include: str | None, queues: str | None, as_json: bool) -> None:
    """Print how many nodes, cores and GPUs there are.

    The states are all, up, down, allocated and free.
    """
    part = _chosen(states, include, queues)
    found = {name: getattr(part, name) for name in ("nnodes", "ncores", "ngpus")}
    if as_json:
        print_json(found)
        return
    echo(f"{found['nnodes']} Nodes, {found['ncores']} Cores, {found['ngpus']} GPUs")


@click.command("R", cls=PythonCommand)
@with_options(_CHOICE)
@always_json
def resource_set(states: str, include: str | None, queues: str | None) -> None:
    """Print resources as R (RFC 20), which ``flux R`` works with.

    The states are all, up, down, allocated and free.
    """
    echo(_chosen(states, include, queues).encode())


def _chosen(states: str, include: str | None, queues: str | None) -> ResourceSet:
    """Return the resources that the options mean; raises CommandError."""
    from flux.resource.list import resource_list

    h = handle(python_failure)
    try:
        resources = resource_list(h).get()
        kept = _ranks(h, resources.all, include, queues)
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None
    except OSError as exc:
        raise CommandError(f"ERROR: [Errno {exc.errno}] {exc.strerror}") from None
    part = _united(resources, states)
    return part.remove_ranks(part.ranks.difference(kept))


def _united(resources: SchedResourceList, states: str) -> ResourceSet:
    """Return a set of what is in any of some states. Raises CommandError for an unknown one."""
    names = [name.strip().lower() for name in states.split(",")]
    for name in names:
        if name not in STATES:
            hint = suggestion(name, STATES)
            raise CommandError(f"ERROR: Invalid resource state {name} specified", hint=hint)
    part = resources[names[0]].copy()
    for name in names[1:]:
        part = part.union(resources[name])
    return part


def _ranks(h: Flux, everything: ResourceSet, include: str | None, queues: str | None) -> IDset:
    """Return the ranks that are counted. Raises ValueError for an unknown name, OSError."""
    from flux.idset import IDset

    kept = everything.ranks
    if queues is not None:
        from flux.queue import queues_by_rank

        kept = kept.intersect(IDset(list(queues_by_rank(h, everything, queues.split(",")))))
    return kept if include is None else kept.intersect(ranks_named(include, everything))


def ranks_named(text: str, resources: ResourceSet) -> IDset:
    """Return the ranks that an idset or a list of hosts names; those that there are not are left
    out.

    Raises ValueError if it is neither.
    """
    from flux.hostlist import Hostlist
    from flux.idset import IDset

    if text.strip("[]")[:1].isdigit():
        return IDset(text)
    wanted = set(Hostlist(text))
    hosts = zip(resources.ranks, resources.nodelist, strict=False)
    return IDset([rank for rank, host in hosts if host in wanted])
