"""The kvs service on one and on several ranks, with the content service behind it."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.kvs import pace
from flux import treeobj
from flux.kvs_txn import NO_MERGE, READDIR, READLINK, SYNC, TREEOBJ, Txn, commit_request
from tests.unit.broker.services.kvs.instance import (
    boot,
    boot_sqlite,
    commit,
    commit_ops,
    errnum,
    get,
    look,
    outcomes,
)
from tests.unit.broker.services.stores import store_behind
from tests.unit.broker.services.wired import OWNER, Wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from flux.aio import AsyncFlux

GUEST = 2000


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    instance = await boot()
    yield instance
    await instance.close()


@pytest.fixture
async def four() -> AsyncIterator[Wired]:
    instance = await boot(4)
    yield instance
    await instance.close()


async def test_roots_are_those_of_flux_core(wired: Wired) -> None:
    h = wired.client()
    await h.rpc("kvs.namespace-create", {"namespace": "ns1", "owner": -1, "flags": 0})
    answer = await commit(h, Txn().put_raw("k", "v"), "ns1")
    assert answer == {"rootref": "sha1-6f2bb25cd6212534c9792f489f92b29dc4f3a214", "rootseq": 1}
    await commit(h, Txn().put_raw("a.b", "hello").put_raw("a.c", "42"))
    assert await look(h, "a", TREEOBJ) == {
        "data": ["sha1-6ce333834f7666e38de31c84c5633b9aab8091c7"],
        "type": "dirref",
        "ver": 1,
    }


async def test_lookup_errors(wired: Wired) -> None:
    h = wired.client()
    await commit(h, Txn().put_raw("a.b", "hello").symlink("l1", "l2").symlink("l2", "l1"))
    assert await errnum(look(h, "nosuch")) == errno.ENOENT
    assert await errnum(look(h, "a")) == errno.EISDIR
    assert await errnum(look(h, ".")) == errno.EISDIR
    assert await errnum(look(h, "a.")) == errno.EISDIR
    assert await errnum(look(h, "a.b.c")) == errno.ENOENT
    assert await errnum(look(h, "")) == errno.EINVAL
    assert await errnum(look(h, "a.b", READDIR)) == errno.ENOTDIR
    assert await errnum(look(h, "a.b", READLINK)) == errno.EINVAL
    assert await errnum(look(h, "l1")) == errno.ELOOP
    assert await errnum(look(h, "k", 0, "nosuch")) == errno.ENOTSUP
    assert await errnum(h.rpc("kvs.lookup", {"flags": 0})) == errno.EPROTO
    assert await errnum(h.rpc("kvs.lookup", {"key": "a", "flags": 0})) == errno.EPROTO


async def test_commit_errors_leave_the_root_alone(wired: Wired) -> None:
    h = wired.client()
    await commit(h, Txn().put_raw("a.b", "hello").symlink("far", "x", "elsewhere"))
    before = await h.rpc("kvs.getroot", {"namespace": "primary", "flags": 0})
    for ops, expected in (
        ([{"key": ".", "flags": 0, "dirent": None}], errno.EINVAL),
        ([{"key": "", "flags": 0, "dirent": None}], errno.EINVAL),
        ([{"key": "...", "flags": 0, "dirent": None}], errno.EINVAL),
        ([{"key": "x", "flags": 0}], errno.EPROTO),
        ([{"key": "x", "flags": 1, "dirent": treeobj.val(b"")}], errno.EINVAL),
        ([{"key": "x", "flags": 0, "dirent": {"type": "val"}}], errno.EINVAL),
        ([{"key": "x", "flags": 32, "dirent": treeobj.directory()}], errno.EINVAL),
        (Txn().put_raw("ok", "1").append("a", "1").ops, errno.EISDIR),
        (Txn().append("far", "1").ops, errno.EOPNOTSUPP),
        (Txn().put_raw("far.x", "1").ops, errno.EINVAL),
    ):
        assert (
            await errnum(h.rpc("kvs.commit", {"namespace": "primary", "flags": 0, "ops": ops}))
            == expected
        ), ops
    assert await errnum(commit(h, Txn().put("x", 1), flags=64)) == errno.EINVAL
    assert await errnum(commit(h, Txn().put("x", 1), "nosuch")) == errno.ENOTSUP
    assert await h.rpc("kvs.getroot", {"namespace": "primary", "flags": 0}) == before


async def test_concurrent_commits_share_a_root_unless_told_not_to(wired: Wired) -> None:
    h = wired.client()
    answers = await asyncio.gather(*(commit(h, Txn().put(f"k{i}", i)) for i in range(10)))
    assert {answer["rootseq"] for answer in answers} == {1}
    answers = await asyncio.gather(
        *(commit(h, Txn().put("k", i), flags=NO_MERGE) for i in range(3))
    )
    assert [answer["rootseq"] for answer in answers] == [2, 3, 4]
    assert await get(h, "k9") == b"9"
    assert await get(h, "k") == b"2"


async def test_one_bad_transaction_does_not_spoil_the_batch(wired: Wired) -> None:
    h = wired.client()
    await commit(h, Txn().mkdir("d"))
    good, bad, also = await outcomes(
        commit(h, Txn().put("x", 1)),
        commit(h, Txn().put("y", 1).append("d", "z")),
        commit(h, Txn().put("z", 1)),
    )
    assert isinstance(bad, OSError)
    assert good == also
    assert await errnum(look(h, "y")) == errno.ENOENT


async def test_append(wired: Wired) -> None:
    h = wired.client()
    for part in (b"one", b"two", b"three" * 40):
        await commit(h, Txn().append("log", part))
    assert await get(h, "log") == b"onetwo" + b"three" * 40
    obj = await look(h, "log", TREEOBJ)
    assert (obj["type"], len(obj["data"])) == ("valref", 3)
    await asyncio.gather(*(commit(h, Txn().append("log2", f"{i};")) for i in range(5)))
    assert await get(h, "log2") == b"0;1;2;3;4;"
    assert (await look(h, "log2", TREEOBJ))["type"] == "val"


async def test_symlinks_are_followed_when_reading_and_writing(wired: Wired) -> None:
    h = wired.client()
    await h.rpc("kvs.namespace-create", {"namespace": "ns1", "owner": -1, "flags": 0})
    await commit(h, Txn().put_raw("k.x", "there"), "ns1")
    await commit(h, Txn().mkdir("real").symlink("dir", "real").symlink("other", "k", "ns1"))
    await commit(h, Txn().put_raw("dir.key", "v"))
    assert await get(h, "real.key") == b"v"
    assert await get(h, "other.x") == b"there"
    assert (await look(h, "other", READLINK))["data"] == {"namespace": "ns1", "target": "k"}
    assert (await look(h, "dir", TREEOBJ))["type"] == "symlink"
    assert list((await look(h, "dir", READDIR))["data"]) == ["key"]


async def test_snapshot_lookup(wired: Wired) -> None:
    h = wired.client()
    root = treeobj.dirref((await commit(h, Txn().put_raw("s.a", "1")))["rootref"])
    await commit(h, Txn().put_raw("s.a", "2"))
    answer = await h.rpc("kvs.lookup", {"key": "s.a", "flags": 0, "rootdir": root})
    assert treeobj.decode_val(answer["val"]) == b"1"
    bad = h.rpc("kvs.lookup", {"key": "s.a", "flags": 0, "rootdir": treeobj.val(b"x")})
    assert await errnum(bad) == errno.EINVAL
    unknown = treeobj.dirref("sha1-" + "0" * 40)
    assert (
        await errnum(h.rpc("kvs.lookup", {"key": "s.a", "flags": 0, "rootdir": unknown}))
        == errno.ENOENT
    )


async def test_namespaces(wired: Wired) -> None:
    h = wired.client()
    create = {"namespace": "own", "owner": GUEST, "flags": 0}
    assert await h.rpc("kvs.namespace-create", create) == {}
    assert await errnum(h.rpc("kvs.namespace-create", create)) == errno.EEXIST
    ref = f"sha1-{'0' * 40}"
    assert await h.rpc("kvs.namespace-create", {**create, "namespace": "at", "rootref": ref}) == {}
    assert (await h.rpc("kvs.getroot", {"namespace": "at"}))["rootref"] == ref
    await h.rpc("kvs.namespace-remove", {"namespace": "at"})
    bad = {**create, "namespace": "bad", "rootref": "bogus"}
    assert await errnum(h.rpc("kvs.namespace-create", bad)) == errno.EINVAL
    assert await errnum(h.rpc("kvs.namespace-create", {**create, "namespace": ""})) == errno.EINVAL
    listed = (await h.rpc("kvs.namespace-list"))["namespaces"]
    assert listed == [
        {"namespace": "primary", "owner": OWNER, "flags": 0},
        {"namespace": "own", "owner": GUEST, "flags": 0},
    ]
    guest, other = wired.client(userid=GUEST), wired.client(userid=3000)
    await commit(guest, Txn().put_raw("k", "v"), "own")
    assert await get(guest, "k", "own") == b"v"
    assert await get(h, "k", "own") == b"v"
    assert await errnum(get(other, "k", "own")) == errno.EPERM
    assert await errnum(commit(guest, Txn().put("k", 1))) == errno.EPERM
    assert (
        await errnum(guest.rpc("kvs.namespace-create", {**create, "namespace": "n"})) == errno.EPERM
    )
    waiting = asyncio.ensure_future(h.rpc("kvs.sync", {"namespace": "own", "rootseq": 99}))
    await asyncio.sleep(0)
    assert await h.rpc("kvs.namespace-remove", {"namespace": "own"}) == {}
    assert await h.rpc("kvs.namespace-remove", {"namespace": "own"}) == {}
    assert await errnum(waiting) == errno.ENOTSUP
    assert await errnum(h.rpc("kvs.namespace-remove", {"namespace": "primary"})) == errno.ENOTSUP
    assert await errnum(get(h, "k", "own")) == errno.ENOTSUP


async def test_sync_waits_for_the_version(wired: Wired) -> None:
    h = wired.client()
    waiting = asyncio.ensure_future(h.rpc("kvs.sync", {"namespace": "primary", "rootseq": 2}))
    await commit(h, Txn().put("a", 1))
    assert not waiting.done()
    answer = await commit(h, Txn().put("a", 2))
    assert await waiting == answer


async def test_fence_combines(wired: Wired) -> None:
    h = wired.client()

    def fence(key: str, nprocs: int = 2) -> Any:
        ops = Txn().put(key, 1).ops
        return h.rpc(
            "kvs.fence",
            {"namespace": "primary", "flags": 0, "ops": ops, "name": "f", "nprocs": nprocs},
        )

    first = asyncio.ensure_future(fence("a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await errnum(fence("b", 3)) == errno.EINVAL
    assert await errnum(fence("b", 0)) == errno.EINVAL
    assert await fence("b") == await first
    assert sorted((await look(h, ".", READDIR))["data"]) == ["a", "b"]
    assert await errnum(fence("c")) == errno.EOVERFLOW


async def test_followers_read_their_own_writes(four: Wired) -> None:
    h = four.client(3)
    answer = await commit(h, Txn().put_raw("a.b", "x" * 200))
    assert await get(h, "a.b") == b"x" * 200
    assert (await h.rpc("kvs.getroot", {"namespace": "primary", "flags": 0}))["rootref"] == answer[
        "rootref"
    ]
    await commit(four.client(0), Txn().put_raw("a.c", "1"))
    version = (await four.client(0).rpc("kvs.getroot", {"namespace": "primary"}))["rootseq"]
    for rank in range(4):
        client = four.client(rank)
        await client.rpc("kvs.sync", {"namespace": "primary", "rootseq": version})
        assert await get(client, "a.c") == b"1"
    assert await errnum(commit(h, Txn().append("a", "x"))) == errno.EISDIR


async def test_followers_and_namespaces(four: Wired) -> None:
    leader, follower = four.client(0), four.client(2)
    assert await errnum(get(follower, "k", "ns")) == errno.ENOTSUP
    await follower.rpc("kvs.namespace-create", {"namespace": "ns", "owner": GUEST, "flags": 0})
    await commit(leader, Txn().put_raw("k", "v"), "ns")
    assert await get(follower, "k", "ns") == b"v"
    guest = four.client(1, userid=GUEST)
    await commit(guest, Txn().put_raw("k", "w"), "ns")
    assert await get(guest, "k", "ns") == b"w"
    assert await errnum(commit(guest, Txn().put_raw("k", "w"))) == errno.EPERM
    assert len((await follower.rpc("kvs.namespace-list"))["namespaces"]) == 2
    await leader.rpc("kvs.namespace-remove", {"namespace": "ns"})
    await asyncio.sleep(0)
    assert await errnum(get(follower, "k", "ns")) == errno.ENOTSUP


async def test_dropcache_and_statistics(wired: Wired) -> None:
    h = wired.client()
    await commit(h, Txn().put_raw("a.b", "x" * 5000))
    await h.rpc("kvs.dropcache")
    assert [entry.text for entry in wired.logs if "cache entries" in entry.text] == [
        "dropped 4 of 4 cache entries"
    ]
    assert await get(h, "a.b") == b"x" * 5000
    stats = await h.rpc("kvs.stats.get")
    assert stats["cache"]["#faults"] == 3
    assert stats["cache"]["obj size (KiB)"]["count"] == 3
    assert stats["namespace"]["primary"]["store revision"] == 1
    await h.rpc("kvs.stats.clear")
    assert (await h.rpc("kvs.stats.get"))["cache"]["#faults"] == 0
    await h.rpc("kvs.dropcache")
    await commit(h, Txn().put_raw("a.c", "after"))
    assert await get(h, "a.b") == b"x" * 5000


async def test_a_value_larger_than_the_cache_can_be_read(wired: Wired) -> None:
    h = wired.client()
    for part in range(12):
        await commit(h, Txn().append("big", bytes([part]) * 1_000_000))
    await h.rpc("kvs.dropcache")
    assert len(await get(h, "big")) == 12_000_000


async def test_a_full_disk_fails_what_asked_for_durability_only(tmp_path: Path) -> None:
    wired = await boot_sqlite(str(tmp_path))
    h = wired.client()
    await commit(h, Txn().put_raw("a", "1"), flags=SYNC)
    store = store_behind(wired)
    store.db.execute("PRAGMA max_page_count=8")
    assert await errnum(commit(h, Txn().put_raw("b", "x" * 100_000), flags=SYNC)) == errno.ENOSPC
    assert any("full" in entry.text for entry in wired.logs)
    await commit(h, Txn().put_raw("c", "3"))
    assert await errnum(get(h, "b")) == errno.ENOENT
    store.db.execute("PRAGMA max_page_count=100000")
    await commit(h, Txn().put_raw("d", "4"), flags=SYNC)
    await wired.close()
    again = await boot_sqlite(str(tmp_path))
    assert [await get(again.client(), key) for key in "acd"] == [b"1", b"3", b"4"]
    await again.close()


async def test_restart_finds_what_a_sync_commit_wrote(tmp_path: Path) -> None:
    first = await boot_sqlite(str(tmp_path))
    h = first.client()
    await commit(h, Txn().put_raw("job.a", "1"))
    answer = await commit(h, Txn().put_raw("job.b", "x" * 300), flags=SYNC)
    # No close: the process dies here. The lock goes with its file handle.
    store_behind(first).close()
    second = await boot_sqlite(str(tmp_path))
    h = second.client()
    assert await get(h, "job.b") == b"x" * 300
    assert (await h.rpc("kvs.getroot", {"namespace": "primary"}))["rootseq"] == answer["rootseq"]
    await commit(h, Txn().put_raw("job.c", "later"))
    await second.close()
    third = await boot_sqlite(str(tmp_path))
    assert await get(third.client(), "job.c") == b"later"
    await third.close()
    for task in [*first.ranks[0].services.values()]:
        await task.ctx.cancel_tasks()


async def test_a_client_that_goes_away_waits_no_longer(wired: Wired) -> None:
    h, other = wired.client(), wired.client()
    waits = [
        asyncio.ensure_future(one.rpc("kvs.sync", {"namespace": "primary", "rootseq": 99}))
        for one in (h, other)
    ]
    while (await other.rpc("kvs.stats.get"))["namespace"]["primary"]["#syncers"] < 2:
        pass
    wired.disconnect(h)
    assert (await other.rpc("kvs.stats.get"))["namespace"]["primary"]["#syncers"] == 1
    for wait in waits:
        wait.cancel()


async def test_spare_periods_in_keys_mean_nothing(four: Wired) -> None:
    h = four.client(3)
    await commit_ops(h, [{"key": "..t..a.", "flags": 0, "dirent": treeobj.val(b"1")}])
    await commit(h, Txn().symlink("t.link", "..t..a."))
    for key in ("t.a", "....t.a", "t...a", "t.a....", ".t.link.", "..t..link"):
        assert await get(h, key) == b"1", key
    for key in (".", "..", "..."):
        assert set((await look(h, key, READDIR))["data"]) == {"t"}
    assert set((await look(h, "t.", READDIR))["data"]) == {"a", "link"}
    await commit_ops(h, [{"key": "t..a", "flags": 0, "dirent": None}])
    assert set((await look(h, "t", READDIR))["data"]) == {"link"}


async def test_a_paused_rank_stays_at_its_root(four: Wired) -> None:
    near, far, other = four.client(0), four.client(2), four.client(3)
    await near.rpc("kvs.namespace-create", {"namespace": "ns", "owner": GUEST, "flags": 0})
    for name in ("primary", "ns"):
        seq = (await commit(near, Txn().put_raw("k", "old"), name))["rootseq"]
        await far.rpc("kvs.sync", {"namespace": name, "rootseq": seq})
        await far.rpc("kvs.setroot-pause", {"namespace": name})
        for text in ("newer", "new"):
            last = await commit(near, Txn().put_raw("k", text), name)
        await other.rpc("kvs.sync", {"namespace": name, "rootseq": last["rootseq"]})
        assert [await get(h, "k", name) for h in (far, other, near)] == [b"old", b"new", b"new"]
        at = {"key": "k", "flags": 0, "rootdir": treeobj.dirref(last["rootref"])}
        assert treeobj.decode_val((await far.rpc("kvs.lookup", at))["val"]) == b"new"
        wait = asyncio.ensure_future(
            far.rpc("kvs.sync", {"namespace": name, "rootseq": last["rootseq"]})
        )
        mine = asyncio.ensure_future(commit(far, Txn().put_raw("mine", "1"), name))
        await other.rpc("kvs.sync", {"namespace": name, "rootseq": last["rootseq"] + 1})
        assert not wait.done()
        assert not mine.done()
        await far.rpc("kvs.setroot-unpause", {"namespace": name})
        assert (await wait)["rootseq"] == (await mine)["rootseq"] == last["rootseq"] + 1
        assert await get(far, "k", name) == b"new"
        await far.rpc("kvs.setroot-unpause", {"namespace": name})


async def test_who_may_pause(four: Wired) -> None:
    owner, guest, stranger = (four.client(2, userid) for userid in (OWNER, GUEST, GUEST + 1))
    await owner.rpc("kvs.namespace-create", {"namespace": "ns", "owner": GUEST, "flags": 0})
    for topic in ("kvs.setroot-pause", "kvs.setroot-unpause"):
        for h in (owner, guest):
            await h.rpc(topic, {"namespace": "ns"})
        assert await errnum(stranger.rpc(topic, {"namespace": "ns"})) == errno.EPERM
        assert await errnum(guest.rpc(topic, {"namespace": "primary"})) == errno.EPERM
        assert await errnum(owner.rpc(topic, {"namespace": "nosuch"})) == errno.ENOTSUP
        assert await errnum(owner.rpc(topic, {})) == errno.EPROTO
        assert await errnum(owner.rpc(topic)) == errno.EPROTO
        assert four.logs[-1].text == f"{topic}: Protocol error"


async def test_a_namespace_that_is_removed_while_paused_comes_back_unpaused(four: Wired) -> None:
    far = four.client(2)
    create = {"namespace": "ns", "owner": -1, "flags": 0}
    await far.rpc("kvs.namespace-create", create)
    await far.rpc("kvs.setroot-pause", {"namespace": "ns"})
    await far.rpc("kvs.namespace-remove", {"namespace": "ns"})
    await far.rpc("kvs.namespace-create", create)
    await commit(far, Txn().put_raw("k", "1"), "ns")
    assert await get(far, "k", "ns") == b"1"


# Commits that may wait


async def lazily(h: AsyncFlux, txn: Txn) -> int:
    answer = await h.rpc("kvs.commit", commit_request(txn.ops, lazy=True))
    return int(answer["rootseq"])


async def test_commits_that_may_wait_share_a_root(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "GATHERING", 0.1)
    h = wired.client()
    await commit(h, Txn().put_raw("a", "0"))
    roots = []
    for number in range(5):
        roots.append(asyncio.create_task(lazily(h, Txn().put_raw(f"b{number}", "1"))))
        await asyncio.sleep(0.001)
    assert len(set(await asyncio.gather(*roots))) == 1


async def test_one_that_does_not_wait_takes_along_those_before_it(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "GATHERING", 3600.0)
    h = wired.client()
    await commit(h, Txn().put_raw("a", "0"))
    first = asyncio.create_task(lazily(h, Txn().put_raw("a", "1")))
    await asyncio.sleep(0.01)
    assert not first.done()
    last = await commit(h, Txn().put_raw("a", "2"))
    assert await first <= last["rootseq"]
    assert await get(h, "a") == b"2"


async def test_a_guest_is_not_asked_whether_it_may_wait(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "GATHERING", 3600.0)
    await wired.client().rpc(
        "kvs.namespace-create", {"namespace": "theirs", "owner": GUEST, "flags": 0}
    )
    h, roots = wired.client(0, GUEST), []
    for number in range(2):
        payload = commit_request(Txn().put_raw("a", str(number)).ops, namespace="theirs", lazy=True)
        answer = await asyncio.wait_for(h.rpc("kvs.commit", payload), 60)
        roots.append(answer["rootseq"])
    assert roots == [1, 2]
