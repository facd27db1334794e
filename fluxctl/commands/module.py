"""``flux module``: load, list and examine the broker's modules (flux-module(1))."""

from __future__ import annotations

import errno
import json as stdlib_json
import os
from typing import TYPE_CHECKING

import click

from fluxctl.command import FluxGroup, echo, handle
from fluxctl.errors import CommandError

if TYPE_CHECKING:
    from flux.core.handle import Flux

STATES = {0: "I", 1: "R", 2: "F", 3: "X"}


@click.group(cls=FluxGroup)
def command() -> None:
    """Manage the modules of the local broker."""


def _service_of(name: str) -> tuple[str, str]:
    """Return the service that loads a module and the module's own name: ``a.b`` is loaded by ``a``,
    others by the broker.
    """
    prefix, _, last = name.rpartition(".")
    return (prefix, last) if prefix else ("broker", name)


def _locate(h: Flux | None, name: str) -> str:
    """Return what to ask the broker of ``h`` to load: a built-in module's name, or the path of a
    file.
    """
    if "/" in name:
        path = os.path.abspath(name)
        if not os.path.isfile(path):
            number = errno.EISDIR if os.path.isdir(path) else errno.ENOENT
            raise CommandError(f"{name}: {os.strerror(number)}")
        return path
    folders = (
        f"{os.environ.get('FLUX_MODULE_PATH_PREPEND', '')}:{os.environ.get('FLUX_MODULE_PATH', '')}"
    )
    for folder in filter(None, folders.split(":")):
        for suffix in (".py", ".so"):
            path = os.path.join(folder, name + suffix)
            if os.path.exists(path):
                return path
    from flux.modules import find

    if find(name) is not None:
        return (_installed(h, name) if h is not None else None) or name
    raise CommandError(f"{name}: not found in module search path")


def _installed(h: Flux, name: str) -> str | None:
    """Path of the module in the broker's own module path: flux-core's broker, unlike ours, loads
    its modules from files.
    """
    try:
        folders = (h.attr_get("conf.module_path") or "").split(":")
    except OSError:
        return None
    paths = (os.path.join(folder, f"{name}.so") for folder in folders if folder)
    return next((path for path in paths if os.path.exists(path)), None)


def _insmod(h: Flux, name: str, args: tuple[str, ...]) -> None:
    path = _locate(h, name)
    service, _ = _service_of(name) if "/" not in name else ("broker", name)
    try:
        h.rpc(f"{service}.insmod", {"path": path, "args": list(args)}).get()
    except OSError as exc:
        if exc.errno == errno.EEXIST:
            raise CommandError(f"{service}.insmod: {name} module/service is in use") from None
        raise CommandError(f"{service}.insmod: {exc.strerror}") from None


def _rmmod(h: Flux, name: str, force: bool) -> None:
    service, _ = _service_of(name)
    try:
        h.rpc(f"{service}.rmmod", {"name": name}).get()
    except OSError as exc:
        if not (force and exc.errno == errno.ENOENT):
            raise CommandError(f"{service}.rmmod {name}: {exc.strerror}") from None


@command.command("load")
@click.argument("name")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def load(name: str, args: tuple[str, ...]) -> None:
    """Load the module NAME: a built-in one, or a Python file if NAME has a slash."""
    with handle() as h:
        _insmod(h, name, args)


@command.command("remove")
@click.option("-f", "--force", is_flag=True, help="Ignore a module that is not loaded.")
@click.argument("name")
def remove(force: bool, name: str) -> None:
    """Unload the module NAME."""
    with handle() as h:
        _rmmod(h, name, force)


@command.command("reload")
@click.option("-f", "--force", is_flag=True, help="Ignore a module that is not loaded.")
@click.argument("name")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def reload(force: bool, name: str, args: tuple[str, ...]) -> None:
    """Unload and load the module NAME."""
    with handle() as h:
        _rmmod(h, _name_in_file(_locate(h, name)) if "/" in name else name, force)
        _insmod(h, name, args)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as one line of JSON.")
