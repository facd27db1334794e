"""The length of Unix socket paths, which the kernel bounds: checked before anything is started."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

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


def check_socket_paths(attrs: Attributes, rundir: str, rank: int) -> None:
    """Check the sockets of one broker, where attributes place them or in ``rundir``; raises
    OSError(ENAMETOOLONG).
    """
    for name, default in (
        ("local-uri", f"local://{rundir}/local-{rank}"),
        ("tbon.endpoint", f"ipc://{rundir}/tbon-{rank}"),
    ):
        scheme, _, path = (attrs.get(name) or default).partition("://")
        if scheme in ("local", "ipc"):
            check_socket_path(path)
