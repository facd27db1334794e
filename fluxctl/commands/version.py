"""``flux version``: the versions of the command and of the broker (flux-version(1))."""

from __future__ import annotations

import os

import click

from fluxctl.command import FluxCommand, echo, handle


@click.command(cls=FluxCommand)
def command() -> None:
    """Display the versions of the command, the library and, inside an instance, the broker."""
    from flux import CORE_VERSION

    echo(f"commands:    \t\t{CORE_VERSION}")
    echo(f"libflux-core:\t\t{CORE_VERSION}")
    uri = os.environ.get("FLUX_URI")
    if uri:
        with handle() as h:
            version = h.attr_get("version")
        echo(f"broker:  \t\t{version}")
        echo(f"FLUX_URI:\t\t{uri}")
    echo(f"build-options:\t\t{_build_options()}")


def _build_options() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name, package in (
        ("fluxctl", "fluxctl"),
        ("zmq", "pyzmq"),
        ("textual", "textual"),
        ("uvloop", "uvloop"),
    ):
        try:
            found.append(f"+{name}=={version(package)}")
        except PackageNotFoundError:
            continue
    return "".join(found)


EXAMPLES = """
# Print the versions of the commands, the library and the broker
flux version
"""
