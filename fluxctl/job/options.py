"""What the sub-commands of ``flux job`` share: their usage text, and arguments that name jobs,
users, signals, states.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any, NoReturn

import click

from fluxctl.command import FluxCommand, echo, examples_text, program_name, usage_name
from fluxctl.errors import CommandError
from fluxctl.numbers import decimal
from fluxctl.option_types import NOT_AN_INTEGER, duration
from fluxctl.suggestions import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from click.shell_completion import CompletionItem

    from fluxctl.completions import Complete

HELP_COLUMN = 25
WIDTH = 80
HIGHEST_NUMBER = 0x7FFFFFFF


def option_lines(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return option help lines, the texts in a column of their own, wrapped."""
    lines: list[str] = []
    for label, text in rows:
        wrapped = textwrap.wrap(text, WIDTH - HELP_COLUMN) or [""]
        if len(label) < HELP_COLUMN:
            lines.append(f"{label:<{HELP_COLUMN}}{wrapped[0]}")
        else:
            lines += [label, f"{'':{HELP_COLUMN}}{wrapped[0]}"]
        lines += [f"{'':{HELP_COLUMN}}{line}" for line in wrapped[1:]]
    return lines


class JobCommand(FluxCommand):
    """A sub-command with flux-core's form of usage text, shown for ``--help`` and for missing
    arguments.
    """

    def __init__(self, name: str | None = None, *, synopsis: str = "", **attrs: Any) -> None:
        super().__init__(name, **attrs)
        self.synopsis = synopsis

    def get_help(self, ctx: click.Context) -> str:
        """Return the usage text and the examples."""
        return f"{self.usage_text(ctx)}\n{examples_text(ctx)}".rstrip("\n")

    def usage_text(self, ctx: click.Context) -> str:
        """Return the usage text."""
        rows = [("  -h, --help", "Display this message.")]
        options = (
            param for param in self.params if isinstance(param, click.Option) and not param.hidden
        )
        rows += [(_label(option), option.help or "") for option in options]
        first = f"Usage: {program_name(ctx)} {ctx.info_name} {self.synopsis}".rstrip()
        return "\n".join([first, self.help or "", *option_lines(rows)])

    def report(self, ctx: click.Context, exc: click.UsageError) -> NoReturn:
        """Raise the CommandError for a usage error; of numbers as flux-core's C commands do."""
        param = exc.param if isinstance(exc, click.BadParameter) else None
        if isinstance(param, click.Option) and NOT_AN_INTEGER in exc.message:
            raise option_error(
                ctx, f"Option '{_long(param)}' requires an integer argument"
            ) from exc
        super().report(ctx, exc)


class JobIdArguments(click.Argument):
    """Arguments of which the first, or each, is a job id, which is completed; ``further``
    completes those after the first.
    """

    def __init__(
        self, param_decls: Sequence[str], further: Complete | None = None, **attrs: Any
    ) -> None:
        super().__init__(param_decls, **attrs)
        self._further = further

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the ids that begin with what is typed; an ASCII f stands for the ƒ."""
        from fluxctl.completions import job_ids

        if self._further is not None and ctx.params.get(self.name or ""):
            return self._further(ctx, self, incomplete)
        return job_ids(ctx, self, incomplete)


def _long(option: click.Option) -> str:
    """Return the long name of an option, without hyphens."""
    return max(option.opts, key=len).lstrip("-")


def option_error(ctx: click.Context, text: str) -> CommandError:
    """Return the failure for the value of an option, in the form of flux-core's C commands."""
    return CommandError(f"{usage_name(ctx)}: {ctx.info_name}: {text}", 1, bare=True)


def parse_duration(ctx: click.Context, option: str, text: str) -> float:
    """Return the seconds of an option's Flux standard duration."""
    refusal = option_error(ctx, f"Invalid argument for option '{option}': '{text}'")
    return duration(text, refusal.message, bare=True)


def _label(option: click.Option) -> str:
    names = sorted(option.opts, key=len)
    short = f"{names[0]}, " if len(names) > 1 else "    "
    metavar = (option.metavar or "") if not option.is_flag and not option.count else ""
    if metavar and not metavar.startswith("[="):
        metavar = f"={metavar}"
    return f"  {short}{names[-1]}{metavar}"


def usage(ctx: click.Context) -> NoReturn:
    """Fail for missing or surplus arguments: the usage text on stderr."""
    sys.stdout.flush()
    text = ctx.command.usage_text(ctx) if isinstance(ctx.command, JobCommand) else ctx.get_help()
    echo(text, err=True)
    raise CommandError("", 1)


def parse_id(text: str, refusal: str = 'error parsing jobid: "{}"') -> int:
    """Return the job id that a command line argument names. ``refusal`` is the sentence of the
    CommandError for what is none, with the argument for ``{}``.
    """
    from flux.job.JobID import id_parse

    try:
        return int(id_parse(text))
    except (ValueError, OSError, OverflowError):
        raise CommandError(refusal.format(text)) from None


def parse_userid(text: str | None) -> int:
    """Return the user id of a login name, a number, ``all`` (-1), or of this process for None."""
    import os

    if text is None:
        return os.getuid()
    if text == "all":
        return -1
    if text.isdecimal():
        from flux.wire.message import USERID_UNKNOWN

        userid = decimal(text, USERID_UNKNOWN - 1)
        if userid is None:
            raise CommandError(f"unknown user {text}")
        return userid
    import pwd

    try:
        return pwd.getpwnam(text).pw_uid
    except (KeyError, ValueError):
        raise CommandError(f"unknown user {text}") from None


def parse_states(text: str) -> int:
    """Return the mask of a comma-separated list of job states."""
    from flux.job.state_names import STATE_FILTERS

    if not text.strip():
        raise CommandError("no states specified")
    mask = 0
    for name in text.split(","):
        state = name.strip().lower()
        if state not in STATE_FILTERS:
            hint = suggestion(state, STATE_FILTERS)
            raise CommandError(f"error parsing --states: {name} is unknown", hint=hint)
        mask |= STATE_FILTERS[state]
    return mask


def parse_signal(text: str) -> int | None:
    """Return the number of a signal named ``9``, ``KILL`` or ``SIGKILL``; None for anything
    else.

    Whether there is a signal of that number is for the job's side to say.
    """
    import signal

    if text.isdecimal():
        return decimal(text, HIGHEST_NUMBER) or None
    name = text.upper()
    name = name if name.startswith("SIG") else f"SIG{name}"
    found = signal.Signals.__members__.get(name)
    return int(found) if found is not None else None


def words(parts: Sequence[str]) -> str | None:
    """Return a message given as several arguments, None for none."""
    return " ".join(parts) if parts else None
