"""`flux.kvs` against a live instance: namespaces, watches, versions, fences, copies."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

import flux
from flux import kvs
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture
def h(instance: Instance) -> Iterator[flux.Flux]:
    with flux.Flux(instance.uri) as handle:
        yield handle


def put(url: str, key: str, *values: object, namespace: str | None = None) -> None:
    """Put values one after the other over a connection of its own."""
    with flux.Flux(url) as other:
        for value in values:
            kvs.put(other, key, value, namespace)
            kvs.commit(other)


def test_namespaces_are_apart(h: flux.Flux) -> None:
    kvs.namespace_create(h, "apart")
    kvs.put(h, "key", "in primary")
    kvs.put(h, "key", "in apart", namespace="apart")
    kvs.commit(h, namespace="apart")
    assert not kvs.exists(h, "key")
    kvs.commit(h)
    assert kvs.get(h, "key") == "in primary"
    assert kvs.get(h, "key", "apart") == "in apart"
    directory = kvs.get_dir(h, namespace="apart")
    with directory:
        directory["more"] = 1
    assert (repr(directory), dict(directory)) == (
        "KVSDir('.', namespace='apart')",
        {"key": "in apart", "more": 1},
    )
    assert [walked[2] for walked in kvs.walk(".", flux_handle=h, namespace="apart")] == [
        ["key", "more"]
    ]
    assert {"primary", "apart"} <= set(kvs.namespace_list(h))
    with pytest.raises(FileExistsError):
        kvs.namespace_create(h, "apart")
    kvs.copy(h, "key", "copied", source_ns="apart")
    kvs.move(h, "copied", "moved", target_ns="apart")
    assert (kvs.exists(h, "copied"), kvs.get(h, "moved", "apart")) == (False, "in apart")
    kvs.namespace_remove(h, "apart")
    with pytest.raises(OSError) as caught:
        kvs.get(h, "key", "apart")
    assert caught.value.errno == errno.ENOTSUP


def test_the_environment_names_the_namespace(h: flux.Flux, monkeypatch: pytest.MonkeyPatch) -> None:
    kvs.namespace_create(h, "env")
    monkeypatch.setenv("FLUX_KVS_NAMESPACE", "env")
    kvs.put(h, "x", 1)
    kvs.commit(h)
    assert kvs.get(h, "x") == kvs.get(h, "x", "env") == 1
    assert not kvs.exists(h, "x", "primary")


def test_what_fails_in_one_namespace_is_forgotten_there_only(h: flux.Flux) -> None:
    kvs.put(h, "kept", 1)
    kvs.put(h, "lost", 1, namespace="nosuch")
    with pytest.raises(OSError):
        kvs.commit(h, namespace="nosuch")
    kvs.commit(h)
    assert kvs.get(h, "kept") == 1


def test_a_watch_yields_values_until_it_is_left(h: flux.Flux) -> None:
    put(str(h.url), "watched", 0)
    seen = []
    for value in kvs.watch(h, "watched", timeout=60):
        seen.append(value)
        if value == 3:
            break
        put(str(h.url), "watched", value + 1)
    assert seen == [0, 1, 2, 3]


def test_a_watch_waits_for_its_key(h: flux.Flux) -> None:
    kvs.namespace_create(h, "later")
    thread = threading.Thread(target=put, args=(h.url, "late", "here"), kwargs=_IN_LATER)
    watch = kvs.watch(h, "late", namespace="later", waitcreate=True, timeout=60)
    thread.start()
    assert next(watch) == "here"
    thread.join()
    watch.close()


_IN_LATER = {"namespace": "later"}


def test_watches_of_appended_values_and_of_equal_ones(h: flux.Flux) -> None:
    with flux.Flux(h.url) as other:
        kvs.commit_txn(other, kvs.Txn().put_raw("log", "a"))
        appended, unique = (
            kvs.watch_async(h, "log", append=True),
            kvs.watch_async(h, "log", uniq=True),
        )
        assert (appended.get_value(), unique.get_value()) == ("a", "a")
        kvs.commit_txn(other, kvs.Txn().append("log", "b"))
        assert (appended.get_raw(), unique.get_raw()) == (b"b", b"ab")
        kvs.commit_txn(other, kvs.Txn().put_raw("log", "ab"))
        kvs.commit_txn(other, kvs.Txn().put_raw("log", "new"))
        assert unique.get_raw() == b"new"
        for future in (appended, unique):
            future.cancel()
        while not unique.wait_for(20).has_error():
            unique.reset()
    with pytest.raises(OSError) as caught:
        unique.get_value()
    assert caught.value.errno == errno.ENODATA


def test_a_watch_ends_with_its_key_and_with_its_patience(h: flux.Flux) -> None:
    with pytest.raises(FileNotFoundError):
        next(kvs.watch(h, "never-there"))
    put(str(h.url), "gone", 1)
    watch = kvs.watch(h, "gone", timeout=60)
    assert next(watch) == 1
    with flux.Flux(h.url) as other:
        kvs.put_unlink(other, "gone")
        kvs.commit(other)
    with pytest.raises(FileNotFoundError):
        next(watch)
    put(str(h.url), "still", 1)
    patience, patient = patience_for_one(h, "still")
    with pytest.raises(TimeoutError, match=f"no result within {patience:g} s"):
        next(patient)


def patience_for_one(h: flux.Flux, key: str) -> tuple[float, Iterator[object]]:
    """A watch that has yielded its first value: the least time that it had to wait for it."""
    patience = 0.01
    while True:
        watch = kvs.watch(h, key, timeout=patience)
        try:
            next(watch)
        except TimeoutError:
            patience *= 4  # a busy machine
            assert patience < 60
        else:
            return patience, watch


def test_versions_and_roots(instance: Instance, h: flux.Flux) -> None:
    before = kvs.getroot(h)
    assert before.owner == os.getuid()
    assert before.treeobj == {"data": [before.blobref], "type": "dirref", "ver": 1}
    version = kvs.commit_txn(h, kvs.Txn().put("versioned", 1))
    assert version > before.sequence
    with flux.Flux(instance.uri.removesuffix("0") + "1") as there:
        kvs.wait_version(there, version, timeout=60)
        assert kvs.get(there, "versioned") == 1
        assert kvs.sync(there, timeout=60) >= version
        assert kvs.get_version(there) >= version
    with pytest.raises(TimeoutError):
        kvs.wait_version(h, version + 1000, timeout=0.01)
    old = kvs.treeobj_of(kvs.lookup_async(h, "versioned", kvs.TREEOBJ))
    assert old["type"] == "val"
    with pytest.raises(FileNotFoundError):
        kvs.treeobj_of(kvs.lookup_async(h, "versioned", rootdir=before.treeobj))


def test_a_fence_commits_for_several(h: flux.Flux) -> None:
    with flux.Flux(h.url) as other:
        half = kvs.fence_async(other, "two", 2, kvs.Txn().put("fence.a", 1))
        version = kvs.fence(h, "two", 2, kvs.Txn().put("fence.b", 2))
        assert half.member("rootseq") == version
    assert dict(kvs.get_dir(h, "fence")) == {"a": 1, "b": 2}


def test_links(h: flux.Flux) -> None:
    kvs.put(h, "target", 1)
    kvs.put_symlink(h, "plain", "target")
    kvs.put_symlink(h, "far", "target", target_namespace="primary")
    kvs.commit(h)
    assert kvs.readlink(h, "plain") == (None, "target")
    assert kvs.readlink(h, "far") == ("primary", "target")
    assert (kvs.is_symlink(h, "plain"), kvs.is_symlink(h, "target")) == (True, False)
    with pytest.raises(OSError) as caught:
        kvs.readlink(h, "target")
    assert caught.value.errno == errno.EINVAL


def test_all_that_the_module_offers_exists_and_is_told_of() -> None:
    assert [name for name in kvs.__all__ if not hasattr(kvs, name)] == []
    told = kvs.__doc__ or ""
    for name in ("watch", "copy", "move", "fence", "sync", "namespace_create", "commit_txn"):
        assert f"`{name}`" in told


def test_a_transaction_is_one_commit_below_its_directory(h: flux.Flux) -> None:
    with kvs.KVSTxn(h, "txn") as txn:
        txn.put("a", 1)
        txn.put("raw", b"zz", raw=True)
        txn.mkdir("d")
        txn.symlink("l", "a")
    assert (kvs.get(h, "txn.a"), kvs.get(h, "txn.l"), kvs.get_raw(h, "txn.raw")) == (1, 1, b"zz")
    assert kvs.isdir(h, "txn.d")
    dropped = kvs.KVSTxn(h, "txn")
    dropped.unlink("a")
    dropped.__exit__(RuntimeError)
    assert kvs.exists(h, "txn.a")
    directory = kvs.get_dir(h, "txn")
    directory["b"] = 2
    directory.commit_async().get()
    assert kvs.get(h, "txn.b") == 2


def test_a_watch_gives_one_value_after_the_other(h: flux.Flux) -> None:
    kvs.put(h, "watched", 1)
    kvs.commit(h)
    watch = kvs.kvs_watch_async(h, "watched")
    assert watch.get() == 1
    kvs.put(h, "watched", 2)
    kvs.commit(h)
    assert watch.get(autoreset=False) == 2
    watch.reset()
    watch.cancel()
    assert watch.get() is None
