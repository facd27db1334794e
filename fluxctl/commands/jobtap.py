"""``flux jobtap``: list, load and remove plugins of the job manager (flux-jobtap(1))."""

from __future__ import annotations

import errno

import click

from fluxctl.command import echo, handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.python_style import PythonCommand, PythonGroup


@click.group("jobtap", cls=PythonGroup)
def command() -> None:
    """List, load and remove plugins of the job manager."""


def _ask(payload: dict[str, object], what: str) -> list[str]:
    """Ask the job manager and return the names of the plugins, if it was asked for them."""
    try:
        answer = handle(python_failure).rpc("job-manager.jobtap", payload).get() or {}
    except OSError as exc:
        if exc.errno == errno.ENOENT:
            raise CommandError(f"ERROR: {what} not found") from None
        raise CommandError(f"ERROR: {exc.strerror}") from None
    return list(answer.get("plugins", ()))


@command.command("list", cls=PythonCommand)
@click.option("-a", "--all", "everything", is_flag=True, help="Display the built-in plugins, too.")
def list_plugins(everything: bool) -> None:
    """List the loaded plugins."""
    for name in _ask({"query_only": True}, "job-manager"):
        if everything or not name.startswith("."):
            echo(name)


@command.command("load", cls=PythonCommand)
@click.option(
    "-r", "--remove", metavar="NAME", help="Remove plugin NAME, which may be a glob, before."
)
@click.argument("plugin")
@click.argument("conf", nargs=-1, metavar="[KEY=VAL]...")
def load(remove: str | None, plugin: str, conf: tuple[str, ...]) -> None:
    """Load PLUGIN, a file or the name of a built-in plugin, with settings KEY=VAL."""
    import os

    path = os.path.abspath(plugin) if os.path.isfile(plugin) else plugin
    payload: dict[str, object] = {"load": path}
    if conf:
        payload["conf"] = dict(_setting(text) for text in conf)
    if remove is not None:
        payload["remove"] = remove
    _ask(payload, plugin if remove is None else f"{plugin} or {remove}")


def _setting(text: str) -> tuple[str, object]:
    from flux.wire import json

    key, equals, value = text.partition("=")
    if not key or not equals:
        raise CommandError(f"ERROR: {text}: expected KEY=VAL")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


@command.command("remove", cls=PythonCommand)
@click.argument("name")
def remove(name: str) -> None:
    """Remove the plugins matching NAME, a glob, or all that are not built in."""
    _ask({"remove": name}, name)


EXAMPLES = """
# List all plugins of the job manager, built-in ones too
flux jobtap list --all
# Load a plugin of one's own with a setting, and remove it
flux jobtap load ./limits.py max=10
flux jobtap remove limits.py
"""
