"""``flux dmesg``: print, follow or clear the broker's log (flux-dmesg(1))."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from flux.logline import SEVERITIES, parse
from flux.terminal_text import terminal_line
from fluxctl.color import Paint, color_option
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError
from fluxctl.human_times import HumanTimes
from fluxctl.json_output import json_option

if TYPE_CHECKING:
    from fluxctl.color import Role

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("emerg", "alert", "crit", "err"), "bad"),
    "warning": "warn",
    "debug": "faint",
}
"""What stands out, by severity."""


@click.command(cls=FluxCommand)
@click.option("-C", "--clear", is_flag=True, help="Clear the ring buffer.")
@click.option(
    "-c", "--read-clear", is_flag=True, help="Clear the ring buffer after printing its contents."
)
@click.option(
    "-f", "--follow", is_flag=True, help="Wait for new entries and print them as they arrive."
)
@click.option("-n", "--new", is_flag=True, help="Print new entries only, with --follow.")
@click.option(
    "-H", "--human", is_flag=True, help="Print the minute, and the seconds since its first entry."
)
@click.option("-d", "--delta", is_flag=True, help="With --human, the seconds since the last entry.")
@json_option("Print each entry as one line of JSON.")
@color_option("-L")
def command(
    clear: bool,
    read_clear: bool,
    follow: bool,
    new: bool,
    human: bool,
    delta: bool,
    as_json: bool,
    color: str,
) -> None:
    """Print the log of the local broker."""
    import errno
    import os

    from flux.constants import FLUX_RPC_STREAMING

    if delta and not human:
        raise CommandError("--delta can only be used with --human")
    shown = _Lines(Paint(color), HumanTimes(delta=delta) if human else None)
    asked = {"follow": follow} | ({"nobacklog": True} if new else {})
    with handle() as h:
        if clear:
            h.rpc("log.clear").get()
        if not clear or follow:
            rpc = h.rpc("log.dmesg", asked, flags=FLUX_RPC_STREAMING)
            if read_clear and follow:  # served after all that was there has been sent
                cleared = h.rpc("log.clear")
            try:
                while True:
                    line = rpc.get_str() or ""
                    echo(_json(line) if as_json else shown.text(line), raw=True)
                    rpc.reset()
                    if follow:
                        sys.stdout.flush()
            except OSError as exc:
                if exc.errno == errno.EPERM:  # one of the commands of flux itself, which say so
                    said = f"flux: log.dmesg: {os.strerror(errno.EPERM)}"
                    raise CommandError(said, bare=True) from None
                if exc.errno != errno.ENODATA:
                    raise
            if read_clear:
                (cleared if follow else h.rpc("log.clear")).get()


class _Lines:
    """Turns log lines into those for a person, in the color of their severity; ``times`` is None
    for dates.
    """

    def __init__(self, paint: Paint, times: HumanTimes | None) -> None:
        self._paint = paint
        self._times = times

    def text(self, line: str) -> str:
        """Return how a line is shown; one of another form as it is."""
        entry = parse(line)
        if entry is None:
            return terminal_line(line)
        shown = entry.readable()
        if self._times is not None:
            date, _, rest = shown.partition(" ")
            shown = f"{self._times.text(_seconds(date))} {rest}"
        return self._paint(terminal_line(shown), _ROLES.get(SEVERITIES[entry.severity], ""))


def _seconds(date: str) -> float:
    """Return the time of an entry in seconds since the epoch."""
    from datetime import datetime

    return datetime.fromisoformat(date).timestamp()


def _json(line: str) -> str:
    """Return a log line as JSON: one of another form has its text only."""
    from flux.wire import json

    entry = parse(line)
    if entry is None:
        return terminal_line(json.dumps_str({"text": line}))
    severity = SEVERITIES[entry.severity]
    return terminal_line(json.dumps_str({**entry._asdict(), "severity": severity}))


EXAMPLES = """
# Show the log of this broker
flux dmesg
# Show what rank 1 has said
flux exec -r 1 flux dmesg
# Show it with the seconds since the entry before
flux dmesg --human --delta
# Forget what was logged so far
flux dmesg -C
"""
