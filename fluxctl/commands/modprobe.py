"""``flux modprobe``: modules with what they require, and tasks of a file, in the order that they
ask for (docs/todays-commands.md).
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import click

from fluxctl.command import echo, python_failure, talk
from fluxctl.completions import loadable_modules, modules
from fluxctl.errors import CommandError
from fluxctl.json_output import always_json, json_option, print_json
from fluxctl.python_style import PythonGroup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flux.core.handle import Flux
    from flux.modprobe_modules import ModuleProbe


@click.group(cls=PythonGroup)
def command() -> None:
    """Load and remove modules with what they require; run tasks in the order that they ask for."""


alternative_option = click.option(
    "-S",
    "--set-alternative",
    "alternatives",
    multiple=True,
    metavar="NAME=MODULE",
    help="Of the modules that provide the service NAME, MODULE is meant.",
)
disable_option = click.option(
    "-D",
    "--disable",
    "disabled",
    multiple=True,
    metavar="NAME",
    help="Show the module NAME as one that is not to be loaded.",
)
deps_option = click.option(
    "--show-deps", is_flag=True, help="Show which tasks come before each, and exit."
)
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Show tasks as they run.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would run, in its order.")


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong before anything runs into CommandError."""
    try:
        yield
    except ValueError as exc:
        raise CommandError(f"ERROR: {exc}") from None
    except OSError as exc:
        raise python_failure(exc) from None


@contextlib.contextmanager
def _files_told() -> Iterator[None]:
    """Turn whatever the Python files of others raise into CommandError, with the place."""
    try:
        yield
    except CommandError:
        raise
    except Exception as error:
        from fluxctl.mini.plugins import told

        raise CommandError(f"ERROR: {told(error)}") from None


def _configured(alternatives: Sequence[str], disabled: Sequence[str]) -> ModuleProbe:
    """Return the modules as options want them; raises CommandError."""
    from flux.modprobe_modules import ModuleProbe

    with _told():
        probe = ModuleProbe()
        for text in alternatives:
            name, equals, module = text.partition("=")
            if not equals:
                raise ValueError(f"--set-alternative={text}: expected NAME=MODULE")
            probe.set_alternative(name, module)
        for name in disabled:
            probe.disable(name)
    return probe


@command.command("show")
@always_json
@alternative_option
@disable_option
@click.argument("module", metavar="MODULE", shell_complete=loadable_modules)
def show(alternatives: tuple[str, ...], disabled: tuple[str, ...], module: str) -> None:
    """Print what is known of a built-in module, or of the one that provides a service, as JSON."""

    probe = _configured(alternatives, disabled)
    with _told():
        echo(json.dumps(probe.module(module).to_dict()))


@command.command("list-dependencies")
@alternative_option
@disable_option
@click.option("-f", "--full", is_flag=True, help="Show a module wherever it is required.")
@json_option()
@click.argument("module", metavar="MODULE", shell_complete=loadable_modules)
def list_dependencies(
    alternatives: tuple[str, ...],
    disabled: tuple[str, ...],
    full: bool,
    as_json: bool,
    module: str,
) -> None:
    """Print the tree of the modules that a built-in module sends requests to."""
    probe = _configured(alternatives, disabled)
    with _told():
        if as_json:
            print_json({module: probe.tree(module, full)})
            return
        for line in probe.dependencies(module, full):
            echo(line)


@command.command("load")
@dry_run_option
@click.argument(
    "names", metavar="MODULE...", nargs=-1, required=True, shell_complete=loadable_modules
)
@click.pass_context
def load(ctx: click.Context, dry_run: bool, names: tuple[str, ...]) -> int:
    """Load built-in modules on this broker, and before them those that they require."""
    from flux.modprobe_modules import ModuleProbe

    with _told():
        probe = ModuleProbe(dry_run=dry_run)
        return _load(ctx, probe, probe.missing(names))


def _load(ctx: click.Context, probe: ModuleProbe, missing: Mapping[str, Sequence[str]]) -> int:
    if not missing:
        talk(ctx, "INFO: All modules and dependencies are already loaded")
        return 0
    return probe.run(missing)


@command.command("remove")
@dry_run_option
@click.argument("names", metavar="MODULE...", nargs=-1, required=True, shell_complete=modules)
def remove(dry_run: bool, names: tuple[str, ...]) -> int:
    """Unload built-in modules of this broker, unless others that stay require them.

    The name all stands for all of them, without which the instance serves nobody.
    """
    from flux.modprobe_modules import ModuleProbe

    with _told():
        probe = ModuleProbe(dry_run=dry_run)
        return probe.remove(probe.removable(names))


@command.command("rc1")
@click.option(
    "--timing", is_flag=True, help="Store when each was loaded, as JSON, in the key modprobe.stats."
)
@deps_option
@verbose_option
@dry_run_option
@click.pass_context
def rc1(ctx: click.Context, timing: bool, show_deps: bool, verbose: bool, dry_run: bool) -> int:
    """Load the modules that this broker is to have, but for those that it has, and run the tasks
    of the site's files rc1.d/*.py.

    The broker does so by itself unless its attribute broker.rc1_path names a script, in which this
    command stands for it.
    """
    from flux.modprobe_modules import ModuleProbe

    with _told():
        probe = ModuleProbe(verbose, dry_run)
        with _files_told():
            probe.read_rcfile("rc1")
        wanted = probe.at_start()
        if show_deps:
            echo(json.dumps(probe.get_deps([*wanted, *probe.solve()])))
            return 0
        code = _load(ctx, probe, probe.missing(wanted))
        if timing and not dry_run:
            _store_times(probe.context.handle, probe.times())
        return code


def _store_times(h: Flux, times: list[dict[str, object]]) -> None:
    from flux import kvs

    kvs.put(h, "modprobe.stats", times)
    kvs.commit(h)


@command.command("rc3")
@verbose_option
@dry_run_option
def rc3(verbose: bool, dry_run: bool) -> int:
    """Unload all modules of this broker, each before those that it requires, and run the tasks of
    the site's files rc3.d/*.py.

    The broker does so at its end, even after a script that broker.rc3_path names.
    """
    from flux.modprobe_modules import ModuleProbe

    with _told():
        probe = ModuleProbe(verbose, dry_run)
        probe.at_end()
        with _files_told():
            probe.read_rcfile("rc3")
        return probe.run(probe.get_deps(probe.solve()))


@command.command("run")
@deps_option
@verbose_option
@dry_run_option
@click.argument("file", metavar="FILE")
def run(file: str, show_deps: bool, verbose: bool, dry_run: bool) -> int:
    """Run the tasks of a Python file, as flux.modprobe has them."""
    from flux.modprobe import Modprobe

    modprobe = Modprobe(False, verbose, dry_run)
    with _files_told():
        modprobe.read_rcfile(file)
        deps = modprobe.get_deps(modprobe.solve())
    if show_deps:
        echo(json.dumps(deps))
        return 0
    return modprobe.run(deps)


EXAMPLES = """
# Run the tasks of a file, and show each
flux modprobe run --verbose ./tasks.py
# What does the scheduler need?
flux modprobe list-dependencies sched
# Which modules would have to go before the job manager can?
flux modprobe remove --dry-run all
# Start the scheduler anew, with what it needs
flux modprobe remove sched
flux modprobe load sched
# The modules of this broker and their arguments, as its start loads them
flux modprobe rc1 --show-deps
"""
