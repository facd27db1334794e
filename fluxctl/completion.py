"""Completion in bash, zsh and fish.

``_FLUX_COMPLETE=bash_source flux`` prints the script to be sourced; the script runs ``flux`` with
``_FLUX_COMPLETE=bash_complete`` and the line typed so far in COMP_LINE. Requests in click's own
protocol, COMP_WORDS and COMP_CWORD, are answered too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar

import click
from click.shell_completion import (
    BashComplete,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    shell_complete,
)

from fluxctl import shell_scripts
from fluxctl.errors import CommandError
from fluxctl.table import COMMANDS
from fluxctl.typed_words import joined_words, rest_for_bash, typed_words

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VARIABLE = "_FLUX_COMPLETE"

WIDEST = 30
"""Characters of a word after which what zsh says of it stands in no column."""


class Root(click.Group):
    """All sub-commands as click sees them, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one."""
        return COMMANDS[cmd_name].load() if cmd_name in COMMANDS else None


class _LineCompletion(ShellComplete):
    """What the shells share: the words of COMP_LINE, and whole words as answers.

    ``begun`` is what is typed of the last word, ``option`` the part of it that click takes for the
    name of an option, ``--color=``.
    """

    begun = ""
    option = ""
    quoted = False
    whole: ClassVar[bool] = True
    """Whether the shell is told whole words, with the name of their option."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the last one, without ``flux``, and what is typed of that."""
        line = os.environ.get("COMP_LINE")
        if line is None:
            words, begun = super().get_completion_args()
            words = joined_words([*words, begun])
            begun = words.pop()
        else:
            typed = typed_words(line)
            words, begun, self.quoted = typed.words[1:], typed.begun, typed.quoted
        self.begun = begun
        if begun.startswith("--") and "=" in begun:
            self.option = begun.partition("=")[0] + "="
        return words, begun

    def whole_value(self, item: CompletionItem[str]) -> str:
        """Return the word that an item stands for, as the shell is told it."""
        value = item.value
        if self.option and not value.startswith("--"):
            return self.option + value if self.whole else value
        return value


class _Bash(_LineCompletion, BashComplete):
    source_template = shell_scripts.BASH
    whole = False

    def source(self) -> str:
        return ShellComplete.source(self)

    def format_completion(self, item: CompletionItem[str]) -> str:
        value = self.whole_value(item)
        if "COMP_LINE" in os.environ:
            value = rest_for_bash(value, self.begun.removeprefix(self.option), self.quoted)
        return f"{item.type},{value}"


class _Zsh(_LineCompletion, ZshComplete):
    source_template = shell_scripts.ZSH
    width = 0

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        items = super().get_completions(args, incomplete)
        self.width = min(max((len(item.value) for item in items), default=0), WIDEST)
        return items

    def format_completion(self, item: CompletionItem[str]) -> str:
        value = self.whole_value(item)
        text = f"{item.value:<{self.width}}  -- {_line(item.help)}" if item.help else item.value
        return f"{item.type}\n{value}\n{text}"


class _Fish(_LineCompletion, FishComplete):
    source_template = shell_scripts.FISH

    def format_completion(self, item: CompletionItem[str]) -> str:
        text = f"\t{_line(item.help)}" if item.help else ""
        return f"{item.type},{self.whole_value(item)}{text}"


def _line(text: str) -> str:
    """Return what is said of a word as one line that is fit for a terminal."""
    from flux.terminal_text import terminal_line

    return terminal_line(" ".join(text.split()))


def _root() -> Root:
    options = (
        click.Option(["-h", "--help"], is_flag=True, help="Display this message."),
        click.Option(
            ["-v", "--verbose"], count=True, help="Be verbose about environment and command search."
        ),
        click.Option(
            ["-V", "--version"], is_flag=True, help="Display command and component versions."
        ),
        click.Option(["-p", "--parent"], is_flag=True, help="Set environment of parent instance."),
        click.Option(["-r", "--root"], is_flag=True, help="Set environment of root instance."),
    )
    return Root("flux", params=[*options], add_help_option=False)


def complete(instruction: str) -> int:
    """Do what the variable asks for, such as ``zsh_source`` or ``fish_complete``; returns the exit
    code.
    """
    for shell in (_Bash, _Zsh, _Fish):
        add_completion_class(shell)
    try:
        return shell_complete(_root(), {}, "flux", VARIABLE, instruction)
    except CommandError:
        return 0  # nothing completes a command line that is wrong
