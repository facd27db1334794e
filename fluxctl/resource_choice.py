"""Which ranks the sub-commands of ``flux resource`` are about: ``--include`` and ``--queue``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl import completions
from fluxctl.errors import CommandError
from fluxctl.suggestions import queue_suggestion

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from flux.idset import IDset
    from flux.resource.ResourceSet import ResourceSet

include_option = click.option(
    "-i",
    "--include",
    metavar="TARGETS",
    help="Of these ranks or hosts only.",
    shell_complete=completions.nodes,
)


def ranks_named(text: str, resources: ResourceSet) -> IDset:
    """Return the ranks that an idset or a list of hosts names; those that there are not are left
    out.

    Raises ValueError if it is neither.
    """
    from flux.hostlist import Hostlist
    from flux.idset import IDset

    try:
        return IDset(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        pass
    try:
        wanted = set(Hostlist(text))
    except ValueError:
        raise ValueError(f"Invalid hostlist: '{text}'") from None
    hosts = zip(resources.ranks, resources.nodelist, strict=False)
    return IDset([rank for rank, host in hosts if host in wanted])


def queues_of_ranks(
    flux: Flux, resources: ResourceSet, queues: str | None = None
) -> dict[int, tuple[str, ...]]:
    """Return the queues of each rank; with ``queues`` those of them, of ranks that have any. Raises
    CommandError for one that there is not, OSError.
    """
    from flux.queue import queues_by_rank

    names = None if queues is None else queues.split(",")
    try:
        found = queues_by_rank(flux, resources, names)
    except ValueError as exc:
        hint = queue_suggestion(flux, names or ())
        raise CommandError(f"ERROR: --queue: {exc}", hint=hint) from None
    if names is None:
        return found
    return {rank: tuple(one for one in those if one in names) for rank, those in found.items()}


def chosen_ranks(
    flux: Flux, resources: ResourceSet, include: str | None, queues: str | None
) -> IDset | None:
    """Return the ranks that are in all that options name, None without such options; an empty
    ``include`` is none. Raises CommandError, OSError.
    """
    from flux.idset import IDset

    if not include and queues is None:
        return None
    kept = resources.ranks
    if queues is not None:
        kept = kept.intersect(IDset(list(queues_of_ranks(flux, resources, queues))))
    try:
        return kept.intersect(ranks_named(include, resources)) if include else kept
    except ValueError as exc:
        raise CommandError(f"ERROR: --include: {exc}") from None
