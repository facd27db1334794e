"""The content service of one rank (flux-content(1), RFC 10).

Blobs are stored by their hash. A rank other than 0 passes stores on to its parent before it answers
and asks its parent for what it does not hold. Rank 0 answers a store at once and writes to the
backing store behind: a few hundred blobs a request, one request at a time. Without a backing store
it holds everything.

The kvs module stores its directories as *held* blobs: they stay in memory until it settles those
that a root refers to, which are then written, and frees those that were superseded for longer than
``content.grace-period``. While the backing store collects what is not referred to any more, between
``collect-begin`` and ``collect-end``, the cache passes on stores it would otherwise know to be
redundant.
"""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

from broker.service import NO_REPLY, NoReply, Reply, Request, Service, event, request
from broker.services.content.cache import BlobCache
from broker.services.content.loading import Loading
from broker.services.content.mapping import Mapping
from broker.statsd import send_figures
from flux import blobpack, treeobj
from flux.blobpack import PINNED, Blob
from flux.wire.errors import error_of, os_error

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Sequence

    from broker.context import Context
    from flux.wire.message import Message

# Name, attribute, default
SETTINGS = (
    ("purge_target_size", "content.purge-target-size", 16777216),
    ("purge_old_entry", "content.purge-old-entry", 10),
    ("flush_batch_limit", "content.flush-batch-limit", 256),
    ("blob_size_limit", "content.blob-size-limit", 1073741824),
    ("grace_period", "content.grace-period", 5),
)
FLUSH_DELAY = 0.1
#: Blobs that are written in a millisecond or two.
BRIEF_BATCH = 64
#: Batches that a backlog is written in, as long as they are not too large.
BACKLOG_TURNS = 4
#: Bytes of blobs, old ones, that a rank other than 0 keeps.
FOLLOWER_SIZE = 1 << 19
#: Seconds after which a blob that nobody asks for is left to the store, whatever room there is.
IDLE = 120.0
RETRY_DELAY = 1.0
# Blobs of the kvs module are dropped as soon as they are stored when more than this many bytes are
# held.
STORED_SIZE = 2 << 20


