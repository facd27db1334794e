"""Large directories as trees of blobs."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest

from broker.services.kvs import directory
from broker.services.kvs.cache import ObjectCache
from broker.services.kvs.commit import Result, Transaction, TransactionBatch
from broker.services.kvs.directory import Draft, Missing, all_entries, one_entry
from broker.services.kvs.lookup import lookup
from broker.services.kvs.ops import parse_ops
from flux import treeobj
from flux.dirblob import HEAD, TAIL, Buckets, Entries, name_hash, parse
from flux.kvs_txn import Txn
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterable


def hdir(data: object) -> bytes:
    return json.dumps({"data": data, "type": "hdir", "ver": 1})


class Blobs:
    """A content store for directories; ``written`` lists what was stored since it was last
    emptied.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.written: list[str] = []

    def store(self, blob: bytes, entries: Entries) -> str:
        ref = treeobj.blobref(blob)
        assert parse(ref, blob) == entries
        self.blobs[ref] = blob
        self.written.append(ref)
        return ref

    def find(self, ref: str) -> Entries | None:
        return parse(ref, self.blobs[ref]) if ref in self.blobs else None

    def text(self, ref: str) -> Any:
        return json.loads(self.blobs[ref])

    def filled(self, numbers: Iterable[int]) -> treeobj.TreeObj:
        draft = Draft(None, self.find)
        for number in numbers:
            draft.set(f"k{number}", entry(number))
        return draft.seal(self.store)

    def written_by_a_put(self, obj: treeobj.TreeObj, name: str = "another") -> list[int]:
        """Return the sizes of the blobs that one more entry writes."""
        self.written.clear()
        draft = Draft(obj, self.find)
        draft.set(name, treeobj.val(b"1"))
        draft.seal(self.store)
        return [len(self.blobs[ref]) for ref in self.written]


def entry(number: int) -> treeobj.TreeObj:
    return treeobj.val(b"%d" % number) if number % 3 else treeobj.directory()


@pytest.fixture
def large() -> tuple[Blobs, treeobj.TreeObj]:
    blobs = Blobs()
    return blobs, blobs.filled(range(5000))


