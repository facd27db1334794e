"""What goes wrong in a commit stays with that commit: neither its batch, its namespace nor another
namespace suffers.
"""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.service import Request, refuse
from broker.services.kvs.commit import RESTARTS
from broker.services.kvs.directory import Draft, _Leaf
from broker.services.kvs.draft import TreeDraft
from broker.services.kvs.namespace import Namespace
from flux import treeobj
from flux.kvs_txn import SYNC, Txn
from tests.unit.broker.services.kvs.instance import (
    ScriptedStore,
    boot,
    commit,
    errnum,
    get,
    look,
    version,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from flux.wire.message import Message
    from tests.unit.broker.services.wired import Wired

GUEST = 2000
NOWHERE = "sha1-" + "0" * 40


@pytest.fixture
async def wired() -> AsyncIterator[Wired]:
    instance = await boot()
    yield instance
    await instance.close()


async def together(*commits: Any) -> list[int]:
    """Run commits in one turn; returns their error numbers, 0 for those that succeed."""
    answers = await asyncio.gather(*commits, return_exceptions=True)
    numbers = []
    for answer in answers:
        assert isinstance(answer, dict | OSError), repr(answer)
        numbers.append(answer.errno or -1 if isinstance(answer, OSError) else 0)
    return numbers


def fail_on(
    monkeypatch: pytest.MonkeyPatch, cls: type, method: str, name: str, exc: Exception
) -> None:
    """Have ``method`` raise ``exc`` when its first argument mentions ``name``."""
    original = getattr(cls, method)

    def patched(self: Any, first: Any, *args: Any, **others: Any) -> Any:
        if name in str(first):
            raise exc
        return original(self, first, *args, **others)

    monkeypatch.setattr(cls, method, patched)


@pytest.mark.parametrize(
    "exc", [RecursionError("too deep"), KeyError("data"), MemoryError(), OSError(errno.EIO, "bad")]
)
async def test_an_exception_while_operations_are_applied(
    wired: Wired, monkeypatch: pytest.MonkeyPatch, exc: Exception
) -> None:
    h = wired.client()
    fail_on(monkeypatch, TreeDraft, "apply", "poison", exc)
    expected = errno.EIO if isinstance(exc, OSError) else errno.EINVAL
    first = Txn().put_raw("half", "1").put_raw("poison", "1")
    commits = [commit(h, txn) for txn in (Txn().put_raw("a", "1"), first, Txn().put_raw("b", "1"))]
    assert await together(*commits) == [0, expected, 0]
    assert await errnum(commit(h, first)) == expected
    assert [await get(h, key) for key in "ab"] == [b"1", b"1"]
    assert await errnum(look(h, "half")) == errno.ENOENT
    logged = any("commit to primary" in entry.text for entry in wired.logs)
    assert logged is not isinstance(exc, OSError)


async def test_an_exception_while_directories_become_blobs(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = wired.client()
    original = Draft.seal

    def seal(self: Draft, *args: Any, **others: Any) -> Any:
        if isinstance(self._top, _Leaf) and "poison" in self._top.entries:
            raise RecursionError("maximum recursion depth exceeded")
        return original(self, *args, **others)

    monkeypatch.setattr(Draft, "seal", seal)
    txns = [
        Txn().put_raw(f"d{number}.{name}", "1")
        for number, name in enumerate(["a", "b", "poison", "c"])
    ]
    assert await together(*(commit(h, txn) for txn in txns)) == [0, 0, errno.EINVAL, 0]
    assert await get(h, "d3.c") == b"1"
    assert await errnum(commit(h, txns[2])) == errno.EINVAL


async def test_an_exception_in_one_namespace_is_no_matter_to_another(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    h, guest = wired.client(), wired.client(userid=GUEST)
    await h.rpc("kvs.namespace-create", {"namespace": "own", "owner": GUEST, "flags": 0})
    fail_on(monkeypatch, TreeDraft, "apply", "poison", RecursionError("too deep"))
    commits = [commit(guest, Txn().put_raw("poison", "1"), "own")]
    commits += [commit(h, Txn().put_raw(f"k{number}", "1")) for number in range(20)]
    commits += [commit(guest, Txn().put_raw("fine", "1"), "own")]
    assert await together(*commits) == [errno.EINVAL, *[0] * 20, 0]
    assert (await get(h, "k19"), await get(guest, "fine", "own")) == (b"1", b"1")


async def test_a_failing_store_request_is_tried_for_each_namespace(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = wired.client()
    await h.rpc("kvs.namespace-create", {"namespace": "own", "owner": GUEST, "flags": 0})
    content = wired.ranks[0].services["content"]
    handle = content.handle

    def refuse_poison(msg: Message, send: Callable[[Message], None]) -> None:
        if msg.topic == "content.store-batch" and b"poison" in (msg.payload or b""):
            refuse(msg, send, errno.EIO, "a blob nobody wants")
        else:
            handle(msg, send)

    monkeypatch.setattr(content, "handle", refuse_poison)
    commits = [commit(h, Txn().put_raw("poison", "1"), "own"), commit(h, Txn().put_raw("a", "1"))]
    assert await together(*commits) == [errno.EIO, 0]
    assert await get(h, "a") == b"1"
    assert await together(commit(h, Txn().put_raw("b", "1"), "own")) == [0]


async def test_an_exception_while_a_root_is_published(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = wired.client()
    await h.rpc("kvs.namespace-create", {"namespace": "own", "owner": GUEST, "flags": 0})
    original = Namespace.advance

    def advance(self: Namespace[Any], rootref: str, rootseq: int) -> None:
        if self.name == "own":
            raise ValueError("unpublishable")
        original(self, rootref, rootseq)

    monkeypatch.setattr(Namespace, "advance", advance)
    commits = [commit(h, Txn().put_raw("x", "1"), "own"), commit(h, Txn().put_raw("a", "1"))]
    assert await together(*commits) == [errno.EINVAL, 0]
    monkeypatch.setattr(Namespace, "advance", original)
    assert await together(commit(h, Txn().put_raw("y", "1"), "own")) == [0]


@pytest.mark.parametrize("topic", ["content.store-batch", "content.load-stored"])
async def test_a_namespace_that_is_removed_while_its_batch_is_under_way(
    wired: Wired, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    h = wired.client()
    space = {"namespace": "own", "owner": GUEST, "flags": 0}
    await h.rpc("kvs.namespace-create", space)
    await commit(h, Txn().put_raw("d.a", "1"), "own")
    await h.rpc("kvs.dropcache")
    content = wired.ranks[0].services["content"]
    handle = content.handle
    held: list[tuple[Message, Callable[[Message], None]]] = []

    def hold(msg: Message, send: Callable[[Message], None]) -> None:
        if msg.topic == topic:
            held.append((msg, send))
        else:
            handle(msg, send)

    monkeypatch.setattr(content, "handle", hold)
    first = asyncio.ensure_future(commit(h, Txn().put_raw("d.b", "1"), "own"))
    async with asyncio.timeout(60):
        while not held:
            await asyncio.sleep(0)
    second = asyncio.ensure_future(commit(h, Txn().put_raw("d.c", "1"), "own"))
    while not (await h.rpc("kvs.stats.get"))["namespace"]["own"]["#transactions"]:
        pass
    await h.rpc("kvs.namespace-remove", {"namespace": "own"})
    await h.rpc("kvs.namespace-create", space)
    monkeypatch.setattr(content, "handle", handle)
    for msg, send in held:
        handle(msg, send)
    assert await together(first, second) == [errno.ENOTSUP] * 2
    assert await together(commit(h, Txn().put_raw("new", "1"), "own")) == [0]
    assert (await h.rpc("kvs.getroot", {"namespace": "own"}))["rootseq"] == 1


async def test_an_answer_that_cannot_be_sent_is_no_matter_to_others(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = wired.client()
    await commit(h, Txn().mkdir("dir"))
    original = Request.respond, Request.fail

    def respond(self: Request, payload: Any = None) -> None:
        if self.payload.get("flags") == 0 and "mute" in str(self.payload.get("ops")):
            raise ValueError("not to be encoded")
        original[0](self, payload)

    def fail(self: Request, exc: OSError) -> None:
        if "mute" in str(self.payload.get("ops")):
            raise ValueError("not to be encoded")
        original[1](self, exc)

    monkeypatch.setattr(Request, "respond", respond)
    monkeypatch.setattr(Request, "fail", fail)
    mute = [
        asyncio.ensure_future(commit(h, txn))
        for txn in (Txn().put_raw("mute", "1"), Txn().append("dir", "mute").put_raw("mute", "1"))
    ]
    assert await together(
        commit(h, Txn().put_raw("a", "1")), commit(h, Txn().append("dir", "1"))
    ) == [0, errno.EISDIR]
    assert await together(commit(h, Txn().put_raw("b", "1"))) == [0]
    assert not any(one.done() for one in mute)
    for one in mute:
        one.cancel()


async def test_many_bad_transactions_fail_alone_in_few_passes(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    h = wired.client()
    await commit(h, Txn().mkdir("dir"))
    applied = 0
    original = TreeDraft.apply

    def apply(self: TreeDraft, op: Any) -> None:
        nonlocal applied
        applied += 1
        original(self, op)

    monkeypatch.setattr(TreeDraft, "apply", apply)
    txns: list[Txn] = []
    for number in range(300):
        txns.append(Txn().put_raw(f"good{number}", "1"))
        txns.append(
            Txn().append("dir", "x")
            if number % 2
            else Txn().put_raw(f"bad{number}", "1").append("dir", "x")
        )
    answers = await together(*(commit(h, txn) for txn in txns))
    assert answers == [0, errno.EISDIR] * 300
    names = set((await look(h, ".", 1))["data"])
    assert names == {"dir", *(f"good{number}" for number in range(300))}
    assert applied < len(txns) * 2 * (RESTARTS + 2)


async def test_a_directory_that_cannot_be_loaded_fails_who_needs_it(wired: Wired) -> None:
    h = wired.client()
    lost = treeobj.dirref(NOWHERE)
    await commit(h, Txn().put_treeobj("lost", lost).put_treeobj("in.lost", lost))
    commits = [
        commit(h, Txn().put_raw("lost.x", "1")),
        commit(h, Txn().put_raw("a", "1")),
        commit(h, Txn().put_raw("b", "1").put_raw("in.lost.x.y", "1")),
        commit(h, Txn().append("c", "1")),
    ]
    assert await together(*commits) == [errno.ENOENT, 0, errno.ENOENT, 0]
    assert (await get(h, "a"), await get(h, "c")) == (b"1", b"1")
    assert await errnum(look(h, "b")) == errno.ENOENT
    await commit(h, Txn().unlink("lost").put_raw("in.other", "1"))


async def test_a_lost_blob_fails_its_watcher_only(wired: Wired) -> None:
    h = wired.client()
    await commit(h, Txn().put_treeobj("lost", treeobj.valref([NOWHERE])).put_raw("kept", "x" * 200))
    await h.rpc("kvs.dropcache")
    body = {
        "namespace": "primary",
        "userid": 0,
        "rolemask": 1,
        "lookups": [
            {"key": "lost", "flags": 0},
            {"key": "kept", "flags": 0},
            {"key": "nosuch", "flags": 0},
        ],
    }
    first, second, third = (await h.rpc("kvs.lookup-plus", body))["results"]
    assert first == {"errnum": errno.ENOENT}
    assert treeobj.decode_val(second["val"]) == b"x" * 200
    assert third == {"errnum": errno.ENOENT}
    malformed: list[object] = [5, {}, {"key": "kept", "flags": 0, "seen": {"refs": "x"}}]
    for lookups in ([one] for one in malformed):
        (result,) = (await h.rpc("kvs.lookup-plus", {**body, "lookups": lookups}))["results"]
        assert result == {"errnum": errno.EPROTO}


async def test_a_damaged_root_is_answered() -> None:
    wired = await boot(store=ScriptedStore)
    h, store = wired.client(), wired.ranks[0].services["scripted"]
    assert isinstance(store, ScriptedStore)
    root = (await commit(h, Txn().put_raw("a", "1"), flags=SYNC))["rootref"]
    store.blobs[root] = b"rubbish"
    content = wired.ranks[0].services["content"]
    await h.rpc("content.dropcache")
    await h.rpc("kvs.dropcache")
    assert content.stats()["count"] == 0
    assert await errnum(look(h, "a")) == errno.EINVAL
    assert (
        await together(*(commit(h, Txn().put_raw(key, "1")) for key in "bc")) == [errno.EINVAL] * 2
    )
    assert await version(h) == 1
    await wired.close()


EVENTS: list[Any] = [
    None,
    {},
    {"a": 1},
    [],
    {"namespace": "primary", "rootref": 5, "rootseq": 1, "owner": 0, "keys": []},
    {"namespace": "primary", "rootref": NOWHERE, "rootseq": "x", "owner": 0, "keys": []},
    {"namespace": "primary", "rootref": NOWHERE, "rootseq": -1, "owner": 0, "keys": []},
    {"namespace": "primary", "rootref": NOWHERE, "rootseq": 9, "owner": 0, "keys": [5]},
    {"namespace": "other", "rootref": NOWHERE, "rootseq": 9, "owner": 0, "keys": []},
    {"namespace": "primary", "rootref": NOWHERE, "rootseq": 10**9, "owner": 0, "keys": []},
]


@pytest.mark.parametrize("body", EVENTS)
async def test_events_that_make_no_sense_do_not_lead_a_follower_astray(body: Any) -> None:
    wired = await boot(2)
    h = wired.client(1)
    await commit(h, Txn().put_raw("a", "1"))
    for topic in ("kvs.setroot-primary", "kvs.namespace-removed-primary"):
        wired.publish(topic, body)
    await commit(h, Txn().put_raw("b", "2"))
    assert [await get(h, key) for key in "ab"] == [b"1", b"2"]
    while (await h.rpc("kvs.getroot", {"namespace": "primary"}))["rootseq"] != 2:
        await asyncio.sleep(0)
    await wired.close()


async def test_a_follower_that_missed_events_asks_until_it_is_up_to_date() -> None:
    wired = await boot(2)
    h, leader = wired.client(1), wired.client(0)
    await commit(h, Txn().put_raw("a", "1"))
    forged = {"namespace": "primary", "rootref": NOWHERE, "rootseq": 50, "owner": 0, "keys": []}
    wired.publish("kvs.setroot-primary", forged)
    wired.publish("kvs.setroot-primary", forged)
    answers = await asyncio.gather(
        *(commit(leader, Txn().put_raw("n", str(n)), flags=1) for n in range(10))
    )
    await h.rpc("kvs.sync", {"namespace": "primary", "rootseq": answers[-1]["rootseq"]})
    assert await get(h, "n") == b"9"
    await wired.close()


async def test_unloading_answers_who_waits() -> None:
    wired = await boot()
    h = wired.client()
    await h.rpc("kvs.namespace-create", {"namespace": "own", "owner": GUEST, "flags": 0})
    ops = Txn().put("a", 1).ops
    fence = {"namespace": "own", "flags": 0, "ops": ops, "name": "f", "nprocs": 2}
    waiting = [
        asyncio.ensure_future(h.rpc("kvs.fence", fence)),
        asyncio.ensure_future(h.rpc("kvs.sync", {"namespace": "primary", "rootseq": 9})),
        asyncio.ensure_future(commit(h, Txn().put_raw("b", "1"))),
    ]
    stats = await h.rpc("kvs.stats.get")
    while not stats["namespace"]["primary"]["#syncers"]:
        stats = await h.rpc("kvs.stats.get")
    await wired.remove(wired.ranks[0].services["kvs"])
    assert [await errnum(one) for one in waiting[:2]] == [errno.ENOSYS] * 2
    assert (await waiting[2])["rootseq"] == 1
    await wired.close()
