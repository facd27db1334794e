"""Base classes and basics of the sub-commands: usage errors in the manual's words, output, the
connection.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.exceptions import NoSuchOption

from flux.terminal_text import terminal_text
from fluxctl.abbreviations import LongOptions, candidates
from fluxctl.color import with_color_told
from fluxctl.errors import CommandError
from fluxctl.suggestions import nearest
from fluxctl.usage_hints import usage_hint

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.parser import _OptionParser

    from flux.core.handle import Flux


def program_name(ctx: click.Context) -> str:
    """Return how messages name the running command: ``flux-kvs`` for ``flux kvs get``."""
    return (ctx.find_root().info_name or "flux").replace(" ", "-")


class AmbiguousOption(click.UsageError):
    """A word that may stand for several long options."""

    def __init__(self, word: str, options: list[str], ctx: click.Context) -> None:
        super().__init__(f"option '{word}' is ambiguous", ctx)
        self.word = word
        self.options = options


def full_name(ctx: click.Context, word: str) -> str:
    """Return the name of the long option that a prefix stands for, the word itself if none."""
    params = ctx.command.get_params(ctx)
    names = [name for param in params for name in (*param.opts, *param.secondary_opts)]
    found = candidates(word, names)
    return found[0] if found else word


def usage_name(ctx: click.Context) -> str:
    """Return how usage errors name the running command: ``flux-kvs get`` for ``flux kvs get``."""
    return ctx.command_path.replace("flux ", "flux-", 1)


def usage_failure(ctx: click.Context, exc: click.UsageError) -> NoReturn:
    """Turn click's usage error into the message that users of flux-core know."""
    name = usage_name(ctx)
    if isinstance(exc, click.exceptions.NoArgsIsHelpError):
        raise CommandError(ctx.get_help(), 1, bare=True) from None
    if isinstance(exc, NoSuchOption):
        names = {choice.lstrip("-"): choice for choice in exc.possibilities or ()}
        near = nearest(exc.option_name.lstrip("-"), list(names))
        hint = f" (did you mean {names[near]}?)" if near else ""
        text = f"{name}: unrecognized option '{exc.option_name}'{hint}"
    elif isinstance(exc, AmbiguousOption):
        listed = " ".join(f"'{option}'" for option in exc.options)
        text = f"{name}: option '{exc.word}' is ambiguous; possibilities: {listed}"
    elif isinstance(exc, click.BadOptionUsage) and "requires an argument" in exc.message:
        text = f"{name}: '{full_name(ctx, exc.option_name)}' missing argument"
        raise CommandError(text, 1, bare=True) from None
    elif isinstance(exc, click.BadOptionUsage) and "does not take a value" in exc.message:
        text = f"{name}: option '{full_name(ctx, exc.option_name)}' doesn't allow an argument"
    else:
        text = f"{name}: {exc.format_message()}"
    told = f"{text}\nTry `{name} --help' for more information."
    hint = "" if isinstance(exc, NoSuchOption) else usage_hint(exc)
    raise CommandError(told, 1, bare=True, hint=hint) from None


SENTENCE_MAX = 1000
"""Characters of the sentence that a list of commands says of one."""


def examples_text(ctx: click.Context) -> str:
    """Return the end of a command's help: a blank line, the examples; empty if it has none."""
    import textwrap

    from fluxctl.examples import examples_of, shown

    found = examples_of(ctx.command_path.replace("flux-", "flux ").removeprefix("flux "))
    return "\nExamples:\n" + textwrap.indent(shown(found), "  ") + "\n" if found else ""


