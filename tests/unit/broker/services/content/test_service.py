"""The content service: alone, with a backing store, and over several ranks."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.service import Request, Service, request
from broker.services.content.service import ContentService
from broker.services.content_sqlite.service import ContentSqliteService
from flux import blobpack, treeobj
from flux.blobpack import HELD
from flux.dirblob import Buckets, name_hash
from flux.wire import json
from flux.wire.message import Raw
from tests.unit.broker.services.stores import store_behind
from tests.unit.broker.services.wired import Wired

if TYPE_CHECKING:
    from pathlib import Path

    from flux.aio import AsyncFlux


async def store(h: AsyncFlux, data: bytes, topic: str = "content.store") -> str:
    return (await h.rpc_message(topic, data or None)).text()


async def load(h: AsyncFlux, ref: str | bytes, topic: str = "content.load") -> bytes:
    return (await h.rpc_message(topic, ref)).payload or b""


async def errnum(work: Any) -> int:
    with pytest.raises(OSError) as caught:
        await work
    return caught.value.errno or 0


async def test_store_and_load_on_one_rank() -> None:
    wired = Wired()
    await wired.add(ContentService)
    h = wired.client()
    assert await store(h, b"hello\n") == "sha1-f572d396fae9206628714fb2ce00f72e94f2258f"
    for data in (b"hello\n", b"", b"{not json}\0", b"[1]\0", bytes(range(256)) * 1000):
        assert await load(h, await store(h, data)) == data
    assert await errnum(load(h, "sha1-" + "0" * 40)) == errno.ENOENT
    assert await errnum(load(h, "notablob")) == errno.EINVAL
    assert await load(h, bytes.fromhex("f572d396fae9206628714fb2ce00f72e94f2258f")) == b"hello\n"
    for digest in (bytes(20), bytes(32)):
        assert await errnum(load(h, digest)) == errno.ENOENT
    assert await errnum(load(h, bytes(19))) == errno.EINVAL
    assert await errnum(h.rpc("content.flush")) == errno.ENOSYS
    assert await errnum(h.rpc("content.validate", "sha1-" + "0" * 40)) == errno.ENOENT
    assert await h.rpc("content.validate", treeobj.blobref(b"")) == {}
    await h.rpc("content.dropcache")
    assert await load(h, treeobj.blobref(b"hello\n")) == b"hello\n"


async def test_blob_size_limit() -> None:
    wired = Wired()
    wired.ranks[0].attrs.define("content.blob-size-limit", "10")
    await wired.add(ContentService)
    h = wired.client()
    assert await errnum(store(h, b"x" * 11)) == errno.EFBIG
    assert await load(h, await store(h, b"x" * 10)) == b"x" * 10
    wired.ranks[0].attrs.set("content.blob-size-limit", "11")
    assert await store(h, b"x" * 11)
    with pytest.raises(OSError):
        wired.ranks[0].attrs.set("content.blob-size-limit", "-1")


async def test_guests_are_refused() -> None:
    wired = Wired()
    await wired.add(ContentService)
    guest = wired.client(userid=2000)
    assert await errnum(store(guest, b"x")) == errno.EPERM
    assert await errnum(load(guest, treeobj.blobref(b"x"))) == errno.EPERM


async def test_hash_is_chosen_at_start() -> None:
    wired = Wired()
    wired.ranks[0].attrs.define("content.hash", "sha256")
    await wired.add(ContentService)
    assert (await store(wired.client(), b"x")).startswith("sha256-2d711642")
    other = Wired()
    other.ranks[0].attrs.define("content.hash", "md5")
    with pytest.raises(OSError) as caught:
        await other.add(ContentService)
    assert caught.value.errno == errno.EINVAL


async def test_blobs_reach_every_rank() -> None:
    wired = Wired(4)
    for rank in range(4):
        await wired.add(ContentService, rank)
    ref = await store(wired.client(3), b"from three")
    assert wired.seen.count("content.store") == 4
    assert await store(wired.client(3), b"from three") == ref
    assert wired.seen.count("content.store") == 5
    for rank in range(4):
        assert await load(wired.client(rank), ref) == b"from three"
    ref = await store(wired.client(0), b"from zero")
    h = wired.client(3)
    assert [*await asyncio.gather(load(h, ref), load(h, ref))] == [b"from zero"] * 2
    assert wired.seen.count("content.load") == 4 + 2
    assert wired.seen.count("content.load-stored") == 3  # of brokers: one load each
    assert await errnum(load(h, "sha1-" + "0" * 40)) == errno.ENOENT
    await h.rpc("content.dropcache")
    assert wired.ranks[3].attrs.get("content.acct-entries") == "0"
    assert await load(h, ref) == b"from zero"


async def backed(tmp_path: Path) -> Wired:
    wired = Wired(1, str(tmp_path))
    await wired.add(ContentService)
    await wired.add(ContentSqliteService)
    return wired


async def test_write_back_and_flush(tmp_path: Path) -> None:
    wired = await backed(tmp_path)
    attrs = wired.ranks[0].attrs
    h = wired.client()
    assert attrs.get("content.backing-module") == "content-sqlite"
    refs = [await store(h, b"blob %d" % number) for number in range(600)]
    assert attrs.get("content.acct-entries") == "600"
    await h.rpc("content.flush")
    assert attrs.get("content.acct-dirty") == "0"
    assert wired.seen.count("content-backing.store-batch") >= 3
    await h.rpc("content.dropcache")
    assert attrs.get("content.acct-size") == "0"
    assert await load(h, refs[599]) == b"blob 599"
    assert await load(h, refs[0], "content-backing.load") == b"blob 0"
    await wired.close()


async def test_flush_does_not_wait_for_what_comes_later(tmp_path: Path) -> None:
    wired = await backed(tmp_path)
    h = wired.client()
    await store(h, b"before")
    stored = 0

    def again(_: Any) -> None:
        nonlocal stored
        stored += 1
        if stored < 5000:
            h.post("content.store", b"later %d" % stored, again)

    for _ in range(3):
        again(None)
    await h.rpc("content.flush")
    assert stored < 1000
    assert wired.ranks[0].attrs.get("content.acct-entries") != "0"
    stored = 5000
    await wired.close()


async def test_heartbeat_purges_what_is_stored(tmp_path: Path) -> None:
    wired = await backed(tmp_path)
    attrs = wired.ranks[0].attrs
    attrs.set("content.purge-target-size", "100")
    attrs.set("content.purge-old-entry", "0")
    h = wired.client()
    for number in range(20):
        await store(h, b"%010d" % number)
    await h.rpc("content.flush")
    wired.publish("heartbeat.pulse")
    await h.rpc("content.ping", {"seq": 1})
    assert attrs.get("content.acct-size") == "100"
    await wired.close()


class BrokenStore(Service):
    """A backing store that takes single blobs, and fails while ``full``."""

    name = "broken"
    also = ("content-backing",)
    full = True

    async def start(self, args: list[str]) -> None:
        self.blobs: dict[str, bytes] = {}
        await self.ctx.handle.rpc("content.register-backing", {"name": self.name})

    @request("content-backing.store", absolute=True, raw=True)
    def store(self, req: Request) -> str:
        if self.full:
            raise OSError(errno.ENOSPC, "the disk is full")
        data = req.raw or b""
        self.blobs[treeobj.blobref(data)] = data
        return treeobj.blobref(data)


async def test_a_full_store_is_reported_and_nothing_is_lost() -> None:
    wired = Wired()
    await wired.add(ContentService)
    backing = await wired.add(BrokenStore)
    h = wired.client()
    ref = await store(h, b"precious")
    assert await errnum(h.rpc("content.flush")) == errno.ENOSPC
    assert any("the disk is full" in entry.text for entry in wired.logs)
    await h.rpc("content.dropcache")
    assert await load(h, ref) == b"precious"
    backing.full = False
    await h.rpc("content.flush")
    assert backing.blobs == {ref: b"precious"}
    assert await errnum(h.rpc("content.register-backing", {"name": "second"})) == errno.EINVAL
    await h.rpc("content.unregister-backing")
    assert await errnum(h.rpc("content.unregister-backing")) == errno.EINVAL
    assert await errnum(h.rpc("content.flush")) == errno.ENOSYS


async def test_a_store_on_another_rank_reaches_the_backing_store_as_a_users(tmp_path: Path) -> None:
    """Also when that rank has the blob already, from the key-value store."""
    wired = Wired(2, str(tmp_path))
    for rank in (0, 1):
        await wired.add(ContentService, rank)
    await wired.add(ContentSqliteService)
    ref = treeobj.blobref(b"both")
    await wired.client().rpc("content.store-batch", Raw(blobpack.pack([(ref, b"both", 0)])))
    assert await load(wired.client(1), ref) == b"both"
    assert await store(wired.client(1), b"both") == ref
    await wired.client().rpc("content.flush")
    db = store_behind(wired).db
    assert db.execute("SELECT pinned FROM objects").fetchall() == [(1,)]
    await wired.close()


async def test_held_blobs_are_written_when_settled(tmp_path: Path) -> None:
    wired = await backed(tmp_path)
    h = wired.client()
    blobs = [(treeobj.blobref(data), data, HELD) for data in (b"one", b"two", b"three")]
    await h.rpc("content.store-batch", Raw(blobpack.pack(blobs)))
    await h.rpc("content.flush")
    await h.rpc("content.dropcache")
    assert (await h.rpc("content.stats.get"))["held"] == 3
    await h.rpc("content.settle", {"settle": [blobs[0][0], "nonsense", 7], "free": [blobs[1][0]]})
    await h.rpc("content.flush")
    await h.rpc("content.dropcache")
    assert wired.ranks[0].attrs.get("content.acct-entries") == "1"
    assert await load(h, blobs[0][0], "content-backing.load") == b"one"
    assert await load(h, blobs[2][0]) == b"three"
    assert await errnum(load(h, blobs[1][0])) == errno.ENOENT
    assert await errnum(load(h, blobs[2][0], "content-backing.load")) == errno.ENOENT
    await wired.close()


# Directories of the KVS


def hashed(buckets: list[str | None], divisor: int = 1) -> bytes:
    """An hdir object as the KVS stores it."""
    refs = {index: ref for index, ref in enumerate(buckets) if ref is not None}
    return Buckets(refs, divisor, len(buckets)).blob()


async def test_a_hashed_directory_is_given_as_a_whole() -> None:
    wired = Wired(3)
    for rank in range(3):
        await wired.add(ContentService, rank)
    h = wired.client(2)
    names = [f"key{number}" for number in range(100)]
    values = {name: treeobj.val(name.encode()) for name in names}

    def bucket(divisor: int, size: int, index: int, among: list[str]) -> list[str]:
        return [name for name in among if name_hash(name) // divisor % size == index]

    below: list[str | None] = []
    for index in range(4):
        entries = {name: values[name] for name in bucket(1, 4, index, names)}
        if index == 2:  # one of the buckets is hashed in turn
            inner: list[str | None] = []
            for deeper in range(2):
                some = bucket(4, 2, deeper, list(entries))
                part = treeobj.directory({name: entries[name] for name in some})
                inner.append(await store(h, json.dumps(part)))
            below.append(await store(h, hashed(inner, 4)))
        else:
            below.append(await store(h, json.dumps(treeobj.directory(entries))))
    blob = hashed(below)
    ref = await store(h, blob)
    for rank in range(3):
        found = json.loads(await load(wired.client(rank), ref))
        assert found == treeobj.directory(values)
        assert list(found["data"]) == sorted(names)
        assert await load(wired.client(rank), ref, "content.load-stored") == blob


@pytest.mark.parametrize("bucket", ["sha1-" + "0" * 40, None])
async def test_what_only_looks_like_one_is_given_as_it_is(bucket: str | None) -> None:
    wired = Wired(2)
    for rank in range(2):
        await wired.add(ContentService, rank)
    h = wired.client(1)
    bucket = bucket or await store(h, b"no directory")
    for blob in (hashed([bucket, None]), b'{"data":{"bucket":[ and so on'):
        assert await load(h, await store(h, blob)) == blob


async def test_many_blobs_are_loaded_with_one_request_of_the_backing_store(tmp_path: Path) -> None:
    wired = Wired(1, str(tmp_path))
    await wired.add(ContentService)
    await wired.add(ContentSqliteService)
    h = wired.client()
    blobs = {treeobj.blobref(data): data for data in (b"%d" % number * 50 for number in range(500))}
    await h.rpc("content.store-batch", blobpack.shared([(*item, 0) for item in blobs.items()]))
    await h.rpc("content.flush")
    await h.rpc("content.dropcache")
    here = await store(h, b"not written yet")
    wanted = [*blobs, here, treeobj.blobref(b"none"), 7]
    msg = await h.rpc_message("content.load-batch", {"refs": wanted})
    found = {ref: data for ref, data, _ in blobpack.unpack(msg.payload or b"")}
    assert found == {**blobs, here: b"not written yet"}
    loads = [topic for topic in wired.seen if topic.startswith("content-backing.load")]
    assert loads == ["content-backing.load-batch"]
    await wired.close()


async def test_without_a_store_for_many_at_once_what_is_at_hand_is_returned() -> None:
    wired = Wired()
    await wired.add(ContentService)
    h = wired.client()
    ref = await store(h, b"a")
    msg = await h.rpc_message("content.load-batch", {"refs": [ref, treeobj.blobref(b"none")]})
    assert blobpack.unpack(msg.payload or b"") == [(ref, b"a", 0)]
