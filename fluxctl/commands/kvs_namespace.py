"""``flux kvs namespace``: create, remove and list namespaces (flux-kvs(1))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Unpack

import click

from flux.wire.message import USERID_UNKNOWN, USERID_UNKNOWN_JSON
from fluxctl import completions
from fluxctl.command import FluxCommand, FluxGroup, handle
from fluxctl.commands.kvs_options import failing
from fluxctl.json_output import print_json_lines
from fluxctl.list_output import ListTable
from fluxctl.option_types import Integer

if TYPE_CHECKING:
    from fluxctl.list_output import ListChoice

_NAMESPACES = ListTable(
    {"namespace": "NAMESPACE", "owner": "OWNER", "flags": "FLAGS"},
    "{namespace:<36} {owner:>10} {flags:>10}",
)


@click.group("namespace", cls=FluxGroup)
def namespace_group() -> None:
    """Create, remove and list namespaces."""


@namespace_group.command("create", cls=FluxCommand)
@click.option(
    "-o",
    "--owner",
    type=Integer(USERID_UNKNOWN_JSON, USERID_UNKNOWN - 1),
    default=USERID_UNKNOWN_JSON,
    metavar="UID",
    help="The user id that owns the namespace.",
)
@click.option(
    "-r",
    "--rootref",
    metavar="BLOBREF",
    help="Begin with the root directory BLOBREF, as flux kvs getroot -b prints it; by default with"
    " an empty one.",
)
@click.argument("names", nargs=-1, required=True, metavar="NAME [NAME...]")
def namespace_create(owner: int, rootref: str | None, names: tuple[str, ...]) -> None:
    """Create namespaces."""
    from flux import kvs_rpc

    with handle() as h:
        for name in names:
            with failing(name, told=errno.EPERM):
                kvs_rpc.create_namespace(h, name, owner, rootref=rootref)


@namespace_group.command("remove", cls=FluxCommand)
@click.argument(
    "names",
    nargs=-1,
    required=True,
    metavar="NAME [NAME...]",
    shell_complete=completions.namespaces,
)
def namespace_remove(names: tuple[str, ...]) -> None:
    """Remove namespaces with all they contain."""
    from flux import kvs_rpc

    with handle() as h:
        for name in names:
            with failing(name):
                kvs_rpc.namespace_remove(h, name).get()


@namespace_group.command("list", cls=FluxCommand)
@_NAMESPACES.options()
def namespace_list(**choice: Unpack[ListChoice]) -> None:
    """List the namespaces with owner and flags."""
    from flux import kvs_rpc

    _NAMESPACES.format_of(choice)  # before there is a connection
    with handle() as h, failing("flux_rpc_get_unpack"):
        spaces = kvs_rpc.namespace_list(h)
    if choice["as_json"]:
        print_json_lines(spaces)
        return
    _NAMESPACES.show(({**one, "flags": f"0x{one['flags']:08x}"} for one in spaces), choice)
