"""The ``ssh://[user@]host[:port]/path`` connector: messages go over the standard input and output
of an OpenSSH client that runs ``flux relay`` on the other host (flux-proxy(1)).

FLUX_SSH names another client, FLUX_SSH_RCMD what to call ``flux`` there.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import socket
import subprocess
from urllib.parse import unquote, urlsplit

END_TIMEOUT = 5.0
"""Seconds that the client may take to end when its input has."""


def command_of(uri: str) -> list[str]:
    """Return the command line that reaches the broker at ``uri``; raises OSError(EINVAL) if that
    names no host or no socket.
    """
    parts = urlsplit(uri)
    try:
        port = parts.port
    except ValueError:
        raise OSError(errno.EINVAL, f"{uri!r} has no valid port") from None
    user, at, place = parts.netloc.rpartition("@")
    bracketed = place.startswith("[")
    host = place[1:].partition("]")[0] if bracketed else place.partition(":")[0]
    path = unquote(parts.path)
    if not host or path in ("", "/"):
        raise OSError(errno.EINVAL, f"{uri!r} does not name a host and a socket")
    if host.startswith("-") or user.startswith("-"):
        # It would be an option to ssh.
        raise OSError(errno.EINVAL, f"{uri!r} names no host")
    argv = client()
    if port is not None:
        argv += ["-p", str(port)]
    remote = os.environ.get("FLUX_SSH_RCMD") or "flux"
    return [*argv, f"{user}{at}{host}", remote, "relay", shlex.quote(path)]


def client() -> list[str]:
    """Return the program to run; FLUX_SSH may have options after its name."""
    text = os.environ.get("FLUX_SSH") or "ssh"
    return [text] if os.path.exists(text) else shlex.split(text)


class RemoteSocket(socket.socket):
    """Our end of a connection through a program, which ends with it."""

    def __init__(self, ours: socket.socket, process: subprocess.Popen[bytes]) -> None:
        super().__init__(fileno=ours.detach())
        self.process = process

    def close(self) -> None:
        """Close, and wait for the program to end."""
        super().close()
        end(self.process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a program whose connection is closed; one that stays is killed."""
    try:
        process.wait(END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _leave_interrupts_to_parent() -> None:
    # Ctrl+C is for the command that uses the connection; it may need it to act on that.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start(uri: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Start the client for ``uri``; returns our end of its standard input and output, and it.

    Raises OSError if there is no such program, EINVAL for a malformed URI.
    """
    argv = command_of(uri)
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                argv,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                preexec_fn=_leave_interrupts_to_parent,
            )
        except OSError as exc:
            ours.close()
            raise OSError(exc.errno, f"{argv[0]}: {exc.strerror}") from None
    return ours, process


def failure(uri: str, code: int | None) -> OSError:
    """Return why there is no connection, given the exit code of the client."""
    host = urlsplit(uri).netloc
    return OSError(errno.ECONNRESET, f"{host}: the connection was closed (exit code {code})")