class UsageReports(click.Command):
    """What commands and groups share: the settings of their help, and one way out for usage errors.

    ``report`` turns click's usage error into the message of the command; a subclass that reports
    in another manner overrides nothing else.
    """

    def __init__(self, name: str | None = None, **attrs: Any) -> None:
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        attrs["context_settings"] = settings | (attrs.get("context_settings") or {})
        super().__init__(name, **attrs)

    def report(self, ctx: click.Context, exc: click.UsageError) -> NoReturn:
        """Raise the CommandError for a usage error."""
        usage_failure(ctx, exc)

    def make_parser(self, ctx: click.Context) -> _OptionParser:
        """Return click's parser, which takes any unambiguous prefix of a long option too."""

        def refuse(word: str, candidates: list[str]) -> NoReturn:
            raise AmbiguousOption(word, candidates, ctx)

        parser = super().make_parser(ctx)
        parser._long_opt = LongOptions(parser._long_opt, refuse)  # noqa: SLF001 - click has no hook
        return parser

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples of the command's page that are about it."""
        # As they are: a command that is broken into lines can be copied by nobody.
        formatter.write(examples_text(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the first sentence of the help, all of it: lists of commands wrap it."""
        return super().get_short_help_str(SENTENCE_MAX)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, see click. Raises CommandError for a usage error."""
        for param in self.params:
            if param.name == "color":
                args = with_color_told(args, param.opts)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as exc:
            self.report(ctx, exc)


class FluxCommand(UsageReports):
    """A sub-command."""


class FluxGroup(UsageReports, click.Group):
    """A sub-command with sub-commands of its own; a misspelt one suggests the nearest."""

    command_class = FluxCommand
    group_class = type

    def unknown(self, ctx: click.Context, word: str) -> CommandError | None:
        """Return the failure of a word that does not name a sub-command.

        None leaves it to click, which knows best what to say of an option.
        """
        if word.startswith("-"):
            return None
        near = nearest(word, self.list_commands(ctx))
        hint = f" (did you mean {near}?)" if near else ""
        text = f"{program_name(ctx)}: unknown sub-command `{word}'{hint}"
        return CommandError(text, 1, bare=True)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the sub-command that the first argument names, see click.

        Raises CommandError if there is none. Completion tries words as they are typed: what they
        do not name yet is no error there.
        """
        if args and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            failure = self.unknown(ctx, args[0])
            if failure is not None:
                raise failure
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            self.report(ctx, exc)


def echo(text: str = "", *, err: bool = False, nl: bool = True, raw: bool = False) -> None:
    """Write text to stdout, or to stderr for talk; what cannot be encoded is escaped.

    So is what a terminal would act on, unless the text is ``raw``: data that a program asked for.
    """
    stream = sys.stderr if err else sys.stdout
    if not raw:
        text = terminal_text(text)
    data = text + "\n" if nl else text
    try:
        stream.write(data)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(data.encode(encoding, "backslashreplace").decode(encoding))


def current_directory() -> str:
    """Return the working directory; raises CommandError if it has been removed."""
    try:
        return os.getcwd()
    except OSError as exc:
        raise CommandError(f"cannot tell the working directory: {exc.strerror}") from None


def talk(ctx: click.Context, text: str) -> None:
    """Write ``flux-NAME: text`` to stderr, in order with what was printed."""
    sys.stdout.flush()
    sys.stderr.write(f"{program_name(ctx)}: {terminal_text(text)}\n")


def handle(failure: Callable[[OSError], CommandError] | None = None) -> Flux:
    """Return a connected handle; without a broker fails as flux-core's C commands do, or as
    ``failure`` says.
    """
    from flux.core.handle import Flux

    try:
        return Flux()
    except OSError as exc:
        if failure is not None:
            raise failure(exc) from None
        text = f"flux: flux_open: {exc.strerror}{instance_hint(exc)}"
        raise CommandError(text, 1, bare=True) from None


def instance_hint(exc: OSError) -> str:
    """Return, for after the failure to connect, what a person at a terminal may do; empty if it is
    none that a missing broker explains.
    """
    if exc.errno not in (errno.ENOENT, errno.ECONNREFUSED) or not sys.stderr.isatty():
        return ""
    uri = os.environ.get("FLUX_URI")
    if uri:
        return f" (no broker answers at {uri}, which FLUX_URI names)"
    return " (this is no Flux instance: start one with `flux start', or set FLUX_URI to attach)"


def python_failure(exc: OSError) -> CommandError:
    """Return the failure to connect in the words of flux-core's Python commands."""
    number = exc.errno or errno.ENOENT
    text = f"ERROR: [Errno {number}] Unable to connect to Flux{instance_hint(exc)}"
    return CommandError(text, 1)
