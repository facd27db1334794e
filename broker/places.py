"""Directories, sockets and files of a broker: taken only where no other user could have put
something in the way.

Modes are set explicitly, so that the umask neither opens nor closes what is made here.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def make_directory(path: str) -> bool:
    """Make a directory of mode 0700, and those above it that are missing likewise, unless something
    is there already.

    Returns whether it was made, so that the caller knows what it may remove again. Raises OSError.
    """
    if not path:
        raise OSError(errno.EINVAL, "the path is empty")
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.append(path)
        parent = os.path.dirname(path)
        if parent == path:
            break
        path = parent
    for folder in reversed(missing):
        os.mkdir(folder, 0o700)
        os.chmod(folder, 0o700)
    return bool(missing)


def check_directory(path: str, what: str, given: str = "") -> None:
    """Raise OSError(EPERM) unless only this user can change what is in the directory ``path``;
    ``what`` names it in the sentence, together with the path as it was ``given``.

    A symbolic link there has to be this user's own, or root's.
    """
    given = given or path
    own = (os.getuid(), 0)
    link = os.lstat(path)
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in own:
        raise OSError(errno.EPERM, f"{what} {given} is a symbolic link of another user")
    status = os.stat(path)
    if not stat.S_ISDIR(status.st_mode):
        raise OSError(errno.ENOTDIR, f"{what} {given}: {os.strerror(errno.ENOTDIR)}")
    if status.st_uid != os.getuid():
        raise OSError(errno.EPERM, f"{what} {given} belongs to another user")
    if status.st_mode & OPEN_TO_OTHERS:
        raise OSError(errno.EPERM, f"{what} {given} may be written by other users")
    check_owner_mode(given, status, what)


def check_owner_mode(path: str, status: os.stat_result, what: str) -> None:
    """Raise OSError(EPERM) unless the owner of the directory ``path`` may do all in it, whoever
    asks: root may in any case, and later the owner could not.
    """
    if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        raise OSError(errno.EPERM, f"{what} {path} does not have owner=rwx permissions")


def check_socket_folder(path: str) -> None:
    """Raise OSError(EPERM) if other users could replace the socket ``path``: its directory is
    theirs, or open to all and not sticky.
    """
    folder = os.path.dirname(os.path.abspath(path))
    status = os.stat(folder)
    if status.st_uid not in (os.getuid(), 0):
        raise OSError(errno.EPERM, f"local-uri: directory {folder} belongs to another user")
    if status.st_mode & OPEN_TO_OTHERS and not status.st_mode & stat.S_ISVTX:
        raise OSError(errno.EPERM, f"local-uri: directory {folder} may be written by other users")


def bind_socket(path: str, mode: int) -> socket.socket:
    """Return a non-blocking listener at ``path``, made with ``mode``; a socket that this user left
    there is replaced.

    Raises OSError: EEXIST if something else is there, EPERM if others could put something there.
    """
    check_socket_folder(path)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        status = None
    if status is not None:
        if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.getuid():
            raise OSError(errno.EEXIST, f"local-uri: {path} exists and is no socket of this user")
        if _is_served(path):
            raise OSError(errno.EADDRINUSE, f"local-uri: {path} belongs to a broker that runs")
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o777 & ~mode)
        try:
            listener.bind(path)
        finally:
            os.umask(before)
        listener.listen(1024)
    except BaseException:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _is_served(path: str) -> bool:
    """Whether somebody listens at the socket ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return True  # its queue is full
        except OSError:
            return False
        return True


def remove_socket(path: str) -> None:
    """Remove a socket of this user, if it is one; nothing else."""
    try:
        status = os.lstat(path)
        if stat.S_ISSOCK(status.st_mode) and status.st_uid == os.getuid():
            os.unlink(path)
    except OSError:
        return


def append_file(path: str) -> int:
    """Open a file for appending, made with mode 0600, and return its descriptor.

    A symbolic link is followed only if it is this user's or root's, and a regular file has to be
    this user's: in a directory that others may write, neither their links nor their files are
    written to. Raises OSError.
    """
    own = (os.getuid(), 0)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    try:
        link = os.lstat(path)
    except FileNotFoundError:
        flags |= os.O_EXCL
    else:
        if stat.S_ISLNK(link.st_mode):
            if link.st_uid not in own:
                raise OSError(errno.EPERM, f"{path} is a symbolic link of another user")
        else:
            flags |= os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o600)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        if status.st_uid != os.getuid():
            os.close(descriptor)
            raise OSError(errno.EPERM, f"{path} belongs to another user")
        if flags & os.O_EXCL:
            os.fchmod(descriptor, 0o600)
    os.set_blocking(descriptor, True)
    return descriptor
