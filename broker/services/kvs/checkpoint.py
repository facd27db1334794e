"""Making the primary namespace durable: its root is written beside the blobs it needs, so that a restart finds it.

A checkpoint flushes the content cache to the backing store and then writes the root. It happens within a second of a change, at once
when a commit asked for it (FLUX_KVS_SYNC), and at shutdown. Requests that come while one is under way share the next.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Any

from broker.context import Context
from broker.services.kvs.namespace import Namespace

INTERVAL = 1.0
KEY = "kvs-primary"
Done = Callable[[OSError | None], None]


class Checkpointer:
    """Writes checkpoints of one namespace when it is told of changes."""

    def __init__(self, ctx: Context, namespace: Namespace[Any]) -> None:
        self._ctx = ctx
        self._namespace = namespace
        self._waiting: list[Done] = []
        self._timer: asyncio.TimerHandle | None = None
        self._running = False
        self._written = namespace.rootseq

    def changed(self) -> None:
        """Note that the namespace has a new root."""
        if self._timer is None and not self._running:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL, self._start)

    def request(self, done: Done) -> None:
        """Write a checkpoint now and call ``done`` when it is durable, or with the error that prevented it."""
        self._waiting.append(done)
        self._start()

    def _start(self) -> None:
        self._cancel_timer()
        if not self._running:
            self._running = True
            self._ctx.spawn(self._run(), "kvs checkpoint")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self) -> None:
        try:
            while self._waiting or self._written != self._namespace.rootseq:
                waiting, self._waiting = self._waiting, []
                error = await self.write()
                for done in waiting:
                    done(error)
                if not self._waiting:
                    break
        finally:
            self._running = False
            if self._written != self._namespace.rootseq:
                self.changed()

    async def write(self) -> OSError | None:
        """Write one checkpoint; returns the error if it failed. Without a backing store there is nothing to do."""
        rootref, rootseq = self._namespace.rootref, self._namespace.rootseq
        value = {"version": 1, "rootref": rootref, "sequence": rootseq, "timestamp": self._ctx.now()}
        try:
            await self._ctx.handle.rpc("content.flush")
            await self._ctx.handle.rpc("kvs-checkpoint.put", {"key": KEY, "value": value})
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                self._ctx.log.err(f"checkpoint of root {rootseq} failed: {exc.strerror}")
                return exc
        self._written = rootseq
        return None

    async def close(self) -> None:
        """Write what has changed since the last checkpoint."""
        self._cancel_timer()
        if self._written != self._namespace.rootseq:
            await self.write()


async def restore(ctx: Context) -> tuple[str, int] | None:
    """Return the root and sequence number of the last checkpoint, None if there is none."""
    try:
        answer = await ctx.handle.rpc("kvs-checkpoint.get", {"key": KEY})
    except OSError as exc:
        if exc.errno in (errno.ENOSYS, errno.ENOENT):
            return None
        raise
    value = answer.get("value")
    if not isinstance(value, dict) or not isinstance(value.get("rootref"), str):
        raise OSError(errno.EINVAL, "the checkpoint of the primary namespace is damaged")
    return value["rootref"], int(value.get("sequence", 0))
