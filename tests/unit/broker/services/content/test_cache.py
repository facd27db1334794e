"""Which blobs may go, and in which order."""

from __future__ import annotations

from broker.services.content.cache import BlobCache
from flux.blobpack import HELD, PINNED, Blob


def filled(*, dirty: bool = False) -> BlobCache:
    cache = BlobCache()
    for number in range(10):
        if dirty:
            cache.add(f"ref{number}", b"x" * 10, float(number))
        else:
            cache.add_clean(f"ref{number}", b"x" * 10, float(number))
    return cache


def flush(cache: BlobCache, *refs: str) -> None:
    cache.clean([blob for blob in cache.dirty_blobs(100) if blob[0] in refs], cache.era)


def test_figures() -> None:
    cache = filled(dirty=True)
    assert (len(cache), cache.size, cache.dirty) == (10, 100, 10)
    cache.add("ref3", b"x" * 10, 20.0)
    assert (len(cache), cache.size, cache.dirty) == (10, 100, 10)
    flush(cache, "ref0", "ref1")
    assert (cache.dirty, cache.soiled, cache.stored) == (8, 10, 2)
    assert [ref for ref, _, _ in cache.dirty_blobs(2)] == ["ref2", "ref3"]
    flush(cache, *(f"ref{number}" for number in range(10)))
    assert cache.stored == cache.soiled == 10


def test_what_is_stored_is_stored_once() -> None:
    cache = filled(dirty=True)
    flush(cache, "ref0")
    cache.add("ref0", b"x" * 10, 1.0)
    assert cache.dirty == 9


def test_held_blobs_stay_until_settled_or_freed() -> None:
    cache = BlobCache()
    for number in range(4):
        cache.add(f"dir{number}", b"x", 0.0, HELD)
    assert (cache.held, cache.dirty) == (4, 0)
    assert cache.purge(0, 0, 100.0) == cache.drop_clean() == 0
    cache.settle(["dir0", "unknown"])
    cache.free(["dir1", "dir0", "unknown"])
    assert (cache.held, cache.dirty, len(cache)) == (2, 1, 3)
    cache.add("dir2", b"x", 0.0)
    assert (cache.held, cache.dirty) == (1, 2)
    flush(cache, "dir0")
    cache.add("dir0", b"x", 0.0, HELD)
    cache.free(["dir0"])
    assert "dir0" not in cache


def test_pinning_reaches_the_store() -> None:
    cache = filled()
    cache.add("ref1", b"x" * 10, 0.0, PINNED)
    cache.add("ref1", b"x" * 10, 0.0)
    assert cache.dirty_blobs(9) == [("ref1", b"x" * 10, PINNED)]
    flush(cache, "ref1")
    cache.distrust()
    cache.add("ref1", b"x" * 10, 0.0, PINNED)
    assert cache.dirty == 0
    cache.add("new", b"y", 0.0)
    sent = cache.dirty_blobs(9)
    cache.add("new", b"y", 0.0, PINNED)
    cache.clean(sent, cache.era)
    assert cache.dirty_blobs(9) == [("new", b"y", PINNED)]


def test_a_collection_hears_of_every_store() -> None:
    cache = filled(dirty=True)
    flush(cache, "ref0", "ref1")
    in_flight = cache.dirty_blobs(100)
    era = cache.era
    cache.distrust()
    cache.add("ref0", b"x" * 10, 0.0)
    cache.add("ref2", b"x" * 10, 0.0)
    cache.clean(in_flight, era)
    assert {ref for ref, _, _ in cache.dirty_blobs(100)} == {"ref0", "ref2"}
    flush(cache, "ref0", "ref2")
    cache.add("ref0", b"x" * 10, 0.0)
    assert cache.dirty == 0
    cache.add_clean("loaded", b"x", 0.0)
    cache.add("loaded", b"x", 0.0)
    cache.trust()
    cache.add_clean("after", b"x", 0.0)
    cache.add("after", b"x", 0.0)
    assert [ref for ref, _, _ in cache.dirty_blobs(100)] == ["loaded"]


def test_purge_takes_the_least_recently_used_first() -> None:
    cache = filled()
    assert cache.get("ref0", 9.5) is not None
    assert cache.purge(60, 0, 10.0) == 4
    assert [number for number in range(10) if f"ref{number}" in cache] == [0, 5, 6, 7, 8, 9]
    assert cache.size == 60


def test_purge_spares_the_young_and_the_dirty() -> None:
    cache = filled()
    assert cache.purge(0, 5, 10.0) == 6
    cache = filled(dirty=True)
    assert cache.purge(0, 0, 100.0) == 0
    flush(cache, "ref4")
    assert cache.purge(0, 0, 100.0) == 1
    assert "ref4" not in cache


def test_what_nobody_asks_for_is_forgotten_whatever_room_there_is() -> None:
    cache = filled()
    assert cache.get("ref0", 50.0) is not None
    assert cache.forget_idle(60, 20.0) == 0
    assert cache.forget_idle(60, 65.0) == 5
    assert [number for number in range(10) if f"ref{number}" in cache] == [0, 6, 7, 8, 9]
    cache = filled(dirty=True)
    flush(cache, "ref7")
    assert cache.forget_idle(60, 1000.0) == 1
    assert "ref7" not in cache
    assert cache.size == 90


def test_drop_clean() -> None:
    cache = filled(dirty=True)
    flush(cache, "ref1", "ref2")
    assert cache.drop_clean() == 2
    assert (len(cache), cache.size) == (8, 80)


def blobs(*refs: str) -> list[Blob]:
    return [(ref, b"", 0) for ref in refs]


def test_release_considers_what_it_is_given() -> None:
    cache = filled()
    assert cache.release(blobs("ref8", "ref9", "unknown"), 0, 5, 10.0) == 0
    assert cache.release(blobs("ref0", "ref9", "ref1"), 0, 5, 10.0) == 2
    assert cache.release(blobs("ref2", "ref3"), 70, 0, 10.0) == 1
    assert (len(cache), cache.size) == (7, 70)
