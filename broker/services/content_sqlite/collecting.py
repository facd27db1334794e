"""When the store is collected, and the collection's course: steps of a few milliseconds in the
store's thread, pauses between them.

Automatic collections begin when what is probably dead exceeds ``content.collect-growth`` percent
of the bytes that were in use after the last one, and ``content.collect-minimum`` has been stored
since. ``flux content gc`` asks for one.
"""

from __future__ import annotations

import asyncio
import errno
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from broker.services.content_sqlite.collector import Collection

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.services.content_sqlite.store import BlobStore, Totals
    from broker.services.content_sqlite.writer import Writer

# Steps are short, for a store that ends with the instance is gone through on the event loop. A
# quarter of the time is used, with more effort half of it and more.
STEP: Final = 0.001
PAUSE: Final = 0.003
# So much harder is a store collected that grows faster than it is collected.
EFFORT_MAX: Final = 4
LEAST_SHARE: Final = 0.25
RETRY: Final = 60.0
SETTINGS: Final = (
    ("content.collect-growth", "growth", 30),
    ("content.collect-minimum", "minimum", 16 << 20),
)
Result = dict[str, object]


def is_due(totals: Totals, growth: int) -> bool:
    """Return whether so much is dead, most likely, that finding it is worth the look at all that is
    not: more than ``growth`` percent of it.

    Of what was stored since the last collection the same share is taken for dead as the last one
    found to be, but a quarter at least. So a store that only grows is gone through whenever it has
    doubled, and what a job or a key costs does not depend on how many there are.
    """
    share = max(totals.dead, LEAST_SHARE)
    return totals.fresh * share * 100 >= growth * totals.live


def effort(totals: Totals, since: int) -> int:
    """Return how hard to collect a store: once as long as a third of its bytes at most has come
    ``since``, that many fresh bytes, and so many times more the more it is, up to `EFFORT_MAX`
    times.
    """
    grown = max(0, totals.fresh - since)
    return 1 + min(EFFORT_MAX - 1, 3 * grown // max(1, totals.bytes - grown))


class Collecting:
    """Collects one store, one collection at a time. ``holds`` is how many clients are storing what
    nothing refers to yet.
    """

    def __init__(self, ctx: Context, writer: Writer, store: BlobStore) -> None:
        self._ctx = ctx
        self._writer = writer
        self._store = store
        self.growth = self.minimum = 0
        self.holds = 0
        self.count = 0
        self.last: Result = {}
        self._task: asyncio.Task[Result | OSError] | None = None
        self._not_before = 0.0
        for attribute, field, default in SETTINGS:
            setattr(self, field, default)
            ctx.attrs.define_number(attribute, self, field, least=0)

    @property
    def running(self) -> bool:
        """Whether a collection is under way."""
        return self._task is not None

    def check(self) -> None:
        """Begin a collection if enough has been stored since the last."""
        totals = self._store.totals
        if self._task is not None or not self.growth or totals.fresh < self.minimum or self.holds:
            return
        if is_due(totals, self.growth) and self._ctx.loop_time() >= self._not_before:
            self._begin()

    async def collect(self) -> Result:
        """Collect what is dead now; returns what was found. Raises OSError.

        A collection under way may have passed by what has died since it began: it is waited for,
        and another one follows.
        """
        if self._task is not None:
            await asyncio.wait([self._task])
        result = await asyncio.shield(self._begin())
        if isinstance(result, OSError):
            raise result
        return result

    def _begin(self) -> asyncio.Task[Result | OSError]:
        if self._task is None:
            self._task = self._ctx.spawn(self._run(), "content collection")
        return self._task

    async def _run(self) -> Result | OSError:
        started = self._ctx.loop_time()
        try:
            found = await self._collect()
        except OSError as exc:
            self._ctx.log.err(f"collection given up: {exc.strerror}")
            self._not_before = self._ctx.loop_time() + RETRY
            return exc
        finally:
            self._task = None
        self.count += 1
        self.last = {**found, "seconds": round(self._ctx.loop_time() - started, 3)}
        self._ctx.log.debug(
            f"collection: dropped {found['dropped_objects']} blobs, {found['dropped_bytes']} bytes"
        )
        return self.last

    async def _collect(self) -> Result:
        if self.holds:
            raise OSError(errno.EBUSY, "a restore is under way")
        collection = await self._writer.run(lambda: Collection(self._store))
        handle = self._ctx.handle
        try:
            await handle.rpc("content.collect-begin")
            since = await self._mark(collection)
            await self._wait_until(since + float(self._ctx.attrs.get("content.grace-period") or 0))
            await self._mark(collection)
            await self._steps(collection, collection.sweep)
            await self._steps(collection, collection.shrink)
            await self._writer.run(lambda: collection.finish(time.time()))
        finally:
            await self._writer.run(collection.close)
            with suppress(OSError):
                await handle.rpc("content.collect-end")
        return {
            "dropped_objects": collection.dropped_objects,
            "dropped_bytes": collection.dropped_bytes,
        }

    async def _wait_until(self, when: float) -> None:
        await asyncio.sleep(max(0.0, when - self._ctx.loop_time()))

    async def _mark(self, collection: Collection) -> float:
        """Mark from the roots that are in use now; returns when that was."""
        handle = self._ctx.handle
        roots: list[str] = []
        values: list[str] = []
        try:
            found = await handle.rpc("kvs.collect-roots")
            roots, values = found["roots"], found["values"]
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                raise
        since = self._ctx.loop_time()
        await handle.rpc("content.flush")
        await self._writer.run(lambda: collection.add_roots(roots, values))
        while True:
            await self._steps(collection, lambda: collection.mark(STEP))
            missing, collection.missing = collection.missing, []
            if not missing:
                return since
            for ref in missing:
                await self._follow(collection, ref)

    async def _follow(self, collection: Collection, ref: str) -> None:
        """Follow a directory that is in the memory of the content service only, if it is
        anywhere.
        """
        try:
            blob = (await self._ctx.handle.rpc_message("content.load-stored", ref)).payload or b""
        except OSError as exc:
            if exc.errno != errno.ENOENT:
                raise
            return
        await self._writer.run(lambda: collection.add_directory(ref, blob))

    async def _steps(self, collection: Collection, step: Callable[[], bool]) -> None:
        while not await self._writer.run(step):
            collection.effort = effort(self._store.totals, collection.fresh)
            await asyncio.sleep(PAUSE / collection.effort**2)

    async def stop(self) -> None:
        """Give up a collection under way."""
        task = self._task
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await task
