"""The options of the submission commands for argparse, made of those that click has, for programs
that use the parsers of today's flux-core (docs/decisions/cli-plugins.md).
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final, TypedDict

from fluxctl.mini import argparse_actions as actions
from fluxctl.mini import todays_options
from fluxctl.mini.namespace import DEFAULT_URGENCY, NUMBERS, WAIT, words_of
from fluxctl.mini.subinstance import DUMP
from fluxctl.optional_value import OptionalValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    from flux.cli.plugin import ArgumentSettings

COMMANDS: Final[dict[str, Callable[[], list[click.Option]]]] = {
    "run": todays_options.run_options,
    "submit": todays_options.submit_options,
    "bulksubmit": todays_options.bulksubmit_options,
    "batch": todays_options.batch_options,
    "alloc": todays_options.alloc_options,
}
IO: Final = frozenset({"input", "output", "error", "label_io", "unbuffered"})
"""Options of input and output."""
_ALSO: Final = {
    "requires": ["--require"],
    "dry_run": ["--dry"],
    "broker_opts": ["--broker-opt"],
}
_GROUPS: Final = {
    "Common resource options": ("nodes", "exclusive"),
    "Per task options": ("ntasks", "cores_per_task", "gpus_per_task"),
    "Per resource options": ("cores", "tasks_per_node", "tasks_per_core", "gpus_per_node"),
}
"""The groups of some options, of commands that start tasks."""


class _Special(TypedDict, total=False):
    """What an option has besides, or instead."""

    action: type[argparse.Action] | str
    default: object
    dest: str
    type: Callable[[str], object]


def _definition(text: str) -> tuple[str, str]:
    name, _, code = text.partition("=")
    return name, code


_SPECIAL: Final[dict[str, _Special]] = {
    "urgency": {"default": DEFAULT_URGENCY},
    "env_remove": {"action": actions.EnvFilterAction},
    "env_file": {"action": actions.EnvFileAction},
    "begin_time": {"action": actions.BeginTimeAction},
    "conf": {"action": actions.ConfAction},
    "sep": {"default": "\n"},
    "define": {"dest": "methods", "default": [], "type": _definition},
}
_FOR_MANY: Final = ("submit", "bulksubmit")


def options_of_all(*commands: str) -> list[click.Option]:
    """Return the options that some commands have in common, as the first of them has them."""
    first, *others = ([*COMMANDS[name]()] for name in commands)
    names = [{option.name for option in options} for options in others]
    return [option for option in first if all(option.name in known for known in names)]


def _settings(option: click.Option, command: str) -> ArgumentSettings:
    """Return what ``add_argument`` is given for an option."""
    name = str(option.name)
    found: ArgumentSettings = {"dest": name, "help": (option.help or "").replace("%", "%%")}
    if option.hidden:
        found["help"] = argparse.SUPPRESS
    if name == "wait" and command in _FOR_MANY:
        return {**found, "action": "store_const", "const": WAIT}
    if name == "wait_event" and command in _FOR_MANY:
        found["dest"] = "wait"
    if option.count:
        return {**found, "action": "count", "default": 0}
    if option.is_flag:
        return {**found, "action": "store_true"}
    found["metavar"] = option.metavar
    if isinstance(option, OptionalValue):
        return {**found, "nargs": "?", "const": DUMP, "metavar": "FILE"}
    if option.multiple:
        found["action"] = "append"
    if name in NUMBERS.get(command, ()):
        found |= {"type": int, "default": 1 if name == "cores_per_slot" else None}
    return {**found, **_SPECIAL.get(name, {})}


def add_options(
    parser: argparse.ArgumentParser, options: Iterable[click.Option], command: str
) -> None:
    """Add options of a command to a parser, but for those that it has."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    home = {name: title for title, names in _GROUPS.items() for name in names}
    known = parser._option_string_actions  # noqa: SLF001 - argparse tells it by no other name
    for option in options:
        names = [*option.opts, *_ALSO.get(str(option.name), [])]
        if any(name in known for name in names):
            continue
        title = None if command in NUMBERS else home.get(str(option.name))
        where: argparse.ArgumentParser | argparse._ArgumentGroup = parser
        if title is not None:
            where = groups.get(title) or groups.setdefault(title, parser.add_argument_group(title))
        where.add_argument(*names, **_settings(option, command))


def add_words(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the argument that takes the words after the options."""
    text = "Command and its arguments, or a script and its."
    parser.add_argument(words_of(command), nargs=argparse.REMAINDER, help=text)
