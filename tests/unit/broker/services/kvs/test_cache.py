"""The object cache keeps what is used and drops what is not."""

from __future__ import annotations

import errno

import pytest

from broker.services.kvs.cache import ObjectCache
from flux import treeobj
from flux.wire import json


def test_least_used_values_are_dropped() -> None:
    cache = ObjectCache(value_bytes=1000)
    cache.add_value("keep", b"x" * 100)
    for number in range(100):
        cache.add_value(f"v{number}", b"x" * 100)
        assert cache.value("keep") is not None
    assert sum(cache.sizes()) <= 2000
    assert cache.value("v0") is None
    assert cache.value("v99") is not None


def test_nothing_is_dropped_while_held() -> None:
    cache = ObjectCache(value_bytes=1000)
    with cache.hold():
        for number in range(100):
            cache.add_value(f"v{number}", b"x" * 100)
        assert all(cache.value(f"v{number}") for number in range(100))
    assert cache.clear() == 100
    assert cache.sizes() == []


def test_an_object_larger_than_the_cache_is_kept_once() -> None:
    cache = ObjectCache(value_bytes=10)
    cache.add_value("big", b"x" * 100)
    assert cache.value("big") == b"x" * 100


def test_directories_are_parsed() -> None:
    cache = ObjectCache()
    cache.load_directory("ref", json.dumps(treeobj.directory({"a": treeobj.val(b"")})))
    assert list(cache.directory("ref") or ()) == ["a"]
    assert cache.value("ref") is None
    for blob in (b"nonsense", b"[]", json.dumps(treeobj.val(b""))):
        with pytest.raises(OSError) as caught:
            cache.load_directory("bad", blob)
        assert caught.value.errno == errno.EINVAL


def test_objects_that_nobody_asks_for_go_after_two_generations() -> None:
    cache = ObjectCache()
    cache.add_directory("used", {}, 10)
    cache.add_directory("unused", {}, 10)
    cache.add_value("value", b"x")
    cache.age()
    assert cache.directory("used") == {}
    cache.age()
    assert cache.directory("used") == {}
    assert cache.directory("unused") is None
    assert cache.value("value") is None
    with cache.hold():
        for _ in range(3):
            cache.age()
        assert cache.directory("used") == {}


def test_what_is_loaded_in_pieces_that_are_held_does_not_stay_for_ever() -> None:
    cache = ObjectCache(1000, 1000)
    for piece in range(100):
        with cache.hold():
            refs = [f"{piece}-{number}" for number in range(20)]
            for ref in refs:
                cache.add_value(ref, b"x" * 100)
                cache.add_directory(ref, {}, 100)
            assert all(cache.value(ref) for ref in refs)
        assert sum(cache.sizes()) <= 2 * (2000 + 1000 + 2000)
