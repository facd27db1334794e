"""Every option that the manual gives a command exists; `data/manual-options.json` lists them by
command.
"""

from __future__ import annotations

import json
import pathlib

import click
import pytest

from fluxctl.table import COMMANDS

MANUAL: dict[str, list[str]] = json.loads(
    (pathlib.Path(__file__).parent / "data" / "manual-options.json").read_text()
)


def find(path: str) -> click.Context:
    """Return a context of the command at `path`, words separated by spaces."""
    first, *words = path.split()
    command = COMMANDS[first].load()
    context = click.Context(command, info_name=f"flux {first}", **command.context_settings)
    for word in words:
        assert isinstance(context.command, click.Group), (
            f"flux {path}: {context.command.name} has no sub-commands"
        )
        found = context.command.get_command(context, word)
        assert found is not None, f"flux {path} does not exist"
        context = click.Context(found, info_name=word, parent=context, **found.context_settings)
    return context


def names(context: click.Context) -> set[str]:
    """Return the options of a command, --help included."""
    options = [param for param in context.command.params if isinstance(param, click.Option)]
    return {name for option in options for name in (*option.opts, *option.secondary_opts)} | set(
        context.command.get_help_option_names(context)
    )


@pytest.mark.parametrize("path", sorted(MANUAL))
def test_the_options_of_the_manual_exist(path: str) -> None:
    have = names(find(path))
    wanted = {name for entry in MANUAL[path] for name in entry.split("/")}
    assert not wanted - have, f"flux {path} lacks {sorted(wanted - have)}"


def test_the_manual_lists_every_command_of_the_first_release() -> None:
    first = {path.split()[0] for path in MANUAL}
    assert {
        "start",
        "broker",
        "getattr",
        "setattr",
        "lsattr",
        "ping",
        "module",
        "kvs",
        "event",
        "exec",
    } <= first
    assert {"dmesg", "logger", "mini", "jobs", "job", "content", "env", "version"} <= first


@pytest.mark.parametrize("path", sorted(MANUAL))
def test_help_is_one_page_of_words(path: str) -> None:
    context = find(path)
    text = context.command.get_help(context)
    assert text.startswith("Usage: flux")
    for option in context.command.params:
        if isinstance(option, click.Option) and not option.is_flag and not option.count:
            assert option.metavar or isinstance(option.type, click.Choice), (
                f"flux {path} {option.opts[-1]}: no metavar"
            )
