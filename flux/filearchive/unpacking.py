"""Writes the objects of an archive (RFC 37) into a directory, and nowhere else.

Every part of a path is opened below the one before and links are not followed: neither an archive
nor what is in the directory leads out of it.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, assert_never

from flux.filearchive.objects import (
    ArchivedDirectory,
    ArchivedFile,
    ArchivedLink,
    FileObject,
    Region,
    parse_archive,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Load = Callable[[str], bytes]

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ArchiveUnpacker:
    """Writes below ``directory``; ``load`` returns the blob of a blobref.

    What is there already is replaced with ``overwrite``, in one step: a reader sees the old file or
    the new one. Otherwise it is an error. Raises OSError with the path in its text.
    """

    def __init__(self, directory: str, load: Load, *, overwrite: bool = False) -> None:
        try:
            self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            text = f"chdir {directory}: {os.strerror(error.errno or 0)}"
            raise OSError(error.errno, text) from None
        self._load = load
        self._overwrite = overwrite
        self._modes: dict[str, int] = {}
        self._made: set[str] = set()

    def __enter__(self) -> ArchiveUnpacker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self._root)

    def write(self, one: FileObject) -> None:
        """Write one object."""
        try:
            match one:
                case ArchivedFile():
                    self._regular(one)
                case ArchivedDirectory(path, mode):
                    with self._parent(f"{path}/.") as (_fd, _name):
                        self._modes[path] = mode
                case ArchivedLink(path, target):
                    self._link(path, target)
                case _:
                    assert_never(one)
        except FileExistsError:
            text = f"{one.path}: write: Attempt to overwrite existing file"
            raise OSError(errno.EEXIST, text) from None
        except OSError as error:
            if error.strerror and error.strerror.startswith(f"{one.path}: "):
                raise
            reason = error.strerror or os.strerror(error.errno or 0)
            raise OSError(error.errno, f"{one.path}: {reason}") from None

    def finish(self) -> None:
        """Give directories their permissions, which may forbid to write in them."""
        for path in sorted(self._modes, reverse=True):
            if not (path in self._made or self._overwrite):
                continue
            with self._parent(f"{path}/.") as (fd, _name):
                os.fchmod(fd, self._modes[path])

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """Open the directory above ``path``, made if it is not there; yields it and the last part
        of the path.
        """
        *above, name = path.split("/")
        fd = os.dup(self._root)
        try:
            for depth, part in enumerate(above, 1):
                below = self._enter(fd, part, "/".join(above[:depth]))
                os.close(fd)
                fd = below
            yield fd, name
        finally:
            os.close(fd)

    def _enter(self, fd: int, part: str, path: str) -> int:
        try:
            with suppress(FileNotFoundError):
                return os.open(part, _DIRECTORY, dir_fd=fd)
            with suppress(FileExistsError):  # another shell unpacks the same
                os.mkdir(part, dir_fd=fd)
                self._made.add(path)
            return os.open(part, _DIRECTORY, dir_fd=fd)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise OSError(errno.ENOTDIR, f"{path} is no directory") from None
            raise

    def _link(self, path: str, target: str) -> None:
        with self._parent(path) as (parent, name):
            if not self._overwrite:
                os.symlink(target, name, dir_fd=parent)
                return
            temporary = _temporary()
            os.symlink(target, temporary, dir_fd=parent)
            _put_in_place(parent, temporary, name)

    def _regular(self, one: ArchivedFile) -> None:
        with self._parent(one.path) as (parent, name):
            temporary = _temporary() if self._overwrite else name
            fd = os.open(temporary, _NEW, 0o600, dir_fd=parent)
            try:
                try:
                    self._fill(fd, one)
                    os.fchmod(fd, one.mode)
                finally:
                    os.close(fd)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=parent)
                raise
            if self._overwrite:
                _put_in_place(parent, temporary, name)

    def _fill(self, fd: int, one: ArchivedFile) -> None:
        if isinstance(one.content, bytes):
            _write_all(fd, one.content, 0)
            return
        for region in one.content:
            data = self._loaded(region)
            if len(data) != region.size:
                text = f"{region.blobref} has {len(data)} bytes instead of {region.size}"
                raise OSError(errno.EIO, text)
            _write_all(fd, data, region.offset)
        os.ftruncate(fd, one.size)

    def _loaded(self, region: Region) -> bytes:
        try:
            return self._load(region.blobref)
        except OSError as error:
            where = f"error loading offset={region.offset} size={region.size}"
            reason = error.strerror or os.strerror(error.errno or 0)
            raise OSError(error.errno, f"{where} from {region.blobref}: {reason}") from None


def _temporary() -> str:
    return f".flux-{secrets.token_hex(8)}"


def _put_in_place(parent: int, temporary: str, name: str) -> None:
    try:
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise


def _write_all(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def no_blobs(blobref: str) -> bytes:
    """Refuse a blob, where an archive is to have all of its content in it."""
    raise OSError(errno.EINVAL, f"{blobref} is not in the archive")


def unpack(value: object, directory: str, load: Load = no_blobs) -> int:
    """Write all of an archive, JSON as in RFC 37, into ``directory``, replacing what is there;
    returns how many objects there were.
    """
    objects = parse_archive(value)
    with ArchiveUnpacker(directory, load, overwrite=True) as unpacker:
        for one in objects:
            unpacker.write(one)
        unpacker.finish()
    return len(objects)
