"""Loading objects of the hash tree from the content service into the cache."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from broker.services.kvs.way import missing_on_the_way
from flux import blobpack
from flux.wire.errors import error_of
from flux.wire.message import Shared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from broker.services.kvs.cache import ObjectCache
    from flux.aio import AsyncFlux
    from flux.wire.message import Message


class ObjectLoader:
    """Loads objects; those asked for several times at once are loaded once. ``faults`` counts the
    loads.
    """

    def __init__(self, handle: AsyncFlux, cache: ObjectCache) -> None:
        self._handle = handle
        self._cache = cache
        self._loading: dict[str, asyncio.Future[bytes]] = {}
        self.faults = 0

    def __len__(self) -> int:
        return len(self._loading)

    async def load(self, refs: list[str], *, directory: bool) -> None:
        """Load ``refs`` into the cache.

        Raises OSError as the content service does, ENOENT for an unknown blob, EINVAL for one that
        is not the directory it should be.
        """
        for error in (await self.load_each(refs, directory=directory)).values():
            raise error

    async def load_each(self, refs: list[str], *, directory: bool) -> dict[str, OSError]:
        """Load into the cache what of ``refs`` can be loaded; returns the errors of the others."""
        if len(refs) > 1:
            refs = await self._load_together(refs, directory=directory)
        loads = {ref: self._start(ref) for ref in refs}
        if loads:  # unlike gather, wait leaves them to others if this task is cancelled
            await asyncio.wait(loads.values())
        errors: dict[str, OSError] = {}
        for ref, future in loads.items():
            try:
                error = self._keep(ref, future.result(), directory=directory)
            except OSError as exc:
                error = exc
            if error is not None:
                errors[ref] = error
        return errors

    async def load_way(
        self, rootref: str, paths: Sequence[Sequence[str]], broken: Mapping[str, OSError]
    ) -> dict[str, OSError]:
        """Load into the cache the directories on the way to the keys ``paths``, all of a level at
        once, but for those that are ``broken``; returns the errors of those that cannot be loaded.
        """
        errors = dict(broken)
        while True:
            with self._cache.failing(errors):
                refs = missing_on_the_way(rootref, paths, self._cache.directory)
            if not refs:
                return errors
            errors |= await self.load_each(refs, directory=True)

    async def _load_together(self, refs: list[str], *, directory: bool) -> list[str]:
        """Load into the cache what can be had with one request; returns the others."""
        try:
            msg = await self._handle.rpc_message("content.load-batch", Shared({"refs": refs}))
        except OSError:
            return refs
        left = dict.fromkeys(refs)
        for ref, data, _ in blobpack.blobs_of(msg):
            self.faults += 1
            if ref in left and self._keep(ref, data, directory=directory) is None:
                del left[ref]
        return list(left)

    def _keep(self, ref: str, data: bytes, *, directory: bool) -> OSError | None:
        """Put a blob into the cache; returns what is wrong with it."""
        try:
            if directory:
                self._cache.load_directory(ref, data)
            else:
                self._cache.add_value(ref, data)
        except OSError as exc:
            return exc
        return None

    def _start(self, ref: str) -> asyncio.Future[bytes]:
        future = self._loading.get(ref)
        if future is None:
            self.faults += 1
            future = self._loading[ref] = asyncio.get_running_loop().create_future()
            try:
                self._handle.post("content.load-stored", ref, lambda msg: self._loaded(ref, msg))
            except BaseException:
                del self._loading[ref]
                raise
        return future

    def _loaded(self, ref: str, msg: Message) -> None:
        future = self._loading.pop(ref)
        if future.done():
            return
        if msg.errnum:
            future.set_exception(error_of(msg))
            future.exception()
        else:
            future.set_result(msg.payload or b"")


def cache_figures(cache: ObjectCache, loader: ObjectLoader, dirty: int) -> dict[str, object]:
    """Return the statistics of the objects at hand and on their way; ``dirty`` are being stored."""
    sizes = cache.sizes()
    return {
        "obj size total (MiB)": sum(sizes) / 1048576,
        "obj size (KiB)": _summary([size / 1024 for size in sizes]),
        "#obj dirty": dirty,
        "#obj incomplete": len(loader),
        "#faults": loader.faults,
    }


def _summary(values: list[float]) -> dict[str, object]:
    count = len(values)
    mean = sum(values) / count if count else 0.0
    variance = sum((value - mean) ** 2 for value in values) / (count - 1) if count > 1 else 0.0
    return {
        "count": count,
        "min": min(values, default=0.0),
        "mean": mean,
        "stddev": math.sqrt(variance),
        "max": max(values, default=0.0),
    }
