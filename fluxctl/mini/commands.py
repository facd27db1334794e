"""The submission commands as click has them: where options come from and how failures are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from fluxctl.errors import CommandError, ReaderGone, WrongUsage
from fluxctl.mini.program import reason
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from fluxctl.mini.jobspec import Script
    from fluxctl.mini.plugins import CommandPlugins

PLUGINS: Final = "fluxctl.mini.plugins"
"""The key of a context's meta data for the plugins of its command."""
_COMMAND: Final = "[OPTIONS...] COMMAND [ARGS...]"
WORDS: Final = {
    "flux run": _COMMAND,
    "flux submit": _COMMAND,
    "flux bulksubmit": _COMMAND,
    "flux batch": "[OPTIONS...] [SCRIPT] [ARGS...]",
    "flux alloc": "[OPTIONS...] [COMMAND] [ARGS...]",
}
"""What usage errors say of the words of a command in today's spelling."""


class MiniCommand(PythonCommand):
    """A sub-command of ``flux mini``: what fails is reported as ``flux-mini: ERROR: reason``."""

    allow_interspersed_args = False

    def plugins(self, ctx: click.Context) -> CommandPlugins | None:
        """Return the plugins that this command has, None if there are none. Raises CommandError if
        one cannot be loaded.
        """
        if PLUGINS not in ctx.meta:
            ctx.meta[PLUGINS] = self._loaded()
        found: CommandPlugins | None = ctx.meta[PLUGINS]
        return found

    def _loaded(self) -> CommandPlugins | None:
        from flux.cli.plugin_path import may_have_plugins

        if not may_have_plugins():
            return None
        from fluxctl.mini.plugins import CommandPlugins

        taken = frozenset(name for param in self.params for name in param.opts)
        return CommandPlugins(str(self.name), taken)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, see click. Before it, answer ``--help=OPTION`` with what the plugin of an option
        says of it.
        """
        if args[:1] and args[0].startswith("--help=") and not ctx.resilient_parsing:
            from fluxctl.mini.plugins import help_of

            help_of(self.plugins(ctx), args[0].partition("=")[2])
            ctx.exit()
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options, those of plugins after those of the command."""
        found = super().get_params(ctx)
        plugins = None if ctx.resilient_parsing else self.plugins(ctx)
        if plugins is None:
            return found
        help_option = found[-1:] if found[-1:] == [self.get_help_option(ctx)] else []
        rest = found[: len(found) - len(help_option)]
        return [*rest, *plugins.params, *help_option]

    def invoke(self, ctx: click.Context) -> object:
        """Run; OSError from files and from the broker ends with its errno and text."""
        try:
            plugins = self.plugins(ctx)
            if plugins is not None:
                self._begin(ctx, plugins)
            return super().invoke(ctx)
        except ReaderGone:
            raise  # an OSError too, but nothing to report
        except WrongUsage as error:
            self.report(ctx, click.UsageError(str(error)))
        except OSError as error:
            raise CommandError(f"ERROR: {reason(error)}") from None

    def usage_line(self, ctx: click.Context) -> str:
        """Return what follows ``usage:`` in an error, in today's spelling as today's flux-core has
        it.
        """
        words = WORDS.get(ctx.command_path)
        return super().usage_line(ctx) if words is None else f"{ctx.command_path} {words}"

    def usage_program(self, ctx: click.Context) -> str:
        """Return what begins the sentence of a usage error."""
        known = ctx.command_path in WORDS
        return ctx.command_path if known else super().usage_program(ctx)

    def _begin(self, ctx: click.Context, plugins: CommandPlugins) -> None:
        """Let the plugins see what was asked for, before anything is made of it."""
        try:
            plugins.begin(ctx.params)
        except click.UsageError as error:
            self.report(ctx, error)


class BatchCommand(MiniCommand):
    """``flux mini batch``, some of whose options may stand in the script (RFC 36)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; options of the script come before those on it, which win."""
        line = list(args)
        rest = super().parse_args(ctx, args)
        if ctx.resilient_parsing:
            return rest
        script = self._script(ctx)
        words = self._directives(ctx, script)
        if words:
            ctx.params.clear()
            rest = super().parse_args(ctx, [*words, *line])
        ctx.obj = script
        return rest

    @staticmethod
    def _script(ctx: click.Context) -> Script:
        from fluxctl.mini.jobspec import Script, read_script

        try:
            return read_script(ctx.params["words"], ctx.params["wrap"])
        except OSError as error:
            if ctx.params["nslots"] is None and "bank" not in ctx.params:
                # of which flux-core 0.29 complains first
                return Script("", "", [])
            raise CommandError(f"ERROR: {reason(error)}") from None

    def _directives(self, ctx: click.Context, script: Script) -> list[str]:
        """Return the words of the script's directives, each line of which has been tried."""
        from flux.job.directives import parse_directives

        if ctx.params["wrap"] or not ("flux:" in script.text or "FLUX:" in script.text):
            return []
        try:
            found = parse_directives(script.text, script.name)
        except ValueError as error:
            raise CommandError(f"ERROR: {error}") from None
        for directive in found:
            reason = self._refused(ctx, directive.args)
            if reason:
                text = f"argument parsing failed at {script.name} line {directive.lineno}: {reason}"
                raise CommandError(f"ERROR: {text}")
        return [word for directive in found for word in directive.args]

    def _refused(self, ctx: click.Context, words: list[str]) -> str:
        """Return why words cannot stand in a directive, "" if they can."""
        alone = click.Context(self, ctx.parent, ctx.info_name, **self.context_settings)
        alone.meta[PLUGINS] = self.plugins(ctx)
        try:
            super().parse_args(alone, list(words))
        except click.UsageError as error:
            return error.format_message()
        except CommandError as error:
            return error.message.splitlines()[-1]
        if alone.params["words"]:
            return f"{alone.params['words'][0]} is no option"
        return "--wrap is for a command, not for a script" if alone.params["wrap"] else ""
