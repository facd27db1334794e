"""Completion in bash, zsh and fish, by click's protocol.

``_FLUX_COMPLETE=bash_source flux`` prints the script to be sourced; the script runs ``flux`` with
``_FLUX_COMPLETE=bash_complete`` and the words typed so far.
"""

from __future__ import annotations

import click
from click.shell_completion import shell_complete

from fluxctl.errors import CommandError
from fluxctl.table import COMMANDS

VARIABLE = "_FLUX_COMPLETE"


class Root(click.Group):
    """All sub-commands as click sees them, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        return COMMANDS[cmd_name].load() if cmd_name in COMMANDS else None


def complete(instruction: str) -> int:
    """Do what the variable asks for, such as ``zsh_source`` or ``fish_complete``; returns the exit
    code.
    """
    root = Root(
        "flux",
        params=[
            click.Option(["-h", "--help"], is_flag=True, help="Display this message."),
            click.Option(
                ["-v", "--verbose"],
                count=True,
                help="Be verbose about environment and command search.",
            ),
            click.Option(
                ["-V", "--version"], is_flag=True, help="Display command and component versions."
            ),
            click.Option(
                ["-p", "--parent"], is_flag=True, help="Set environment of parent instance."
            ),
        ],
        add_help_option=False,
    )
    try:
        return shell_complete(root, {}, "flux", VARIABLE, instruction)
    except CommandError:
        return 0  # nothing completes a command line that is wrong
