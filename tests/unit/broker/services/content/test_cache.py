"""Which blobs may go, and in which order."""

from __future__ import annotations

from broker.services.content.cache import BlobCache


def filled(*, dirty: bool = False) -> BlobCache:
    cache = BlobCache()
    for number in range(10):
        cache.add(f"ref{number}", b"x" * 10, float(number), dirty=dirty)
    return cache


def test_figures() -> None:
    cache = filled(dirty=True)
    assert (len(cache), cache.size, cache.dirty) == (10, 100, 10)
    assert not cache.add("ref3", b"x" * 10, 20.0, dirty=True)
    assert (len(cache), cache.size, cache.dirty) == (10, 100, 10)
    cache.clean(["ref0", "ref1", "unknown"])
    assert cache.dirty == 8
    assert [ref for ref, _ in cache.dirty_blobs(2)] == ["ref2", "ref3"]


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
    cache.clean(["ref4"])
    assert cache.purge(0, 0, 100.0) == 1
    assert "ref4" not in cache


def test_drop_clean() -> None:
    cache = filled(dirty=True)
    cache.clean(["ref1", "ref2"])
    assert cache.drop_clean() == 2
    assert (len(cache), cache.size) == (8, 80)


def test_release_considers_what_it_is_given() -> None:
    cache = filled()
    assert cache.release(["ref8", "ref9", "unknown"], 0, 5, 10.0) == 0
    assert cache.release(["ref0", "ref9", "ref1"], 0, 5, 10.0) == 2
    assert cache.release(["ref2", "ref3"], 70, 0, 10.0) == 1
    assert (len(cache), cache.size) == (7, 70)
