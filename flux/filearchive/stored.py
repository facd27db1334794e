"""Archives in the key-value store: ``archive.NAME`` holds the objects (RFC 37), and the content of
files that is too long for them is below ``archive.NAME_blobs``, so that the store keeps it as long
as the archive.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, assert_never

from flux import kvs_rpc, treeobj
from flux.core.attributes import attribute_of
from flux.filearchive.objects import (
    ArchivedDirectory,
    ArchivedFile,
    ArchivedLink,
    FileObject,
    Region,
    parse_archive,
)
from flux.kvs_flags import PRIMARY, READDIR, WAITCREATE
from flux.kvs_txn import Txn
from flux.wire.message import NODEID_ANY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flux.core.handle import Flux
    from flux.future_base import Future
    from flux.rpc import RPC
    from flux.wire.json import JsonObject

MAIN: Final = "main"
"""The archive that is meant if none is named."""
BATCH: Final = 8 << 20
"""Bytes of blobs that one commit takes along."""
AHEAD: Final = 4
"""Blobs that are asked for before they are written."""


def key_of(name: str) -> str:
    """Return the key of an archive; raises OSError(EINVAL) for another name."""
    if not name or name.startswith(".") or name.endswith("."):
        raise OSError(errno.EINVAL, f"{name or chr(34) * 2} is no name of an archive")
    return f"archive.{name}"


def _nothing(_future: Future) -> None:
    """Wait for nothing: the result itself does."""


def lookup(
    handle: Flux,
    name: str,
    namespace: str | None = PRIMARY,
    *,
    wait: Callable[[Future], None] = _nothing,
    create: float | None = None,
) -> object:
    """Return the JSON of the archive ``name``.

    ``wait`` is called with each future before its result is asked for, where waiting is more than
    that. With ``create`` one that is not there is waited for, so many seconds, or for ever if
    negative. Raises OSError(ENOENT) if there is none.
    """
    flags = 0 if create is None else WAITCREATE
    future = kvs_rpc.lookup(handle, key_of(name), flags, namespace)
    if create is not None and create >= 0:
        future.wait_for(create)
    wait(future)
    found: object = kvs_rpc.decode_value(kvs_rpc.value_of(future))
    return found


def fetched(
    handle: Flux, name: str, *, wait: Callable[[Future], None] = _nothing
) -> list[FileObject]:
    """Return the objects of an archive of the primary namespace; raises OSError with a sentence if
    it is not there or malformed.
    """
    try:
        return parse_archive(lookup(handle, name, wait=wait))
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        text = f"could not lookup archive.{name} in primary KVS namespace: {reason}"
        raise OSError(error.errno, text) from None


def chosen(objects: list[FileObject], pattern: str | None) -> list[FileObject]:
    """Return the objects whose path matches a wildcard pattern (glob(7), where ``*`` matches a
    slash too), all of them for None.
    """
    if pattern is None:
        return objects
    return [one for one in objects if fnmatchcase(one.path, pattern)]


def described(one: FileObject) -> str:
    """Return a line on an object: type, permissions, size and path."""
    match one:
        case ArchivedFile(path, mode, size):
            return f"f {mode:04o} {size:8} {path}"
        case ArchivedDirectory(path, mode):
            return f"d {mode:04o} {0:8} {path}"
        case ArchivedLink(path):
            return f"l 0777 {0:8} {path}"
        case _:
            assert_never(one)


class StoredBlobs:
    """The blobs of some objects, loaded in the order in which these are unpacked."""

    def __init__(
        self,
        handle: Flux,
        objects: Iterable[FileObject],
        wait: Callable[[Future], None] = _nothing,
    ) -> None:
        self._handle = handle
        self._wait = wait
        self._refs = (region.blobref for one in objects for region in _regions(one))
        self._asked: deque[tuple[str, RPC]] = deque()
        self._by_hash = False
        """Today's brokers take nothing but the bytes of a hash, which is known by their answer."""

    def load(self, blobref: str) -> bytes:
        """Return the next blob, which is ``blobref``."""
        while len(self._asked) < AHEAD and (ref := next(self._refs, None)) is not None:
            self._asked.append((ref, self._ask(ref)))
        ref, future = self._asked.popleft()
        if ref != blobref:
            raise OSError(errno.EINVAL, f"{blobref} is not the next blob")
        try:
            return self._answer(future)
        except OSError as error:
            if error.errno != errno.EPROTO:
                raise
        self._by_hash = True
        return self._answer(self._ask(ref))

    def _answer(self, future: RPC) -> bytes:
        self._wait(future)
        return future.message().payload or b""

    def _ask(self, ref: str) -> RPC:
        if not treeobj.is_blobref(ref):
            raise OSError(errno.EINVAL, f"{ref[:100]} is no blobref")
        name = treeobj.hash_of(ref) if self._by_hash else ref.encode() + b"\0"
        return self._handle.rpc_raw("content.load", name, NODEID_ANY)


def _regions(one: FileObject) -> tuple[Region, ...]:
    if isinstance(one, ArchivedFile) and not isinstance(one.content, bytes):
        return one.content
    return ()


class ArchiveWriter:
    """Makes or adds to the archive ``name``: `store` the blobs, then `commit`."""

    def __init__(self, handle: Flux, name: str, namespace: str | None = PRIMARY) -> None:
        self._handle = handle
        self._key = key_of(name)
        self._namespace = namespace
        self._algorithm = attribute_of(handle, "content.hash") or treeobj.DEFAULT_HASH
        self._txn = Txn()
        self._bytes = 0
        self._refs: set[str] = set()

    @property
    def _folder(self) -> str:
        return f"{self._key}_blobs"

    def store(self, data: bytes) -> str:
        """Keep a blob and return its blobref."""
        ref = treeobj.blobref(data, self._algorithm)
        if ref not in self._refs:
            self._refs.add(ref)
            self._txn.put_raw(f"{self._folder}.{ref}", data)
            self._bytes += len(data)
        if self._bytes >= BATCH:
            self._commit()
        return ref

    def _commit(self) -> None:
        if self._txn:
            kvs_rpc.commit(self._handle, self._txn, 0, self._namespace).get()
        self._txn, self._bytes = Txn(), 0

    def commit(self, objects: list[JsonObject], *, keep: bool = False) -> None:
        """Make the archive consist of ``objects``; blobs of an earlier one go away, unless
        ``keep``.
        """
        if not keep:
            for ref in self._present() - self._refs:
                self._txn.unlink(f"{self._folder}.{ref}")
        self._txn.put(self._key, objects)
        self._commit()

    def _present(self) -> set[str]:
        future = kvs_rpc.lookup(self._handle, self._folder, READDIR, self._namespace)
        try:
            return set(kvs_rpc.dir_of(future))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return set()
            raise

    def remove(self) -> None:
        """Remove the archive with its blobs."""
        self._txn.unlink(self._key).unlink(self._folder)
        self._commit()
