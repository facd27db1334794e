"""Blobs and checkpoints as plain files of one directory.

A blob's file is named after its blobref and holds its bytes. Files appear complete or not at all:
they are written under another name and renamed.
"""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from broker.places import check_directory, make_directory
from flux.wire import json
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flux.blobpack import Blob

CHECKPOINT: Final = "checkpoint."
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileStore:
    """An open store; one thread at a time uses it.

    The directory is made with mode 0700 unless it is there. ``durable`` is for one that outlives
    the instance. Every method raises OSError; the constructor EPERM for a directory that others may
    change, ENOTDIR for what is something else.
    """

    def __init__(self, path: str, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._count = 0
        make_directory(path)
        check_directory(path, "content.backing-path")
        self._remove_halves()

    def _remove_halves(self) -> None:
        """Remove what a crash left half written."""
        for name in os.listdir(self.path):
            if name.startswith(".new-"):
                os.unlink(os.path.join(self.path, name))

    def _write(self, name: str, data: bytes, *, sync: bool) -> None:
        self._count += 1
        new = os.path.join(self.path, f".new-{os.getpid()}-{self._count}")
        try:
            descriptor = os.open(new, _WRITE, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.rename(new, os.path.join(self.path, name))
        except BaseException:
            if os.path.lexists(new):
                os.unlink(new)
            raise

    def _read(self, name: str) -> bytes:
        descriptor = os.open(os.path.join(self.path, name), _READ)
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def store(self, blobs: Iterable[Blob]) -> int:
        """Write blobs that are not there yet; returns how many these were."""
        count = 0
        for ref, data, _ in blobs:
            if not os.path.lexists(os.path.join(self.path, ref)):
                self._write(ref, data, sync=self._durable)
                count += 1
        return count

    def load(self, ref: str) -> bytes:
        """Return a blob; raises OSError: ENOENT if it is not there, EIO if the file has other
        bytes.
        """
        try:
            data = self._read(ref)
        except FileNotFoundError:
            raise os_error(errno.ENOENT) from None
        algorithm, _, digest = ref.partition("-")
        if hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() != digest:
            raise OSError(errno.EIO, f"content-files: blob {ref} is damaged")
        return data

    def put_checkpoint(self, key: str, value: object, *, sync: bool) -> None:
        """Write a checkpoint, any JSON value, in the place of the one before.

        With ``sync`` a durable store returns when it is on the disk, with the names of all blobs
        that were stored before.
        """
        sync = sync and self._durable
        self._write(_checkpoint_name(key), json.dumps(value), sync=sync)
        if sync:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def get_checkpoint(self, key: str) -> object:
        """Return the value of a checkpoint; raises OSError: ENOENT if there is none, EIO if it is
        damaged.
        """
        try:
            value: object = json.loads(self._read(_checkpoint_name(key)))
        except FileNotFoundError:
            raise os_error(errno.ENOENT) from None
        except ValueError:
            raise OSError(errno.EIO, f"content-files: checkpoint {key} is damaged") from None
        return value


def _checkpoint_name(key: str) -> str:
    """Return the name of a checkpoint's file: a key may have characters that a name has not."""
    return CHECKPOINT + quote(key, safe="")
