"""``flux module``: load, list and examine the broker's modules (flux-module(1))."""

from __future__ import annotations

import errno
import json as stdlib_json
import os
from typing import TYPE_CHECKING, Unpack

import click

from flux.wire.message import NODEID_ANY
from fluxctl import completions, modern
from fluxctl.command import FluxGroup, echo, handle
from fluxctl.errors import CommandError
from fluxctl.hints import did_you_mean, modules
from fluxctl.json_output import json_option, print_json
from fluxctl.module_files import locate, name_in_file, source_of
from fluxctl.module_table import LONG, MODULES, ListedModule, module_role, module_row, scaled
from fluxctl.module_trace import trace
from fluxctl.option_types import REAL
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable

    from flux.core.handle import Flux
    from flux.wire.json import JsonObject
    from fluxctl.list_output import ListChoice

    Told = Callable[[OSError, str], CommandError | None]
    """Turns the failure on a rank, and words for that rank, into what the user is told."""


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


def _ranks(h: Flux, text: str | None) -> list[int]:
    """Return the node ids that ``--rank`` stands for; raises CommandError for what is none."""
    if text is None:
        return [NODEID_ANY]
    size = h.get_size()
    if text == "all":
        return list(range(size))
    from flux.idset import IDset

    try:
        ranks = IDset(text)
    except ValueError:
        raise CommandError(f"invalid rank: '{text}'") from None
    if not ranks or ranks.last() >= size:
        raise CommandError(f"rank {text} is out of range: there are {size} brokers")
    return list(ranks)


def _service_of(name: str) -> str:
    """Return the service that loads a module: ``a.b`` is loaded by ``a``, others by the broker."""
    return name.rpartition(".")[0] or "broker"


def _each(
    h: Flux,
    ranks: list[int],
    topic: str,
    body: JsonObject,
    told: Told,
    done: list[int] | None = None,
) -> None:
    """Send a request to each rank at once, and add those that did it to ``done``.

    Raises what ``told`` makes of the first failure, when all have answered.
    """
    failure: CommandError | None = None
    for rank, rpc in [(rank, h.rpc(topic, body, nodeid=rank)) for rank in ranks]:
        try:
            modern.answer(rpc, h, topic, body, rank)
            if done is not None:
                done.append(rank)
        except OSError as exc:
            where = "" if rank == NODEID_ANY else f"rank {rank}: "
            failure = failure or told(exc, where)
    if failure is not None:
        raise failure


def _insmod(
    h: Flux,
    name: str,
    path: str,
    args: tuple[str, ...],
    ranks: list[int],
    own: str | None = None,
    apart: bool = False,
) -> None:
    """Load a module, with a name of its ``own`` and in a process ``apart`` if that is asked for."""
    service = _service_of(name) if "/" not in name else "broker"

    def told(exc: OSError, where: str) -> CommandError:
        if exc.errno == errno.EEXIST:
            return CommandError(f"{where}{service}.insmod: {name} module/service is in use")
        return CommandError(f"{where}{service}.insmod: {exc.strerror}")

    body: JsonObject = {"path": path, "args": list(args)}
    if own is None and not apart:
        _each(h, ranks, f"{service}.insmod", body, told)
    else:  # 0.29's request has no room for these
        given = {} if own is None else {"name": own}
        _each(h, ranks, "module.load", {**body, "exec": apart, **given}, told)


def _rmmod(
    h: Flux, name: str, force: bool, ranks: list[int], done: list[int] | None = None
) -> None:
    service = _service_of(name)

    def told(exc: OSError, where: str) -> CommandError | None:
        if force and exc.errno == errno.ENOENT:
            return None
        hint = did_you_mean(name, lambda: modules(h)) if exc.errno == errno.ENOENT else ""
        return CommandError(f"{where}{service}.rmmod {name}: {exc.strerror}{hint}")

    _each(h, ranks, f"{service}.rmmod", {"name": name}, told, done)


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
        _insmod(h, name, locate(h, name), args, _ranks(h, rank), own)


def _remove(force: bool, rank: str | None, name: str) -> None:
    with handle() as h:
        _rmmod(h, name_in_file(locate(h, name)) if "/" in name else name, force, _ranks(h, rank))


@command.command("remove")
@force_option
@rank_option
@click.argument("name", shell_complete=completions.modules)
def remove(force: bool, rank: str | None, name: str) -> None:
    """Unload the module NAME."""
    _remove(force, rank, name)


@command.command("unload")
@force_option
@rank_option
@click.argument("name", shell_complete=completions.modules)
def unload(force: bool, rank: str | None, name: str) -> None:
    """Unload the module NAME, another name of remove."""
    _remove(force, rank, name)


@command.command("reload")
@force_option
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
        ranks = _ranks(h, rank)
        in_file = "/" in path and path.endswith(".py")
        if args or in_file:
            _check(h, path, args, ranks)
        called = own or (name_in_file(path) if in_file else name)
        removed: list[int] = []
        try:
            _rmmod(h, called, force, ranks, removed)
            _insmod(h, name, path, args, ranks, own)
        except CommandError as failure:
            raise _restored(h, called, failure, removed) from None


