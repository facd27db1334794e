"""Large directories in parts."""

from __future__ import annotations

from typing import Any

import pytest

from broker.services.kvs import directory
from broker.services.kvs.directory import Draft, Missing, all_entries, one_entry
from flux import treeobj
from flux.dirblob import Entries, parse
from flux.wire import json


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

    def joined(self, obj: treeobj.TreeObj) -> Any:
        return json.loads(b"".join(self.blobs[ref] for ref in obj["data"]))


def entry(number: int) -> treeobj.TreeObj:
    return treeobj.val(b"%d" % number) if number % 3 else treeobj.directory()


@pytest.fixture
def large() -> tuple[Blobs, treeobj.TreeObj]:
    blobs = Blobs()
    draft = Draft(None, blobs.find)
    for number in range(5000):
        draft.set(f"k{number}", entry(number))
    return blobs, draft.seal(blobs.store, whole=False)


def test_parts_together_are_the_directory_object(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    assert treeobj.check(obj) == obj
    assert len(obj["data"]) == directory.PARTS + 1
    expected = {f"k{number}": entry(number) for number in range(5000)}
    assert blobs.joined(obj) == treeobj.directory(expected)
    assert all_entries(obj, blobs.find) == expected
    assert one_entry(obj, "k17", blobs.find) == entry(17)
    assert one_entry(obj, "nosuch", blobs.find) is None


def test_a_change_writes_one_part(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    blobs.written.clear()
    draft = Draft(obj, blobs.find)
    draft.set("k17", treeobj.val(b"changed"))
    after = draft.seal(blobs.store, whole=False)
    assert len(blobs.written) == 1
    assert sum(a != b for a, b in zip(obj["data"], after["data"], strict=True)) == 1
    assert one_entry(after, "k17", blobs.find) == treeobj.val(b"changed")
    assert one_entry(obj, "k17", blobs.find) == entry(17)


def test_an_empty_first_part_makes_it_one_blob(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    draft = Draft(obj, blobs.find)
    first = [f"k{n}" for n in range(5000) if directory.part_index(f"k{n}", directory.PARTS) == 0]
    for name in first:
        draft.remove(name)
    after = draft.seal(blobs.store, whole=False)
    assert len(after["data"]) == 1
    assert len(all_entries(after, blobs.find) or ()) == 5000 - len(first)
    assert len(Draft(after, blobs.find).seal(blobs.store, whole=False)["data"]) == 1


def test_an_empty_later_part_is_fine(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    draft = Draft(obj, blobs.find)
    for number in range(5000):
        if directory.part_index(f"k{number}", directory.PARTS) == 5:
            draft.remove(f"k{number}")
    after = draft.seal(blobs.store, whole=False)
    assert blobs.joined(after)["data"] == all_entries(after, blobs.find)


def test_what_is_missing_is_named(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    _, obj = large
    empty = Blobs()
    with pytest.raises(Missing) as caught:
        one_entry(obj, "k17", empty.find)
    assert len(caught.value.refs) == 1
    with pytest.raises(Missing) as caught:
        all_entries(obj, empty.find)
    assert set(caught.value.refs) == set(obj["data"][:-1])
    with pytest.raises(Missing):
        Draft(obj, empty.find).get("k17")


def test_whole_is_one_blob(large: tuple[Blobs, treeobj.TreeObj]) -> None:
    blobs, obj = large
    whole = Draft(obj, blobs.find).seal(blobs.store, whole=True)
    assert len(whole["data"]) == 1
    assert all_entries(whole, blobs.find) == all_entries(obj, blobs.find)


@pytest.mark.parametrize(
    "blob", [b"nonsense", b"[]", b",broken", b'{"data":{broken', json.dumps(treeobj.val(b""))]
)
def test_other_blobs_are_refused(blob: bytes) -> None:
    with pytest.raises(OSError, match="does not hold a KVS directory"):
        parse("ref", blob)


def test_a_part_that_ends_like_a_whole_directory() -> None:
    inner = {"x": treeobj.directory()}
    blob = b'{"data":{' + json.dumps(inner)[1:-1]
    assert blob.endswith(b'},"type":"dir","ver":1}')
    assert parse("ref", blob) == inner