class ContentService(Service):
    """The content cache of one rank."""

    name = "content"
    part_types = (Loading, Mapping)

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.purge_target_size = 0
        self.purge_old_entry = 0
        self.flush_batch_limit = 0
        self.blob_size_limit = 0
        self.grace_period = 0
        self.backing: str | None = None
        self._first_backing: str | None = None
        self._batched = False
        self._define_attributes()
        self.cache = BlobCache(ctx.attrs.get("content.hash") or treeobj.DEFAULT_HASH)
        self._mapping = Mapping(ctx, self.cache.algorithm, lambda: self.blob_size_limit)
        self._loading = Loading(ctx, self.cache, self._mapping, lambda: self.backing is not None)
        self._flushing = 0
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flush_waiters: list[tuple[int, Request]] = []

    def parts(self) -> Sequence[object]:
        """Return the parts that load, and map files."""
        return (self._loading, self._mapping)

    async def start(self, args: list[str]) -> None:
        self.ctx.spawn(send_figures(self.ctx, "content-cache", self._gauges), "statsd")

    def _gauges(self) -> dict[str, int]:
        """Return what is sent to a collector of figures."""
        return {
            "count": len(self.cache),
            "valid": len(self.cache),
            "dirty": self.cache.dirty,
            "size": self.cache.size,
            "flush-batch-count": self._flushing,
        }

    def _define_attributes(self) -> None:
        attrs = self.ctx.attrs
        algorithm = attrs.default("content.hash", treeobj.DEFAULT_HASH, immutable=True)
        if algorithm not in treeobj.HASHES:
            raise OSError(errno.EINVAL, f"content.hash: unknown hash type {algorithm}")
        for field, attribute, default in SETTINGS:
            setattr(self, field, default)
            attrs.define_number(attribute, self, field, least=0)
        for name, value in (
            ("content.acct-entries", lambda: len(self.cache)),
            ("content.acct-size", lambda: self.cache.size),
            ("content.acct-dirty", lambda: self.cache.dirty),
            ("content.acct-valid", lambda: len(self.cache)),
            ("content.flush-batch-count", lambda: self._flushing),
        ):
            attrs.define_active(name, _text(value))
        if self.ctx.rank == 0:
            attrs.define_active("content.backing-module", lambda: self.backing)

    # Store

    @request("store", raw=True)
    def store(self, req: Request) -> Reply:
        """Store the payload and return its blobref; EFBIG above content.blob-size-limit."""
        data = req.raw or b""
        if len(data) > self.blob_size_limit:
            raise os_error(errno.EFBIG)
        ref = self.cache.ref(data)
        if self.ctx.rank == 0:
            self._keep([(ref, data, PINNED)])
            return ref
        if self.cache.is_pinned(ref):
            return ref

        def stored(msg: Message) -> None:
            if not msg.errnum:
                self.cache.add_clean(ref, data, self.ctx.loop_time(), pinned=True)
            _pass_on(req, msg)

        self.ctx.handle.post("content.store", data, stored, upstream=True)
        return NO_REPLY

    @request("store-batch", raw=True)
    def store_batch(self, req: Request) -> NoReply | None:
        """Store many blobs, packed as in flux.blobpack with blobrefs the sender vouches for."""
        blobs = blobpack.blobs_of(req.message)
        if any(len(data) > self.blob_size_limit for _, data, _ in blobs):
            raise os_error(errno.EFBIG)
        if self.ctx.rank == 0:
            # The sender, the kvs module, has a cache of its own: these need not stay once they are
            # stored.
            self._keep(blobs, age=self.purge_old_entry)
            return None

        def stored(msg: Message) -> None:
            if not msg.errnum:
                for ref, data, flags in blobs:
                    self.cache.add_clean(
                        ref, data, self.ctx.loop_time(), pinned=bool(flags & PINNED)
                    )
            _pass_on(req, msg)

        self.ctx.handle.post("content.store-batch", req.raw, stored, upstream=True)
        return NO_REPLY

    def _keep(self, blobs: Iterable[Blob], age: float = 0.0) -> None:
        """Hold blobs that the backing store may not have yet, as if last used ``age`` seconds
        ago.
        """
        now = self.ctx.loop_time() - age
        for ref, data, flags in blobs:
            self.cache.add(ref, data, now, flags)
        self._flush_soon()

    @request("settle")
    def settle(self, req: Request) -> None:
        """Held blobs: those of ``settle``, children first, are to be written, those of ``free`` are
        not needed any more.
        """
        wanted, superseded = req.get("settle", list, []), req.get("free", list, [])
        if self.ctx.rank != 0:
            raise OSError(errno.EINVAL, "blobs are held on rank 0 only")
        self.cache.settle(filter(treeobj.is_blobref, wanted))
        self.cache.free(filter(treeobj.is_blobref, superseded))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self.backing is not None and self._flush_timer is None and self.cache.dirty:
            self._flush_timer = self.ctx.call_later(FLUSH_DELAY, self._flush)

    # Write-back, rank 0 only

    @property
    def _at_once(self) -> int:
        """How many blobs are sent to the backing store at once: one that ends with the instance
        writes them on the event loop, where nothing shall take long, unless too many wait.
        """
        limit = max(1, self.flush_batch_limit)
        if self.ctx.store_persists:
            return limit
        return min(limit, max(BRIEF_BATCH, self.cache.dirty // BACKLOG_TURNS))

    def _flush(self) -> None:
        """Send the next dirty blobs to the backing store unless a request is under way."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._flushing:
            return
        # Each waiter has the number of the last blob that had become dirty when it came. Blobs are
        # stored in the order of those numbers, so a waiter is served when all up to its own are
        # stored, whatever became dirty since: under constant load something is dirty always.
        while self._flush_waiters and self._flush_waiters[0][0] <= self.cache.stored:
            self._flush_waiters.pop(0)[1].respond()
        if self.backing is not None:
            blobs = self.cache.dirty_blobs(self._at_once)
            if blobs:
                self._write_back(blobs)

    def _write_back(self, blobs: list[Blob]) -> None:
        """Send blobs to the backing store, in one request if it takes batches."""
        self._flushing = len(blobs)
        # The era of the sending, not of the answer: should a collection begin between them it may
        # have missed these blobs, and then they have to be stored again when somebody uses them.
        era = self.cache.era
        if self._batched:
            self.ctx.handle.post(
                "content-backing.store-batch",
                blobpack.shared(blobs),
                lambda msg: self._flushed(blobs, era, msg),
            )
            return
        errors: list[Message] = []

        def one(blob: Blob, msg: Message) -> None:
            if msg.errnum:
                errors.append(msg)
            else:
                self.cache.clean([blob], era)
            self._flushing -= 1
            if not self._flushing:
                self._flushed([], era, errors[0] if errors else msg)

        for blob in blobs:
            self.ctx.handle.post("content-backing.store", blob[1], partial(one, blob))

    def _flushed(self, blobs: list[Blob], era: int, msg: Message) -> None:
        self._flushing = 0
        if not msg.errnum:
            self.cache.clean(blobs, era)
            self.cache.release(blobs, STORED_SIZE, self.purge_old_entry, self.ctx.loop_time())
            if self._flush_waiters or self.cache.dirty >= self._at_once:
                self._flush()
            else:  # a busy instance has more in a moment, and transactions cost more than blobs
                self._flush_soon()
            return
        error = error_of(msg)
        self.ctx.log.crit(f"content store: {error.strerror}")
        waiters, self._flush_waiters = self._flush_waiters, []
        for _, req in waiters:
            req.fail(error)
        if self.backing is not None:
            self._flush_timer = self.ctx.call_later(RETRY_DELAY, self._flush)

    @request("flush")
    def flush(self, req: Request) -> NoReply | None:
        """Answer when nothing is dirty of what is now; ENOSYS on rank 0 without a backing store."""
        if self.ctx.rank != 0:
            return None
        if self.backing is None:
            raise os_error(errno.ENOSYS)
        self._flush_waiters.append((self.cache.soiled, req))
        self._flush()
        return NO_REPLY

    @request("checkpoint-get")
    def checkpoint_get(self, req: Request) -> NoReply:
        """Return the checkpoints of the primary namespace; ENOENT if there is none, ENOSYS without
        a backing store.
        """
        upstream = self.ctx.rank != 0
        topic = "content.checkpoint-get" if upstream else "content-backing.checkpoint-get"
        self.ctx.handle.post(topic, {}, partial(_pass_on, req), upstream=upstream)
        return NO_REPLY

    @request("register-backing")
    def register_backing(self, req: Request) -> None:
        """A backing store has been loaded: ``name``, and whether it takes ``batch`` requests. EBUSY
        if it is in use already, EINVAL if another one was used before: that has what was stored.
        """
        name = req.get("name", str)
        if self.ctx.rank != 0:
            raise OSError(errno.EINVAL, "a backing store can be used on rank 0 only")
        if self._first_backing not in (None, name):
            self.ctx.log.err(
                f"content backing store cannot be changed on the fly, {self._first_backing} was"
                " used before"
            )
            raise os_error(errno.EINVAL)
        if self.backing is not None:
            raise OSError(errno.EBUSY, f"backing store {self.backing} is in use")
        self._first_backing = name
        self.backing, self._batched = name, req.get("batch", bool, False)
        self.ctx.log.debug(f"content backing store: enabled {name}")
        self._flush_soon()

    @request("unregister-backing")
    def unregister_backing(self, req: Request) -> None:
        """The backing store is about to be unloaded: from now on everything stays in memory."""
        if self.backing is None:
            raise OSError(errno.EINVAL, "no backing store is in use")
        self.ctx.log.debug(f"content backing store: disabled {self.backing}")
        if self.cache.dirty:
            self.ctx.log.err(f"{self.cache.dirty} unflushed entries")
        self.backing = None
        waiters, self._flush_waiters = self._flush_waiters, []
        for _, waiter in waiters:
            waiter.error(errno.ENOSYS, "Function not implemented")

    # Collection of the backing store

    @request("collect-begin")
    def collect_begin(self, req: Request) -> None:
        """The backing store begins to look for blobs that are not in use."""
        self.cache.distrust()

    @request("collect-end")
    def collect_end(self, req: Request) -> None:
        """The backing store has dropped the blobs that were not in use."""
        self.cache.trust()

    # Room

    @request("dropcache")
    def dropcache(self, req: Request) -> None:
        """Drop every entry that can be loaded again."""
        total = len(self.cache)
        dropped = 0 if self.ctx.rank == 0 and self.backing is None else self.cache.drop_clean()
        self.ctx.log.debug(f"content dropcache {dropped}/{total}")

    @event("heartbeat.pulse")
    def on_heartbeat(self, msg: Message) -> None:
        """Drop what nobody has asked for in a while, and purge old entries when the cache has
        outgrown its target.

        Ranks other than 0 hold little: their kvs module has a cache of its own, and the parent
        has the rest.
        """
        target = self.purge_target_size
        if self.ctx.rank != 0:
            target = min(target, FOLLOWER_SIZE)
        elif self.backing is None:
            return
        now = self.ctx.loop_time()
        self.cache.forget_idle(max(IDLE, self.purge_old_entry), now)
        self.cache.purge(target, self.purge_old_entry, now)

    def stats(self) -> dict[str, object]:
        """Return the figures of the cache."""
        return {**self._gauges(), "held": self.cache.held, "mmap": self._mapping.stats()}


def _text(value: Callable[[], int]) -> Callable[[], str]:
    return lambda: str(value())


def _pass_on(req: Request, msg: Message) -> None:
    if msg.errnum:
        req.fail(error_of(msg))
    else:
        req.respond(msg.payload)
