"""Usage errors of the commands that are Python programs in flux-core: usage line, sentence, exit code 2."""

from __future__ import annotations

from typing import Any, NoReturn

import click

from fluxctl.command import FluxCommand, FluxGroup, program_name
from fluxctl.errors import CommandError


def _words(exc: click.UsageError) -> str:
    """Return the sentence for a usage error in the words of argparse."""
    if isinstance(exc, click.exceptions.NoArgsIsHelpError) or exc.message == "Missing command.":
        return "the following arguments are required: subcommand"
    if isinstance(exc, click.NoSuchOption):
        return f"unrecognized arguments: {exc.option_name}"
    if isinstance(exc, click.BadOptionUsage) and "requires" in exc.message:
        return f"argument {_names(exc)}: expected one argument"
    if isinstance(exc, click.MissingParameter):
        param = exc.param
        name = (param.human_readable_name if param is not None else exc.param_hint) or ""
        return f"the following arguments are required: {name}"
    if isinstance(exc, click.BadParameter) and exc.param is not None:
        return f"argument {_names(exc)}: {exc.message.rstrip('.')}"
    text = exc.format_message().rstrip(".")
    unexpected = "Got unexpected extra argument"
    if text.startswith(unexpected):
        return f"unrecognized arguments: {text[text.index('(') + 1 : -1]}"
    return text


def _names(exc: click.UsageError) -> str:
    param = getattr(exc, "param", None)
    if param is None and isinstance(exc, click.BadOptionUsage) and exc.ctx is not None:
        found = (one for one in exc.ctx.command.params if exc.option_name in one.opts)
        param = next(found, None)
    if isinstance(param, click.Option):
        return "/".join(param.opts)
    return str(getattr(param, "human_readable_name", "") or getattr(exc, "option_name", ""))


def usage_error(usage: str, program: str, sentence: str) -> CommandError:
    """Return a usage error: ``usage:`` line, ``PROGRAM: error: SENTENCE``, exit code 2."""
    return CommandError(f"usage: {usage}\n{program}: error: {sentence}", 2, bare=True)


def _fail(ctx: click.Context, usage: str | None, exc: click.UsageError) -> NoReturn:
    path = ctx.command_path.replace("flux ", "flux-", 1)
    line = usage or f"{path} [-h] {' '.join(piece for piece in ctx.command.collect_usage_pieces(ctx))}"
    raise usage_error(line, path, _words(exc)) from None


class PythonCommand(FluxCommand):
    """A sub-command with usage errors in the manner of argparse; ``usage`` is its usage line without the word itself."""

    def __init__(self, *args: Any, usage: str | None = None, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.usage = usage

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return click.Command.parse_args(self, ctx, args)
        except click.UsageError as exc:
            _fail(ctx, self.usage, exc)


class PythonGroup(FluxGroup):
    """A sub-command with sub-commands, and usage errors in the manner of argparse."""

    command_class = PythonCommand

    def __init__(self, *args: Any, usage: str | None = None, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.usage = usage

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return click.Group.parse_args(self, ctx, args)
        except click.UsageError as exc:
            _fail(ctx, self._line(ctx), exc)

    def _line(self, ctx: click.Context) -> str:
        return self.usage or f"{ctx.command_path.replace('flux ', 'flux-', 1)} [-h] {{{','.join(self.commands)}}} ..."

    def resolve_command(
        self,
        ctx: click.Context,
        args: list[str],
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            choices = ", ".join(repr(name) for name in self.commands)
            sentence = f"argument subcommand: invalid choice: {args[0]!r} (choose from {choices})"
            raise usage_error(self._line(ctx), program_name(ctx), sentence)
        return click.Group.resolve_command(self, ctx, args)
