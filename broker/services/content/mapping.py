"""Files on the host of rank 0 whose pieces are content, as long as they are mapped (flux-archive(1)
of today's flux-core, ``flux archive create --mmap``).
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Final

from broker.service import Request, request
from broker.services.content.mapped_files import FileIndex, map_file, read_blob

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context

AT_ONCE: Final = 4
"""Files that are read at the same time: a file system that hangs leaves threads for others."""


class _Adding:
    """A file on its way into the index under ``tag``."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.stopped = False


class Mapping:
    """The part of the content service that maps files, on rank 0; ``limit`` tells how many bytes a
    blob may have.
    """

    def __init__(self, ctx: Context, algorithm: str, limit: Callable[[], int]) -> None:
        self._ctx = ctx
        self._algorithm = algorithm
        self._limit = limit
        self._index = FileIndex()
        self._adding: set[_Adding] = set()
        self._free = asyncio.Semaphore(AT_ONCE)

    def has(self, ref: str) -> bool:
        """Whether a mapped file had a blob when it was mapped."""
        return ref in self._index

    async def read(self, ref: str) -> bytes:
        """Return a blob of a mapped file; raises OSError with a sentence if no file has it now."""
        async with self._free:
            return await asyncio.to_thread(read_blob, self._index.places(ref))

    def stats(self) -> dict[str, object]:
        """Return which files are mapped, by tag, and how many blobs they have."""
        return self._index.stats()

    @request("mmap-add")
    async def mmap_add(self, req: Request) -> None:
        """Rank 0 only: have the file ``path`` mapped in pieces of ``chunksize`` bytes until
        ``mmap-remove`` of ``tag``: each can be loaded by its hash, and is read from the file then.
        EINVAL if it is no regular file with data.
        """
        self._check_rank()
        path, chunk, tag = req.get("path", str), req.get("chunksize", int), req.get("tag", str)
        if not os.path.isabs(path):
            raise OSError(errno.EINVAL, "path must be fully qualified")
        adding = _Adding(tag)
        self._adding.add(adding)
        try:
            async with self._free:
                file = await asyncio.to_thread(
                    map_file, path, chunk, self._algorithm, self._limit(), lambda: adding.stopped
                )
            if adding.stopped:
                raise OSError(errno.ECANCELED, f"{path}: was unmapped before it was mapped")
            self._index.add(tag, file)
        finally:
            # Also when the broker ends: a thread that hashes a large file is not waited for.
            adding.stopped = True
            self._adding.discard(adding)

    @request("mmap-remove")
    def mmap_remove(self, req: Request) -> None:
        """Rank 0 only: unmap the files of ``tag``, if there are any."""
        self._check_rank()
        tag = req.get("tag", str)
        for adding in self._adding:
            if adding.tag == tag:
                adding.stopped = True
        self._index.remove(tag)

    def _check_rank(self) -> None:
        if self._ctx.rank != 0:
            raise OSError(errno.ENOSYS, "Unknown service method")
