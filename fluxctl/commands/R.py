"""``flux R``: make, combine and show resource sets (RFC 20)."""

from __future__ import annotations

import errno
import os
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
    while text:
        try:
            value, end = decoder.raw_decode(text)
        except ValueError as exc:
            raise CommandError(f"Failed to read an R object: {exc}") from None
        try:
            found.append(Rlist(value))
        except ValueError as exc:
            raise CommandError(f"Failed to decode R on stdin: {exc}") from None
        text = text[end:].lstrip()
    if not found:
        text = "Failed to read an R object: '[' or '{' expected near end of file"
        raise CommandError(text)
    return found


def _read_several(what: str) -> list[Rlist]:
    found = _read()
    if len(found) < 2:
        raise CommandError(f"{what} requires at least 2 resource sets")
    return found


def _read_joined() -> Rlist:
    """Return the sets on stdin, which share no resource, in one."""
    first, *others = _read()
    for other in others:
        if first.intersect(other).nnodes():
            raise CommandError(f"R objects '{first.dumps()}' and '{other.dumps()}' overlap")
        first.append(other)
    return first


def _write(resources: Rlist) -> None:
    import json

    echo(json.dumps(resources.to_dict(), ensure_ascii=False))


def _fold(sets: Iterable[Rlist], operation: Callable[[Rlist, Rlist], Rlist]) -> None:
    """Combine sets from left to right and print the result."""
    first, *others = sets
    for other in others:
        try:
            first = operation(first, other)
        except ValueError as exc:
            raise CommandError(str(exc)) from None
    _write(first)


def _set_properties(resources: Rlist, properties: Iterable[str]) -> None:
    """Set properties ``NAME[:RANKS]``; raises CommandError."""
    from flux.idset import IDset

    for text in properties:
        name, colon, given = text.partition(":")
        try:
            ranks = IDset(given) if colon else resources.ranks()
        except ValueError:
            why = f"invalid idset '{given}' specified for property \"{name}\""
            raise CommandError(f"failed to assign properties: {why}") from None
        for rank in ranks - resources.ranks():
            why = f"rank {rank} not found in target resource list"
            raise CommandError(f"failed to assign properties: {why}")
        try:
            resources.set_property(name, ranks)
        except ValueError as exc:
            raise CommandError(f"failed to assign properties: {exc}") from None


@click.group(cls=FluxGroup, name="R", short_help="Make, combine and show resource sets")
def command() -> None:
    """Make resource sets, or read them from stdin to combine and show them."""


@command.command("encode")
@always_json
@click.option(
    "-r",
    "--ranks",
    metavar="IDS",
    help="Broker ranks (default: as many as --hosts, or 0).",
)
@click.option("-c", "--cores", metavar="IDS", help="Core ids of each rank (default 0).")
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
@click.option(
    "-f", "--xml", metavar="PATH", help="The same, of the machine that hwloc XML describes."
)
def encode(
    ranks: str | None,
    cores: str | None,
    gpus: str | None,
    hosts: str | None,
    properties: tuple[str, ...],
    local: bool,
    xml: str | None,
) -> None:
    """Print a resource set with the same cores and GPUs on every rank."""
    from flux.hostlist import Hostlist
    from flux.idset import IDset
    from flux.resource.Rlist import Rlist

    if (local or xml) and (cores is not None or gpus is not None):
        raise CommandError("do not specify --cores or --gpus with --local or --xml")
    if local or xml is not None:
        cores, gpus = _found_on_machine(xml if not local else None)
    try:
        names = Hostlist(hosts or "")
    except ValueError:
        raise CommandError(f"invalid hostlist '{hosts}'") from None
    try:
        ids = IDset(ranks) if ranks is not None else IDset(range(len(names) or 1))
    except ValueError:
        raise CommandError(f"Failed to decode ranks='{ranks}' as idset") from None
    if hosts is not None and len(names) != len(ids):
        raise CommandError(f"hostname count in '{hosts}' does not match nranks ({len(ids)})")
    resources = Rlist()
    try:
        for index, rank in enumerate(ids):
            host = names[index] if hosts is not None else None
            resources.add_rank(rank, host, "0" if cores is None else cores)
            if gpus:
                resources.add_child(rank, "gpu", gpus)
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    _set_properties(resources, properties)
    _write(resources)


