"""Making the primary namespace durable: its root is written beside the blobs it needs, so that a
restart finds it.

A checkpoint flushes the content cache to the backing store and then writes the root. There are
three occasions, one at a time: within a second of a change, or ``kvs.checkpoint-period`` of the
configuration; for a root with a commit that asked for it (FLUX_KVS_SYNC), before anyone is told of
that root; and when the module is unloaded. A root older than the one written last is never written.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Final

from flux import treeobj
from flux.kvs_flags import PRIMARY_CHECKPOINT

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.configuration import Config
    from broker.context import Context
    from broker.services.kvs.objects import ObjectLoader
    from broker.services.kvs.spaces import Space

INTERVAL: Final = 1.0
# A backing store that says nothing for so long fails the commits that wait for it, or they would
# stop the namespace for good.
TIMEOUT: Final = 120.0
_UNKNOWN: Final = -1


class Checkpointer:
    """Writes checkpoints of one namespace.

    ``settle`` has the directories of a root written by the next flush; ``writing`` has the root of
    a checkpoint under way.
    """

    def __init__(self, ctx: Context, namespace: Space, settle: Callable[[str], None]) -> None:
        self._ctx = ctx
        self._settle = settle
        self.writing: list[str] = []
        self._namespace = namespace
        self._lock = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._period = ctx.config.kvs.checkpoint_period
        # The root in the store, unknown after a failure, and the last one that certainly was there.
        self._written = self._durable = namespace.rootseq

    def changed(self) -> None:
        """Note that the namespace has a new root."""
        if self._timer is None and self._namespace.rootseq > self._written:
            self._timer = asyncio.get_running_loop().call_later(self._period or INTERVAL, self._due)

    def configure(self, config: Config) -> None:
        """Take the period over, also for a change that waits."""
        self._period = config.kvs.checkpoint_period
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.changed()

    def _due(self) -> None:
        self._timer = None
        self._ctx.spawn(self._follow(), "kvs checkpoint")

    async def _follow(self) -> None:
        try:
            await self._save(sync=False)
        except OSError as exc:
            if exc.errno == errno.ENOSYS:
                return  # no backing store: tried again with the next change
        self.changed()

    async def _save(self, *, sync: bool) -> None:
        async with self._lock:
            if self._namespace.rootseq > self._written:
                await self._write(self._namespace.rootref, self._namespace.rootseq, sync)

    async def commit(self, rootref: str, rootseq: int) -> None:
        """Write the root that is about to be published; it is durable when this returns.

        Raises OSError: ENOSYS without a backing store, ETIMEDOUT if it does not answer, or what it
        failed with.
        """
        async with self._lock:
            await self._write(rootref, rootseq, sync=True)

    async def _write(self, rootref: str, rootseq: int, sync: bool) -> None:
        value = {
            "version": 1,
            "rootref": rootref,
            "sequence": rootseq,
            "timestamp": self._ctx.now(),
        }
        self.writing.append(rootref)
        try:
            self._settle(rootref)
            async with asyncio.timeout(TIMEOUT):
                await self._ctx.handle.rpc("content.flush")
                await self._ctx.handle.rpc(
                    "kvs-checkpoint.put", {"key": PRIMARY_CHECKPOINT, "value": value, "sync": sync}
                )
        except TimeoutError:
            error = OSError(
                errno.ETIMEDOUT, f"the backing store has not answered for {TIMEOUT:g} seconds"
            )
        except OSError as exc:
            error = exc
            if exc.errno == errno.ENOSYS:
                error = OSError(errno.ENOSYS, "there is no backing store to make this durable")
        else:
            self._written = self._durable = rootseq
            return
        finally:
            self.writing.remove(rootref)
        self._written = _UNKNOWN
        if error.errno != errno.ENOSYS:
            self._ctx.log.err(f"checkpoint of root {rootseq} failed: {error.strerror}")
        raise error

    async def close(self) -> None:
        """Write what has changed since the last checkpoint.

        Raises OSError, saying what is lost, if that fails though the store outlives the instance.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            await self._save(sync=True)
        except OSError as exc:
            if self._ctx.store_persists:
                lost = f"what was committed after version {self._durable} is lost"
                raise OSError(
                    exc.errno, f"the final checkpoint failed, {lost}: {exc.strerror}"
                ) from exc


async def restore(ctx: Context, loader: ObjectLoader) -> tuple[str, int] | None:
    """Return the root and sequence number of the last checkpoint, its directory loaded; None if
    there is none.

    Raises OSError: EINVAL for a malformed checkpoint, and what the store or the root could not
    be read with.
    """
    try:
        answer = await ctx.handle.rpc("kvs-checkpoint.get", {"key": PRIMARY_CHECKPOINT})
    except OSError as exc:
        if exc.errno in (errno.ENOSYS, errno.ENOENT):
            return None
        raise
    value = answer.get("value")
    match {"sequence": 0, **value} if isinstance(value, dict) else None:
        case {"rootref": str(rootref), "sequence": int(sequence)} if (
            treeobj.is_blobref(rootref) and sequence >= 0
        ):
            pass
        case _:
            raise OSError(errno.EINVAL, "the checkpoint of the primary namespace is damaged")
    try:
        await loader.load([rootref], directory=True)
    except OSError as exc:
        text = f"the root of the last checkpoint, {rootref}, cannot be read: {exc.strerror}"
        raise OSError(exc.errno, text) from exc
    return rootref, sequence
