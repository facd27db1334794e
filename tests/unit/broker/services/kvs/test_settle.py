"""Which held directories are written, kept and freed."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

from broker.services.kvs.settle import Held
from flux import treeobj
from flux.kvs_txn import Txn
from tests.unit.broker.services.kvs.instance import boot, boot_sqlite, commit, errnum, get, kvs_of

if TYPE_CHECKING:
    from pathlib import Path

    from flux.dirblob import Entries
    from tests.unit.broker.services.wired import Wired


def tree(held: Held, **directories: list[str]) -> None:
    """Hold directories, given as names and the names of those below."""
    entries: dict[str, Entries] = {
        name: {child: treeobj.dirref(child) for child in below}
        for name, below in directories.items()
    }
    held.add(entries, lambda ref: 10)


def test_what_a_root_leads_to_is_settled_children_first() -> None:
    held = Held()
    tree(held, leaf=[], other=[], middle=["leaf", "elsewhere"], root=["middle", "other"])
    assert held.settle(["middle"]) == ["leaf", "middle"]
    assert held.settle(["root", "unknown"]) == ["other", "root"]
    assert held.settle(["root"]) == []
    assert len(held) == 0


def test_directories_within_directories_count() -> None:
    held = Held()
    tree(held, leaf=[])
    held.add({"root": {"d": treeobj.directory({"e": treeobj.dirref("leaf")})}}, lambda ref: 10)
    assert held.settle(["root"]) == ["leaf", "root"]


def test_what_no_root_refers_to_is_freed_after_its_time() -> None:
    held = Held()
    tree(held, leaf=[], root1=["leaf"])
    tree(held, root2=["leaf"])
    assert held.settle(["root2"]) == ["leaf", "root2"]
    held.supersede([], now=100.0)
    assert held.expire(100.0, 1000) == ([], [])
    assert held.expire(100.1, 1000) == (["root1"], [])
    assert len(held) == 0


def test_what_is_on_its_way_is_neither_settled_nor_freed() -> None:
    held = Held()
    tree(held, old=[], leaf=[], coming=["leaf"])
    held.supersede(["coming"], now=1.0)
    assert held.expire(9.0, 1000) == (["old"], [])
    assert held.settle(["coming"]) == ["leaf", "coming"]


def test_what_comes_back_is_current_again() -> None:
    held = Held()
    tree(held, leaf=[], root=["leaf"])
    held.supersede([], now=1.0)
    tree(held, root=["leaf"])
    held.supersede(["root"], now=2.0)
    assert held.expire(9.0, 1000) == ([], [])
    assert held.settle(["root"]) == ["leaf", "root"]
    assert held.expire(9.0, 0) == ([], [])


def test_a_directory_in_two_places_outlives_one_of_them() -> None:
    held = Held()
    tree(held, leaf=[], twice=["leaf"], garbage=[], root=["twice"])
    held.replaced(["twice", "unknown"])
    written = held.settle(["root"])
    assert {"leaf", "twice", "root"} <= set(written)
    assert len(held) == 0


def test_what_is_linked_after_it_was_superseded_is_written_whole() -> None:
    held = Held()
    tree(held, leaf=[], old=["leaf"])
    held.supersede([], now=1.0)
    tree(held, root=["old"])
    assert {"leaf", "old", "root"} <= set(held.settle(["root"]))


def test_too_much_of_it_is_written_oldest_first() -> None:
    held = Held()
    for number in range(5):
        tree(held, **{f"d{number}": []})
        held.supersede([], now=float(number))
    assert held.expire(1.0, 20) == (["d0"], ["d1", "d2"])
    assert held.expire(9.0, 20) == (["d3", "d4"], [])


def test_a_wide_and_a_deep_tree() -> None:
    held = Held()
    tree(held, d0=[])
    for number in range(1, 5000):
        tree(held, **{f"d{number}": [f"d{number - 1}", "d0"]})
    assert len(held.settle(["d4999"])) == 5000


def settle(wired: Wired) -> None:
    leader = kvs_of(wired).leader
    assert leader is not None
    leader.settler.settle_all()


async def test_directories_that_are_superseded_are_never_written(tmp_path: Path) -> None:
    wired = await boot_sqlite(str(tmp_path))
    h = wired.client()
    before = (await h.rpc("content-sqlite.stats.get"))["object_count"]
    for number in range(20):
        await commit(h, Txn().put_raw("a.b.c", b"%d" % number))
    held = (await h.rpc("content.stats.get"))["held"]
    assert held == 20 * 3
    settle(wired)
    await h.rpc("content.flush")
    assert (await h.rpc("content-sqlite.stats.get"))[
        "object_count"
    ] == before + 1 + 3  # and the empty directory
    assert (await h.rpc("content.stats.get"))["held"] == held - 3
    wired.ranks[0].attrs.set("content.grace-period", "0")
    await asyncio.sleep(0)
    settle(wired)
    assert (await h.rpc("content.stats.get"))["held"] == 0
    assert await get(h, "a.b.c") == b"19"
    await wired.close()


async def test_an_old_root_is_readable_during_its_grace_period_only(tmp_path: Path) -> None:
    wired = await boot_sqlite(str(tmp_path))
    h = wired.client()
    old = (await commit(h, Txn().put_raw("a.b", b"1")))["rootref"]
    await commit(h, Txn().put_raw("a.b", b"2"))
    body = {"key": "a.b", "flags": 0, "rootdir": treeobj.dirref(old)}
    watch = {
        "namespace": "primary", "lookups": [{"key": "a.b", "flags": 0}],
        "userid": wired.clients[0].userid, "rolemask": 1, "rootref": old, "rootseq": 1,
    }  # fmt: skip
    settle(wired)
    await h.rpc("kvs.dropcache")
    assert treeobj.decode_val((await h.rpc("kvs.lookup", body))["val"]) == b"1"
    wired.ranks[0].attrs.set("content.grace-period", "0")
    await asyncio.sleep(0)
    settle(wired)
    await h.rpc("kvs.dropcache")
    assert await errnum(h.rpc("kvs.lookup", body)) == errno.ENOENT
    # A watcher that lags behind that far goes on with the current root.
    answer = await h.rpc("kvs.lookup-plus", watch)
    assert (answer["rootseq"], treeobj.decode_val(answer["results"][0]["val"])) == (2, b"2")
    await wired.close()


async def test_a_rank_that_lags_behind_looks_again() -> None:
    wired = await boot(2)
    h = wired.client(1)
    answer = await commit(h, Txn().put_raw("a.b", b"1"))
    spaces = kvs_of(wired, 1).spaces
    spaces.table["primary"].rootref = "sha1-" + "0" * 40
    look = asyncio.ensure_future(get(h, "a.b"))
    while "content.load-stored" not in wired.seen[-3:]:
        await asyncio.sleep(0)
    spaces.follow("primary", answer["rootref"], answer["rootseq"], 0)
    assert await look == b"1"
    await wired.close()
