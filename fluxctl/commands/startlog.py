"""``flux startlog``: when an instance ran, and whether it ended well (docs/todays-commands.md)."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Final

import click

from flux.startlog import KEY, Run, ended_well, runs_of
from flux.terminal_text import terminal_line
from flux.time_text import time_text
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError
from fluxctl.json_output import json_option, print_json_lines

if TYPE_CHECKING:
    from flux.core.handle import Flux

_MINUTE: Final = "%Y-%m-%d %H:%M"
_ROUNDED: Final = 0.01
"""``broker.starttime`` is rounded to so many seconds."""
_UNITS: Final = ((0.1, "ms", 1e-3), (60, "s", 1), (3600, "m", 60), (86400, "h", 3600))


@click.command("startlog", cls=FluxCommand)
@click.option(
    "--check", is_flag=True, help="Exit with 1 if the instance was not shut down properly before."
)
@click.option("--quiet", is_flag=True, help="Print nothing, which is of use with --check.")
@click.option(
    "-v", "--show-version", is_flag=True, help="Print the version of flux-core of each start."
)
@json_option("Print each time that it ran as one line of JSON.")
def command(check: bool, quiet: bool, show_version: bool, as_json: bool) -> int:
    """List when this instance has run, with its end and how long it was, or that it crashed.

    Earlier times are known to an instance whose store outlives it (statedir,
    content.backing-path).
    """
    with handle() as h:
        runs = known_runs(h)
    if as_json and not quiet:
        print_json_lines(_described(run) for run in runs)
    elif not quiet:
        now = time.time()
        for run in runs:
            version = f"{terminal_line(run.core_version):>25}  " if show_version else ""
            echo(version + line_of(run, now))
    return 1 if check and not ended_well(runs) else 0


def known_runs(h: Flux) -> list[Run]:
    """Return when the instance ran, the present time last, whether or not that is in its log.

    Raises CommandError if the log cannot be read.
    """
    from flux import eventlog, kvs_rpc

    try:
        text = kvs_rpc.value_of(kvs_rpc.lookup(h, KEY)).decode("utf-8", "replace")
    except OSError as exc:
        if exc.errno != errno.ENOENT:
            raise _failure("fetching", exc) from None
        text = ""
    try:
        runs = runs_of(eventlog.decode(text))
    except OSError as exc:
        raise _failure("decoding", exc) from None
    started = float(h.attr_get("broker.starttime") or 0.0)
    if not runs or runs[-1].began < started - _ROUNDED:
        if runs and runs[-1].ended is None:
            runs[-1].crashed = True
        runs.append(Run(started, h.attr_get("version") or ""))
    return runs


def _failure(what: str, exc: OSError) -> CommandError:
    from os import strerror

    return CommandError(f"flux: Error {what} eventlog: {strerror(exc.errno or 0)}", 1, bare=True)


def line_of(run: Run, now: float) -> str:
    """Return the line about a run, at the time ``now`` in seconds since the epoch."""
    began = time_text(run.began, _MINUTE)
    if run.crashed:
        return f"{began} - crashed"
    ended = "running" if run.ended is None else time_text(run.ended, _MINUTE)
    return f"{began} - {ended} ({lasted((now if run.ended is None else run.ended) - run.began)})"


def lasted(seconds: float) -> str:
    """Return a duration in two digits."""
    for limit, unit, divisor in _UNITS:
        if 0 < seconds < limit:
            return f"{seconds / divisor:.2g}{unit}"
    return f"{seconds / 86400:.2g}d" if seconds > 0 else "0s"


def _described(run: Run) -> dict[str, object]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


EXAMPLES = """
# When did this instance run, and how did it end?
flux startlog
# Look whether it was shut down properly before this start
flux startlog --check --quiet
"""
