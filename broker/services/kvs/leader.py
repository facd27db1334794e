"""The writing side of the key-value store, on rank 0: batches of transactions become new roots.

All transactions of a namespace that are waiting when the loop turns are applied together
(`TransactionBatch`). Their blobs go to the content service in one request for all namespaces. When
it has them, and, for a batch with a durable commit (FLUX_KVS_SYNC), when the new root is in a
checkpoint, the root is published and the callers are answered. Directories are *held* by the
content service until it is known which of them are worth writing (see `settle`). The next batch of
that namespace starts after that, so batches grow with the load, and commits that arrive during a
checkpoint share the next one. If a checkpoint fails so do the durable commits; the plain ones of
the batch are applied again without them.

Whatever goes wrong stays in its namespace, and within it with the transaction that causes it: a
batch that cannot be sealed or stored is taken apart, each of its transactions tried alone. A
namespace that had work in a batch is always released.

After an expensive batch the next one is put off, see `pace`.
"""

from __future__ import annotations

import asyncio
import errno
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from broker.service import Request
from broker.services.kvs.commit import Result, Transaction, TransactionBatch
from broker.services.kvs.directory import Missing
from broker.services.kvs.draft import Scheme
from broker.services.kvs.namespace import not_supported
from broker.services.kvs.pace import Pace
from broker.services.kvs.settle import Settler
from broker.services.kvs.spaces import Callers, Space
from flux import blobpack
from flux.blobpack import HELD, Blob
from flux.kvs_event import SETROOT
from flux.kvs_limits import VALUE_BYTES
from flux.kvs_txn import PRIMARY, SYNC
from flux.wire import json
from flux.wire.errors import error_of
from flux.wire.message import Message, event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from broker.context import Context
    from broker.services.kvs.cache import ObjectCache
    from broker.services.kvs.checkpoint import Checkpointer
    from broker.services.kvs.objects import ObjectLoader

Txn: TypeAlias = Transaction[Callers]


class Work(Struct):
    """A batch on its way to a root: the transactions that were tried, and what became of them."""

    namespace: Space
    tried: list[Txn]
    result: Result[Callers]

    @property
    def durable(self) -> bool:
        """Whether someone asked for a checkpoint before the root is published."""
        return any(txn.flags & SYNC for txn in self.result.applied)


