"""The content-sqlite module: the backing store of rank 0 (flux-content(1),
flux-broker-attributes(7) content.backing-path).
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from broker import backing
from broker.service import NO_REPLY, NoReply, Request, Service, event, request
from broker.services.content_sqlite.collecting import Collecting
from broker.services.content_sqlite.store import BlobStore
from broker.services.content_sqlite.writer import Write, Writer
from flux import blobpack, treeobj
from flux.blobpack import PINNED, Blob
from flux.kvs_flags import PRIMARY_CHECKPOINT
from flux.wire.errors import os_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.context import Context
    from flux.wire.message import Message

FILE = "content.sqlite"


class ContentSqliteService(Service):
    """Serves content-backing and kvs-checkpoint from one SQLite file.

    A request is answered once it is in the write-ahead log; a checkpoint with ``sync`` once it is
    on the disk with all that was stored before, if the file outlives the instance.
    """

    name = "content-sqlite"
    also = ("content-backing", "kvs-checkpoint")
    stop_timeout = 300.0

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        backing.check_free(ctx, self.name)
        self._named_path = False
        self._store: BlobStore | None = None
        self._writer: Writer | None = None
        self._collecting: Collecting | None = None
        self._algorithm = ctx.attrs.get("content.hash") or treeobj.DEFAULT_HASH
        self._counts = {"load": 0, "store": 0}

    async def start(self, args: list[str]) -> None:
        """Open or create the file and offer it to the content service."""
        if self.ctx.rank != 0:
            raise OSError(errno.EINVAL, "content-sqlite must be loaded on rank 0")
        path = self.ctx.attrs.get("content.backing-path")
        if path is None:
            path = backing.default_path(self.ctx, FILE)
            self.ctx.attrs.set("content.backing-path", path)
            self._named_path = True
        persistent = self.ctx.store_persists
        writer = Writer(threaded=persistent)
        self._store = await writer.open(lambda: BlobStore(path, durable=persistent))
        self._writer = writer
        self._collecting = Collecting(self.ctx, writer, self._store)
        try:
            offer = {"name": self.name, "batch": True}
            await self.ctx.handle.rpc("content.register-backing", offer)
        except BaseException:
            await self._close()
            raise

    async def stop(self) -> None:
        """Take what is still dirty, then close the file.

        Raises OSError if something could not be written and the file outlives the instance.
        """
        if self._collecting is not None:
            await self._collecting.stop()
        lost = await backing.leave(self.ctx)
        persists = self.ctx.store_persists
        await self._close()
        if lost is not None and persists:
            raise lost

    async def _close(self) -> None:
        if self._named_path:
            self.ctx.attrs.remove("content.backing-path")
            self._named_path = False
        if self._writer is not None:
            writer, self._writer, self._store = self._writer, None, None
            await writer.close()

    def _open(self) -> tuple[Writer, BlobStore]:
        if self._writer is None or self._store is None:
            raise OSError(errno.ENOSYS, "the backing store is not open")
        return self._writer, self._store

    @request("content-backing.load", absolute=True, raw=True)
    async def load(self, req: Request) -> bytes | NoReply | None:
        """Return the blob whose blobref is the payload; ENOENT if there is none, also of another
        hash, EIO if it is damaged.
        """
        if treeobj.is_hash(req.raw):
            backing.load_for_program(self.ctx, req)
            return NO_REPLY
        ref = treeobj.requested_blobref(req.raw)
        writer, store = self._open()
        self._counts["load"] += 1
        try:
            if not treeobj.is_blobref(ref):
                raise os_error(errno.ENOENT)
            return await writer.run(lambda: store.load(ref)) or None
        except FileNotFoundError:
            # A store that is used again may have blobs of the hash of then.
            if not ref.startswith(f"{self._algorithm}-"):
                self.ctx.log.err(f"load: unexpected foreign blobref {ref[:100]}")
            raise

    @request("content-backing.load-batch", absolute=True)
    async def load_batch(self, req: Request) -> NoReply:
        """Return those of the blobs {refs} that there are, packed as in flux.blobpack; one that is
        damaged is left out.
        """
        refs = [ref for ref in req.get("refs", list) if treeobj.is_blobref(ref)]
        writer, store = self._open()
        self._counts["load"] += len(refs)
        req.respond(blobpack.shared(await writer.run(lambda: store.load_all(refs))))
        return NO_REPLY

    @request("content-backing.store", absolute=True, raw=True)
    def store(self, req: Request) -> NoReply:
        """Store the payload for good and return its blobref."""
        data = req.raw or b""
        ref = treeobj.blobref(data, self._algorithm)
        return self._write(req, ref, [(ref, data, PINNED)])

    @request("content-backing.store-batch", absolute=True, raw=True)
    def store_batch(self, req: Request) -> NoReply:
        """Store many blobs, packed as in flux.blobpack."""
        blobs = blobpack.blobs_of(req.message)
        if not all(treeobj.is_blobref(ref) for ref, _, _ in blobs):
            raise OSError(errno.EPROTO, "a blob has no valid blobref")
        return self._write(req, None, blobs)

    def _write(
        self,
        req: Request,
        answer: str | None,
        blobs: Sequence[Blob] = (),
        checkpoint: tuple[str, object] | None = None,
        *,
        sync: bool = False,
    ) -> NoReply:
        """Write and answer when that is done."""
        writer, _ = self._open()

        def done(error: OSError | None) -> None:
            if error is not None:
                self.ctx.log.err(f"store: {error.strerror}")
                req.fail(error)
                return
            self._counts["store"] += len(blobs)
            req.respond(answer)
            if self._collecting is not None:
                self._collecting.check()

        writer.write(Write(done, blobs, checkpoint, sync))
        return NO_REPLY

    @request("kvs-checkpoint.put", absolute=True)
    def put_checkpoint(self, req: Request) -> NoReply:
        """Write the checkpoint ``key``; ``value`` is any JSON value. With ``sync`` true it is
        answered once it is on the disk.
        """
        if "value" not in req.payload:
            raise os_error(errno.EPROTO)
        checkpoint = (_key(req), req.payload["value"])
        sync = req.get("sync", bool, False)
        return self._write(req, None, checkpoint=checkpoint, sync=sync)

    @request("kvs-checkpoint.get", absolute=True)
    async def get_checkpoint(self, req: Request) -> dict[str, object]:
        """Return the checkpoint ``key``; ENOENT if there is none."""
        key = _key(req)
        writer, store = self._open()
        return {"value": await writer.run(lambda: store.get_checkpoint(key))}

    @request("content-backing.checkpoint-get", absolute=True)
    async def get_primary_checkpoint(self, req: Request) -> dict[str, object]:
        """Return the checkpoints of the primary namespace, here one; ENOENT if there is none."""
        writer, store = self._open()
        found = await writer.run(lambda: store.get_checkpoint(PRIMARY_CHECKPOINT))
        return {"value": [found]}

    @request("content-backing.checkpoint-put", absolute=True)
    def put_primary_checkpoint(self, req: Request) -> NoReply:
        """Write the checkpoint {value} of the primary namespace, as today's flux-core does."""
        value = backing.primary_checkpoint(req)
        return self._write(req, None, checkpoint=(PRIMARY_CHECKPOINT, value), sync=True)

    # Collection

    @request("collect")
    async def collect(self, req: Request) -> dict[str, object]:
        """Drop what nothing refers to; answers at the end with ``dropped_objects``,
        ``dropped_bytes`` and ``seconds``.
        """
        self._open()
        assert self._collecting is not None
        return await self._collecting.collect()

    @request("hold", streaming=True)
    def hold(self, req: Request) -> None:
        """Put off collections until the sender cancels or goes away; the first response says that
        it is so.
        """
        self._open()
        self.streams.add(req)
        self._count_holds()
        req.respond({})

    @request("hold-cancel")
    def hold_cancel(self, req: Request) -> NoReply:
        """End the sender's hold with match tag ``matchtag``."""
        self.streams.cancel(req)
        self._count_holds()
        return NO_REPLY

    def on_disconnect(self, sender: str) -> None:
        """Its holds have been dropped."""
        self._count_holds()

    def _count_holds(self) -> None:
        if self._collecting is not None:
            self._collecting.holds = len(self.streams)

    @event("heartbeat.pulse")
    def on_heartbeat(self, msg: Message) -> None:
        """Look whether a collection is due that had to wait."""
        if self._collecting is not None and self._store is not None:
            self._collecting.check()

    # Statistics

    def stats(self) -> dict[str, object]:
        """Return the numbers of blobs in the file, loaded and stored, the bytes in use and not, and
        the last collection.

        Between collections ``dead_bytes`` is an estimate: the share of what was stored that the
        last collection dropped.
        """
        store = self._open()[1]
        totals, collecting = store.totals, self._collecting
        dead = min(totals.bytes, int(totals.fresh * totals.dead))
        return {
            "object_count": totals.objects,
            **self._counts,
            "live_bytes": totals.bytes - dead,
            "dead_bytes": dead,
            "file_bytes": store.file_bytes(),
            "collecting": collecting is not None and collecting.running,
            "collections": collecting.count if collecting is not None else 0,
            "last_collection": {
                "timestamp": totals.collected,
                **(collecting.last if collecting is not None else {}),
            },
        }

    def stats_clear(self) -> None:
        """Reset the counters."""
        self._counts = {"load": 0, "store": 0}


def _key(req: Request) -> str:
    """Return the name of a checkpoint; raises OSError(EINVAL) for one that is empty or not
    printable.
    """
    key = req.get("key", str)
    if not key or not key.isprintable():
        raise OSError(errno.EINVAL, "a checkpoint's key is printable text")
    return key
