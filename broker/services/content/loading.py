"""Loading blobs: from the cache, from mapped files, or from where misses are served."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, TypeAlias

from broker.service import NO_REPLY, NoReply, Reply, Request, request
from broker.services.content import plain
from flux import blobpack, treeobj
from flux.wire.errors import error_of, os_error
from flux.wire.message import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from broker.context import Context
    from broker.services.content.cache import BlobCache
    from broker.services.content.mapping import Mapping
    from flux.blobpack import Blob
    from flux.wire.message import Message

Found: TypeAlias = "bytes | OSError"
"""A blob, or why it could not be had."""


class Loading:
    """The part of the content service that loads; ``has_backing`` tells whether rank 0 has a store
    to ask.
    """

    def __init__(
        self,
        ctx: Context,
        cache: BlobCache,
        mapping: Mapping,
        has_backing: Callable[[], bool],
    ) -> None:
        self._ctx = ctx
        self._cache = cache
        self._mapping = mapping
        self._has_backing = has_backing
        self._loads: dict[str, list[Callable[[Found], None]]] = {}

    @request("load", raw=True)
    def load(self, req: Request) -> Reply:
        """Return the blob whose blobref, or hash in bytes, is the payload; ENOENT if there is none.
        A large directory of the KVS is a *dir* object (RFC 11), however it is stored.
        """
        return self._load(req, lambda data: self._give_plain(req, data))

    @request("load-stored", raw=True)
    def load_stored(self, req: Request) -> Reply:
        """Return the blob whose blobref is the payload as it is stored: brokers ask each other so,
        and who knows *hdir* objects (RFC 11).
        """
        return self._load(req, lambda data: req.respond(data or None))

    @request("load-batch")
    def load_batch(self, req: Request) -> Reply:
        """Return those of the blobs {refs} that are at hand, as they are stored and packed as in
        flux.blobpack: here, or in a backing store that answers for many at once. Others can be
        asked for one by one.
        """
        refs = [ref for ref in req.get("refs", list) if treeobj.is_blobref(ref)]
        now = self._ctx.loop_time()
        found: list[Blob] = []
        missing: list[str] = []
        for ref in refs:
            data = self._cache.get(ref, now)
            if data is None:
                missing.append(ref)
            else:
                found.append((ref, data, 0))
        if not missing or self._ctx.rank > 0 or not self._has_backing():
            return self._give_all(req, found)

        def loaded(msg: Message) -> None:
            # What the kvs module asks for it keeps itself: it need not stay here, too.
            self._give_all(req, found if msg.errnum else [*found, *blobpack.blobs_of(msg)])

        payload = Shared({"refs": missing})
        self._ctx.handle.post("content-backing.load-batch", payload, loaded)
        return NO_REPLY

    @staticmethod
    def _give_all(req: Request, found: list[Blob]) -> Reply:
        req.respond(blobpack.shared(found))
        return NO_REPLY

    def _load(self, req: Request, give: Callable[[bytes], None]) -> Reply:
        """Have ``give`` answer with a blob."""
        ref = treeobj.requested_blobref(req.raw)
        if not treeobj.is_blobref(ref):
            raise os_error(errno.EINVAL)
        data = self._cache.get(ref, self._ctx.loop_time())
        if data is not None:
            give(data)
        else:
            self._fault(
                ref,
                lambda found: req.fail(found) if isinstance(found, OSError) else give(found),
            )
        return NO_REPLY

    def _give_plain(self, req: Request, data: bytes) -> None:
        if data.startswith(plain.HASHED):
            self._ctx.spawn(self._flatten(req, data), "directory as a whole")
        else:
            req.respond(data or None)

    async def _flatten(self, req: Request, data: bytes) -> None:
        req.respond(await plain.plain(treeobj.requested_blobref(req.raw), data, self._fetch))

    async def _fetch(self, ref: str) -> bytes:
        """Return a blob; raises OSError."""
        data = self._cache.get(ref, self._ctx.loop_time())
        if data is not None:
            return data
        found: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def loaded(data: Found) -> None:
            if found.done():
                return
            if isinstance(data, OSError):
                found.set_exception(data)
            else:
                found.set_result(data)

        self._fault(ref, loaded)
        return await found

    @request("validate", raw=True)
    def validate(self, req: Request) -> NoReply | None:
        """Answer without payload if the blob exists, ENOENT if not (RFC 10)."""
        ref = treeobj.requested_blobref(req.raw)
        if ref in self._cache:
            return None
        if not treeobj.is_blobref(ref):
            raise os_error(errno.EINVAL)
        self._fault(
            ref, lambda found: req.fail(found) if isinstance(found, OSError) else req.respond()
        )
        return NO_REPLY

    def _fault(self, ref: str, done: Callable[[Found], None]) -> None:
        """Get a blob from where misses are served, once for all who ask at the same time."""
        waiting = self._loads.get(ref)
        if waiting is not None:
            waiting.append(done)
            return
        mapped = self._mapping.has(ref)
        if self._ctx.rank == 0 and not self._has_backing() and not mapped:
            raise os_error(errno.ENOENT)
        self._loads[ref] = [done]
        if mapped:
            self._ctx.spawn(self._read(ref), "mapped file")
        elif self._ctx.rank == 0:
            self._ask_backing(ref)
        else:
            self._ctx.handle.post(
                "content.load-stored", ref, lambda msg: self._loaded(ref, msg), upstream=True
            )

    def _ask_backing(self, ref: str, before: OSError | None = None) -> None:
        """Ask the store; ``before`` tells more than it if it has no such blob."""
        self._ctx.handle.post(
            "content-backing.load", ref, lambda msg: self._loaded(ref, msg, before)
        )

    async def _read(self, ref: str) -> None:
        """Get a blob from a mapped file; if that has changed, from the store, where somebody may
        have put it too.
        """
        try:
            data = await self._mapping.read(ref)
        except OSError as error:
            if self._has_backing():
                self._ask_backing(ref, error)
            else:
                self._give(ref, error)
        else:
            # Not kept here: it is in no store, and the system has the file in its cache.
            self._give(ref, data)

    def _loaded(self, ref: str, msg: Message, before: OSError | None = None) -> None:
        if msg.errnum:
            self._give(ref, before or error_of(msg))
            return
        data = msg.payload or b""
        self._cache.add_clean(ref, data, self._ctx.loop_time())
        self._give(ref, data)

    def _give(self, ref: str, found: Found) -> None:
        for done in self._loads.pop(ref):
            done(found)