@click.argument("service", default="broker")
def list_modules(as_json: bool, service: str) -> None:
    """List the modules loaded by SERVICE, the broker by default."""
    with handle() as h:
        try:
            mods = h.rpc(f"{service}.lsmod").get()["mods"]
        except OSError as exc:
            raise CommandError(f"{service}.lsmod: {exc.strerror}") from None
    if as_json:
        from flux.wire import json

        echo(json.dumps_str(mods))
        return
    echo(f"{'Module':<24} {'Size':>8} {'Digest':<7} {'Idle':>4}  S Service")
    for mod in mods:
        others = ",".join(name for name in mod["services"] if name != mod["name"])
        idle = str(mod["idle"]) if mod["idle"] < 100 else "idle"
        state = STATES.get(mod["status"], "?")
        digest = mod["digest"][-7:]
        echo(f"{mod['name']:<24} {mod['size']:>8} {digest:<7} {idle:>4}  {state} {others}")


@command.command("info")
@click.argument("name")
def info(name: str) -> None:
    """Show where the module NAME comes from."""
    import hashlib

    target = _locate(None, name)
    path = target if "/" in target else _source_of(target)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
    echo(f"Module name:  {_name_in_file(path) if '/' in target else name}")
    echo(f"Module path:  {path}")
    echo(f"SHA1 Digest:  {hashlib.sha1(data).hexdigest()}")
    echo(f"Size:         {len(data)} bytes")


def _name_in_file(path: str) -> str:
    """Return the ``mod_name`` that a Python file defines, without running it; the file's name if it
    defines none.
    """
    import ast

    try:
        with open(path, "rb") as file:
            body = ast.parse(file.read(), path).body
    except OSError as exc:
        raise CommandError(f"{path}: {exc.strerror}") from None
    except (SyntaxError, ValueError) as exc:
        raise CommandError(f"{path}: {exc}") from None
    for statement in body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id="mod_name")], value=ast.Constant(value=str(found))
            ):
                return found
    return os.path.splitext(os.path.basename(path))[0]


def _source_of(name: str) -> str:
    from importlib.util import find_spec

    from flux.modules import find

    source = find(name)
    spec = find_spec(source) if source is not None else None
    return spec.origin if spec is not None and spec.origin else name


@command.command("stats")
@click.option(
    "-p", "--parse", metavar="OBJNAME", help="Print the member at a period-delimited path."
)
@click.option(
    "-t", "--type", "kind", metavar="int|double", help="Convert the value to int or double."
)
@click.option(
    "-s", "--scale", type=float, default=1.0, metavar="N", help="Multiply the value by N."
)
@click.option("-R", "--rusage", is_flag=True, help="Show the resource usage of the module.")
@click.option("-c", "--clear", is_flag=True, help="Clear the statistics of the module.")
@click.option(
    "-C", "--clear-all", is_flag=True, help="Clear the statistics of the module on all ranks."
)
@click.argument("name", default="broker")
def stats(
    parse: str | None,
    kind: str | None,
    scale: float,
    rusage: bool,
    clear: bool,
    clear_all: bool,
    name: str,
) -> None:
    """Show the statistics of the module NAME, the broker by default."""
    if kind not in (None, "int", "double"):
        raise CommandError(f"unknown type `{kind}', use int or double")
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
            value = h.rpc(topic).get()
        except OSError as exc:
            plain = exc.errno in (errno.ENOSYS, errno.EPERM)
            text = os.strerror(exc.errno or 0) if plain else exc.strerror
            raise CommandError(f"{topic}: {text}") from None
    if clear:
        return
    for word in parse.split(".") if parse else ():
        if not isinstance(value, dict) or word not in value:
            raise CommandError(f"`{parse}' not found in response")
        value = value[word]
    echo(_scaled(value, kind, scale))


def _scaled(value: object, kind: str | None, scale: float) -> str:
    """Return a statistic as text: an object as indented JSON, a number converted and scaled."""
    if isinstance(value, dict | list):
        return stdlib_json.dumps(value, indent=1)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return stdlib_json.dumps(value)
    if kind == "int" or (kind is None and isinstance(value, int)):
        try:
            return str(int(value * scale))
        except (ValueError, OverflowError):
            raise CommandError(f"{value * scale} is not an integer") from None
    return f"{value * scale:f}"


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
@click.argument("name")
def debug(
    clear: bool, set_mask: str | None, clearbit: str | None, setbit: str | None, name: str
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
            raise CommandError(f"{name}.debug: {exc.strerror}") from None
    echo(f"0x{flags:x}")
