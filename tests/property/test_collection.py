"""Whatever is committed, linked and collected in whatever order: what is in use stays readable, the
rest goes away.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.services.content.service import ContentService
from broker.services.content_sqlite import collecting, collector
from broker.services.content_sqlite.service import ContentSqliteService
from broker.services.kvs.service import KvsService
from flux import treeobj
from flux.kvs_txn import SYNC, Txn
from tests.unit.broker.services.wired import Wired

if TYPE_CHECKING:
    from broker.services.kvs.leader import Leader
    from flux.aio import AsyncFlux

KEYS = ("a", "b", "a.b", "b.a.b")
# Few different values, so that they come back after they have been dropped.
VALUES = (b"small", b"x" * 100, b"y" * 200, b"z" * 300)
SPACES = ("primary", "primary", "n1", "n2")
WEIGHTS = {
    "put": 10, "sync": 4, "append": 2, "unlink": 4, "link": 2, "remove": 1,
    "store": 1, "tick": 2, "collect": 6, "wait": 2, "forget": 1, "breathe": 4,
}  # fmt: skip
Step = tuple[str, str, str, Any]


def steps_of(seed: int, count: int = 60) -> list[Step]:
    """Return a random sequence of steps: what to do, in which namespace, with which key, with which
    value or second key.
    """
    chance = random.Random(seed)
    steps: list[Step] = []
    for kind in chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=count):
        space = {"sync": "primary", "remove": chance.choice(("n1", "n2"))}.get(
            kind
        ) or chance.choice(SPACES)
        second: Any = chance.choice(KEYS) if kind == "link" else chance.choice(VALUES)
        steps.append((kind, space, chance.choice(KEYS), second))
    return steps


Tree = dict[str, Any]


class Instance:
    """Two ranks with a store, and a model of what must be in it. Trees of the model are never
    changed, only replaced.
    """

    def __init__(self, wired: Wired) -> None:
        self.wired = wired
        self.h: AsyncFlux = wired.client()
        self.spaces: dict[str, Tree] = {"primary": {}}
        self.blobs: set[bytes] = set()
        self.collections: list[asyncio.Task[Any]] = []
        self.roots: list[tuple[str, Tree]] = []

    async def run(self, kind: str, space: str, key: str, value: Any) -> None:
        await getattr(self, f"do_{kind}")(space, key, value)
        await self._note_root()

    async def _note_root(self) -> None:
        """Remember the current root and what is in it."""
        root = (await self.h.rpc("kvs.getroot", {"namespace": "primary"}))["rootref"]
        self.roots.append((root, self.spaces["primary"]))

    async def commit(self, space: str, txn: Txn, flags: int = 0) -> bool:
        try:
            await self.h.rpc("kvs.commit", {"namespace": space, "flags": flags, "ops": txn.ops})
        except OSError:
            return False
        return True

    async def _space(self, space: str) -> None:
        if space not in self.spaces:
            await self.h.rpc("kvs.namespace-create", {"namespace": space, "owner": -1, "flags": 0})
            self.spaces[space] = {}

    async def do_put(self, space: str, key: str, value: bytes, flags: int = 0) -> None:
        await self._space(space)
        assert await self.commit(space, Txn().put_raw(key, value), flags)
        self.spaces[space] = changed(self.spaces[space], key.split("."), value)

    async def do_sync(self, space: str, key: str, value: bytes) -> None:
        await self.do_put(space, key, value, SYNC)

    async def do_append(self, space: str, key: str, value: bytes) -> None:
        await self._space(space)
        old = found(self.spaces[space], key.split("."))
        if not isinstance(old, dict):
            assert await self.commit(space, Txn().append(key, value))
            self.spaces[space] = changed(self.spaces[space], key.split("."), (old or b"") + value)

    async def do_unlink(self, space: str, key: str, value: bytes) -> None:
        await self._space(space)
        assert await self.commit(space, Txn().unlink(key))
        if found(self.spaces[space], key.split(".")) is not None:
            self.spaces[space] = changed(self.spaces[space], key.split("."), None)

    async def do_link(self, space: str, key: str, target: str) -> None:
        """Put what is at a key of the primary namespace at another place by reference."""
        await self._space(space)
        there = found(self.spaces["primary"], target.split("."))
        if there is None:
            return
        look = {"namespace": "primary", "key": target, "flags": 16}
        obj = (await self.h.rpc("kvs.lookup", look))["val"]
        assert await self.commit(space, Txn().put_treeobj(key, obj))
        self.spaces[space] = changed(self.spaces[space], key.split("."), there)

    async def do_remove(self, space: str, key: str, value: bytes) -> None:
        if self.spaces.pop(space, None) is not None:
            await self.h.rpc("kvs.namespace-remove", {"namespace": space})

    async def do_store(self, space: str, key: str, value: bytes) -> None:
        for data in (value, key.encode() * 50):
            await self.wired.client(1).rpc_message("content.store", data)
            self.blobs.add(data)

    async def do_tick(self, space: str, key: str, value: bytes) -> None:
        leader_of(self.wired).settler.settle_all()

    async def do_collect(self, space: str, key: str, value: bytes) -> None:
        if self.collections and not all(task.done() for task in self.collections):
            return
        await self.do_wait(space, key, value)
        self.roots.clear()
        before = self.wired.seen.count("kvs.collect-roots")
        self.collections.append(asyncio.ensure_future(self.h.rpc("content-sqlite.collect")))
        while self.wired.seen.count("kvs.collect-roots") == before:
            await asyncio.sleep(0)

    async def do_wait(self, space: str, key: str, value: bytes) -> None:
        """Every root since the beginning of the first collection must be readable after the
        last.
        """
        if not self.collections:
            return
        await asyncio.gather(*self.collections)
        self.collections.clear()
        await self.do_forget("", "", b"")
        for root, tree in self.roots:
            assert await self.read(self.h, "primary", ".", treeobj.dirref(root)) == tree

    async def do_breathe(self, space: str, key: str, value: bytes) -> None:
        """Let a collection come further."""
        for _ in range(len(key) * 10):
            await asyncio.sleep(0.0002)

    async def do_forget(self, space: str, key: str, value: bytes) -> None:
        for rank in (0, 1):
            for service in ("kvs", "content"):
                await self.wired.client(rank).rpc(f"{service}.dropcache")

    async def check(self) -> None:
        """Read all that must be there with nothing in memory."""
        await self.do_forget("", "", b"")
        for rank in (1, 0):
            for space, tree in self.spaces.items():
                assert await self.read(self.wired.client(rank), space, ".") == tree
            for data in self.blobs:
                answer = await self.wired.client(rank).rpc_message(
                    "content.load-stored", treeobj.blobref(data)
                )
                assert answer.payload == data

    async def read(
        self, h: AsyncFlux, space: str, key: str, root: treeobj.TreeObj | None = None
    ) -> Any:
        look = {"namespace": space} if root is None else {"rootdir": root}
        entries = (await h.rpc("kvs.lookup", {**look, "key": key, "flags": 1}))["val"]["data"]
        tree: Tree = {}
        for name, entry in entries.items():
            path = name if key == "." else f"{key}.{name}"
            if entry["type"] in ("val", "valref"):
                answer = await h.rpc("kvs.lookup", {**look, "key": path, "flags": 0})
                tree[name] = treeobj.decode_val(answer["val"])
            else:
                tree[name] = await self.read(h, space, path, root)
        return tree


def leader_of(wired: Wired) -> Leader:
    kvs = wired.ranks[0].services["kvs"]
    assert isinstance(kvs, KvsService)
    assert kvs.leader is not None
    return kvs.leader


def found(tree: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return None
        tree = tree[name]
    return tree


def changed(tree: Tree, path: list[str], value: Any) -> Tree:
    """Return a copy of ``tree`` with ``value`` at ``path``, without it for None."""
    name, *rest = path
    if rest:
        child = tree.get(name)
        value = changed(child if isinstance(child, dict) else {}, rest, value)
    copy = {other: item for other, item in tree.items() if other != name}
    return copy if value is None else {**copy, name: value}


async def play(steps: list[Step], rundir: str) -> None:
    wired = Wired(2, rundir)
    attrs = wired.ranks[0].attrs
    attrs.define("content.grace-period", "1000")
    attrs.define("content.collect-growth", "0")
    for kind, ranks in ((ContentService, 2), (ContentSqliteService, 1), (KvsService, 2)):
        for rank in range(ranks):
            await wired.add(kind, rank)
    instance = Instance(wired)
    for step in steps:
        await instance.run(*step)
    await instance.do_wait("", "", b"")
    await instance.check()
    attrs.set("content.grace-period", "0")
    # Without anything in use but what users stored, the store holds that and the path to an empty
    # root.
    for space in list(instance.spaces):
        if space == "primary":
            for name in instance.spaces["primary"]:
                await instance.commit("primary", Txn().unlink(name))
        else:
            await instance.do_remove(space, "", b"")
    await instance.do_tick("", "", b"")
    await instance.h.rpc("content-sqlite.collect")
    checkpointer = leader_of(wired).checkpointer
    assert checkpointer is not None
    await checkpointer._save(sync=True)  # noqa: SLF001 - now, not later
    await instance.h.rpc("content-sqlite.collect")
    stats = await instance.h.rpc("content-sqlite.stats.get")
    assert stats["object_count"] <= len(instance.blobs) + 1
    assert stats["live_bytes"] <= sum(map(len, instance.blobs)) + len(
        b'{"data":{},"type":"dir","ver":1}'
    )
    await wired.close()
    # What the store says at the end is what a new instance finds.
    again = Wired(1, rundir)
    again.ranks[0].attrs.define("content.collect-growth", "0")
    for kind in (ContentService, ContentSqliteService, KvsService):
        await again.add(kind)
    for data in instance.blobs:
        answer = await again.client().rpc_message("content.load-stored", treeobj.blobref(data))
        assert answer.payload == data
    assert await Instance(again).read(again.client(), "primary", ".") == {}
    await again.close()


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_collections_drop_what_is_not_in_use_and_nothing_else(seed: int) -> None:
    # The smallest steps, so that commits come between any two of them; no time passes, so grace
    # periods are never over.
    async def wait_until(_collecting: Any, _when: float) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    with ExitStack() as stack:
        for owner, name, value in (
            (collecting, "STEP", 0.0),
            (collecting, "PAUSE", 0.0),
            (collector, "SWEEP_ROWS", 2),
            (collecting.Collecting, "_wait_until", wait_until),
        ):
            stack.enter_context(patch.object(owner, name, value))
        rundir = stack.enter_context(tempfile.TemporaryDirectory())
        asyncio.run(play(steps_of(seed), rundir))
