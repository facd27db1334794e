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
@json_option("Print each entry as one line of JSON.")
@color_option("-L")
def command(clear: bool, read_clear: bool, follow: bool, as_json: bool, color: str) -> None:
    """Print the log of the local broker."""
    import errno
    import os

    from flux.constants import FLUX_RPC_STREAMING

    paint = Paint(color)
    with handle() as h:
        if clear:
            h.rpc("log.clear").get()
        if not clear or follow:
            rpc = h.rpc("log.dmesg", {"follow": follow}, flags=FLUX_RPC_STREAMING)
            if read_clear and follow:  # served after all that was there has been sent
                cleared = h.rpc("log.clear")
            try:
                while True:
                    line = rpc.get_str() or ""
                    echo(_json(line) if as_json else _readable(line, paint), raw=True)
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


def _readable(line: str, paint: Paint) -> str:
    """Return a log line for a person, in the color of its severity; one of another form as it
    is.
    """
    entry = parse(line)
    if entry is None:
        return terminal_line(line)
    return paint(terminal_line(entry.readable()), _ROLES.get(SEVERITIES[entry.severity], ""))


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
# Forget what was logged so far
flux dmesg -C
"""
