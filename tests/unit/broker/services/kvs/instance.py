"""The kvs module with the content service behind it, and requests to it, for the tests of this
folder.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.service import NO_REPLY, Request, Service, request
from broker.services.content.service import ContentService
from broker.services.content_sqlite.service import ContentSqliteService
from broker.services.kvs.service import KvsService
from flux import blobpack, treeobj
from tests.unit.broker.services.wired import Wired

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from broker.context import Context
    from flux.aio import AsyncFlux
    from flux.kvs_txn import Txn


class ScriptedStore(Service):
    """A backing store in memory that fails, or waits, as a test says; ``log`` lists its
    checkpoints.
    """

    name = "scripted"
    also = ("content-backing", "kvs-checkpoint")

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.blobs: dict[str, bytes] = {}
        self.checkpoint: dict[str, Any] | None = None
        self.log: list[tuple[int, bool]] = []
        self.store_error: OSError | None = None
        self.checkpoint_error: OSError | None = None
        self.holding = False
        self._held: list[Request] = []

    async def start(self, args: list[str]) -> None:
        await self.ctx.handle.rpc("content.register-backing", {"name": self.name, "batch": True})

    async def stop(self) -> None:
        await self.ctx.handle.rpc("content.unregister-backing")

    @request("content-backing.load", absolute=True, raw=True)
    def load(self, req: Request) -> bytes | None:
        if req.message.text() not in self.blobs:
            raise OSError(errno.ENOENT, "No such file or directory")
        return self.blobs[req.message.text()] or None

    @request("content-backing.store-batch", absolute=True, raw=True)
    def store_batch(self, req: Request) -> None:
        if self.store_error is not None:
            raise self.store_error
        self.blobs.update({ref: data for ref, data, _ in blobpack.unpack(req.raw or b"")})

    @request("kvs-checkpoint.put", absolute=True)
    def put(self, req: Request) -> Any:
        if self.holding:
            self._held.append(req)
            return NO_REPLY
        self._put(req)
        return None

    def _put(self, req: Request) -> None:
        if self.checkpoint_error is not None:
            raise self.checkpoint_error
        value = req.get("value", dict)
        assert value["rootref"] in self.blobs
        self.checkpoint = value
        self.log.append((value["sequence"], req.get("sync", bool)))

    @property
    def held(self) -> int:
        """How many checkpoints wait for `release`."""
        return len(self._held)

    def release(self) -> None:
        """Answer the checkpoints that were held back, and hold back no more."""
        self.holding = False
        held, self._held = self._held, []
        for req in held:
            try:
                self._put(req)
            except OSError as exc:
                req.fail(exc)
            else:
                req.respond()

    @request("kvs-checkpoint.get", absolute=True)
    def get(self, req: Request) -> dict[str, Any]:
        if self.checkpoint is None:
            raise OSError(errno.ENOENT, "No such file or directory")
        return {"value": self.checkpoint}


async def boot(
    size: int = 1, rundir: str = "/nonexistent", *, store: type[Service] | None = None
) -> Wired:
    """Start content and kvs modules on ``size`` ranks, and a backing store on rank 0."""
    wired = Wired(size, rundir)
    for rank in range(size):
        await wired.add(ContentService, rank)
        if store is not None and rank == 0:
            await wired.add(store)
        await wired.add(KvsService, rank)
    return wired


async def boot_sqlite(rundir: str) -> Wired:
    """Start the modules of one rank with the store of a real instance."""
    return await boot(rundir=rundir, store=ContentSqliteService)


async def commit(
    h: AsyncFlux, txn: Txn, namespace: str = "primary", flags: int = 0
) -> dict[str, Any]:
    return await commit_ops(h, txn.ops, namespace, flags)


async def commit_ops(
    h: AsyncFlux, ops: list[Any], namespace: str = "primary", flags: int = 0
) -> dict[str, Any]:
    """Commit operations that no well-behaved client would send."""
    return await h.rpc("kvs.commit", {"namespace": namespace, "flags": flags, "ops": ops})


async def look(
    h: AsyncFlux, key: str, flags: int = 0, namespace: str = "primary"
) -> dict[str, Any]:
    body = {"key": key, "namespace": namespace, "flags": flags}
    found: dict[str, Any] = (await h.rpc("kvs.lookup", body))["val"]
    return found


async def get(h: AsyncFlux, key: str, namespace: str = "primary") -> bytes:
    return treeobj.decode_val(await look(h, key, 0, namespace))


async def version(h: AsyncFlux) -> int:
    return int((await h.rpc("kvs.getroot", {"namespace": "primary"}))["rootseq"])


async def outcomes(*work: Awaitable[dict[str, Any]]) -> list[dict[str, Any] | BaseException]:
    """Return what several requests that are sent at once are answered, or raise."""
    return await asyncio.gather(*work, return_exceptions=True)


async def errnum(work: Any) -> int:
    """Return the error number of an RPC that has to fail, with a sentence free of Python."""
    with pytest.raises(OSError) as caught:
        await work
    for word in ("Error(", "Traceback", "internal error", "object has no", "recursion"):
        assert word not in str(caught.value)
    return caught.value.errno or 0


def kvs_of(wired: Wired, rank: int = 0) -> KvsService:
    """Return the kvs module of a rank."""
    service = wired.ranks[rank].services["kvs"]
    assert isinstance(service, KvsService)
    return service
