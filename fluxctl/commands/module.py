"""``flux module``: load, list and examine the broker's modules (flux-module(1))."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Unpack

import click

from fluxctl import completions, modern, module_requests
from fluxctl.command import FluxGroup, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json
from fluxctl.module_asking import debug, stats
from fluxctl.module_files import locate, name_in_file, source_of
from fluxctl.module_table import LONG, MODULES, ListedModule, module_role, module_row
from fluxctl.module_trace import trace

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from fluxctl.list_output import ListChoice


class ModuleGroup(FluxGroup):
    """The group; asked for its help it prints its usage as talk and fails, as flux-core's does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args[:1] in (["-h"], ["--help"]) and not ctx.resilient_parsing:
            raise CommandError(ctx.get_help(), 1, bare=True)
        return super().parse_args(ctx, args)


@click.group(cls=ModuleGroup)
def command() -> None:
    """Manage the modules of the local broker."""


rank_option = click.option(
    "-r",
    "--rank",
    metavar="IDSET",
    help='Work on these ranks ("all" for all), not on this one.',
    shell_complete=completions.ranks,
)
force_option = click.option(
    "-f", "--force", is_flag=True, help="Ignore a module that is not loaded."
)


cancel_option = click.option(
    "--cancel",
    is_flag=True,
    expose_value=False,
    help="Cut off a module in a file that does not end, which is done without it, too.",
)
name_option = click.option(
    "--name",
    "own",
    metavar="NAME",
    help="Call a module in a file NAME, not what the file says.",
)


@command.command("load")
@rank_option
@name_option
@click.argument("name", shell_complete=completions.loadable_modules)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def load(rank: str | None, own: str | None, name: str, args: tuple[str, ...]) -> None:
    """Load the module NAME: a built-in one, or a Python file if NAME has a slash."""
    with handle() as h:
        module_requests.insert(
            h, name, locate(h, name), args, module_requests.ranks_of(h, rank), own
        )


def _remove(force: bool, rank: str | None, name: str) -> None:
    with handle() as h:
        module_requests.remove(
            h,
            name_in_file(locate(h, name)) if "/" in name else name,
            force,
            module_requests.ranks_of(h, rank),
        )


@command.command("remove")
@force_option
@cancel_option
@rank_option
@click.argument("name", shell_complete=completions.modules)
def remove(force: bool, rank: str | None, name: str) -> None:
    """Unload the module NAME."""
    _remove(force, rank, name)


@command.command("unload")
@force_option
@cancel_option
@rank_option
@click.argument("name", shell_complete=completions.modules)
def unload(force: bool, rank: str | None, name: str) -> None:
    """Unload the module NAME, another name of remove."""
    _remove(force, rank, name)


@command.command("reload")
@force_option
@cancel_option
@rank_option
@name_option
@click.argument("name", shell_complete=completions.modules)
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def reload(
    force: bool, rank: str | None, own: str | None, name: str, args: tuple[str, ...]
) -> None:
    """Unload and load the module NAME.

    What cannot be loaded is refused before the module is unloaded; one that does not come up with
    the new arguments is loaded again as it was.
    """
    with handle() as h:
        path = locate(h, name)
        ranks = module_requests.ranks_of(h, rank)
        in_file = "/" in path and path.endswith(".py")
        if args or in_file:
            module_requests.check(h, path, args, ranks)
        called = own or (name_in_file(path) if in_file else name)
        removed: list[int] = []
        try:
            module_requests.remove(h, called, force, ranks, removed)
            module_requests.insert(h, name, path, args, ranks, own)
        except CommandError as failure:
            raise module_requests.restored(h, called, failure, removed) from None


@command.command("list")
@MODULES.options("Print the answer as one line of JSON.")
@click.option("-l", "--long", "long", is_flag=True, help="Show the files of the modules.")
@rank_option
@click.argument("service", default="broker", shell_complete=completions.services)
def list_modules(rank: str | None, service: str, long: bool, **choice: Unpack[ListChoice]) -> None:
    """List the modules loaded by SERVICE, the broker by default.

    Those of several ranks are listed once each.
    """
    if long and choice["layout"] is None:
        choice["layout"] = LONG
    MODULES.format_of(choice)  # before there is a connection
    with_paths = long or "{path" in (choice["layout"] or "")
    mods: dict[tuple[str, str], ListedModule] = {}
    with handle() as h:
        try:
            for target in module_requests.ranks_of(h, rank):
                paths = _paths(h, target) if with_paths else {}
                for mod in modern.ask(h, f"{service}.lsmod", nodeid=target)["mods"]:
                    known = mods.setdefault((mod["name"], mod["digest"]), mod)
                    if mod["name"] in paths:
                        known["path"] = paths[mod["name"]]
                    known["idle"] = min(known["idle"], mod["idle"])
        except OSError as exc:
            said = os.strerror(exc.errno) if exc.errno == errno.EPERM else exc.strerror
            raise CommandError(f"{service}.lsmod: {said}") from None
    if choice["as_json"]:
        print_json(list(mods.values()))
        return
    MODULES.show(map(module_row, mods.values()), choice, module_role)


def _paths(h: Flux, rank: int) -> dict[str, str]:
    """Return the files of a broker's modules, which 0.29's list does not tell; raises OSError."""
    found = h.rpc("module.list", nodeid=rank).get()["mods"]
    return {mod["name"]: mod["path"] for mod in found}


@command.command("info")
@json_option()
@click.argument("name", shell_complete=completions.loadable_modules)
def info(name: str, as_json: bool) -> None:
    """Show where the module NAME comes from."""
    import hashlib

    target = locate(None, name)
    path = target if "/" in target else source_of(target)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
    own = name_in_file(path) if "/" in target else name
    digest = hashlib.sha1(data).hexdigest()
    if as_json:
        print_json({"name": own, "path": path, "sha1": digest, "size": len(data)})
        return
    echo(f"Module name:  {own}")
    echo(f"Module path:  {path}")
    echo(f"SHA1 Digest:  {digest}")
    echo(f"Size:         {len(data)} bytes")


for one in (stats, debug, trace):
    command.add_command(one)

EXAMPLES = """
# List the modules of this broker, and of all brokers
flux module list
flux module list --rank=all
# Print the names of all modules and what they are idle for, in seconds
flux module list --no-header --format='{name:<24} {seconds}'
# Show how much the content cache holds
flux module stats --parse=count content
# See for two seconds which requests the key-value store gets, and what it answers
timeout 2 flux module trace --human kvs || true
# Load a module of one's own, with arguments, and remove it
flux module load ./greeter.py name=world
flux module remove greeter
# The same file as two modules
flux module load --name=hello ./greeter.py
flux module list --long
flux module remove hello
"""
