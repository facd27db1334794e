"""Usage errors of the commands that are Python programs in flux-core: usage line, sentence, exit
code 2.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

import click

from fluxctl.command import (
    AmbiguousOption,
    FluxCommand,
    FluxGroup,
    UsageReports,
    full_name,
    program_name,
)
from fluxctl.errors import CommandError
from fluxctl.option_types import NOT_A_NUMBER, NOT_AN_INTEGER
from fluxctl.suggestions import suggestion
from fluxctl.usage_hints import usage_hint

TYPED: Final = "fluxctl.python_style"
"""The key of a context's meta data for the words that were typed."""


def _words(exc: click.UsageError) -> str:
    """Return the sentence for a usage error in the words of argparse."""
    if isinstance(exc, click.exceptions.NoArgsIsHelpError) or exc.message == "Missing command.":
        return "the following arguments are required: subcommand"
    if isinstance(exc, click.NoSuchOption):
        typed = exc.ctx.meta.get(TYPED, ()) if exc.ctx is not None else ()
        whole = (word for word in typed if word.startswith(f"{exc.option_name}="))
        return f"unrecognized arguments: {next(whole, exc.option_name)}"
    if isinstance(exc, AmbiguousOption):
        return f"ambiguous option: {exc.word} could match {', '.join(exc.options)}"
    if isinstance(exc, click.BadOptionUsage) and "requires" in exc.message:
        return f"argument {_names(exc)}: expected one argument"
    if isinstance(exc, click.BadOptionUsage) and "does not take a value" in exc.message:
        return f"argument {_names(exc)}: ignored explicit argument"
    if isinstance(exc, click.MissingParameter):
        param = exc.param
        name = (param.human_readable_name if param is not None else exc.param_hint) or ""
        return f"the following arguments are required: {name}"
    if isinstance(exc, click.BadParameter) and exc.param is not None:
        return f"argument {_names(exc)}: {_bad_value(exc.message)}"
    text = exc.format_message().rstrip(".")
    unexpected = "Got unexpected extra argument"
    if text.startswith(unexpected):
        return f"unrecognized arguments: {text[text.index('(') + 1 : -1]}"
    return text


_NUMBERS: Final = {NOT_AN_INTEGER: "int", NOT_A_NUMBER: "float"}
"""What is said of a value that is no number, and what argparse calls the number."""


def _bad_value(sentence: str) -> str:
    """Return what argparse says of a value that click refuses."""
    for ending, kind in _NUMBERS.items():
        if sentence.endswith(ending):
            return f"invalid {kind} value: {sentence.removesuffix(ending).rstrip()}"
    return sentence.rstrip(".")


def _program(ctx: click.Context) -> str:
    """Return the program of flux-core that a command stands for: ``flux-mini run``."""
    return ctx.command_path.replace("flux ", "flux-", 1)


def _names(exc: click.UsageError) -> str:
    param = getattr(exc, "param", None)
    if param is None and isinstance(exc, click.BadOptionUsage) and exc.ctx is not None:
        name = full_name(exc.ctx, exc.option_name)
        found = (one for one in exc.ctx.command.params if name in one.opts)
        param = next(found, None)
    if isinstance(param, click.Option):
        return "/".join(param.opts)
    return str(getattr(param, "human_readable_name", "") or getattr(exc, "option_name", ""))


def usage_error(usage: str, program: str, sentence: str, hint: str = "") -> CommandError:
    """Return a usage error: ``usage:`` line, ``PROGRAM: error: SENTENCE``, exit code 2; ``hint`` is
    what may be meant.
    """
    text = f"usage: {usage}\n{program}: error: {sentence}"
    return CommandError(text, 2, bare=True, hint=hint)


class PythonReports(UsageReports):
    """Usage errors in the manner of argparse; ``usage`` is the usage line, None for click's."""

    def __init__(self, name: str | None = None, *, usage: str | None = None, **attrs: Any) -> None:
        super().__init__(name, **attrs)
        self.usage = usage

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, see `UsageReports`."""
        ctx.meta[TYPED] = list(args)
        return super().parse_args(ctx, args)

    def usage_line(self, ctx: click.Context) -> str:
        """Return what follows ``usage:`` in an error."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        return self.usage or f"{_program(ctx)} [-h] {pieces}"

    def usage_program(self, ctx: click.Context) -> str:
        """Return what begins the sentence of an error."""
        return _program(ctx)

    def report(self, ctx: click.Context, exc: click.UsageError) -> NoReturn:
        """Raise the CommandError for a usage error, in the words of argparse."""
        exc.ctx = exc.ctx or ctx
        hint = usage_hint(exc)
        program = self.usage_program(ctx)
        raise usage_error(self.usage_line(ctx), program, _words(exc), hint) from None


class PythonCommand(PythonReports, FluxCommand):
    """A sub-command with usage errors in the manner of argparse."""


class PythonGroup(PythonReports, FluxGroup):
    """A sub-command with sub-commands, and usage errors in the manner of argparse."""

    command_class = PythonCommand
    unlisted: frozenset[str] = frozenset()
    """Sub-commands that flux-core 0.29 does not have, whose usage errors stay as they were
    recorded.
    """

    @property
    def _listed(self) -> list[str]:
        return [name for name in self.commands if name not in self.unlisted]

    def usage_line(self, ctx: click.Context) -> str:
        """Return what follows ``usage:`` in an error: the sub-commands, as argparse lists them."""
        return self.usage or f"{_program(ctx)} [-h] {{{','.join(self._listed)}}} ..."

    def unknown(self, ctx: click.Context, word: str) -> CommandError:
        """Return the failure of a word that does not name a sub-command."""
        choices = ", ".join(repr(name) for name in self._listed)
        sentence = f"argument subcommand: invalid choice: {word!r} (choose from {choices})"
        hint = suggestion(word, self.commands)
        return usage_error(self.usage_line(ctx), program_name(ctx), sentence, hint)
