"""The writing side of the key-value store, on rank 0: batches of transactions become new roots.

All transactions that are waiting when the loop turns are applied together. Their blobs go to the content service in one request, and
only when it has them is the new root published and are the callers answered. The next batch of a namespace starts after that, so
batches grow with the load. After an expensive batch the next one is put off in proportion, which leaves the loop to others,
and the rate in bytes at which directories are written anew is bounded, bursts excepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TypeAlias

from broker.context import Context
from broker.service import Request
from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.checkpoint import Checkpointer
from broker.services.kvs.commit import Result, Transaction, apply_batch
from broker.services.kvs.directory import Missing
from broker.services.kvs.namespace import Namespace, not_supported
from broker.services.kvs.objects import ObjectLoader
from flux import blobpack
from flux.kvs_txn import PRIMARY, SYNC
from flux.wire import json
from flux.wire.errors import error_of
from flux.wire.message import Message, event

Callers: TypeAlias = list[Request]
Work: TypeAlias = list[tuple[Namespace[Callers], Result[Callers]]]
REST_SHARE = 0.5
REST_MIN = 0.001
REST_MAX = 0.1
DIRECTORY_RATE = 10e6
DIRECTORY_BURST = 2e6


class Leader:
    """Applies transactions to namespaces and publishes their roots."""

    def __init__(self, ctx: Context, cache: ObjectCache, loader: ObjectLoader, algorithm: str) -> None:
        self._ctx = ctx
        self._cache = cache
        self._loader = loader
        self._algorithm = algorithm
        self._ready: dict[str, Namespace[Callers]] = {}
        self._scheduled = False
        self._not_before = perf_counter()
        self._debt = 0.0
        self._last = self._not_before
        self.checkpointer: Checkpointer | None = None
        self.noop_stores = 0
        self.dirty = 0

    def submit(self, namespace: Namespace[Callers], txn: Transaction[Callers]) -> None:
        """Queue a transaction; its callers are answered when it is part of a published root."""
        namespace.pending.append(txn)
        if not namespace.busy:
            self._ready[namespace.name] = namespace
            self._schedule()

    def _schedule(self) -> None:
        if self._scheduled:
            return
        self._scheduled = True
        wait = self._not_before - perf_counter()
        if wait > REST_MIN:
            self._ctx.call_later(wait, self._run)
        else:
            self._ctx.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        started = perf_counter()
        ready, self._ready = self._ready, {}
        work: Work = []
        for namespace in ready.values():
            batch = namespace.take()
            if batch and not namespace.removed:
                self._apply(namespace, batch, work)
        if work:
            written = sum(len(result.blobs[ref]) for _, result in work for ref in result.directories)
            self._store(work)
            ended = perf_counter()
            self._debt = max(0.0, self._debt - (ended - self._last) * DIRECTORY_RATE) + written
            self._last = ended
            rest = max(REST_SHARE * (ended - started), (self._debt - DIRECTORY_BURST) / DIRECTORY_RATE)
            self._not_before = ended + min(rest, REST_MAX)

    def _apply(self, namespace: Namespace[Callers], batch: list[Transaction[Callers]], work: Work) -> None:
        namespace.busy = True
        try:
            result = apply_batch(self._cache, namespace.rootref, namespace.name, batch, self._algorithm)
        except Missing as missing:
            self._ctx.spawn(self._fault(namespace, batch, missing), "kvs fault")
            return
        for txn, exc in result.failed:
            _fail(txn.origin, exc)
        if result.applied:
            work.append((namespace, result))
        else:
            self._release(namespace)

    async def _fault(self, namespace: Namespace[Callers], batch: list[Transaction[Callers]], missing: Missing) -> None:
        """Load what a batch needs and apply it."""
        with self._cache.hold():
            try:
                await self._loader.load(missing.refs, directory=missing.directory)
            except OSError as exc:
                for txn in batch:
                    _fail(txn.origin, exc)
                self._release(namespace)
                return
            work: Work = []
            self._apply(namespace, batch, work)
        if work:
            self._store(work)

    def _release(self, namespace: Namespace[Callers]) -> None:
        namespace.busy = False
        if namespace.pending and not namespace.removed:
            self._ready[namespace.name] = namespace
            self._schedule()

    def _store(self, work: Work) -> None:
        """Hand the new blobs to the content service."""
        blobs: dict[str, bytes] = {}
        for _, result in work:
            blobs.update(result.blobs)
        known = [ref for ref in blobs if self._cache.directory(ref) is not None or self._cache.value(ref) is not None]
        for ref in known:
            del blobs[ref]
        self.noop_stores += len(known)
        if not blobs:
            self._publish(work)
            return
        self.dirty += len(blobs)

        def stored(msg: Message) -> None:
            self.dirty -= len(blobs)
            if msg.errnum:
                self._give_up(work, error_of(msg))
            else:
                self._publish(work)

        self._ctx.handle.post("content.store-batch", blobpack.pack(blobs.items()), stored)

    def _give_up(self, work: Work, exc: OSError) -> None:
        for namespace, result in work:
            for txn in result.applied:
                _fail(txn.origin, exc)
            self._release(namespace)

    def _publish(self, work: Work) -> None:
        for namespace, result in work:
            self._remember(result)
            if namespace.removed:
                for txn in result.applied:
                    _fail(txn.origin, not_supported(namespace.name))
                continue
            self._set_root(namespace, result)
            self._answer(namespace, result)
            self._release(namespace)

    def _remember(self, result: Result[Callers]) -> None:
        directories = result.directories
        for ref, blob in result.blobs.items():
            entries = directories.get(ref)
            if entries is None:
                self._cache.add_value(ref, blob)
            else:
                self._cache.add_directory(ref, entries, len(blob))
        for ref in result.replaced:
            if ref not in directories:
                self._cache.forget_directory(ref)

    def _set_root(self, namespace: Namespace[Callers], result: Result[Callers]) -> None:
        namespace.advance(result.rootref, namespace.rootseq + 1)
        body = {
            "namespace": namespace.name,
            "rootref": namespace.rootref,
            "rootseq": namespace.rootseq,
            "owner": namespace.owner,
            "keys": result.keys(),
        }
        self._ctx.handle.send_message(event(f"kvs.setroot-{namespace.name}", body))
        if namespace.name == PRIMARY and self.checkpointer is not None:
            self.checkpointer.changed()

    def _answer(self, namespace: Namespace[Callers], result: Result[Callers]) -> None:
        answer = json.dumps({"rootref": namespace.rootref, "rootseq": namespace.rootseq}) + b"\0"
        durable: Callers = []
        for txn in result.applied:
            if txn.flags & SYNC:
                durable += txn.origin
                continue
            for caller in txn.origin:
                caller.respond(answer)
        if not durable:
            return

        def done(error: OSError | None) -> None:
            for caller in durable:
                if error is None:
                    caller.respond(answer)
                else:
                    caller.fail(error)

        if self.checkpointer is None:
            done(None)
        else:
            self.checkpointer.request(done)


def _fail(callers: Iterable[Request], exc: OSError) -> None:
    for caller in callers:
        caller.fail(exc)