def test_a_large_directory_is_hashed(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    assert treeobj.check(obj) == obj
    assert len(obj["data"]) == 1
    top = blobs.text(obj["data"][0])
    assert (top["type"], top["ver"]) == ("hdir", 1)
    assert (top["data"]["size"], top["data"]["func"]) == (8, "crc32/1")
    assert all(treeobj.check(bucket) == bucket for bucket in top["data"]["bucket"])
    expected = {f"k{number}": entry(number) for number in range(5000)}
    found = all_entries(obj, blobs.find)
    assert found == expected
    assert list(found or ()) == sorted(expected)
    assert one_entry(obj, "k17", blobs.find) == entry(17)
    assert one_entry(obj, "nosuch", blobs.find) is None


def test_who_knows_the_hash_finds_an_entry(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    node = blobs.text(obj["data"][0])
    while node["type"] == "hdir":
        divisor = int(node["data"]["func"].removeprefix("crc32/"))
        index = name_hash("k17") // divisor % node["data"]["size"]
        node = blobs.text(node["data"]["bucket"][index]["data"][0])
    assert node["data"]["k17"] == entry(17)


def test_a_small_directory_is_one_dir() -> None:
    blobs = Blobs()
    ref = blobs.filled(range(directory.LEAF_MAX))["data"][0]
    assert blobs.text(ref)["type"] == "dir"
    assert blobs.text(blobs.filled(range(directory.LEAF_MAX + 1))["data"][0])["type"] == "hdir"


def test_one_more_entry_writes_as_much_as_the_logarithm_of_those_there_are() -> None:
    """Each eightfold size costs one hashed directory more, and no bucket is ever larger."""
    blobs = Blobs()
    node = 8 * 84 + 60
    leaf = directory.LEAF_MAX * 64
    for count, levels in ((1000, 2), (8000, 3), (64_000, 4)):
        obj = blobs.filled(range(count))
        for name in ("another", "one.more", "x"):
            sizes = blobs.written_by_a_put(obj, name)
            assert len(sizes) <= levels
            assert sum(sizes) <= leaf + (levels - 1) * node


def test_a_change_shares_what_it_does_not_touch(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    blobs.written.clear()
    draft = Draft(obj, blobs.find)
    draft.set("k17", treeobj.val(b"changed"))
    after = draft.seal(blobs.store)
    assert len(blobs.written) == len(draft.replaced) == 3
    assert set(blobs.written).isdisjoint(draft.replaced)
    old, new = (blobs.text(one["data"][0])["data"]["bucket"] for one in (obj, after))
    assert sum(a != b for a, b in zip(old, new, strict=True)) == 1
    assert one_entry(after, "k17", blobs.find) == treeobj.val(b"changed")
    assert one_entry(obj, "k17", blobs.find) == entry(17)


def test_it_becomes_one_dir_again_when_little_is_left() -> None:
    blobs = Blobs()
    obj = blobs.filled(range(1000))
    for number in range(1000):
        if number % 60:
            draft = Draft(obj, blobs.find)
            draft.remove(f"k{number}")
            obj = draft.seal(blobs.store)
    assert blobs.text(obj["data"][0])["type"] == "dir"
    left = {f"k{number}": entry(number) for number in range(0, 1000, 60)}
    assert all_entries(obj, blobs.find) == left
    draft = Draft(obj, blobs.find)
    for name in left:
        draft.remove(name)
    assert blobs.text(draft.seal(blobs.store)["data"][0]) == treeobj.directory()


def test_all_removed_at_once_leaves_an_empty_dir(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    draft = Draft(obj, blobs.find)
    for number in range(5000):
        draft.remove(f"k{number}")
    draft.remove("nosuch")
    assert blobs.text(draft.seal(blobs.store)["data"][0]) == treeobj.directory()


def test_names_of_one_hash_share_a_blob() -> None:
    blobs = Blobs()
    draft = Draft(None, blobs.find)
    same = ["plumless", "buckeroo"]  # the classic pair of CRC-32
    assert name_hash(same[0]) == name_hash(same[1])
    for number in range(300):
        draft.set(f"k{number}", entry(number))
    for name in same:
        draft.set(name, treeobj.val(name.encode()))
    obj = draft.seal(blobs.store)
    assert [one_entry(obj, name, blobs.find) for name in same] == [
        treeobj.val(name.encode()) for name in same
    ]


def test_what_is_missing_is_named(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    empty = Blobs()
    for ask in (
        lambda: one_entry(obj, "k17", empty.find),
        lambda: all_entries(obj, empty.find),
        lambda: Draft(obj, empty.find),
    ):
        with pytest.raises(Missing) as caught:
            ask()
        assert caught.value.refs == obj["data"]
    top = obj["data"][0]
    empty.blobs[top] = blobs.blobs[top]
    with pytest.raises(Missing) as caught:
        all_entries(obj, empty.find)
    assert len(caught.value.refs) == directory.BUCKETS
    with pytest.raises(Missing) as caught:
        Draft(obj, empty.find).get("k17")
    assert len(caught.value.refs) == 1


@pytest.fixture
def parts() -> tuple[Blobs, treeobj.TreeObj]:
    """A directory in 4 parts and a closing one, as version 0.1.0 stored it in 64."""
    blobs = Blobs()
    tables: list[Entries] = [{} for _ in range(4)]
    for number in range(400):
        tables[name_hash(f"k{number}") % 4][f"k{number}"] = entry(number)
    texts = [json.dumps(table)[1:-1] for table in tables]
    chunks = [HEAD + texts[0], *(b"," + text for text in texts[1:]), TAIL]
    for chunk in chunks:
        blobs.blobs[treeobj.blobref(chunk)] = chunk
    refs = [treeobj.blobref(chunk) for chunk in chunks]
    return blobs, {"data": refs, "type": "dirref", "ver": treeobj.VERSION}


def test_directories_in_parts_are_read(parts: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = parts
    expected = {f"k{number}": entry(number) for number in range(400)}
    assert all_entries(obj, blobs.find) == expected
    assert one_entry(obj, "k17", blobs.find) == entry(17)
    assert one_entry(obj, "nosuch", blobs.find) is None
    with pytest.raises(Missing):
        one_entry(obj, "k17", Blobs().find)
    with pytest.raises(Missing):
        all_entries(obj, Blobs().find)


def test_a_change_of_a_directory_in_parts_hashes_it(parts: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = parts
    draft = Draft(obj, blobs.find)
    draft.set("new", treeobj.val(b"1"))
    after = draft.seal(blobs.store)
    assert blobs.text(after["data"][0])["type"] == "hdir"
    assert draft.replaced == obj["data"]
    assert len(all_entries(after, blobs.find) or ()) == 401


@pytest.mark.parametrize(
    "blob",
    [
        b"nonsense",
        b"[]",
        b",broken",
        b'{"data":{broken',
        json.dumps(treeobj.val(b"")),
        *(
            hdir(data)
            for data in (
                "",
                5,
                {"size": 2, "func": "crc32/1", "bucket": [None]},
                {"size": 1, "func": "crc32/1", "bucket": [None]},
                {"size": 2, "func": "city32", "bucket": [None, None]},
                {"size": 2, "func": "crc32/0", "bucket": [None, None]},
                {"size": 2, "func": "crc32/4294967295", "bucket": [None, None]},
                {"size": 2, "func": "crc32/1", "bucket": [None, {}]},
                {"size": 2, "func": "crc32/1", "bucket": [None, treeobj.val(b"")]},
                {"size": 2, "func": "crc32/1", "bucket": [None, treeobj.dirref("x")]},
                {"size": 2, "func": 1, "bucket": [None, None]},
            )
        ),
        json.dumps(
            {
                "data": {"size": 2, "func": "crc32/1", "bucket": [None, None]},
                "type": "hdir",
                "ver": 2,
            }
        ),
    ],
)
def test_other_blobs_are_refused(blob: bytes) -> None:
    with pytest.raises(OSError, match="does not hold a KVS directory"):
        parse("ref", blob)


def test_a_hashed_directory_that_repeats_itself_is_refused() -> None:
    """A few blobs that refer to each other many times must not cost their reader the product."""
    blobs = Blobs()
    leaf = blobs.filled(range(3))["data"][0]
    empty = blobs.filled([])["data"][0]
    ref = leaf
    for level in reversed(range(8)):
        buckets = Buckets(dict.fromkeys(range(16), ref), 16**level, 16)
        ref = blobs.store(buckets.blob(), buckets)
    loop = Buckets({0: leaf}, 1, 16)
    inner = blobs.store(loop.blob(), loop)
    nested = Buckets({0: inner, name_hash("k1") % 16: inner}, 1, 16)
    hollow = Buckets({0: empty, 1: empty}, 1, 16)
    for top in (
        ref,
        blobs.store(nested.blob(), nested),
        blobs.store(hollow.blob(), hollow),
    ):
        with pytest.raises(OSError) as caught:
            all_entries(treeobj.dirref(top), blobs.find)
        assert caught.value.errno == errno.EINVAL
    for ask in (one_entry, lambda obj, name, find: Draft(obj, find).get(name)):
        with pytest.raises(OSError, match="does not go on"):
            ask(treeobj.dirref(blobs.store(nested.blob(), nested)), "k1", blobs.find)


@pytest.mark.parametrize("prefix", ["", "deep.er."])
def test_a_commit_of_one_key_writes_little_beside_many_others(prefix: str) -> None:
    cache = ObjectCache(1 << 30)
    cache.add_directory("root", {}, 0)

    def commit(root: str, keys: Iterable[str]) -> Result[None]:
        txn = Txn()
        for key in keys:
            txn.put_raw(key, "1")
        result = TransactionBatch[None](cache, root, "primary").apply(
            [Transaction(parse_ops(txn.ops), 0, None)]
        )
        cache.add_tree(result.blobs, result.directories)
        return result

    full = commit("root", (f"{prefix}k{number}" for number in range(30_000)))
    more = commit(full.rootref, [f"{prefix}one.more"])
    assert sum(map(len, more.blobs.values())) < 20_000
    assert len(more.replaced) <= 4 + prefix.count(".")
    found = lookup(cache, treeobj.dirref(more.rootref), prefix + "one.more", 0, lambda name: name)
    assert found == treeobj.val(b"1")
