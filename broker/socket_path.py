"""The length of Unix socket paths, which the kernel bounds: checked before anything is started."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from broker.places import check_owner_mode
from broker.rundir_claim import LONGEST
from flux.connect import LONGEST_PATH

if TYPE_CHECKING:
    from broker.attributes import Attributes


def check_socket_path(
    path: str, remedy: str = "set TMPDIR or rundir to a shorter directory"
) -> None:
    """Raise OSError(ENAMETOOLONG), with ``remedy`` in its text, if no socket can be bound to
    ``path``.
    """
    size = len(os.fsencode(path))
    if size > LONGEST_PATH:
        text = f"socket path of {size} bytes exceeds the limit of {LONGEST_PATH}, {remedy}: {path}"
        raise OSError(errno.ENAMETOOLONG, text)


def check_rundir(rundir: str, ranks: int) -> None:
    """Check that brokers of ranks 0 to ``ranks`` - 1 can have their sockets in ``rundir``; raises
    OSError(ENAMETOOLONG).
    """
    check_socket_path(f"{rundir}/local-{ranks - 1}")


def check_local_uri(uri: str) -> None:
    """Check ``local-uri`` as the user gave it: a path that a socket can be made at.

    Raises OSError: EINVAL for no such URI, EOVERFLOW for one without end, or what is wrong with the
    directory.
    """
    scheme, _, path = uri.partition("://")
    if scheme != "local" or not path:
        raise OSError(errno.EINVAL, "local-uri is malformed")
    if len(os.fsencode(path)) >= LONGEST - len("local://"):
        raise OSError(errno.EOVERFLOW, "buffer overflow while checking local-uri")
    folder = os.path.dirname(path) or "."
    try:
        status = os.stat(folder)
    except OSError as exc:
        text = f"cannot stat local-uri directory {folder}: {exc.strerror}"
        raise OSError(exc.errno, text) from None
    if not stat.S_ISDIR(status.st_mode):
        text = f"local-uri directory {folder}: {os.strerror(errno.ENOTDIR)}"
        raise OSError(errno.ENOTDIR, text)
    check_owner_mode(folder, status, "local-uri directory")


def check_socket_paths(attrs: Attributes, rundir: str, rank: int) -> None:
    """Check the sockets of one broker, where attributes place them or in ``rundir``; raises OSError
    as `check_local_uri`, and ENAMETOOLONG.
    """
    uri = attrs.get("local-uri")
    if uri is not None:
        check_local_uri(uri)
    for name, default in (
        ("local-uri", f"local://{rundir}/local-{rank}"),
        ("tbon.endpoint", f"ipc://{rundir}/tbon-{rank}"),
    ):
        scheme, _, path = (attrs.get(name) or default).partition("://")
        if scheme in ("local", "ipc"):
            check_socket_path(path)
