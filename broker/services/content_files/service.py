"""The content-files module: a backing store of rank 0 that others can read with plain tools
(flux-broker-attributes(7) ``content.backing-path``).
"""

from __future__ import annotations

import asyncio
import errno
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from broker import backing
from broker.service import NO_REPLY, NoReply, Request, Service, request
from broker.services.content_files.store import FileStore
from flux import blobpack, treeobj
from flux.blobpack import PINNED
from flux.kvs_flags import PRIMARY_CHECKPOINT
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context

T = TypeVar("T")
DIRECTORY: Final = "content.files"


class ContentFilesService(Service):
    """Serves content-backing and kvs-checkpoint from a directory, one plain file a blob.

    The module argument ``testing`` keeps it from being used by the content cache: it is reached by
    its own requests only.
    """

    name = "content-files"
    also = ("content-backing", "kvs-checkpoint")
    stop_timeout = 300.0

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        backing.check_free(ctx, self.name)
        self._store: FileStore | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._registered = False
        self._named_path = False
        self._algorithm = ctx.attrs.get("content.hash") or treeobj.DEFAULT_HASH

    @classmethod
    def check_args(cls, args: list[str]) -> None:
        for arg in args:
            if arg != "testing":
                raise OSError(errno.EINVAL, f"unknown option: {arg}")

    async def start(self, args: list[str]) -> None:
        """Make or take the directory, and offer it to the content service unless ``testing``."""
        self.check_args(args)
        attrs = self.ctx.attrs
        if self.ctx.rank != 0:
            raise OSError(errno.EINVAL, "content-files must be loaded on rank 0")
        path = attrs.get("content.backing-path")
        if path is None:
            path = backing.default_path(self.ctx, DIRECTORY)
            attrs.set("content.backing-path", path)
            self._named_path = True
        # Disks are waited for in a thread; files of the run directory stay in the page cache.
        durable = self.ctx.store_persists
        self._pool = ThreadPoolExecutor(1, self.name) if durable else None
        try:
            self._store = await self._run(lambda: FileStore(path, durable=durable))
            if "testing" not in args:
                await self.ctx.handle.rpc(
                    "content.register-backing", {"name": self.name, "batch": True}
                )
                self._registered = True
        except BaseException:
            self._close()
            raise

    async def stop(self) -> None:
        """Take what is still dirty; raises OSError if something of a store that outlives the
        instance could not be written.
        """
        lost: OSError | None = None
        persists = self.ctx.store_persists
        if self._registered:
            lost = await backing.leave(self.ctx)
        self._close()
        if lost is not None and persists:
            raise lost

    def _close(self) -> None:
        self._store = None
        if self._pool is not None:
            self._pool.shutdown()
        if self._named_path:
            self.ctx.attrs.remove("content.backing-path")
            self._named_path = False

    async def _run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns, in the order of the calls."""
        if self._pool is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def _open(self) -> FileStore:
        if self._store is None:
            raise OSError(errno.ENOSYS, "the backing store is not open")
        return self._store

    @request("content-backing.load", absolute=True, raw=True)
    async def load(self, req: Request) -> bytes | NoReply | None:
        """Return the blob whose blobref is the payload; ENOENT if there is none, EINVAL if that is
        not a blobref.
        """
        if treeobj.is_hash(req.raw):
            backing.load_for_program(self.ctx, req)
            return NO_REPLY
        ref = treeobj.requested_blobref(req.raw)
        if not treeobj.is_blobref(ref):
            raise OSError(errno.EINVAL, "invalid blobref")
        store = self._open()
        return await self._run(lambda: store.load(ref)) or None

    @request("content-backing.store", absolute=True, raw=True)
    async def store(self, req: Request) -> str:
        """Store the payload and return its blobref."""
        data, store = req.raw or b"", self._open()
        ref = treeobj.blobref(data, self._algorithm)
        await self._run(lambda: store.store([(ref, data, PINNED)]))
        return ref

    @request("content-backing.store-batch", absolute=True, raw=True)
    async def store_batch(self, req: Request) -> None:
        """Store many blobs, packed as in flux.blobpack."""
        blobs, store = blobpack.blobs_of(req.message), self._open()
        if not all(treeobj.is_blobref(ref) for ref, _, _ in blobs):
            raise OSError(errno.EPROTO, "a blob has no valid blobref")
        await self._run(lambda: store.store(blobs))

    @request("kvs-checkpoint.put", absolute=True)
    async def put_checkpoint(self, req: Request) -> None:
        """Write the checkpoint ``key``; ``value`` is any JSON value. With ``sync`` true it is
        answered once it is on the disk.
        """
        key, store = _key(req), self._open()
        if "value" not in req.payload:
            raise os_error(errno.EPROTO)
        value, sync = req.payload["value"], req.get("sync", bool, False)
        await self._run(lambda: store.put_checkpoint(key, value, sync=sync))

    @request("kvs-checkpoint.get", absolute=True)
    async def get_checkpoint(self, req: Request) -> dict[str, object]:
        """Return the checkpoint ``key``; ENOENT if there is none."""
        key, store = _key(req), self._open()
        return {"value": await self._run(lambda: store.get_checkpoint(key))}

    @request("content-backing.checkpoint-get", absolute=True)
    async def get_primary_checkpoint(self, req: Request) -> dict[str, object]:
        """Return the checkpoints of the primary namespace, here one; ENOENT if there is none."""
        store = self._open()
        found = await self._run(lambda: store.get_checkpoint(PRIMARY_CHECKPOINT))
        return {"value": [found]}

    @request("content-backing.checkpoint-put", absolute=True)
    async def put_primary_checkpoint(self, req: Request) -> None:
        """Write the checkpoint {value} of the primary namespace, as today's flux-core does."""
        value, store = backing.primary_checkpoint(req), self._open()
        await self._run(lambda: store.put_checkpoint(PRIMARY_CHECKPOINT, value, sync=True))


def _key(req: Request) -> str:
    """Return the name of a checkpoint; raises OSError(EINVAL) for one that is empty or not
    printable.
    """
    key = req.get("key", str)
    if not key or not key.isprintable():
        raise OSError(errno.EINVAL, "a checkpoint's key is printable text")
    return key
