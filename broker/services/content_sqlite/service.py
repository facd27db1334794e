"""The content-sqlite module: the backing store of rank 0 (flux-content(1), flux-broker-attributes(7) content.backing-path)."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from broker.context import Context
from broker.service import NO_REPLY, Request, Service, request
from broker.services.content_sqlite.store import BlobStore
from flux import blobpack, treeobj

FILE = "content.sqlite"


class ContentSqliteService(Service):
    """Serves content-backing and kvs-checkpoint from one SQLite file.

    Stores that arrive in one loop turn share a transaction; each is answered once that is in the write-ahead log.
    """

    name = "content-sqlite"
    also = ("content-backing", "kvs-checkpoint")
    stop_timeout = 300.0

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self._store: BlobStore | None = None
        self._pending: list[tuple[Request, str, bytes]] = []
        self._algorithm = ctx.attrs.get("content.hash") or treeobj.DEFAULT_HASH
        self._counts = {"load": 0, "store": 0}

    async def start(self, args: list[str]) -> None:
        """Open or create the file and offer it to the content service."""
        if self.ctx.rank != 0:
            raise OSError(errno.EINVAL, "content-sqlite must be loaded on rank 0")
        path = self.ctx.attrs.get("content.backing-path")
        persistent = path is not None and Path(path) != Path(self.ctx.rundir, FILE)
        if path is None:
            path = str(Path(self.ctx.rundir, FILE))
            self.ctx.attrs.set("content.backing-path", path)
        self._store = BlobStore(path, durable=persistent)
        await self.ctx.handle.rpc("content.register-backing", {"name": self.name, "batch": True})

    async def stop(self) -> None:
        """Take what is still dirty, then close the file.

        Raises OSError if something could not be written and the file outlives the instance.
        """
        lost: OSError | None = None
        try:
            await self.ctx.handle.rpc("content.flush")
        except OSError as exc:
            self.ctx.log.err(f"content flush: {exc.strerror}")
            lost = OSError(exc.errno, f"blobs that were not stored yet are lost: {exc.strerror}")
        try:
            await self.ctx.handle.rpc("content.unregister-backing")
        except OSError as exc:
            self.ctx.log.err(f"content.unregister-backing: {exc.strerror}")
        self._write()
        if self._store is not None:
            self._store.close()
            self._store = None
        if lost is not None and self.ctx.store_persists:
            raise lost

    def _open(self) -> BlobStore:
        if self._store is None:
            raise OSError(errno.ENOSYS, "the backing store is not open")
        return self._store

    @request("content-backing.load", absolute=True, raw=True)
    def load(self, req: Request) -> bytes | None:
        """Return the blob whose blobref is the payload; ENOENT if there is none."""
        ref = req.message.text()
        if not treeobj.is_blobref(ref):
            raise OSError(errno.EINVAL, "Invalid argument")
        self._counts["load"] += 1
        return self._open().load(ref) or None

    @request("content-backing.store", absolute=True, raw=True)
    def store(self, req: Request) -> Any:
        """Store the payload and return its blobref."""
        data = req.raw or b""
        if not self._pending:
            self.ctx.call_soon(self._write)
        self._pending.append((req, treeobj.blobref(data, self._algorithm), data))
        return NO_REPLY

    def _write(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            self._open().store([(ref, data) for _, ref, data in pending])
        except OSError as exc:
            self.ctx.log.err(f"store: {exc.strerror}")
            for req, _, _ in pending:
                req.fail(exc)
            return
        self._counts["store"] += len(pending)
        for req, ref, _ in pending:
            req.respond(ref)

    @request("content-backing.store-batch", absolute=True, raw=True)
    def store_batch(self, req: Request) -> None:
        """Store many blobs, packed as in flux.blobpack."""
        blobs = blobpack.unpack(req.raw or b"")
        self._open().store(blobs)
        self._counts["store"] += len(blobs)

    @request("kvs-checkpoint.put", absolute=True)
    def put_checkpoint(self, req: Request) -> None:
        """Write the checkpoint ``key``; ``value`` is any JSON value."""
        if "value" not in req.payload:
            raise OSError(errno.EPROTO, "Protocol error")
        self._open().put_checkpoint(req.get("key", str), req.payload["value"])

    @request("kvs-checkpoint.get", absolute=True)
    def get_checkpoint(self, req: Request) -> dict[str, Any]:
        """Return the checkpoint ``key``; ENOENT if there is none."""
        return {"value": self._open().get_checkpoint(req.get("key", str))}

    def stats(self) -> dict[str, Any]:
        """Return the number of blobs in the file and of those loaded and stored."""
        return {"object_count": self._open().count(), **self._counts}

    def stats_clear(self) -> None:
        """Reset the counters."""
        self._counts = {"load": 0, "store": 0}