def _found_on_machine(path: str | None) -> tuple[str, str]:
    """Return the cores and GPUs of this machine, or of the one that hwloc XML in a file is about;
    raises CommandError.
    """
    from flux.idset import IDset

    if path is None:
        from flux.resource.topology import discover

        here = discover()
        return IDset(range(len(here.cores))).encode(), IDset(range(here.gpus)).encode()
    from flux.resource.hwloc_xml import described_machine

    try:
        with open(path, "rb") as file:
            found = described_machine(file.read())
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
    return IDset(range(found.cores)).encode(), IDset(range(found.gpus)).encode()


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
    first = _narrowed(_read_joined(), include, exclude, properties)
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


def _narrowed(
    resources: Rlist, include: str | None, exclude: str | None, properties: str | None
) -> Rlist:
    """Return the ranks of a set that options of ``decode`` leave; raises CommandError."""
    from flux.idset import IDset

    try:
        if include is not None:
            resources.remove_ranks(resources.ranks().difference(IDset(include)))
    except ValueError:
        raise CommandError(
            f"Invalid ranks option: '{include}': {os.strerror(errno.EINVAL)}"
        ) from None
    try:
        if exclude is not None:
            resources.remove_ranks(IDset(exclude))
    except ValueError:
        text = f"Invalid idset in --exclude option: {exclude}: {os.strerror(errno.EINVAL)}"
        raise CommandError(text) from None
    try:
        return resources if properties is None else _having(resources, properties.split(","))
    except ValueError as exc:
        raise CommandError(str(exc)) from None


def _having(resources: Rlist, properties: list[str]) -> Rlist:
    from flux.queue import having
    from flux.resource.ResourceSet import ResourceSet
    from flux.resource.Rlist import Rlist

    return Rlist(having(ResourceSet(resources), properties).encode())


@command.command("set-property")
@always_json
@click.argument("properties", metavar="NAME[:RANKS]...", nargs=-1)
def set_property(properties: tuple[str, ...]) -> None:
    """Give RANKS of the set on stdin, by default all of them, the property NAME."""
    joined = _read_joined()
    _set_properties(joined, properties)
    _write(joined)


@command.command("append")
@always_json
def append() -> None:
    """Join sets that share no resource."""
    _write(_read_joined())


@command.command("union")
@always_json
def union() -> None:
    """Print the resources of any of the sets."""
    _fold(_read(), lambda left, right: left.union(right))


@command.command("diff")
@always_json
def diff() -> None:
    """Print the resources of the first set that are in none of the others."""
    _fold(_read_several("diff"), lambda left, right: left.diff(right))


@command.command("intersect")
@always_json
def intersect() -> None:
    """Print the resources that are in all sets."""
    _fold(_read_several("intersect"), lambda left, right: left.intersect(right))


@command.command("remap")
@always_json
def remap() -> None:
    """Number the ranks, and the resources of each rank, from 0."""
    _write(_read_joined().remap())


@command.command("parse-config")
@always_json
@click.argument("path", metavar="PATH")
def parse_config(path: str) -> None:
    """Print the resources that resource.config describes in PATH, a file or a directory of them."""
    from flux.resource.configured import described_resources
    from flux.resource.Rlist import Rlist
    from fluxctl.config_source import tables_in_files

    try:
        tables = tables_in_files(path)
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
    except ValueError as exc:
        raise CommandError(str(exc)) from None
    try:
        found = Rlist(described_resources(tables))
    except ValueError as exc:
        raise CommandError(f"Config file error: {exc}") from None
    _write(found)


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
# See what a configuration describes before an instance reads it
printf '[[resource.config]]\\nhosts = "node[1-2]"\\ncores = "0-3"\\n' > resource.toml
flux R parse-config resource.toml | flux R decode --short
# Tell what is left of four ranks without one of them
(flux R encode -r 0-3 -c 0-1; flux R encode -r 2 -c 0-1) | flux R diff
"""
