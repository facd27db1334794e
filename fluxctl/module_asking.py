"""``flux module stats`` and ``debug``: what a module that is loaded tells of itself."""

from __future__ import annotations

import errno
import json as stdlib_json
import os
from typing import TYPE_CHECKING

import click

from fluxctl import completions, modern
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError
from fluxctl.hints import did_you_mean, modules
from fluxctl.json_output import json_option, print_json
from fluxctl.module_table import scaled
from fluxctl.option_types import REAL
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from flux.core.handle import Flux


@click.command("stats", cls=FluxCommand)
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


@click.command("debug", cls=FluxCommand)
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
