"""``flux R``: make, combine and show resource sets (RFC 20)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl.command import FluxGroup, echo
from fluxctl.errors import CommandError
from fluxctl.json_output import always_json, json_option, print_json
from fluxctl.standard_input import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.resource.Rlist import Rlist


def _read() -> list[Rlist]:
    """Return the resource sets on stdin, one JSON object after the other."""
    import json

    from flux.resource.Rlist import Rlist

    text, found = read_text("R").strip(), []
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


def _set_properties(resources: Rlist, properties: Iterable[str]) -> None:
    """Set properties ``NAME[:RANKS]``; raises ValueError."""
    for text in properties:
        name, colon, ranks = text.partition(":")
        resources.set_property(name, ranks if colon else None)


@click.group(cls=FluxGroup, name="R", short_help="Make, combine and show resource sets")
def command() -> None:
    """Make resource sets, or read them from stdin to combine and show them."""


@command.command("encode")
@always_json
@click.option("-r", "--ranks", metavar="IDS", default="0", help="Broker ranks (default 0).")
@click.option(
    "-c", "--cores", metavar="IDS", default="0", help="Core ids of each rank (default 0)."
)
@click.option("-g", "--gpus", metavar="IDS", help="GPU ids of each rank.")
@click.option(
    "-H", "--hosts", metavar="HOSTS", help="Host names, as many as ranks (default: this host)."
)
@click.option(
    "-p",
    "--property",
    "properties",
    metavar="NAME[:RANKS]",
    multiple=True,
    help="Give RANKS, by default all, the property NAME.",
)
@click.option(
    "-l",
    "--local",
    is_flag=True,
    help="The resources of this machine instead of cores and GPUs given.",
)
def encode(
    ranks: str,
    cores: str,
    gpus: str | None,
    hosts: str | None,
    properties: tuple[str, ...],
    local: bool,
) -> None:
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
        _set_properties(resources, properties)
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
@click.option(
    "-p",
    "--properties",
    metavar="NAME,...",
    help="Keep the ranks with all of these properties only; with ^NAME those without it.",
)
@json_option("Print JSON, also for what --nodelist, --ranks and --count tell.")
def decode(
    as_json: bool,
    short: bool,
    nodelist: bool,
    ranks: bool,
    count: str | None,
    include: str | None,
    exclude: str | None,
    properties: str | None,
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
        if properties is not None:
            first = _having(first, properties.split(","))
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    if as_json and (nodelist or ranks or count is not None):
        facts = {
            "nodelist": first.nodelist().encode() if nodelist else None,
            "ranks": first.ranks().encode() if ranks else None,
            "count": first.count(count) if count is not None else None,
        }
        print_json({name: value for name, value in facts.items() if value is not None})
        return
    if short and not as_json:
        echo(first.dumps())
    if nodelist:
        echo(first.nodelist().encode())
    if ranks:
        echo(first.ranks().encode())
    if count is not None:
        echo(str(first.count(count)))
    if as_json or not (short or nodelist or ranks or count is not None):
        _write(first)


def _having(resources: Rlist, properties: list[str]) -> Rlist:
    from flux.queue import having
    from flux.resource.ResourceSet import ResourceSet
    from flux.resource.Rlist import Rlist

    return Rlist(having(ResourceSet(resources), properties).encode())


@command.command("set-property")
@always_json
@click.argument("properties", metavar="NAME[:RANKS]...", nargs=-1, required=True)
def set_property(properties: tuple[str, ...]) -> None:
    """Give RANKS of the set on stdin, by default all of them, the property NAME."""
    first, *others = _read()
    try:
        for other in others:
            first.append(other)
        _set_properties(first, properties)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    _write(first)


@command.command("append")
@always_json
def append() -> None:
    """Join sets that share no resource."""
    _fold(lambda left, right: left.append(right))


@command.command("union")
@always_json
def union() -> None:
    """Print the resources of any of the sets."""
    _fold(lambda left, right: left.union(right))


@command.command("diff")
@always_json
def diff() -> None:
    """Print the resources of the first set that are in none of the others."""
    _fold(lambda left, right: left.diff(right))


@command.command("intersect")
@always_json
def intersect() -> None:
    """Print the resources that are in all sets."""
    _fold(lambda left, right: left.intersect(right))


@command.command("remap")
@always_json
def remap() -> None:
    """Number the ranks, and the resources of each rank, from 0."""
    first, *others = _read()
    try:
        for other in others:
            first.append(other)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    _write(first.remap())


@command.command("rerank")
@always_json
@click.argument("hosts", metavar="HOSTLIST")
def rerank(hosts: str) -> None:
    """Join sets, and number the ranks by the places of their hosts in HOSTLIST."""
    first, *others = _read()
    try:
        for other in others:
            first = first.union(other)
        first.rerank(hosts)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    _write(first)


@command.command("verify")
def verify() -> None:
    """Tell whether the second of two sets on stdin, which has one rank, has all resources that the
    first has for that rank.

    What it has beyond them is told, and is no error.
    """
    sets = _read()
    if len(sets) != 2:
        raise CommandError("verify requires exactly 2 R objects on stdin")
    expected, found = sets
    if found.nnodes() != 1:
        raise CommandError("Verification supported on single rank only")
    ranks, host = found.ranks(), found.nodelist()[0]
    rank = next(iter(ranks))
    if rank not in expected.ranks():
        raise CommandError(f"rank {rank} not found in expected ranks")
    expected.remove_ranks(expected.ranks().difference(ranks))
    wanted = expected.nodelist()[0]
    if host != wanted:
        raise CommandError(f"rank {rank} got hostname '{host}', expected '{wanted}'")
    missing, extra = expected.diff(found), found.diff(expected)
    if missing.nnodes():
        raise CommandError(f"rank {rank} ({host}) missing resources: {_named(missing)}")
    if extra.nnodes():
        echo(f"flux-R: rank {rank} ({host}) has extra resources: {_named(extra)}", err=True)


def _named(resources: Rlist) -> str:
    """Return the resources of a rank in short: ``core[4-5],gpu0``."""
    return resources.dumps().partition("/")[2]


EXAMPLES = """
# Make a resource set of two nodes with four cores each, and show it in short
flux R encode -r 0-1 -c 0-3 -H node[1-2] | flux R decode --short
# Count the cores of a running job's resources
flux job info $(flux mini submit true) R | flux R decode --count core
# Number the ranks by another order of their hosts
flux R encode -r 0-1 -c 0-3 -H a,b | flux R rerank b,a
# Does a node still have what it had?
(flux R encode -c 0-3 -H a; flux R encode -c 0-5 -H a) | flux R verify
# Tell what is left of four ranks without one of them
(flux R encode -r 0-3 -c 0-1; flux R encode -r 2 -c 0-1) | flux R diff
"""
