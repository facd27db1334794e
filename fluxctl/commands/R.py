"""``flux R``: make, combine and show resource sets (RFC 20)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fluxctl.command import FluxGroup, echo
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.resource.Rlist import Rlist


def _read() -> list[Rlist]:
    """Return the resource sets on stdin, one JSON object after the other."""
    import json

    from flux.resource.Rlist import Rlist

    text, found = sys.stdin.read().strip(), []
    decoder = json.JSONDecoder()
    try:
        while text:
            value, end = decoder.raw_decode(text)
            found.append(Rlist(value))
            text = text[end:].lstrip()
    except ValueError as exc:
        raise CommandError(f"stdin: {exc}") from None
    if not found:
        raise CommandError("stdin: no R found")
    return found


def _write(resources: Rlist) -> None:
    import json

    echo(json.dumps(resources.to_dict(), ensure_ascii=False))


def _fold(operation: Callable[[Rlist, Rlist], Rlist]) -> None:
    """Combine the sets on stdin from left to right and print the result."""
    first, *others = _read()
    for other in others:
        try:
            first = operation(first, other)
        except ValueError as exc:
            raise CommandError(str(exc)) from None
    _write(first)


@click.group(cls=FluxGroup, name="R", short_help="Make, combine and show resource sets")
def command() -> None:
    """Make resource sets, or read them from stdin to combine and show them."""


@command.command("encode")
@click.option("-r", "--ranks", metavar="IDS", default="0", help="Broker ranks (default 0).")
@click.option(
    "-c", "--cores", metavar="IDS", default="0", help="Core ids of each rank (default 0)."
)
@click.option("-g", "--gpus", metavar="IDS", help="GPU ids of each rank.")
@click.option(
    "-H", "--hosts", metavar="HOSTS", help="Host names, as many as ranks (default: this host)."
)
@click.option(
    "-l",
    "--local",
    is_flag=True,
    help="The resources of this machine instead of cores and GPUs given.",
)
def encode(ranks: str, cores: str, gpus: str | None, hosts: str | None, local: bool) -> None:
    """Print a resource set with the same cores and GPUs on every rank."""
    from flux.hostlist import Hostlist
    from flux.idset import IDset
    from flux.resource.Rlist import Rlist

    if local:
        from flux.resource.topology import discover

        found = discover()
        cores, gpus = IDset(range(len(found.cores))).encode(), IDset(range(found.gpus)).encode()
    try:
        ids, names = IDset(ranks), Hostlist(hosts or "")
        if hosts is not None and len(names) != len(ids):
            raise CommandError(f"{len(ids)} ranks, but {len(names)} hosts")
        resources = Rlist()
        for index, rank in enumerate(ids):
            resources.add_rank(rank, names[index] if hosts is not None else None, cores)
            if gpus:
                resources.add_child(rank, "gpu", gpus)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    _write(resources)


@command.command("decode")
@click.option("-s", "--short", is_flag=True, help="Print the short form.")
@click.option("-n", "--nodelist", is_flag=True, help="Print the host names.")
@click.option("-r", "--ranks", is_flag=True, help="Print the ranks.")
@click.option(
    "-c",
    "--count",
    metavar="TYPE",
    help="Print how many resources of TYPE there are: node, core, gpu.",
)
@click.option("-i", "--include", metavar="RANKS", help="Keep these ranks only.")
@click.option("-x", "--exclude", metavar="RANKS", help="Leave these ranks out.")
def decode(
    short: bool,
    nodelist: bool,
    ranks: bool,
    count: str | None,
    include: str | None,
    exclude: str | None,
) -> None:
    """Print the resource sets on stdin, joined, as JSON or in another form."""
    from flux.idset import IDset

    first, *others = _read()
    try:
        for other in others:
            first.append(other)
        if include is not None:
            first.remove_ranks(first.ranks().difference(IDset(include)))
        if exclude is not None:
            first.remove_ranks(IDset(exclude))
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    if short:
        echo(first.dumps())
    if nodelist:
        echo(first.nodelist().encode())
    if ranks:
        echo(first.ranks().encode())
    if count is not None:
        echo(str(first.count(count)))
    if not (short or nodelist or ranks or count is not None):
        _write(first)


@command.command("append")
def append() -> None:
    """Join sets that share no resource."""
    _fold(lambda left, right: left.append(right))


@command.command("union")
def union() -> None:
    """Print the resources of any of the sets."""
    _fold(lambda left, right: left.union(right))


@command.command("diff")
def diff() -> None:
    """Print the resources of the first set that are in none of the others."""
    _fold(lambda left, right: left.diff(right))


@command.command("intersect")
def intersect() -> None:
    """Print the resources that are in all sets."""
    _fold(lambda left, right: left.intersect(right))


@command.command("remap")
def remap() -> None:
    """Number the ranks, and the resources of each rank, from 0."""
    first, *others = _read()
    try:
        for other in others:
            first.append(other)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    _write(first.remap())


EXAMPLES = """
# Make a resource set of two nodes with four cores each, and show it in short
flux R encode -r 0-1 -c 0-3 -H node[1-2] | flux R decode --short
# Count the cores of a running job's resources
flux job info $(flux mini submit true) R | flux R decode --count core
# Tell what is left of four ranks without one of them
(flux R encode -r 0-3 -c 0-1; flux R encode -r 2 -c 0-1) | flux R diff
"""
