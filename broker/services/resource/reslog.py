"""The event log ``resource.eventlog``: what happened to the resources, for administrators and for
the next start.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from flux import eventlog
from flux.kvs_txn import APPEND, PRIMARY, SYNC, commit_request, put_op
from flux.treeobj import decode_val

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from broker.context import Context
    from flux.job.types import EventEntry
    from flux.kvs_types import KvsOp

KEY = "resource.eventlog"


class _Posted(Struct, frozen=True):
    name: str
    line: str
    durable: bool
    done: asyncio.Future[None]

    def finish(self, error: OSError | None) -> None:
        """Tell who waits that the entry is committed, or the error; the first word counts."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
            self.done.exception()


class ResourceLog:
    """Appends entries in the order they are posted, one KVS commit at a time for all that wait.

    An entry may be posted as ``durable``. Where the content store outlives the instance it is then
    on disk when its future is done. If the disk does not take it, it is appended all the same, so
    that the log says what is the case, and its future has the error.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.on_posted: Callable[[EventEntry], None] = lambda entry: None
        self._waiting: list[_Posted] = []
        self._busy = False

    async def read(self) -> list[eventlog.Entry]:
        """Return the entries of earlier runs, none if there was no earlier run."""
        try:
            answer = await self._ctx.handle.rpc(
                "kvs.lookup", {"key": KEY, "namespace": PRIMARY, "flags": 0}
            )
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.ENOSYS):
                return []
            raise
        try:
            return list(eventlog.decode(decode_val(answer["val"]).decode("utf-8", "replace")))
        except (OSError, ValueError) as exc:
            self._ctx.log.err(f"{KEY} of an earlier run is ignored: {exc}")
            return []

    def post(
        self, name: str, context: Mapping[str, object], timestamp: float, *, durable: bool = False
    ) -> asyncio.Future[None]:
        """Append an entry; the future is done when it is committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = eventlog.entry(name, context, timestamp)
        line = eventlog.encode(entry)
        self.on_posted(entry)
        self._waiting.append(_Posted(name, line, durable and self._ctx.store_persists, done))
        if not self._busy:
            self._busy = True
            self._ctx.spawn(self._flush(), "resource-eventlog")
        return done

    async def _flush(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                error = await self._append(batch)
                for entry in batch:
                    entry.finish(error)
        finally:
            self._busy = False

    async def _append(self, batch: list[_Posted]) -> OSError | None:
        """Append entries, if need be without making them durable; returns what went wrong."""
        text = "".join(entry.line for entry in batch).encode()
        ops = [put_op(KEY, text, APPEND)]
        sync = any(entry.durable for entry in batch)
        try:
            await self.commit(ops, SYNC if sync else 0)
        except OSError as exc:
            self._ctx.log.err(f"{KEY}: {exc.strerror}")
            if not sync:
                return exc
            for entry in batch:
                if entry.durable:
                    entry.finish(exc)
            return await self._append([replace(entry, durable=False) for entry in batch])
        for entry in batch:
            self._ctx.log.debug(f"reslog_cb: {entry.name} event posted")
        return None

    async def put(self, key: str, text: bytes) -> None:
        """Store a value; raises OSError."""
        await self.commit([put_op(key, text)])

    async def commit(self, ops: list[KvsOp], flags: int = 0) -> None:
        """Commit KVS operations; raises OSError."""
        await self._ctx.handle.rpc("kvs.commit", commit_request(ops, flags))
