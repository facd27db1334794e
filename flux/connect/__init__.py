"""How to reach a broker, by URI scheme: ``local:///path`` is a Unix stream socket,
``ssh://[user@]host[:port]/path`` one of another host.

Connecting without a broker raises OSError(ENOENT); a broker that refuses the user answers with its
own error number.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from flux.wire.errors import os_error

if TYPE_CHECKING:
    from flux.connect.stream import Receiver, SocketTransport


def default_uri() -> str:
    """Return the environment's FLUX_URI; raises OSError(ENOENT) when it is not set."""
    uri = os.environ.get("FLUX_URI")
    if not uri:
        raise os_error(errno.ENOENT)
    return uri


LONGEST_PATH = 107
"""Bytes in the name of a Unix socket."""


def local_path(uri: str | None) -> str:
    """Return the socket path that ``uri`` names (default: FLUX_URI); raises OSError(EINVAL) if it
    is not a URI.
    """
    uri = uri or default_uri()
    scheme, sep, rest = uri.partition("://")
    if not sep:
        raise OSError(errno.EINVAL, f"{uri!r} is not a Flux URI")
    if scheme != "local":
        raise OSError(errno.ENOENT, f"no connector for the {scheme} scheme")
    path = rest.partition("?")[0]
    if not path:
        raise OSError(errno.EINVAL, f"{uri!r} names no socket")
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise os_error(errno.ENAMETOOLONG)
    return path


def is_remote(uri: str) -> bool:
    """Tell whether a URI names a broker that is reached by ssh."""
    return uri.startswith("ssh://")


def open_socket(uri: str | None) -> socket.socket:
    """Connect a blocking socket to the broker at ``uri`` and wait for its verdict; raises
    OSError.
    """
    uri = uri or default_uri()
    if is_remote(uri):
        return _open_remote(uri)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(local_path(uri))
        _await_verdict(sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _open_remote(uri: str) -> socket.socket:
    from flux.connect import ssh

    sock = ssh.RemoteSocket(*ssh.start(uri))
    try:
        _await_verdict(sock)
    except ConnectionResetError:
        sock.close()
        raise ssh.failure(uri, sock.process.returncode) from None
    except BaseException:
        sock.close()
        raise
    return sock


def _await_verdict(sock: socket.socket) -> None:
    verdict = sock.recv(1)
    if not verdict:
        raise os_error(errno.ECONNRESET)
    if verdict[0]:
        raise os_error(verdict[0])


async def open_stream(uri: str | None, handle: Receiver) -> SocketTransport:
    """Connect an asyncio transport for ``handle`` to the broker at ``uri``; raises OSError."""
    import asyncio

    from flux.connect.stream import SocketTransport

    loop = asyncio.get_running_loop()
    uri = uri or default_uri()
    if is_remote(uri):
        from flux.connect import ssh

        sock, process = await loop.run_in_executor(None, ssh.start, uri)
        _, transport = await loop.create_unix_connection(
            lambda: SocketTransport(handle, process), sock=sock
        )
        try:
            await transport.accepted()
        except ConnectionResetError:
            await transport.close()
            raise ssh.failure(uri, process.returncode) from None
        except BaseException:
            await transport.close()
            raise
        return transport
    _, transport = await loop.create_unix_connection(
        lambda: SocketTransport(handle), local_path(uri)
    )
    await transport.accepted()
    return transport
