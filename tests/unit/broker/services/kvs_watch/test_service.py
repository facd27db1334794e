"""Watching keys, on the rank that commits and on another."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.content.service import ContentService
from broker.services.kvs.service import KvsService
from broker.services.kvs_watch.service import KvsWatchService
from flux import treeobj
from flux.kvs_flags import STREAM
from flux.kvs_txn import (
    READDIR,
    WAITCREATE,
    WATCH,
    WATCH_APPEND,
    WATCH_FULL,
    WATCH_UNIQ,
    Txn,
)
from tests.unit.broker.services.wired import Wired

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from flux.aio import AsyncFlux, Stream


@pytest.fixture(params=[0, 2])
async def far(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Wired, AsyncFlux]]:
    """An instance of three ranks and a client on rank 0 or 2."""
    wired = Wired(3)
    for rank in range(3):
        for service in (ContentService, KvsService, KvsWatchService):
            await wired.add(service, rank)
    yield wired, wired.client(request.param)
    await wired.close()


async def put(wired: Wired, txn: Txn, namespace: str = "primary") -> None:
    await wired.client(0).rpc("kvs.commit", {"namespace": namespace, "flags": 0, "ops": txn.ops})


def watch(h: AsyncFlux, key: str, flags: int = 0, namespace: str = "primary") -> Stream:
    body = {"namespace": namespace, "key": key, "flags": WATCH | flags}
    return h.stream("kvs-watch.lookup", body, cancel="kvs-watch.cancel")


async def value(stream: Stream) -> bytes:
    async with asyncio.timeout(60):
        msg = await stream.next_message()
    assert msg is not None
    return treeobj.decode_val(msg.json()["val"])


async def failure(stream: Stream) -> int:
    with pytest.raises(OSError) as caught:
        async with asyncio.timeout(60):
            await stream.next_message()
    return caught.value.errno or 0


async def test_every_commit_of_the_key_is_told(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    await put(wired, Txn().put_raw("w", "1"))
    async with watch(h, "w") as stream:
        assert await value(stream) == b"1"
        for number in range(2, 20):
            await put(wired, Txn().put_raw("w", str(number)))
            await put(wired, Txn().put_raw("other", str(number)))
        assert [await value(stream) for _ in range(2, 20)] == [b"%d" % n for n in range(2, 20)]
        await put(wired, Txn().unlink("w"))
        assert await failure(stream) == errno.ENOENT


async def test_a_value_is_streamed_once(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    await put(wired, Txn().put_raw("w", "1"))
    body = {"namespace": "primary", "key": "w", "flags": STREAM}
    async with h.stream("kvs-watch.lookup", body) as stream:
        assert await value(stream) == b"1"
        assert await stream.next_message() is None
    async with h.stream("kvs-watch.lookup", {**body, "key": "none"}) as stream:
        assert await failure(stream) == errno.ENOENT
    async with h.stream("kvs-watch.lookup", {**body, "flags": STREAM | WATCH}) as stream:
        assert await failure(stream) == errno.EINVAL


async def test_unique_values_only(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    await put(wired, Txn().put_raw("w", "1"))
    async with watch(h, "w", WATCH_UNIQ) as stream:
        assert await value(stream) == b"1"
        for text in "1121":
            await put(wired, Txn().put_raw("w", text))
        assert [await value(stream), await value(stream)] == [b"2", b"1"]


async def test_appends_arrive_once_and_in_order(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    await put(wired, Txn().append("log", "<0>"))
    async with watch(h, "log", WATCH_APPEND) as stream:
        expected = "".join(f"<{n}>" for n in range(100)).encode()
        leader = wired.client(0)
        for number in range(1, 100):
            body = {
                "namespace": "primary",
                "flags": 0,
                "ops": Txn().append("log", f"<{number}>").ops,
            }
            leader.post("kvs.commit", body, lambda msg: None)
            if number % 7 == 0:
                await put(wired, Txn().put_raw("other", "x"))
        seen = b""
        while len(seen) < len(expected):
            seen += await value(stream)
        assert seen == expected
        await put(wired, Txn().put_raw("log", "short"))
        assert await failure(stream) == errno.EINVAL


async def test_full_sees_a_parent_replaced(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    await put(wired, Txn().put_raw("d.w", "1"))
    async with watch(h, "d.w", WATCH_FULL) as stream:
        assert await value(stream) == b"1"
        await put(wired, Txn().put_raw("unrelated", "1"))
        copy = treeobj.directory({"w": treeobj.val(b"2")})
        await put(wired, Txn().put_treeobj("d", copy))
        assert await value(stream) == b"2"
        await put(wired, Txn().unlink("d"))
        assert await failure(stream) == errno.ENOENT


async def test_wait_for_creation(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    body = {"namespace": "primary", "key": "deep.er.key", "flags": WAITCREATE}
    once = asyncio.ensure_future(h.rpc("kvs-watch.lookup", body))
    async with watch(h, "deep.er.key", WAITCREATE) as stream:
        await put(wired, Txn().put_raw("x", "1"))
        await put(
            wired, Txn().put_treeobj("deep.er", treeobj.directory({"key": treeobj.val(b"here")}))
        )
        assert await value(stream) == b"here"
        assert treeobj.decode_val((await once)["val"]) == b"here"
        await put(wired, Txn().put_raw("deep.er.key", "again"))
        assert await value(stream) == b"again"


async def test_errors(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    await put(wired, Txn().mkdir("d"))
    for flags, key, namespace, expected in (
        (0, "nosuch", "primary", errno.ENOENT),
        (0, "d", "primary", errno.EISDIR),
        (WATCH_APPEND, "d", "primary", errno.EISDIR),
        (0, "k", "nosuch", errno.ENOTSUP),
        (0, "", "primary", errno.EINVAL),
        (WATCH_APPEND | WATCH_UNIQ, "d", "primary", errno.EINVAL),
        (WATCH_APPEND | READDIR, "d", "primary", errno.EINVAL),
    ):
        async with watch(h, key, flags, namespace) as stream:
            assert await failure(stream) == expected
    with pytest.raises(OSError) as caught:
        await h.rpc("kvs-watch.lookup", {"namespace": "primary", "key": "d", "flags": WATCH})
    assert caught.value.errno == errno.EPROTO


async def test_a_removed_namespace_ends_the_watch_after_its_last_value(
    far: tuple[Wired, AsyncFlux],
) -> None:
    wired, h = far
    leader = wired.client(0)
    await leader.rpc("kvs.namespace-create", {"namespace": "job-1", "owner": -1, "flags": 0})
    await put(wired, Txn().append("log", "a"), "job-1")
    async with watch(h, "log", WATCH_APPEND, "job-1") as stream:
        assert await value(stream) == b"a"
        await put(wired, Txn().append("log", "b" * 500), "job-1")
        await leader.rpc("kvs.namespace-remove", {"namespace": "job-1"})
        assert await value(stream) == b"b" * 500
        assert await failure(stream) == errno.ENOTSUP


async def test_cancel_and_disconnect_leave_nothing(far: tuple[Wired, AsyncFlux]) -> None:
    wired, h = far
    service: Any = wired.ranks[h.rank].services["kvs-watch"]
    await put(wired, Txn().put_raw("w", "1"))
    replies: list[int] = []
    stream = watch(h, "w")
    async with stream:
        await value(stream)
        h.post(
            "kvs-watch.cancel",
            {"matchtag": stream.matchtag},
            lambda msg: replies.append(msg.errnum),
        )
        assert await stream.next_message() is None
    assert service.stats() == {"watchers": 0, "namespace-count": 0}
    async with watch(h, "w") as stream:
        await value(stream)
        assert service.stats()["watchers"] == 1
        wired.disconnect(h)
        assert service.stats() == {"watchers": 0, "namespace-count": 0}
    assert len(service.streams) == 0
    assert replies == []


async def test_who_waits_for_a_key_may_come_before_its_namespace(
    far: tuple[Wired, AsyncFlux],
) -> None:
    wired, h = far
    body = {"namespace": "ns", "key": ".a..k.", "flags": WAITCREATE}
    once = asyncio.ensure_future(h.rpc("kvs-watch.lookup", body))
    async with watch(h, "a.k", WAITCREATE, "ns") as stream, watch(h, "k", 0, "ns") as plain:
        assert await failure(plain) == errno.ENOTSUP
        await wired.client(0).rpc(
            "kvs.namespace-create", {"namespace": "ns", "owner": -1, "flags": 0}
        )
        await put(wired, Txn().put_raw("other", "1"), "ns")
        await put(wired, Txn().put_raw("a.k", "1"), "ns")
        assert await value(stream) == b"1"
        async with asyncio.timeout(60):
            assert treeobj.decode_val((await once)["val"]) == b"1"
        await put(wired, Txn().put_raw("a.k", "2"), "ns")
        assert await value(stream) == b"2"
        await wired.client(0).rpc("kvs.namespace-remove", {"namespace": "ns"})
        assert await failure(stream) == errno.ENOTSUP


async def test_coming_early_opens_no_namespace_of_another_user(
    far: tuple[Wired, AsyncFlux],
) -> None:
    wired, _ = far
    guest = wired.client(2, 2000)
    async with watch(guest, "k", WAITCREATE, "ns") as stream:
        await wired.client(0).rpc(
            "kvs.namespace-create", {"namespace": "ns", "owner": 3000, "flags": 0}
        )
        await put(wired, Txn().put_raw("k", "secret"), "ns")
        assert await failure(stream) == errno.EPERM


async def test_who_waits_is_told_that_the_module_is_unloaded() -> None:
    wired = Wired(1)
    for service in (ContentService, KvsService):
        await wired.add(service)
    module = await wired.add(KvsWatchService)
    h = wired.client()
    await put(wired, Txn().put_raw("w", "1"))
    async with watch(h, "w") as stream, watch(h, "later", WAITCREATE) as later:
        assert await value(stream) == b"1"
        await wired.remove(module)
        assert [await failure(one) for one in (stream, later)] == [errno.ENOSYS] * 2
    await wired.close()
