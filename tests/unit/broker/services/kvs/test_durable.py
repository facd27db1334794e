"""A durable commit (FLUX_KVS_SYNC) is visible and told when its checkpoint is written, not before;
a checkpoint that fails fails it.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from broker.services.kvs import checkpoint
from broker.services.kvs.service import KvsService
from flux.kvs_txn import NO_MERGE, SYNC, Txn
from tests.unit.broker.services.kvs.instance import (
    ScriptedStore,
    boot,
    boot_sqlite,
    commit,
    errnum,
    get,
    look,
    outcomes,
    version,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

    from tests.unit.broker.services.wired import Wired

FULL = OSError(errno.ENOSPC, "the disk is full")


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    instance = await boot(2, store=ScriptedStore)
    yield instance
    await instance.close()


def store_of(wired: Wired) -> ScriptedStore:
    store = wired.ranks[0].services["scripted"]
    assert isinstance(store, ScriptedStore)
    return store


async def until_held(wired: Wired, count: int = 1) -> None:
    async with asyncio.timeout(60):
        while store_of(wired).held < count:
            await asyncio.sleep(0)


T = TypeVar("T")


def start(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.ensure_future(work)


@pytest.mark.parametrize("rank", [0, 1])
async def test_nothing_is_seen_of_it_before_the_checkpoint(wired: Wired, rank: int) -> None:
    h, store = wired.client(rank), store_of(wired)
    await commit(h, Txn().put_raw("a", "old"))
    store.holding = True
    wired.seen.clear()
    durable = start(commit(h, Txn().put_raw("a", "new"), flags=SYNC))
    await until_held(wired)
    assert await get(h, "a") == b"old"
    assert await version(wired.client(0)) == 1
    assert "kvs.setroot-primary" not in wired.seen
    assert not durable.done()
    store.release()
    assert (await durable)["rootseq"] == 2
    assert await get(h, "a") == b"new"
    assert store.log == [(2, True)]


async def test_commits_during_a_checkpoint_share_the_next(wired: Wired) -> None:
    h, store = wired.client(), store_of(wired)
    store.holding = True
    first = start(commit(h, Txn().put_raw("a", "1"), flags=SYNC))
    await until_held(wired)
    others = [
        start(commit(h, Txn().put_raw(f"k{number}", "1"), flags=SYNC)) for number in range(50)
    ]
    while (await h.rpc("kvs.stats.get"))["namespace"]["primary"]["#transactions"] < 50:
        pass
    store.release()
    assert (await first)["rootseq"] == 1
    assert {(await other)["rootseq"] for other in others} == {2}
    assert store.log == [(1, True), (2, True)]


async def test_plain_commits_before_it_do_not_wait_for_the_disk(wired: Wired) -> None:
    h, store = wired.client(), store_of(wired)
    store.holding = True
    plain, durable, later = (
        start(commit(h, Txn().put_raw("p", "1"))),
        start(commit(h, Txn().put_raw("d", "1"), flags=SYNC)),
        start(commit(h, Txn().append("d", "2"))),
    )
    assert (await plain)["rootseq"] == 1
    await until_held(wired)
    assert not durable.done()
    assert not later.done()
    store.release()
    assert (await durable)["rootseq"] == (await later)["rootseq"] == 2
    assert await get(h, "d") == b"12"


@pytest.mark.parametrize("rank", [0, 1])
async def test_a_failed_checkpoint_fails_it_and_keeps_the_plain_ones(
    wired: Wired, rank: int
) -> None:
    h, store = wired.client(rank), store_of(wired)
    store.checkpoint_error = FULL
    commits = [
        commit(h, Txn().put_raw("d", "1"), flags=SYNC),
        commit(h, Txn().put_raw("p", "1")),
        commit(h, Txn().append("d", "2")),
        commit(h, Txn().mkdir("dir").put_raw("e", "1"), flags=SYNC),
        commit(h, Txn().append("dir", "3")),
        commit(h, Txn().put_raw("x", "1").append(".x", "2"), flags=SYNC | NO_MERGE),
    ]
    durable, plain, append, other, third, alone = await outcomes(*commits)
    for failed in (durable, other, alone):
        assert isinstance(failed, OSError)
        assert failed.errno == errno.ENOSPC
        assert failed.strerror == "the disk is full"
    for good in (plain, append, third):
        assert isinstance(good, dict), good
    # What a durable commit did is as if it had never been: an append to its value, or to its
    # directory.
    assert (await get(h, "d"), await get(h, "dir"), await get(h, "p")) == (b"2", b"3", b"1")
    assert await errnum(look(h, "e")) == errno.ENOENT
    store.checkpoint_error = None
    await commit(h, Txn().put_raw("d", "again"), flags=SYNC)
    assert await get(h, "d") == b"again"


async def test_a_store_that_takes_no_blobs_fails_it(wired: Wired) -> None:
    h, store = wired.client(), store_of(wired)
    store.store_error = FULL
    assert await errnum(commit(h, Txn().put_raw("d", "1"), flags=SYNC)) == errno.ENOSPC
    await commit(h, Txn().put_raw("p", "1"))
    store.store_error = None
    await commit(h, Txn().put_raw("d", "2"), flags=SYNC)
    assert (await get(h, "p"), await get(h, "d")) == (b"1", b"2")


async def test_what_the_store_may_have_kept_of_a_failed_one_is_replaced(wired: Wired) -> None:
    h, store = wired.client(), store_of(wired)
    before = await commit(h, Txn().put_raw("a", "1"), flags=SYNC)
    store.checkpoint_error = FULL
    assert await errnum(commit(h, Txn().put_raw("a", "2"), flags=SYNC)) == errno.ENOSPC
    store.checkpoint_error = None
    store.checkpoint = {"rootref": "sha1-" + "f" * 40, "sequence": 2}
    await wired.remove(wired.ranks[0].services["kvs"])
    assert store.checkpoint is not None
    assert (store.checkpoint["rootref"], store.checkpoint["sequence"]) == (
        before["rootref"],
        before["rootseq"],
    )
    await wired.add(KvsService)


async def test_an_older_root_never_follows_a_newer_one(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    h, store = wired.client(), store_of(wired)

    async def plain(number: int) -> None:
        for _ in range(30):
            await commit(h, Txn().put_raw(f"p{number}", "1"))

    async def durable() -> None:
        for _ in range(30):
            answer = await commit(h, Txn().put_raw("d", "1"), flags=SYNC)
            assert any(seq >= answer["rootseq"] for seq, _ in store.log)

    await asyncio.gather(plain(1), plain(2), durable())
    sequences = [seq for seq, _ in store.log]
    assert sequences == sorted(set(sequences))
    assert any(not sync for _, sync in store.log)


async def test_without_a_backing_store_nothing_is_durable() -> None:
    wired = await boot()
    h = wired.client()
    assert await errnum(commit(h, Txn().put_raw("a", "1"), flags=SYNC)) == errno.ENOSYS
    await commit(h, Txn().put_raw("b", "1"))
    assert await errnum(look(h, "a")) == errno.ENOENT
    await wired.close()


async def test_a_backing_store_that_is_unloaded_meanwhile(wired: Wired) -> None:
    h, store = wired.client(), store_of(wired)
    store.holding = True
    durable = start(commit(h, Txn().put_raw("a", "1"), flags=SYNC))
    plain = start(commit(h, Txn().put_raw("p", "1")))
    await until_held(wired)
    await wired.remove(store)
    store.checkpoint_error = OSError(errno.ENOSYS, "Function not implemented")
    store.release()
    assert await errnum(durable) == errno.ENOSYS
    assert await plain
    assert await errnum(commit(h, Txn().put_raw("b", "1"), flags=SYNC)) == errno.ENOSYS
    await commit(h, Txn().put_raw("c", "1"))
    again = await wired.add(ScriptedStore)
    await commit(h, Txn().put_raw("d", "1"), flags=SYNC)
    assert again.checkpoint["sequence"] == await version(h)


async def test_a_backing_store_that_does_not_answer(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "TIMEOUT", 0.05)
    h, store = wired.client(), store_of(wired)
    store.holding = True
    assert await errnum(commit(h, Txn().put_raw("a", "1"), flags=SYNC)) == errno.ETIMEDOUT
    await commit(h, Txn().put_raw("b", "1"))
    store.release()
    await commit(h, Txn().put_raw("c", "1"), flags=SYNC)
    assert await errnum(look(h, "a")) == errno.ENOENT


async def test_other_namespaces_are_not_durable_and_do_not_wait(wired: Wired) -> None:
    h, store = wired.client(), store_of(wired)
    await h.rpc("kvs.namespace-create", {"namespace": "ns", "owner": -1, "flags": 0})
    assert await errnum(commit(h, Txn().put_raw("a", "1"), "ns", SYNC)) == errno.EINVAL
    fence = {"namespace": "ns", "flags": SYNC, "ops": [], "name": "f", "nprocs": 1}
    assert await errnum(h.rpc("kvs.fence", fence)) == errno.EINVAL
    store.holding = True
    durable = start(commit(h, Txn().put_raw("a", "1"), flags=SYNC))
    await until_held(wired)
    await commit(h, Txn().put_raw("a", "1"), "ns")
    await h.rpc("kvs.namespace-remove", {"namespace": "ns"})
    store.release()
    await durable


async def test_a_durable_fence(wired: Wired) -> None:
    h, store = wired.client(1), store_of(wired)

    def fence(key: str) -> Any:
        ops = Txn().put_raw(key, "1").ops
        return h.rpc(
            "kvs.fence",
            {"namespace": "primary", "flags": SYNC, "ops": ops, "name": "f", "nprocs": 2},
        )

    store.checkpoint_error = FULL
    first, second = await outcomes(fence("a"), fence("b"))
    for failed in (first, second):
        assert isinstance(failed, OSError)
        assert failed.errno == errno.ENOSPC
    assert await errnum(look(h, "a")) == errno.ENOENT


async def test_a_final_checkpoint_that_fails_is_an_error_where_the_store_persists(
    tmp_path: Path,
) -> None:
    for path, fails in (
        (f"{tmp_path}/run/content.sqlite", False),
        (f"{tmp_path}/kept.sqlite", True),
    ):
        wired = await boot(rundir=f"{tmp_path}/run", store=ScriptedStore)
        wired.ranks[0].attrs.define("content.backing-path", path)
        h, store = wired.client(), store_of(wired)
        await commit(h, Txn().put_raw("a", "1"), flags=SYNC)
        await commit(h, Txn().put_raw("b", "1"))
        store.checkpoint_error = FULL
        kvs = wired.ranks[0].services["kvs"]
        if fails:
            with pytest.raises(
                OSError, match="after version 1 is lost: the disk is full"
            ) as caught:
                await kvs.stop()
            assert caught.value.errno == errno.ENOSPC
        else:
            await kvs.stop()
        store.checkpoint_error = None
        await wired.close()


async def test_a_final_checkpoint_waits_for_what_is_under_way(wired: Wired) -> None:
    h, store = wired.client(), store_of(wired)
    store.holding = True
    durable = start(commit(h, Txn().put_raw("a", "1"), flags=SYNC))
    await until_held(wired)
    later = start(commit(h, Txn().put_raw("b", "1")))
    while not (await h.rpc("kvs.stats.get"))["namespace"]["primary"]["#transactions"]:
        pass
    removing = start(wired.remove(wired.ranks[0].services["kvs"]))
    store.release()
    await removing
    assert ((await durable)["rootseq"], (await later)["rootseq"]) == (1, 2)
    assert store.log == [(1, True), (2, True)]
    await wired.add(KvsService)
    assert await get(wired.client(), "b") == b"1"


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"rootref": 5},
        {"rootref": "sha1-x", "sequence": 1},
        {"rootref": "sha1-" + "0" * 40, "sequence": "x"},
        {"rootref": "sha1-" + "0" * 40, "sequence": -1},
    ],
)
async def test_a_damaged_checkpoint_is_said_to_be_one(tmp_path: Path, value: Any) -> None:
    wired = await boot_sqlite(str(tmp_path))
    await wired.remove(wired.ranks[0].services["kvs"])
    await wired.client().rpc("kvs-checkpoint.put", {"key": "kvs-primary", "value": value})
    with pytest.raises(OSError, match="checkpoint of the primary namespace is damaged") as caught:
        await wired.add(KvsService)
    assert caught.value.errno == errno.EINVAL
    await wired.close()


async def test_a_checkpoint_whose_root_is_lost_is_said_to_be_one(tmp_path: Path) -> None:
    wired = await boot_sqlite(str(tmp_path))
    await wired.remove(wired.ranks[0].services["kvs"])
    value = {"rootref": "sha1-" + "0" * 40, "sequence": 1}
    await wired.client().rpc("kvs-checkpoint.put", {"key": "kvs-primary", "value": value})
    with pytest.raises(
        OSError, match=r"the root of the last checkpoint, sha1-0+, cannot be read"
    ) as caught:
        await wired.add(KvsService)
    assert caught.value.errno == errno.ENOENT
    await wired.close()
