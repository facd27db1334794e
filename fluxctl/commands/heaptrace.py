"""``flux heaptrace``: the heap profiler of a broker."""

from __future__ import annotations

import os

import click

from fluxctl.command import FluxGroup, handle
from fluxctl.errors import CommandError


@click.group(cls=FluxGroup)
def command() -> None:
    """Control the heap profiler of the local broker, if it was built with one; ours is not.

    Each subcommand fails with "Function not implemented", as with a flux-core that was built
    without a profiler. What takes memory: flux module stats MODULE, and VmRSS in the file
    /proc/PID/status, where flux getattr broker.pid prints the PID.
    """


def _ask(topic: str, body: dict[str, str]) -> None:
    with handle() as h:
        try:
            h.rpc(topic, body).get()
        except OSError as exc:
            raise CommandError(f"flux: {topic}: {os.strerror(exc.errno or 0)}", bare=True) from None


@command.command("start")
@click.argument("filename", metavar="FILE")
def start(filename: str) -> None:
    """Begin to profile; dumps go to files whose names begin with FILE."""
    _ask("heaptrace.start", {"filename": os.path.abspath(filename)})


@command.command("dump")
@click.argument("reason")
def dump(reason: str) -> None:
    """Write a dump now, and why."""
    _ask("heaptrace.dump", {"reason": reason})


@command.command("stop")
def stop() -> None:
    """End the profile."""
    _ask("heaptrace.stop", {})


EXAMPLES = """
# Profile the heap of a broker that was built with a profiler
flux heaptrace start /tmp/broker
flux heaptrace dump before
flux heaptrace stop
"""
