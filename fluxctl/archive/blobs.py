"""Where blobs are read and written: a running instance, or the file of a store that no instance
uses.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

from flux import blobpack, treeobj
from flux.core.attributes import attribute_of

if TYPE_CHECKING:
    from pathlib import Path

    from broker.services.content_sqlite.store import BlobStore
    from flux.core.handle import Flux
    from flux.rpc import RPC

AHEAD: Final = 32
LARGE: Final = 1 << 20


class Blobs(Protocol):
    """Blobs of one store; every method raises OSError."""

    algorithm: str

    def load(self, refs: Iterable[str]) -> Iterator[bytes]:
        """Yield the blobs ``refs`` in order."""

    def store(self, blobs: Iterable[tuple[str, bytes]]) -> None:
        """Store blobs with their blobrefs."""


class InstanceBlobs:
    """The content service of a running instance; while this is open nothing in its store is
    collected. ``at_once`` is how many requests may be under way, ``cached`` whether they go by the
    cache of this broker or right to the store.
    """

    def __init__(self, handle: Flux, at_once: int = AHEAD, *, cached: bool = True) -> None:
        from flux.constants import FLUX_NODEID_ANY, FLUX_RPC_STREAMING

        self._handle = handle
        self.algorithm = attribute_of(handle, "content.hash") or treeobj.DEFAULT_HASH
        self._at_once = at_once
        self._cached = cached
        self._nodeid = FLUX_NODEID_ANY if cached else 0
        self._load = "content.load-stored" if cached else "content-backing.load"
        self._by_hash = False
        if not cached:
            # What was written a moment ago may be in the cache alone.
            handle.rpc("content.flush", {}, nodeid=0).get()
        self._hold = handle.rpc("content-sqlite.hold", {}, flags=FLUX_RPC_STREAMING, nodeid=0)
        try:
            self._hold.get()
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            if cached:
                self._load = "content.load"  # flux-core's, or another store: whole directories do

    def load(self, refs: Iterable[str]) -> Iterator[bytes]:
        """Yield the blobs ``refs`` in order. Small ones are asked for ahead."""
        waiting: deque[tuple[str, RPC]] = deque()
        ahead = 1
        source = iter(refs)
        while True:
            while len(waiting) < ahead and (ref := next(source, None)) is not None:
                waiting.append((ref, self._ask(ref)))
            if not waiting:
                return
            ref, asked = waiting.popleft()
            try:
                data = asked.message().payload or b""
            except OSError as exc:
                if exc.errno != errno.EPROTO or self._by_hash:
                    raise
                # Today's flux-core, as the first answer tells: no other request is under way.
                self._by_hash = True
                data = self._ask(ref).message().payload or b""
            ahead = 1 if len(data) > LARGE else min(self._at_once, ahead * 2)
            yield data

    def _ask(self, ref: str) -> RPC:
        asked = treeobj.hash_of(ref) if self._by_hash else ref.encode()
        return self._handle.rpc_raw(self._load, asked, nodeid=self._nodeid)

    def store(self, blobs: Iterable[tuple[str, bytes]]) -> None:
        """Store blobs with their blobrefs."""
        found = list(blobs)
        where = "content" if self._cached else "content-backing"
        packed = blobpack.pack((ref, data, 0) for ref, data in found)
        try:
            self._handle.rpc_raw(f"{where}.store-batch", packed, nodeid=self._nodeid).message()
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
            self._store_each(f"{where}.store", found)  # flux-core's takes one at a time

    def _store_each(self, topic: str, blobs: list[tuple[str, bytes]]) -> None:
        waiting: deque[RPC] = deque()
        for _, data in blobs:
            if len(waiting) >= self._at_once:
                waiting.popleft().message()
            waiting.append(self._handle.rpc_raw(topic, data, nodeid=self._nodeid))
        for asked in waiting:
            asked.message()


class FileBlobs:
    """The file of a store. ``create`` makes a new one, which `discard` removes again."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        from broker.services.content_sqlite.store import BlobStore

        if create and path.exists():
            raise OSError(errno.EEXIST, f"{path} exists; a store is restored to a new file")
        if not create and not path.exists():
            raise OSError(errno.ENOENT, f"{path}: {os.strerror(errno.ENOENT)}")
        self.algorithm = treeobj.DEFAULT_HASH
        self._path = path
        self.file: BlobStore = BlobStore(path, durable=True)

    def load(self, refs: Iterable[str]) -> Iterator[bytes]:
        """Yield the blobs ``refs`` in order."""
        return map(self.file.load, refs)

    def store(self, blobs: Iterable[tuple[str, bytes]]) -> None:
        """Store blobs with their blobrefs."""
        self.file.write((ref, data, 0) for ref, data in blobs)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def discard(self) -> None:
        """Close and remove the file."""
        self.close()
        self._path.unlink()


def checkpoint_root(value: object) -> tuple[str, int]:
    """Return root and sequence number of a checkpoint; raises OSError(EINVAL) if it has none."""
    if isinstance(value, dict) and treeobj.is_blobref(value.get("rootref")):
        sequence = value.get("sequence", 0)
        return value["rootref"], sequence if isinstance(sequence, int) else 0
    raise OSError(errno.EINVAL, "the checkpoint is damaged")


Progress = Callable[[str], None]
Unread = Callable[[str, OSError], None]
"""Told of a key that is left out, and why."""
