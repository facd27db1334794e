"""``flux version``: the versions of the command and of the broker (flux-version(1))."""

from __future__ import annotations

import os

import click

from flux.core.attributes import attribute_of
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.json_output import json_option, print_json


@click.command(cls=FluxCommand)
@json_option()
def command(as_json: bool) -> None:
    """Display the versions of the command, the library and, inside an instance, the broker."""
    from flux import CORE_VERSION

    if as_json:
        print_json(_facts())
        return
    echo(f"commands:    \t\t{CORE_VERSION}")
    echo(f"libflux-core:\t\t{CORE_VERSION}")
    uri = os.environ.get("FLUX_URI")
    if uri:
        with handle() as h:
            version = attribute_of(h, "version")
        echo(f"broker:  \t\t{version}")
        echo(f"FLUX_URI:\t\t{uri}")
    echo(f"build-options:\t\t{_build_options()}")


def _facts() -> dict[str, object]:
    """Return the versions by name; those of the broker and its URI inside an instance only."""
    from flux import CORE_VERSION

    facts: dict[str, object] = {"commands": CORE_VERSION, "libflux-core": CORE_VERSION}
    uri = os.environ.get("FLUX_URI")
    if uri:
        with handle() as h:
            facts |= {"broker": attribute_of(h, "version"), "FLUX_URI": uri}
    return facts | {"build-options": _packages()}


def _build_options() -> str:
    return "".join(f"+{name}=={version}" for name, version in _packages().items())


def _packages() -> dict[str, str]:
    """Return the versions of the packages that are installed, by the names they are known by."""
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str] = {}
    for name, package in (
        ("fluxctl", "fluxctl"),
        ("zmq", "pyzmq"),
        ("textual", "textual"),
        ("uvloop", "uvloop"),
    ):
        try:
            found[name] = version(package)
        except PackageNotFoundError:
            continue
    return found


EXAMPLES = """
# Print the versions of the commands, the library and the broker
flux version
"""
