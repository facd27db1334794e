"""``flux relay``: pass messages between standard input and output and a local broker, which is what
the ``ssh://`` connector runs on the other host (flux-proxy(1)).
"""

from __future__ import annotations

import socket
import sys
import threading

import click

from flux.connect import local_path
from fluxctl.command import FluxCommand
from fluxctl.errors import CommandError

CHUNK = 1 << 16


def _copy_in(sock: socket.socket) -> None:
    """Send what comes from standard input; its end is the end of the client."""
    import os

    try:
        while data := os.read(0, CHUNK):
            sock.sendall(data)
    except OSError:
        pass  # either side has gone: the other direction ends too
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _copy_out(sock: socket.socket) -> None:
    import os

    try:
        while data := sock.recv(CHUNK):
            view = memoryview(data)
            while view:
                view = view[os.write(1, view) :]
    except (BrokenPipeError, ConnectionError):
        return


def _connect(path: str) -> socket.socket:
    uri = path if "://" in path else f"local://{path}"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(local_path(uri))
    except OSError as exc:
        sock.close()
        raise CommandError(f"{uri}: {exc.strerror}") from None
    return sock


@click.command(cls=FluxCommand)
@click.argument("path", required=False)
@click.pass_context
def command(ctx: click.Context, path: str | None) -> None:
    """Connect standard input and output to the broker whose socket is PATH.

    The ssh:// connector runs this on the host of the broker; it is of no use by hand.
    """
    if not path:
        raise CommandError(f"flux-relay: path argument is required\n{ctx.get_usage()}", bare=True)
    with _connect(path) as sock:
        threading.Thread(target=_copy_in, args=(sock,), daemon=True).start()
        _copy_out(sock)
    sys.stdout.flush()


EXAMPLES = """
# What flux proxy ssh://login1/run/flux/local runs on login1
flux relay /run/flux/local
"""
