"""Where a store may be: a regular file of the instance owner that nobody else can read, never
reached through a symlink.

Jobs' environments and output are in it, so a file that others could read is tightened, and one that
others could have planted is refused.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MODE: Final = 0o600
COMPANIONS: Final = ("-wal", "-shm", "-journal")
_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def prepare(path: Path, owner: int) -> None:
    """Create the file ``path`` with mode 0600 unless it is there, and check it and what SQLite
    keeps beside it.

    Raises OSError: ELOOP for a symlink, EINVAL for anything but a regular file, EPERM for a file
    that ``owner`` does not own, and what the system says.
    """
    if not path.parent.is_dir():
        raise OSError(
            errno.ENOENT, f"{path.parent} is not a directory, the store {path.name} cannot be in it"
        )
    _check(path, owner, os.O_CREAT)
    for suffix in COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if companion.is_symlink() or companion.exists():
            _check(companion, owner, 0)


def _check(path: Path, owner: int, create: int) -> None:
    try:
        # The descriptor is closed before SQLite opens the file: closing one later would drop
        # SQLite's locks.
        descriptor = os.open(path, _FLAGS | create, MODE)
    except OSError as exc:
        raise _refusal(path, exc) from exc
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, f"{path} is not a regular file")
        if found.st_uid != owner:
            raise OSError(
                errno.EPERM,
                f"{path} belongs to user {found.st_uid}, not to the instance owner {owner}",
            )
        if stat.S_IMODE(found.st_mode) != MODE:
            os.fchmod(descriptor, MODE)
    finally:
        os.close(descriptor)


def _refusal(path: Path, exc: OSError) -> OSError:
    if exc.errno == errno.ELOOP:
        return OSError(errno.ELOOP, f"{path} is a symbolic link, a store must be a file")
    if exc.errno in (errno.EISDIR, errno.ENXIO):
        return OSError(errno.EINVAL, f"{path} is not a regular file")
    return OSError(exc.errno, f"{path}: {exc.strerror}")
