"""``flux kvs namespace``: create, remove and list namespaces (flux-kvs(1))."""

from __future__ import annotations

import errno

import click

from flux.wire.message import USERID_UNKNOWN, USERID_UNKNOWN_JSON
from fluxctl.command import FluxCommand, FluxGroup, echo, handle
from fluxctl.commands.kvs_options import failing
from fluxctl.option_types import Integer


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
@click.argument("names", nargs=-1, required=True, metavar="NAME [NAME...]")
def namespace_create(owner: int, names: tuple[str, ...]) -> None:
    """Create namespaces."""
    from flux import kvs_rpc

    with handle() as h:
        for name in names:
            with failing(name, told=errno.EPERM):
                kvs_rpc.namespace_create(h, name, owner).get()


@namespace_group.command("remove", cls=FluxCommand)
@click.argument("names", nargs=-1, required=True, metavar="NAME [NAME...]")
def namespace_remove(names: tuple[str, ...]) -> None:
    """Remove namespaces with all they contain."""
    from flux import kvs_rpc

    with handle() as h:
        for name in names:
            with failing(name):
                kvs_rpc.namespace_remove(h, name).get()


@namespace_group.command("list", cls=FluxCommand)
def namespace_list() -> None:
    """List the namespaces with owner and flags."""
    from flux import kvs_rpc

    with handle() as h, failing("flux_rpc_get_unpack"):
        spaces = kvs_rpc.namespace_list(h)
    echo(f"{'NAMESPACE':<36} {'OWNER':>10} {'FLAGS':>10}")
    for space in spaces:
        echo(f"{space['namespace']:<36} {space['owner']:>10} 0x{space['flags']:08x}")
