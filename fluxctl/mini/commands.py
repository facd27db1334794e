"""The submission commands as click has them: where options come from and how failures are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from fluxctl.errors import CommandError, ReaderGone
from fluxctl.python_style import PythonCommand

if TYPE_CHECKING:
    from fluxctl.mini.jobspec import Script


class MiniCommand(PythonCommand):
    """A sub-command of ``flux mini``: what fails is reported as ``flux-mini: ERROR: reason``."""

    allow_interspersed_args = False

    def invoke(self, ctx: click.Context) -> object:
        """Run; OSError from files and from the broker ends with its errno and text."""
        try:
            return super().invoke(ctx)
        except ReaderGone:
            raise  # an OSError too, but nothing to report
        except OSError as error:
            raise CommandError(f"ERROR: {error}") from None


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
            raise CommandError(f"ERROR: {error}") from None

    def _directives(self, ctx: click.Context, script: Script) -> list[str]:
        """Return the words of the script's directives, each line of which has been tried."""
        from fluxctl.mini.directives import parse_directives

        if ctx.params["wrap"] or not ("flux:" in script.text or "FLUX:" in script.text):
            return []
        found = parse_directives(script.text, script.name)
        for directive in found:
            reason = self._refused(ctx, directive.words)
            if reason:
                text = f"argument parsing failed at {script.name} line {directive.line}: {reason}"
                raise CommandError(f"ERROR: {text}")
        return [word for directive in found for word in directive.words]

    def _refused(self, ctx: click.Context, words: list[str]) -> str:
        """Return why words cannot stand in a directive, "" if they can."""
        alone = click.Context(self, ctx.parent, ctx.info_name, **self.context_settings)
        try:
            super().parse_args(alone, list(words))
        except click.UsageError as error:
            return error.format_message()
        except CommandError as error:
            return error.message.splitlines()[-1]
        if alone.params["words"]:
            return f"{alone.params['words'][0]} is no option"
        return "--wrap is for a command, not for a script" if alone.params["wrap"] else ""
