"""``flux top --serve``: what it serves, and where it says so."""

from __future__ import annotations

import os
import re
import sys
from typing import Final

import click
from click.core import ParameterSource

from flux.waitstatus import code_of_signal
from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError
from fluxctl.option_types import duration

SERVE_OPTIONS: Final = (
    click.Option(
        ["--serve"],
        type=click.IntRange(0, 65535),
        metavar="PORT",
        help="Serve the dashboard to a browser on this machine, at http://127.0.0.1:PORT and "
        "behind a link that works once; without PORT at one that is free.",
    ),
    click.Option(
        ["--serve-sessions"],
        type=click.IntRange(1, 64),
        default=4,
        metavar="N",
        help="With --serve: at most N dashboards at once (4).",
    ),
    click.Option(
        ["--serve-idle"],
        default="8h",
        metavar="FSD",
        help="With --serve: end a dashboard that got no key or click for that long (8h).",
    ),
)


class ServingCommand(FluxCommand):
    """A command whose ``--serve`` may go without a port."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, see click."""
        return super().parse_args(ctx, with_port(args))


def with_port(args: list[str]) -> list[str]:
    """Return the arguments with a port for ``--serve``: the number after it, if there is one, else
    0 for any that is free. Job ids have more digits.
    """
    found: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            return [*found, word, *words]
        if found and found[-1] == "--serve=0" and _PORT.fullmatch(word):
            found[-1] = f"--serve={word}"
        else:
            found.append("--serve=0" if word == "--serve" else word)
    return found


OWN: Final = frozenset({"serve", "serve_sessions", "serve_idle", "targets"})
"""Parameters of ``flux top`` that are no options of the dashboards."""
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


def serve_dashboards(ctx: click.Context) -> int:
    """Serve dashboards of the targets of ``flux top``, with the options that it has got, until a
    signal; returns the exit code.

    Raises CommandError if there is nothing to serve with, OSError if the port cannot be had.
    """
    import asyncio
    import importlib.util

    text = ctx.params["serve_idle"]
    idle = duration(text, f"--serve-idle: {text} is no duration such as 30m or 8h")
    if importlib.util.find_spec("textual_serve") is None:
        raise CommandError(
            "--serve needs the package textual-serve: pip install 'fluxctl[serve]', or reach this "
            "machine by ssh and run flux top there"
        )
    from tui.serve.server import Server
    from tui.serve.visits import ServeTerms
    from tui.terminal_app import SERVED

    dropped = ("COLUMNS", "LINES", "FLUX_TOP_ASCII", "TMUX", "STY", "TERM_PROGRAM")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    # What a browser is, whatever the terminal here is.
    environment |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    environment[SERVED] = "1"
    command = [*_flux(), "top", *same_options(ctx), "--", *ctx.params["targets"]]
    terms = ServeTerms(command, environment, ctx.params["serve_sessions"], idle)
    server = Server(
        terms,
        lambda text: print(text, flush=True),
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    signum = asyncio.run(server.run(ctx.params["serve"]))
    return code_of_signal(signum)


def same_options(ctx: click.Context) -> list[str]:
    """Return the options that this command was given, but those about serving."""
    found: list[str] = []
    for param in ctx.command.params:
        name = param.name or ""
        given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if name in OWN or not given:
            continue
        value = ctx.params[name]
        if value is True:
            found.append(param.opts[0])
        elif isinstance(value, tuple | list):
            found += [f"{param.opts[0]}={one}" for one in value]
        elif value is not False:
            found.append(f"{param.opts[0]}={value}")
    return found


def _flux() -> list[str]:
    script = os.path.abspath(sys.argv[0])
    return [script] if os.access(script, os.X_OK) else [sys.executable, "-m", "fluxctl.main"]
