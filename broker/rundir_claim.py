"""Run directories that a crash left behind: each one made here holds a lock file, locked as long as
a process of its instance lives.

The next start of the same user on the same host removes the directories whose lock nobody holds
(flock(2): the kernel releases a lock with the last process that has the descriptor). A directory
without lock file, of another user, behind a symbolic link or given by the user is never touched.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from contextlib import suppress

PREFIX = "flux-"
LONGEST = 1024
"""Bytes of a path that is no longer one for a run directory."""
LOCK_FILE = "fluxctl.lock"
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def scratch() -> str:
    """Return the directory for run directories: TMPDIR, even if there is no such directory."""
    return os.environ.get("TMPDIR") or "/tmp"


def make_rundir() -> tuple[str, int]:
    """Make a run directory in TMPDIR and return its path and the descriptor that holds its lock;
    dead ones are removed first.

    Raises OSError: it cannot be made, or its name would be too long for what goes into it.
    """
    folder = scratch()
    if len(os.fsencode(folder)) + len("/flux-XXXXXX") >= LONGEST:
        raise OSError(errno.EOVERFLOW, "rundir buffer overflow")
    sweep(folder)
    try:
        path = tempfile.mkdtemp(prefix=PREFIX, dir=folder)
    except OSError as exc:
        raise OSError(exc.errno, f"cannot create directory in {folder}: {exc.strerror}") from None
    unready = os.path.join(path, f".{LOCK_FILE}")
    try:
        os.chmod(path, 0o700)  # whatever the umask took away
        fd = os.open(unready, _OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.write(fd, _host())
        os.rename(unready, os.path.join(path, LOCK_FILE))  # never seen unlocked
    except OSError:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return path, fd


def hold(path: str) -> int | None:
    """Share the lock of a run directory that ``flux start`` made; return the descriptor, None if
    the directory has no lock.
    """
    try:
        fd = os.open(os.path.join(path, LOCK_FILE), _OPEN)
    except OSError:
        return None
    fcntl.flock(fd, fcntl.LOCK_SH)
    return fd


def sweep(folder: str) -> list[str]:
    """Remove the run directories in ``folder`` that this user's dead instances on this host left
    behind; return their paths.
    """
    removed: list[str] = []
    try:
        entries = [entry for entry in os.scandir(folder) if entry.name.startswith(PREFIX)]
    except OSError:
        return removed
    for entry in entries:
        with suppress(OSError):
            if (
                entry.is_dir(follow_symlinks=False)
                and entry.stat(follow_symlinks=False).st_uid == os.getuid()
            ):
                removed += _remove_dead(entry.path)
    return removed


def _remove_dead(path: str) -> list[str]:
    """Remove a directory if its lock says that nobody uses it any more."""
    fd = os.open(os.path.join(path, LOCK_FILE), _OPEN)
    try:
        facts = os.fstat(fd)
        if (
            not stat.S_ISREG(facts.st_mode)
            or facts.st_uid != os.getuid()
            or os.read(fd, 1024) != _host()
        ):
            return []
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
        return [path]
    finally:
        os.close(fd)


def _host() -> bytes:
    """Return what tells this host from another one that shares the directory over a network."""
    return socket.gethostname().encode("utf-8", "surrogateescape") + b"\n"
