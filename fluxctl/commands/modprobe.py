"""``flux modprobe``: tasks of a file, in the order that they ask for (docs/todays-commands.md)."""

from __future__ import annotations

import click

from fluxctl.command import echo
from fluxctl.errors import CommandError
from fluxctl.python_style import PythonGroup


@click.group(cls=PythonGroup)
def command() -> None:
    """Run tasks in the order that they ask for."""


@command.command("run")
@click.option("--show-deps", is_flag=True, help="Show which tasks come before each, and exit.")
@click.option("-v", "--verbose", is_flag=True, help="Show tasks as they run.")
@click.option("--dry-run", is_flag=True, help="Show what would run, in its order.")
@click.argument("file", metavar="FILE")
def run(file: str, show_deps: bool, verbose: bool, dry_run: bool) -> int:
    """Run the tasks of a Python file, as flux.modprobe has them."""
    from flux.modprobe import Modprobe
    from flux.wire import json
    from fluxctl.mini.plugins import told

    modprobe = Modprobe(verbose, dry_run)
    try:
        modprobe.read_rcfile(file)
        deps = modprobe.get_deps(modprobe.solve())
    except Exception as error:
        raise CommandError(f"ERROR: {told(error)}") from None
    if show_deps:
        echo(json.dumps_str(deps))
        return 0
    return modprobe.run(deps)


EXAMPLES = """
# Run the tasks of a file, and show each
flux modprobe run --verbose ./tasks.py
"""
