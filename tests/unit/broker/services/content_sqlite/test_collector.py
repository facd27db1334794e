"""One collection, step by step, and what it notes of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.services.content_sqlite import collector
from broker.services.content_sqlite.collecting import EFFORT_MAX, effort, is_due
from broker.services.content_sqlite.collector import AT_ONCE, Collection
from broker.services.content_sqlite.store import BlobStore, Totals
from flux import treeobj
from flux.blobpack import PINNED
from flux.wire import json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BlobStore]:
    """A store of 60 blobs that nothing refers to and 40 that users pinned, 1000 bytes each."""
    store = BlobStore(tmp_path / "c.sqlite", durable=False)
    fill(store, "first")
    yield store
    store.close()


def fill(store: BlobStore, name: str) -> None:
    blobs = [f"{name} {number}".ljust(1000).encode() for number in range(100)]
    store.write(
        (treeobj.blobref(data), data, PINNED if number % 5 < 2 else 0)
        for number, data in enumerate(blobs)
    )


def collect(store: BlobStore) -> Iterator[int]:
    """Run a collection; yields the bytes dropped so far after each step of the sweep."""
    collection = Collection(store)
    collection.add_roots(())
    assert collection.mark(1.0)
    over = False
    while not over:
        over = collection.sweep()
        yield collection.dropped_bytes
    collection.finish(1.5)
    collection.close()


def test_what_has_been_dropped_is_not_new_any_more(
    store: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "SWEEP_ROWS", 10)
    steps = 0
    for dropped in collect(store):
        steps += 1
        assert store.totals.bytes == store.totals.fresh == 100_000 - dropped
    assert steps > 5
    assert (store.totals.objects, store.totals.bytes) == (40, 40_000)
    fill(store, "second")
    for dropped in collect(store):
        assert store.totals.bytes == 140_000 - dropped
        assert store.totals.fresh == 100_000 - dropped


def test_the_share_that_was_dropped_is_of_what_was_new(store: BlobStore) -> None:
    for name in ("second", "third"):
        assert max(collect(store)) == 60_000
        assert (store.totals.dead, store.totals.fresh) == (0.6, 0)
        assert store.totals.live == store.totals.bytes
        fill(store, name)
    path, totals = store.path, store.totals
    store.close()
    again = BlobStore(path, durable=False)
    assert again.totals == totals
    again.close()


def test_a_collection_that_finds_nothing_new_drops_no_share(store: BlobStore) -> None:
    assert list(collect(store))[-1] == 60_000
    assert list(collect(store)) == [0]
    assert store.totals.dead == 0
    assert store.totals.collected == 1.5


def test_a_store_that_only_grows_is_gone_through_when_it_has_doubled() -> None:
    looked_at, collections, live = 0, 0, 1000
    while live < 1_000_000:
        fresh = 100
        while not is_due(Totals(bytes=live + fresh, live=live, fresh=fresh), 30):
            fresh += 100
        live += fresh
        looked_at += live
        collections += 1
    assert collections < 15
    assert looked_at < 2 * live


def test_a_store_in_which_all_is_replaced_grows_by_a_third() -> None:
    assert not is_due(Totals(bytes=1290, live=1000, fresh=290, dead=1.0), 30)
    assert is_due(Totals(bytes=1300, live=1000, fresh=300, dead=1.0), 30)


def test_a_store_that_outgrows_its_collection_is_collected_harder() -> None:
    def harder(grown: int) -> int:
        return effort(Totals(bytes=1000 + grown, live=500, fresh=500 + grown), 500)

    assert [harder(grown) for grown in (0, 300, 400, 700, 10_000)] == [1, 1, 2, 3, EFFORT_MAX]


def test_marking_asks_the_store_for_many_blobs_at_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path / "tree.sqlite", durable=False)
    values = [b"%d" % number * 100 for number in range(1000)]
    refs = [treeobj.blobref(data) for data in values]
    entries = {f"k{index}": treeobj.valref([ref]) for index, ref in enumerate(refs)}
    top = json.dumps(treeobj.directory(entries))
    store.write([(ref, data, 0) for ref, data in zip(refs, values, strict=True)])
    store.write([(treeobj.blobref(top), top, 0), (treeobj.blobref(b"dead"), b"dead", 0)])
    statements: list[str] = []
    store.db.set_trace_callback(statements.append)
    collection = Collection(store)
    collection.add_roots([treeobj.blobref(top)])
    assert collection.mark(60.0)
    store.db.set_trace_callback(None)
    assert len(statements) < len(values) / AT_ONCE + 10
    while not collection.sweep():
        pass
    assert collection.dropped_objects == 1
    collection.close()
    store.close()
