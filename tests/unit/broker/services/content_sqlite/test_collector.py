"""One collection, step by step, and what it notes of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from broker.services.content_sqlite import collector
from broker.services.content_sqlite.collector import Collection
from broker.services.content_sqlite.store import BlobStore
from flux import treeobj
from flux.blobpack import PINNED

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
