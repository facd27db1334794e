"""``flux module trace``: the messages that pass the modules of a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from fluxctl import completions, modern
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError
from fluxctl.tracing import follow, mask_of, trace_options

if TYPE_CHECKING:
    from flux.core.handle import Flux
    from fluxctl.tracing import TraceChoice


@click.command("trace", cls=FluxCommand)
@trace_options
@click.option(
    "-T", "--topic", metavar="GLOB", default="*", help="Show messages with topics like GLOB only."
)
@click.argument("names", metavar="[MODULE ...]", nargs=-1, shell_complete=completions.modules)
def trace(topic: str, names: tuple[str, ...], **choice: Unpack[TraceChoice]) -> None:
    """Show the messages that MODULEs of this broker get and send, by default all that are loaded.

    A line has the time, the module, rx or tx, the type (> request, < response, e event), the topic,
    the bytes of the payload, and how a request ended. Ctrl+C ends it.
    """
    mask_of(choice)  # before there is a connection
    with handle() as h:
        loaded = _loaded(h)
        for name in names:
            if name not in loaded:
                echo(f"flux-module: {name} is not loaded yet", err=True)
        follow(h, "module.trace", {"names": [*names] or loaded, "topic_glob": topic}, choice)


def _loaded(h: Flux) -> list[str]:
    try:
        return [mod["name"] for mod in modern.ask(h, "broker.lsmod")["mods"]]
    except OSError as exc:
        raise CommandError(f"broker.lsmod: {exc.strerror}") from None