def _check(h: Flux, path: str, args: tuple[str, ...], ranks: list[int]) -> None:
    """Raise CommandError if a module could not be loaded; flux-core's brokers cannot tell."""

    def told(exc: OSError, where: str) -> CommandError | None:
        if exc.errno == errno.ENOSYS:
            return None
        return CommandError(f"{where}broker.insmod: {exc.strerror}")

    _each(h, ranks, "broker.check-module", {"path": path, "args": list(args)}, told)


def _restored(h: Flux, name: str, failure: CommandError, ranks: list[int]) -> CommandError:
    """Load a module again on the ranks that have lost it; returns the failure to tell of."""
    restored = False
    for rank in ranks:
        try:
            h.rpc("broker.restore-module", {"name": name}, nodeid=rank).get()
        except OSError:
            continue  # it is there, or the broker is flux-core's
        restored = True
    note = f"; {name} was loaded again as it was" if restored else ""
    return CommandError(f"{failure.message}{note}")


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
            for target in _ranks(h, rank):
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


@command.command("stats")
@click.option(
    "-p", "--parse", metavar="OBJNAME", help="Print the member at a period-delimited path."
)
@click.option(
    "-t", "--type", "kind", metavar="int|double", help="Convert the value to int or double."
)
@click.option("-s", "--scale", type=REAL, default=1.0, metavar="N", help="Multiply the value by N.")
@click.option("-R", "--rusage", is_flag=True, help="Show the resource usage of the module.")
@click.option("-c", "--clear", is_flag=True, help="Clear the statistics of the module.")
@click.option(
    "-C", "--clear-all", is_flag=True, help="Clear the statistics of the module on all ranks."
)
@json_option("Print the value as one line of JSON.")
@click.argument("name", default="broker", shell_complete=completions.services)
def stats(
    parse: str | None,
    kind: str | None,
    scale: float,
    rusage: bool,
    clear: bool,
    clear_all: bool,
    as_json: bool,
    name: str,
) -> None:
    """Show the statistics of the module NAME, the broker by default."""
    if kind not in (None, "int", "double"):
        hint = suggestion(kind or "", ("int", "double"))
        raise CommandError(f"unknown type `{kind}', use int or double", hint=hint)
    with handle() as h:
        if clear_all:
            h.event_send(f"{name}.stats.clear")
            # The answer tells that the broker has taken the event, see flux event pub.
            h.rpc("attr.get", {"name": "rank"}).get()
            return
        topic = (
            f"{name}.stats.clear" if clear else f"{name}.rusage" if rusage else f"{name}.stats.get"
        )
        try:
            value = modern.ask(h, topic)
        except OSError as exc:
            plain = exc.errno in (errno.ENOSYS, errno.EPERM)
            text = os.strerror(exc.errno or 0) if plain else exc.strerror
            raise CommandError(f"{topic}: {text}{_unloaded(h, name, exc)}") from None
    if clear:
        return
    for word in parse.split(".") if parse else ():
        if not isinstance(value, dict) or word not in value:
            hint = suggestion(word, value) if isinstance(value, dict) else ""
            raise CommandError(f"`{parse}' not found in response", hint=hint)
        value = value[word]
    text = scaled(value, kind, scale)
    if as_json:
        print_json(stdlib_json.loads(text))
        return
    echo(text)


def _unloaded(h: Flux, name: str, exc: OSError) -> str:
    """Return, for after the failure of a request to a module, which one may be meant."""
    return did_you_mean(name, lambda: modules(h)) if exc.errno == errno.ENOSYS else ""


def _mask(text: str) -> int:
    try:
        mask = int(text, 8) if text.startswith("0") and text[1:].isdecimal() else int(text, 0)
    except ValueError:
        mask = -1
    if not 0 <= mask <= 0x7FFFFFFF:
        raise CommandError(f"invalid mask: {text}")
    return mask


@command.command("debug")
@click.option("-c", "--clear", is_flag=True, help="Set debug flags to zero.")
@click.option("-S", "--set", "set_mask", metavar="MASK", help="Set debug flags to MASK.")
@click.option("-C", "--clearbit", metavar="MASK", help="Clear the debug bits of MASK.")
@click.option("-s", "--setbit", metavar="MASK", help="Set the debug bits of MASK.")
@json_option()
@click.argument("name", shell_complete=completions.modules)
def debug(
    clear: bool,
    set_mask: str | None,
    clearbit: str | None,
    setbit: str | None,
    as_json: bool,
    name: str,
) -> None:
    """Show or change the debug flags of the module NAME."""
    if clear:
        body = {"op": "clr", "flags": 0}
    elif set_mask is not None:
        body = {"op": "set", "flags": _mask(set_mask)}
    elif clearbit is not None:
        body = {"op": "clrbit", "flags": _mask(clearbit)}
    else:
        body = {"op": "setbit", "flags": _mask(setbit) if setbit is not None else 0}
    with handle() as h:
        try:
            flags = h.rpc(f"{name}.debug", body).get()["flags"]
        except OSError as exc:
            raise CommandError(f"{name}.debug: {exc.strerror}{_unloaded(h, name, exc)}") from None
    if as_json:
        print_json({"name": name, "flags": flags})
        return
    echo(f"0x{flags:x}")


command.add_command(trace)

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