class Leader:
    """Applies transactions to namespaces and publishes their roots."""

    def __init__(
        self,
        ctx: Context,
        cache: ObjectCache,
        loader: ObjectLoader,
        algorithm: str,
        roots: Callable[[], list[str]],
    ) -> None:
        self._ctx = ctx
        self._cache = cache
        self._loader = loader
        self._algorithm = algorithm
        self._ready: dict[str, Space] = {}
        self._active: set[Space] = set()
        self._idle = asyncio.Event()
        self._closing = False
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_is_lazy = False
        self._pace = Pace(perf_counter())
        self._coming: dict[Space, str] = {}
        self.settler = Settler(ctx, roots, self.coming)
        self.checkpointer: Checkpointer | None = None
        self.noop_stores = 0
        self.dirty = 0

    @property
    def blob_limit(self) -> int:
        """The largest blob, and so the largest value that may be put, in bytes:
        ``content.blob-size-limit``.
        """
        text = self._ctx.attrs.get("content.blob-size-limit")
        return min(VALUE_BYTES, int(text)) if text else VALUE_BYTES

    def coming(self) -> list[str]:
        """Return the roots that are being stored and may be published."""
        return list(self._coming.values())

    def submit(self, namespace: Space, txn: Txn) -> None:
        """Queue a transaction that `check` allows; its callers are answered when it is part of a
        published root.
        """
        namespace.pending.append(txn)
        self._active.add(namespace)
        if not namespace.busy:
            self._ready[namespace.name] = namespace
            self._schedule(lazy=txn.lazy)

    def check(self, namespace: Space, flags: int) -> None:
        """Raise OSError unless a transaction with ``flags`` may be queued.

        EINVAL for a durable one in a namespace that cannot be, ENOSYS once the module is being
        unloaded.
        """
        if self._closing:
            raise OSError(errno.ENOSYS, "the kvs module is being unloaded")
        if flags & SYNC and namespace.name != PRIMARY:
            raise OSError(errno.EINVAL, "only the primary namespace can be made durable")

    async def drain(self) -> None:
        """Take no more transactions and wait until those at hand have been answered."""
        self._closing = True
        while self._active:
            self._idle.clear()
            await self._idle.wait()

    def forget(self, namespace: Space) -> None:
        """Note that a namespace has been removed."""
        if not namespace.busy:
            self._release(namespace)

    def _schedule(self, *, lazy: bool = False) -> None:
        """Have the ready namespaces looked at; what is not ``lazy`` takes those along that are."""
        if self._timer is not None and not lazy and self._timer_is_lazy:
            self._timer.cancel()
            self._timer, self._scheduled = None, False
        if self._scheduled:
            return
        self._scheduled = True
        wait = self._pace.wait(perf_counter(), lazy=lazy)
        if wait:
            self._timer = self._ctx.call_later(wait, self._run)
            self._timer_is_lazy = lazy
        else:
            self._ctx.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled, self._timer = False, None
        started = perf_counter()
        ready, self._ready = self._ready, {}
        works: list[Work] = []
        for namespace in ready.values():
            batch = namespace.take()
            if batch and not namespace.removed:
                self._apply(namespace, batch, works)
        if works:
            written = sum(
                len(work.result.blobs[ref]) for work in works for ref in work.result.directories
            )
            self._store(works)
            self._pace.worked(started, perf_counter(), written)

    # Applying

    def _apply(self, namespace: Space, batch: list[Txn], works: list[Work]) -> None:
        """Apply a batch and add what came of it to ``works``, at once or once the directories it
        needs are loaded.
        """
        namespace.busy = True
        try:
            result = self._attempt(namespace, batch)
        except Missing as missing:
            self._ctx.spawn(self._fault(namespace, batch, missing), "kvs fault")
        except Exception as exc:
            self._take_apart(namespace, batch, exc)
        else:
            self._applied(namespace, batch, result, works)

    def _attempt(self, namespace: Space, batch: list[Txn]) -> Result[Callers]:
        scheme = Scheme(self._algorithm, self.blob_limit)
        return TransactionBatch[Callers](
            self._cache, namespace.rootref, namespace.name, scheme
        ).apply(batch)

    async def _fault(self, namespace: Space, batch: list[Txn], missing: Missing) -> None:
        """Load what a batch needs and apply it; who needs what cannot be loaded fails."""
        broken: dict[str, OSError] = {}
        works: list[Work] = []
        try:
            with self._cache.hold():
                while True:
                    broken |= await self._loader.load_each(
                        missing.refs, directory=missing.directory
                    )
                    paths = [op.path for txn in batch for op in txn.ops]
                    broken |= await self._loader.load_way(namespace.rootref, paths, broken)
                    try:
                        with self._cache.failing(broken):
                            result = self._attempt(namespace, batch)
                        break
                    except Missing as more:
                        missing = more
            self._applied(namespace, batch, result, works)
        except asyncio.CancelledError:
            self._lose(namespace, batch)
            raise
        except Exception as exc:
            self._take_apart(namespace, batch, exc)
        if works:
            self._store(works)

    def _applied(
        self, namespace: Space, batch: list[Txn], result: Result[Callers], works: list[Work]
    ) -> None:
        if namespace.removed:
            self._take_apart(namespace, batch, not_supported())
            return
        tried = batch[: len(batch) - len(result.rest)]
        if result.rest:
            namespace.put_back(result.rest)
        if result.applied:
            works.append(Work(namespace, tried, result))
        else:
            self._refuse(namespace, result.failed)
            self._release(namespace)

    def _take_apart(self, namespace: Space, batch: list[Txn], exc: Exception) -> None:
        """Deal with a batch that could not be sealed or stored: try its transactions alone, or fail
        the only one.
        """
        if len(batch) == 1 or namespace.removed:
            self._refuse(namespace, [(txn, exc) for txn in batch])
        else:
            for txn in batch:
                txn.alone = True
            namespace.put_back(batch)
        self._release(namespace)

    def _refuse(self, namespace: Space, failed: Iterable[tuple[Txn, Exception]]) -> None:
        for txn, exc in failed:
            if isinstance(exc, OSError):
                reason = exc
            else:
                self._ctx.log.exception(
                    f"commit to {namespace.name}: {type(exc).__name__}: {exc}", exc
                )
                reason = OSError(
                    errno.EINVAL, "the transaction could not be applied; the broker's log says why"
                )
            self._tell(txn, partial(Request.fail, exc=reason))

    def _tell(self, txn: Txn, answer: Callable[[Request], None]) -> None:
        for caller in txn.origin:
            try:
                answer(caller)
            except Exception as exc:
                self._ctx.log.exception(f"answer to a commit: {type(exc).__name__}: {exc}", exc)

    def _lose(self, namespace: Space, batch: Iterable[Txn]) -> None:
        exc = OSError(errno.ENOSYS, "the kvs module is being unloaded")
        self._refuse(namespace, [(txn, exc) for txn in batch])
        self._release(namespace)

    def _release(self, namespace: Space) -> None:
        namespace.busy = False
        self._coming.pop(namespace, None)
        if namespace.pending and not namespace.removed:
            self._ready[namespace.name] = namespace
            self._schedule(lazy=all(txn.lazy for txn in namespace.pending))
            return
        self._active.discard(namespace)
        if not self._active:
            self._idle.set()

    # Storing

    def _store(self, works: list[Work]) -> None:
        """Hand the new blobs to the content service.

        Also those that are known already: that they are in use again has to reach a collection of
        the store.
        """
        blobs: dict[str, Blob] = {}
        for work in works:
            result = work.result
            blobs |= {
                ref: (ref, data, HELD if ref in result.directories else 0)
                for ref, data in result.blobs.items()
            }
            self.settler.hold(result.directories, result.blobs)
            self._coming[work.namespace] = result.rootref
        self.noop_stores += sum(
            self._cache.directory(ref) is not None or self._cache.value(ref) is not None
            for ref in blobs
        )

        def stored(msg: Message) -> None:
            self.dirty -= len(blobs)
            if msg.errnum:
                self._not_stored(works, error_of(msg))
            else:
                self._stored(works)

        try:
            payload = blobpack.shared(tuple(blobs.values()))
            self._ctx.handle.post("content.store-batch", payload, stored)
            self.dirty += len(blobs)
        except Exception as exc:
            self._not_stored(works, exc)

    def _not_stored(self, works: list[Work], exc: Exception) -> None:
        """Find whose fault it is that blobs could not be stored: one namespace's, and one
        transaction's if a blob is too large.
        """
        if len(works) > 1:
            for work in works:
                self._store([work])
            return
        namespace, tried = works[0].namespace, works[0].tried
        if isinstance(exc, OSError) and exc.errno != errno.EFBIG:
            self._refuse(namespace, [(txn, exc) for txn in tried])
            self._release(namespace)
        else:
            self._take_apart(namespace, tried, exc)

    def _stored(self, works: list[Work]) -> None:
        for work in works:
            if work.durable and self.checkpointer is not None and not work.namespace.removed:
                self._ctx.spawn(self._settle(work, self.checkpointer), "kvs durable commit")
            else:
                self._publish(work)

    async def _settle(self, work: Work, checkpointer: Checkpointer) -> None:
        """Publish a root when it is in a checkpoint; if it cannot be, apply the batch again without
        those who insist on that.
        """
        namespace, result = work.namespace, work.result
        try:
            await checkpointer.commit(result.rootref, namespace.rootseq + 1)
        except asyncio.CancelledError:
            self._lose(namespace, work.tried)
            raise
        except Exception as exc:
            reasons: dict[int, Exception] = {id(txn): reason for txn, reason in result.failed}
            durable = [txn for txn in work.tried if txn.flags & SYNC]
            self._refuse(namespace, [(txn, reasons.get(id(txn), exc)) for txn in durable])
            namespace.put_back([txn for txn in work.tried if not txn.flags & SYNC])
            self._release(namespace)
        else:
            # Nothing may come between: a checkpoint of the root before this one must not follow.
            self._publish(work)

    # Publishing

    def _publish(self, work: Work) -> None:
        namespace, result = work.namespace, work.result
        try:
            if namespace.removed:
                raise not_supported()
            self._remember(result)
            self._set_root(namespace, result)
        except Exception as exc:
            self._refuse(namespace, [(txn, exc) for txn in work.tried])
        else:
            self._answer(namespace, result)
            self._refuse(namespace, result.failed)
        self._release(namespace)

    def _remember(self, result: Result[Callers]) -> None:
        self._cache.add_tree(result.blobs, result.directories)
        replaced = [ref for ref in result.replaced if ref not in result.directories]
        for ref in replaced:
            self._cache.forget_directory(ref)
        self.settler.replaced(replaced)

    def _set_root(self, namespace: Space, result: Result[Callers]) -> None:
        namespace.advance(result.rootref, namespace.rootseq + 1)
        body = {
            "namespace": namespace.name,
            "rootref": namespace.rootref,
            "rootseq": namespace.rootseq,
            "owner": namespace.owner,
            "keys": result.keys(),
        }
        # Private: the keys are the owner's, and the root's blobref is the way to all of its
        # content.
        self._ctx.handle.send_message(event(SETROOT + namespace.name, body, private=True))
        if namespace.name == PRIMARY and self.checkpointer is not None:
            self.checkpointer.changed()

    def _answer(self, namespace: Space, result: Result[Callers]) -> None:
        answer = json.dumps({"rootref": namespace.rootref, "rootseq": namespace.rootseq}) + b"\0"
        for txn in result.applied:
            self._tell(txn, lambda caller: caller.respond(answer))
