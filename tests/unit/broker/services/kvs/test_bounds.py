"""What is beyond the bounds of the key-value store is answered, and everyone else is served on."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from flux import treeobj
from flux.kvs_limits import BATCH_OPS, FENCE_PROCS, GUEST_VALUE_BYTES, KEY_DEPTH, TREEOBJ_DEPTH
from flux.kvs_txn import READDIR, TREEOBJ, Txn
from flux.wire import json
from tests.unit.broker.services.kvs.instance import (
    boot,
    commit,
    commit_ops,
    errnum,
    get,
    look,
    outcomes,
    version,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.broker.services.wired import Wired

GUEST = 2000
DEEP = ".".join("a" * (KEY_DEPTH + 1))
LONG = "k" * 5000


@pytest.fixture(params=[0, 1])
async def wired(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Wired, int]]:
    """An instance of two ranks, and the rank to ask."""
    instance = await boot(2)
    yield instance, request.param
    await instance.close()


def put(key: str, dirent: Any = None, flags: int = 0) -> list[dict[str, Any]]:
    return [{"key": key, "flags": flags, "dirent": treeobj.val(b"1") if dirent is None else dirent}]


def nested(depth: int) -> treeobj.TreeObj:
    obj = treeobj.directory()
    for _ in range(depth - 1):
        obj = treeobj.directory({"d": obj})
    return obj


async def test_commits_and_fences(wired: tuple[Wired, int]) -> None:
    instance, rank = wired
    h = instance.client(rank)
    cases: list[tuple[list[Any], int]] = [
        (put(DEEP), errno.ENAMETOOLONG),
        (put(".".join("a" * 1100)), errno.ENAMETOOLONG),
        (put(LONG), errno.ENAMETOOLONG),
        (put("a\0"), errno.EINVAL),
        (put("a", nested(TREEOBJ_DEPTH + 1)), errno.EINVAL),
        (put("a", treeobj.directory({"x" * 100: treeobj.symlink(DEEP)})), errno.ENAMETOOLONG),
        (put("a", treeobj.symlink(LONG)), errno.ENAMETOOLONG),
        (put("a", treeobj.symlink("b", "n" * 300)), errno.ENAMETOOLONG),
        (put("a", {"ver": 1, "type": [], "data": ""}), errno.EINVAL),
        (put("a", {"ver": 1, "type": "val", "data": []}), errno.EINVAL),
        ([[]], errno.EPROTO),
        ([{"key": [], "flags": 0, "dirent": None}], errno.EPROTO),
        ([{"key": "a", "flags": "x", "dirent": None}], errno.EPROTO),
    ]
    for ops, expected in cases:
        assert await errnum(commit_ops(h, ops)) == expected, ops
        fence = {"namespace": "primary", "flags": 0, "ops": ops, "name": "f", "nprocs": 1}
        assert await errnum(h.rpc("kvs.fence", fence)) == expected, ops
    await commit(h, Txn().put_raw("a", "1"))
    assert await get(h, "a") == b"1"


async def test_names_of_fences_and_their_count(wired: tuple[Wired, int]) -> None:
    instance, rank = wired
    h = instance.client(rank)
    for name, nprocs, expected in (
        ("f" * 300, 1, errno.ENAMETOOLONG),
        ("f\0", 1, errno.EINVAL),
        ("f", 0, errno.EINVAL),
        ("f", FENCE_PROCS + 1, errno.EINVAL),
        ("f", 1 << 62, errno.EINVAL),
    ):
        body = {"namespace": "primary", "flags": 0, "ops": put("a"), "name": name, "nprocs": nprocs}
        assert await errnum(h.rpc("kvs.fence", body)) == expected


async def test_lookups(wired: tuple[Wired, int]) -> None:
    instance, rank = wired
    h = instance.client(rank)
    for key, expected in (
        (DEEP, errno.ENAMETOOLONG),
        (LONG, errno.ENAMETOOLONG),
        ("a\0", errno.EINVAL),
    ):
        assert await errnum(look(h, key)) == expected
        assert await errnum(look(h, key, TREEOBJ)) == expected
    rootdir = nested(TREEOBJ_DEPTH + 1)
    assert (
        await errnum(h.rpc("kvs.lookup", {"key": "a", "flags": 0, "rootdir": rootdir}))
        == errno.EINVAL
    )
    for name, expected in (
        ("n" * 300, errno.ENAMETOOLONG),
        ("two words", errno.EINVAL),
        ("nosuch", errno.ENOTSUP),
    ):
        assert await errnum(look(h, "a", 0, name)) == expected
        assert await errnum(h.rpc("kvs.getroot", {"namespace": name, "flags": 0})) == expected
        assert await errnum(h.rpc("kvs.sync", {"namespace": name, "rootseq": 1})) == expected
        assert await errnum(commit(h, Txn().put("a", 1), name)) == expected


async def test_namespaces(wired: tuple[Wired, int]) -> None:
    instance, rank = wired
    h = instance.client(rank)
    for name, owner, expected in (
        ("n" * 256, -1, errno.ENAMETOOLONG),
        ("a b", -1, errno.EINVAL),
        ("\x07", -1, errno.EINVAL),
        ("n", -2, errno.EINVAL),
        ("n", 1 << 32, errno.EINVAL),
    ):
        body = {"namespace": name, "owner": owner, "flags": 0}
        assert await errnum(h.rpc("kvs.namespace-create", body)) == expected
    await h.rpc("kvs.namespace-create", {"namespace": "n" * 255, "owner": -1, "flags": 0})
    await commit(h, Txn().put_raw("a", "1"), "n" * 255)
    assert await get(h, "a", "n" * 255) == b"1"


async def test_the_deepest_tree_can_be_written_read_and_removed(wired: tuple[Wired, int]) -> None:
    instance, rank = wired
    h = instance.client(rank)
    deepest = ".".join("a" * KEY_DEPTH)
    await commit(h, Txn().put_raw(deepest, "here").put_treeobj("inline", nested(TREEOBJ_DEPTH)))
    await instance.client(0).rpc("kvs.dropcache")
    assert await get(h, deepest) == b"here"
    inside = ".".join(["inline", *"d" * (TREEOBJ_DEPTH - 1)])
    assert (await look(h, inside, READDIR))["data"] == {}
    await commit(h, Txn().put_raw(f"{inside}.x", "1").unlink(deepest))
    assert await get(h, f"{inside}.x") == b"1"


async def test_links_do_not_lead_deeper_than_a_key_may(wired: tuple[Wired, int]) -> None:
    instance, rank = wired
    h = instance.client(rank)
    half = ".".join("a" * (KEY_DEPTH - 1))
    await commit(h, Txn().mkdir(half).symlink("link", half))
    await commit(h, Txn().put_raw("link.x", "1"))
    assert await errnum(commit(h, Txn().put_raw("link.x.y", "1"))) == errno.ENAMETOOLONG
    assert await errnum(look(h, "link.x.y")) == errno.ENAMETOOLONG
    assert await get(h, "link.x") == b"1"


async def test_a_tree_made_deep_by_copies_can_still_be_changed() -> None:
    wired = await boot()
    h = wired.client()
    await commit(h, Txn().put_raw(".".join("a" * KEY_DEPTH), "1"))
    for _ in range(12):
        copy = await look(h, "a", TREEOBJ)
        await commit(h, Txn().put_treeobj(".".join("a" * (KEY_DEPTH - 1)), copy))
    await wired.client(0).rpc("kvs.dropcache")
    await commit(h, Txn().put_raw(".".join("a" * KEY_DEPTH), "2"))
    assert await get(h, ".".join("a" * KEY_DEPTH)) == b"2"
    await wired.close()


async def test_values() -> None:
    wired = await boot()
    h = wired.client()
    await commit(h, Txn().put_raw("before", "1"))
    wired.ranks[0].attrs.set("content.blob-size-limit", "5000")
    for txn in (Txn().put_raw("big", b"x" * 5001), Txn().append("big", b"x" * 5001)):
        big, small = await outcomes(commit(h, txn), commit(h, Txn().put_raw("small", "1")))
        assert isinstance(big, OSError)
        assert big.errno == errno.EFBIG
        assert isinstance(small, dict)
    await commit(h, Txn().put_raw("limit", b"x" * 5000))
    await asyncio.gather(
        *(commit(h, Txn().append("log", bytes([part]) * 3000)) for part in range(4))
    )
    assert await get(h, "log") == b"".join(bytes([part]) * 3000 for part in range(4))
    assert len((await look(h, "log", TREEOBJ))["data"]) == 4
    inline = treeobj.directory({f"n{number}": treeobj.val(b"x" * 60) for number in range(100)})
    big, small = await outcomes(
        commit(h, Txn().put_treeobj("dir", inline)), commit(h, Txn().put_raw("small", "2"))
    )
    assert isinstance(big, OSError)
    assert big.errno == errno.EFBIG
    assert isinstance(small, dict)
    assert (await get(h, "small"), await errnum(look(h, "dir"))) == (b"2", errno.ENOENT)
    await wired.close()


async def test_a_value_that_names_one_blob_very_often() -> None:
    wired = await boot(2)
    h, guest = wired.client(1), wired.client(1, GUEST)
    await h.rpc("kvs.namespace-create", {"namespace": "own", "owner": GUEST, "flags": 0})
    blob = b"x" * (1 << 20)
    await commit(guest, Txn().put_raw("one", blob), "own")
    many = treeobj.valref([treeobj.blobref(blob)] * 100_000)
    for client in (h, guest):
        await commit(client, Txn().put_treeobj("many", many), "own")
        assert await errnum(get(client, "many", "own")) == errno.EFBIG
    within = GUEST_VALUE_BYTES >> 20
    await commit(guest, Txn().put_treeobj("some", treeobj.valref(many["data"][:within])), "own")
    assert len(await get(guest, "some", "own")) == GUEST_VALUE_BYTES
    await wired.close()


async def test_blobs_that_only_look_like_directories() -> None:
    wired = await boot(2)
    h = wired.client(1)
    crafted = [
        b'{"data":{"a":5},"type":"dir","ver":1}',
        b'{"data":{"a":{"ver":1,"type":"dirref","data":["x"]}},"type":"dir","ver":1}',
        b'{"data":{"a":{"ver":1,"type":[],"data":1}},"type":"dir","ver":1}',
        b'{"data":{"a":{"ver":1,"type":"symlink","data":{"target":"b","namespace":[]}}},'
        b'"type":"dir","ver":1}',
        json.dumps(treeobj.directory({"a": nested(TREEOBJ_DEPTH + 1)})),
        b'{"data":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b'},"type":"dir","ver":1}',
        b"not even JSON " * 10,
    ]
    for number, blob in enumerate(crafted):
        await commit(h, Txn().put_raw("blob", blob + b" " * 100))
        ref = treeobj.blobref(blob + b" " * 100)
        await commit(h, Txn().put_treeobj("fake", treeobj.dirref(ref)))
        assert await errnum(look(h, "fake.a")) == errno.EINVAL, blob
        assert await errnum(look(h, "fake", READDIR)) == errno.EINVAL, blob
        bad, good = await outcomes(
            commit(h, Txn().put_raw("fake.a.b", "1")),
            commit(h, Txn().put_raw(f"good{number}", "1")),
        )
        assert isinstance(bad, OSError)
        assert bad.errno == errno.EINVAL
        assert isinstance(good, dict)
        await commit(h, Txn().unlink("fake"))
    await wired.close()


async def test_a_long_queue_becomes_several_batches() -> None:
    wired = await boot()
    h = wired.client()
    many = [{"key": f"k{number}", "flags": 0, "dirent": None} for number in range(BATCH_OPS + 1)]
    first, second, third = await asyncio.gather(
        *(commit_ops(h, ops) for ops in (many, many[:1], put("x")))
    )
    assert first["rootseq"] + 1 == second["rootseq"] == third["rootseq"] == await version(h)
    await wired.close()
