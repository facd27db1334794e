"""``flux dmesg``: print, follow or clear the broker's log (flux-dmesg(1))."""

from __future__ import annotations

import sys

import click

from flux.logline import SEVERITIES, parse
from flux.terminal_text import terminal_line
from fluxctl.command import FluxCommand, echo, handle
from fluxctl.errors import CommandError


@click.command(cls=FluxCommand)
@click.option("-C", "--clear", is_flag=True, help="Clear the ring buffer.")
@click.option(
    "-c", "--read-clear", is_flag=True, help="Clear the ring buffer after printing its contents."
)
@click.option(
    "-f", "--follow", is_flag=True, help="Wait for new entries and print them as they arrive."
)
@click.option("--json", "as_json", is_flag=True, help="Print each entry as one line of JSON.")
def command(clear: bool, read_clear: bool, follow: bool, as_json: bool) -> None:
    """Print the log of the local broker."""
    import errno
    import os

    from flux.constants import FLUX_RPC_STREAMING

    with handle() as h:
        if clear:
            h.rpc("log.clear").get()
        if not clear or follow:
            rpc = h.rpc("log.dmesg", {"follow": follow}, flags=FLUX_RPC_STREAMING)
            if read_clear and follow:  # served after all that was there has been sent
                cleared = h.rpc("log.clear")
            try:
                while True:
                    echo(_format(rpc.get_str() or "", as_json))
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


def _format(line: str, as_json: bool) -> str:
    """Return a log line for a person, or as JSON; a line of another form as it is."""
    entry = parse(line)
    if entry is None:
        return terminal_line(line)
    if not as_json:
        return terminal_line(entry.readable())
    from flux.wire import json

    return json.dumps_str({**entry._asdict(), "severity": SEVERITIES[entry.severity]})


EXAMPLES = """
# Show the log of this broker
flux dmesg
# Show what rank 1 has said
flux exec -r 1 flux dmesg
# Forget what was logged so far
flux dmesg -C
"""
