"""What may be meant by a mistyped option, or a mistyped choice of one."""

from __future__ import annotations

import click
from click import BadParameter, Choice
from click.exceptions import NoSuchOption

from fluxctl.suggestions import suggestion


def usage_hint(exc: click.UsageError) -> str:
    """Return the suggestion for a usage error: the option or the choice that is like the one that
    was typed; empty if there is none.
    """
    if isinstance(exc, NoSuchOption):
        # Without the dashes, which make all options alike.
        names = {name.lstrip("-"): name for name in _options(exc.ctx)}
        hint = suggestion(exc.option_name.lstrip("-"), names)
        return hint.replace("mean ", "mean --") if hint else ""
    if isinstance(exc, BadParameter) and exc.param is not None:
        kind = exc.param.type
        typed = exc.message.partition("'")[2].partition("'")[0]
        if isinstance(kind, Choice) and typed:
            return suggestion(typed, map(str, kind.choices))
    return ""


def _options(ctx: click.Context | None) -> list[str]:
    """Return the long options of the running command."""
    params = [] if ctx is None else ctx.command.get_params(ctx)
    return [name for param in params for name in param.opts if name.startswith("--")]
