"""``flux hwloc``: the hardware of an instance as hwloc sees it (flux-hwloc(1))."""

from __future__ import annotations

import click

from fluxctl import completions
from fluxctl.command import FluxGroup, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json


def _documents(local: bool, ranks: str | None) -> list[str]:
    """Return the hwloc XML of this machine, of some ranks, or of all."""
    from flux.idset import IDset
    from flux.resource.topology import discover, to_xml

    if local:
        return [to_xml(discover())]
    flux = handle()
    try:
        wanted = None if ranks in (None, "all") else IDset(ranks or "")
    except ValueError:
        raise CommandError(f"invalid rank list: {ranks}") from None
    documents = flux.rpc("resource.get-xml", nodeid=0).get()["xml"]
    size = len(documents)
    if wanted is None:
        wanted = IDset(range(size))
    if len(wanted) and wanted.last() >= size:
        raise CommandError(f"rank {wanted.last()} is out of range, the instance has {size}")
    found = [documents[rank] for rank in wanted if documents[rank] is not None]
    if len(found) < len(wanted) and ranks not in (None, "all"):
        missing = IDset(rank for rank in wanted if documents[rank] is None)
        raise CommandError(f"there is no description of rank {missing}")
    return found


_ranks_option = click.option(
    "-r",
    "--rank",
    "--ranks",
    "ranks",
    metavar="NODESET",
    help="Show these ranks only.",
    shell_complete=completions.ranks,
)


@click.group(cls=FluxGroup, name="hwloc", short_help="Show the hardware of an instance")
def command() -> None:
    """Show the hardware that the brokers of an instance may use."""


@command.command("info")
@click.option("-l", "--local", is_flag=True, help="Show this machine, without an instance.")
@_ranks_option
@json_option()
def info(local: bool, ranks: str | None, as_json: bool) -> None:
    """Count machines, cores and processing units."""
    from flux.resource.topology import count_objects

    counts = count_objects(_documents(local, ranks))
    if as_json:
        print_json(counts._asdict())
        return
    echo(str(counts))


@command.command("topology")
@click.option("-l", "--local", is_flag=True, help="Show this machine, without an instance.")
@_ranks_option
def topology(local: bool, ranks: str | None) -> None:
    """Print hwloc XML, one document a rank."""
    for document in _documents(local, ranks):
        echo(document.rstrip("\n"))


EXAMPLES = """
# Count cores and processing units of the whole instance
flux hwloc info
# Save the topology of this machine for hwloc's tools
flux hwloc topology --local >topology.xml
"""
