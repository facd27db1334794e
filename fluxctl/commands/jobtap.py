"""``flux jobtap``: list, load and remove plugins of the job manager (flux-jobtap(1))."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Unpack

import click

from fluxctl import completions
from fluxctl.command import handle, python_failure
from fluxctl.errors import CommandError
from fluxctl.list_output import ListTable
from fluxctl.python_style import PythonCommand, PythonGroup

if TYPE_CHECKING:
    from fluxctl.list_output import ListChoice

_PLUGINS = ListTable({"name": "NAME", "builtin": "BUILT-IN"}, "{name}", headed=False)


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
@_PLUGINS.options()
def list_plugins(everything: bool, **choice: Unpack[ListChoice]) -> None:
    """List the loaded plugins."""
    _PLUGINS.format_of(choice)  # before there is a connection
    rows = [
        {"name": name, "builtin": name.startswith(".")}
        for name in _ask({"query_only": True}, "job-manager")
        if everything or not name.startswith(".")
    ]
    _PLUGINS.show(rows, choice, lambda row: "faint" if row["builtin"] else "")


@command.command("load", cls=PythonCommand)
@click.option(
    "-r",
    "--remove",
    metavar="NAME",
    help="Remove plugin NAME, which may be a glob, before.",
    shell_complete=completions.jobtap_plugins,
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
    from flux.job.options.values import parse_value

    key, equals, value = text.partition("=")
    if not key or not equals:
        raise CommandError(f"ERROR: {text}: expected KEY=VAL")
    return key, parse_value(value)


@command.command("query", cls=PythonCommand)
@click.argument("plugin", shell_complete=completions.jobtap_plugins)
def query(plugin: str) -> None:
    """Print name and path of the loaded plugin PLUGIN as JSON; the path may be builtin."""
    from fluxctl.json_output import print_json

    try:
        answer = handle(python_failure).rpc("job-manager.jobtap-query", {"name": plugin}).get()
    except OSError as exc:
        raise CommandError(f"ERROR: {exc.strerror}") from None
    print_json(answer)


@command.command("remove", cls=PythonCommand)
@click.argument("name", shell_complete=completions.jobtap_plugins)
def remove(name: str) -> None:
    """Remove the plugins matching NAME, a glob, or all that are not built in."""
    _ask({"remove": name}, name)


EXAMPLES = """
# List all plugins of the job manager, built-in ones too
flux jobtap list --all
# Load a plugin of one's own with a setting, and remove it
flux jobtap load ./limits.py max=10
flux jobtap query limits.py
flux jobtap remove limits.py
"""
