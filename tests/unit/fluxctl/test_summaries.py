"""What the help of a group says of each of its sub-commands: a sentence that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from fluxctl.table import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 80


def groups(name: str, command: click.Command) -> Iterator[tuple[str, click.Group]]:
    if isinstance(command, click.Group):
        yield name, command
        for sub in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), sub)
            if found is not None:
                yield from groups(f"{name} {sub}", found)


@pytest.mark.parametrize("name", ["content", "cron", "event", "hwloc", "kvs"])
def test_no_summary_is_cut_short(name: str) -> None:
    cut = []
    for words, group in groups(name, COMMANDS[name].load()):
        ctx = click.Context(group, info_name=words, terminal_width=WIDTH)
        _, _, summaries = group.get_help(ctx).partition("Commands:")
        cut += [f"{words}: {line}" for line in summaries.splitlines() if line.endswith("...")]
    assert cut == []
