"""The content-sqlite module."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.content.service import ContentService
from broker.services.content_sqlite import collector
from broker.services.content_sqlite.collecting import Collecting
from broker.services.content_sqlite.service import ContentSqliteService
from broker.services.kvs.service import KvsService
from flux import treeobj
from flux.kvs_txn import SYNC, Txn
from tests.unit.broker.services.stores import store_behind
from tests.unit.broker.services.wired import Wired

if TYPE_CHECKING:
    from pathlib import Path

    from flux.aio import AsyncFlux


async def boot(rundir: Path, path: Path | None = None) -> Wired:
    wired = Wired(1, str(rundir))
    if path is not None:
        wired.ranks[0].attrs.define("content.backing-path", str(path))
    await wired.add(ContentService)
    await wired.add(ContentSqliteService)
    return wired


async def errnum(work: Any) -> int:
    with pytest.raises(OSError) as caught:
        await work
    return caught.value.errno or 0


async def test_stores_of_one_turn_share_a_transaction(tmp_path: Path) -> None:
    wired = await boot(tmp_path)
    assert wired.ranks[0].attrs.get("content.backing-path") == str(tmp_path / "content.sqlite")
    h = wired.client()
    blobs = [b"blob %d" % number for number in range(50)]
    answers = await asyncio.gather(
        *(h.rpc_message("content-backing.store", blob) for blob in blobs)
    )
    assert [answer.text() for answer in answers] == [treeobj.blobref(blob) for blob in blobs]
    stats = await h.rpc("content-sqlite.stats.get")
    assert (stats["object_count"], stats["store"]) == (50, 50)
    assert await errnum(h.rpc("content-backing.load", treeobj.blobref(b"unknown"))) == errno.ENOENT
    assert await errnum(h.rpc("content-backing.load", "nonsense")) == errno.ENOENT
    foreign = treeobj.blobref(b"blob 1", "sha256")
    assert await errnum(h.rpc("content-backing.load", foreign)) == errno.ENOENT
    await wired.close()


async def test_checkpoints(tmp_path: Path) -> None:
    wired = await boot(tmp_path)
    h = wired.client()
    assert await errnum(h.rpc("kvs-checkpoint.get", {"key": "k"})) == errno.ENOENT
    await h.rpc("kvs-checkpoint.put", {"key": "k", "value": {"rootref": "x"}})
    assert await h.rpc("kvs-checkpoint.get", {"key": "k"}) == {"value": {"rootref": "x"}}
    assert await errnum(h.rpc("kvs-checkpoint.put", {"key": "k"})) == errno.EPROTO
    value = {"rootref": f"sha1-{'0' * 40}", "sequence": 1}
    assert await errnum(h.rpc("content-backing.checkpoint-get", {})) == errno.ENOENT
    assert await errnum(h.rpc("content-backing.checkpoint-put", {"value": {}})) == errno.EINVAL
    await h.rpc("content-backing.checkpoint-put", {"value": value})
    assert await h.rpc("content-backing.checkpoint-get", {}) == {"value": [value]}
    assert await errnum(h.rpc("kvs-checkpoint.put", {"key": "", "value": 1})) == errno.EINVAL
    await wired.close()


async def test_a_given_path_is_used_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    wired = await boot(tmp_path, path)
    ref = (await wired.client().rpc_message("content.store", b"kept")).text()
    await wired.close()
    assert path.exists()
    again = await boot(tmp_path, path)
    assert (await again.client().rpc_message("content.load-stored", ref)).payload == b"kept"
    await again.close()


async def test_rank_0_only(tmp_path: Path) -> None:
    wired = Wired(2, str(tmp_path))
    with pytest.raises(OSError) as caught:
        await wired.add(ContentSqliteService, 1)
    assert caught.value.errno == errno.EINVAL


async def commit(h: AsyncFlux, key: str, value: bytes | None, flags: int = SYNC) -> None:
    txn = Txn().unlink(key) if value is None else Txn().put_raw(key, value)
    await h.rpc("kvs.commit", {"namespace": "primary", "flags": flags, "ops": txn.ops})


async def booted(rundir: Path, **attrs: str) -> Wired:
    """Content, store and kvs; nothing is collected by itself, what is superseded may go at once."""
    wired = Wired(1, str(rundir))
    for name, value in {
        "content.grace-period": "0",
        "content.collect-growth": "0",
        **attrs,
    }.items():
        wired.ranks[0].attrs.define(name, value)
    for kind in (ContentService, ContentSqliteService, KvsService):
        await wired.add(kind)
    return wired


async def test_collection_drops_what_is_not_in_use_and_says_so(tmp_path: Path) -> None:
    wired = await booted(tmp_path)
    h = wired.client()
    pinned = (await h.rpc_message("content.store", b"p" * 1000)).text()
    await h.rpc_message("content-backing.store", b"q" * 1000)
    for number in range(50):
        await commit(h, "a.b", b"%d" % number * 1000)
    before = await h.rpc("content-sqlite.stats.get")
    found = await h.rpc("content-sqlite.collect")
    stats = await h.rpc("content-sqlite.stats.get")
    assert found["dropped_objects"] == before["object_count"] - stats["object_count"] >= 49 * 3
    assert found["dropped_bytes"] == before["live_bytes"] - stats["live_bytes"] > 49 * 1000
    assert stats["live_bytes"] < 1000 * 2 + 2 * 1000 + 1000
    assert stats["dead_bytes"] == 0
    assert stats["file_bytes"] <= before["file_bytes"]
    assert stats["collections"] == 1
    assert not stats["collecting"]
    assert stats["last_collection"].items() >= found.items()
    assert stats["last_collection"]["timestamp"] > 1e9
    await h.rpc("content.dropcache")
    for ref, data in ((pinned, b"p" * 1000), (treeobj.blobref(b"q" * 1000), b"q" * 1000)):
        assert (await h.rpc_message("content.load-stored", ref)).payload == data
    await commit(h, "a.c", b"x" * 700)
    assert (await h.rpc("content-sqlite.stats.get"))["dead_bytes"] > 0
    await wired.close()


async def test_a_blob_that_a_user_stores_after_the_kvs_is_kept(tmp_path: Path) -> None:
    wired = await booted(tmp_path)
    h = wired.client()
    await commit(h, "a", b"both" * 100)
    ref = (await h.rpc_message("content.store", b"both" * 100)).text()
    await commit(h, "a", None)
    await h.rpc("content-sqlite.collect")
    await h.rpc("content.dropcache")
    assert (await h.rpc_message("content.load-stored", ref)).payload == b"both" * 100
    await wired.close()


async def test_collection_begins_by_itself_when_the_store_has_grown(tmp_path: Path) -> None:
    attrs = {"content.collect-growth": "50", "content.collect-minimum": "20000"}
    wired = await booted(tmp_path, **attrs)
    h = wired.client()
    for number in range(40):
        await commit(h, "a.b", b"%d" % number * 1000)
    async with asyncio.timeout(60):
        while not (await h.rpc("content-sqlite.stats.get"))["collections"]:
            await commit(h, "a.c", None)
    for name, value in (("content.collect-growth", "x"), ("content.collect-minimum", "-1")):
        with pytest.raises(OSError):
            wired.ranks[0].attrs.set(name, value)
    await wired.close()


async def test_what_dies_while_a_collection_runs_is_dropped_for_who_asks_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wired = await booted(tmp_path)
    h = wired.client()
    await commit(h, "a.b", b"x" * 500)
    over = asyncio.Event()
    monkeypatch.setattr(Collecting, "_wait_until", lambda *_: over.wait())
    first = asyncio.ensure_future(h.rpc("content-sqlite.collect"))
    while not (await h.rpc("content-sqlite.stats.get"))["collecting"]:
        await asyncio.sleep(0)
    await commit(h, "a.b", b"y" * 500)
    await h.rpc("content.flush")
    await commit(h, "a.b", b"z" * 500)
    second = asyncio.ensure_future(h.rpc("content-sqlite.collect"))
    assert await h.rpc("content-sqlite.ping", {"seq": 0})
    over.set()
    await first
    assert (await second)["dropped_bytes"] >= 500
    assert (await h.rpc("content-sqlite.stats.get"))["collections"] == 2
    await wired.close()


async def test_a_hold_puts_collections_off(tmp_path: Path) -> None:
    wired = await booted(tmp_path)
    h, other = wired.client(), wired.client()
    for value in (b"x" * 500, b"y" * 500):
        await commit(h, "a.b", value)
    async with other.stream("content-sqlite.hold", {}) as stream:
        assert await anext(aiter(stream)) == {}
        assert await errnum(h.rpc("content-sqlite.collect")) == errno.EBUSY
    wired.disconnect(other)
    assert (await h.rpc("content-sqlite.collect"))["dropped_objects"] > 0
    await wired.close()


async def test_a_damaged_tree_is_not_collected(tmp_path: Path) -> None:
    wired = await booted(tmp_path)
    h = wired.client()
    await commit(h, "a.b", b"x" * 500)
    await commit(h, "a.c", b"y" * 500)
    store = store_behind(wired)
    before = store.totals.objects
    store.db.execute("UPDATE objects SET object = x'7b7d' WHERE instr(object, '\"dirref\"') > 0")
    assert await errnum(h.rpc("content-sqlite.collect")) == errno.EIO
    assert store.totals.objects == before
    assert any("given up" in entry.text and "damaged" in entry.text for entry in wired.logs)
    assert not (await h.rpc("content-sqlite.stats.get"))["collecting"]
    await wired.close()


async def test_every_request_gets_the_errno_of_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    wired = await boot(tmp_path, path)
    h = wired.client()
    store = store_behind(wired)
    await h.rpc_message("content-backing.store", b"before")
    store.db.execute("PRAGMA max_page_count=10")
    checkpoint = {"key": "k", "value": "x" * 100_000, "sync": True}
    requests = [
        h.rpc_message("content-backing.store", b"%d" % number * 90_000) for number in range(5)
    ]
    errors = await asyncio.gather(
        *requests, h.rpc("kvs-checkpoint.put", checkpoint), return_exceptions=True
    )
    assert [getattr(error, "errno", None) for error in errors] == [errno.ENOSPC] * 6
    store.db.execute("PRAGMA max_page_count=100000")
    await h.rpc("kvs-checkpoint.put", checkpoint)
    await h.rpc_message("content-backing.store", b"after")
    await wired.close()


async def test_a_bad_file_fails_the_module_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        await boot(tmp_path, tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


async def test_what_is_live_is_never_less_than_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is killed within a sweep leaves a store with more new bytes than bytes."""
    path = tmp_path / "kept.sqlite"
    wired = await boot(tmp_path, path)
    h = wired.client()
    for number in range(20):
        await h.rpc_message("content-backing.store", b"%d" % number * 1000)
    store = store_behind(wired)
    store.db.execute("UPDATE objects SET pinned = 0")
    assert (await h.rpc("content-sqlite.collect"))["dropped_objects"] == 20
    for number in range(20, 40):
        await h.rpc_message("content-backing.store", b"%d" % number * 1000)
    store.db.execute("UPDATE objects SET pinned = 0")
    monkeypatch.setattr(collector, "SWEEP_ROWS", 15)
    interrupted = collector.Collection(store)
    assert not interrupted.sweep()
    interrupted.close()
    await wired.close()
    again = await boot(tmp_path, path)
    stats = await again.client().rpc("content-sqlite.stats.get")
    assert stats["object_count"] == 5
    assert (stats["live_bytes"], stats["dead_bytes"]) == (0, 2000 * 5)
    await again.close()
