"""flux.kvs and flux.content against a running instance, and what a restart finds."""

from __future__ import annotations

import errno
import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

import flux
from flux import content, kvs, kvs_rpc, treeobj
from flux.kvs_limits import KEY_DEPTH
from flux.kvs_txn import SYNC, WATCH, Txn
from flux.testing.instance import Instance, running_instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with running_instance(2) as running:
        yield running


@pytest.fixture(params=[0, 1])
def h(instance: Instance, request: pytest.FixtureRequest) -> Iterator[flux.Flux]:
    """A handle on rank 0 and on rank 1, with nothing under the key ``t``."""
    with flux.Flux(f"local://{instance.rundir}/local-{request.param}") as handle:
        kvs.put_unlink(handle, "t")
        kvs.commit(handle)
        yield handle


def test_put_get_and_commit(h: flux.Flux) -> None:
    kvs.put(h, "t.number", 42)
    kvs.put(h, "t.object", {"a": [1, 2.5, None]})
    kvs.put(h, "t.raw", b"not json")
    assert not kvs.exists(h, "t.number")
    assert kvs.commit(h) == 0
    assert kvs.get(h, "t.number") == 42
    assert kvs.get(h, "t.object") == {"a": [1, 2.5, None]}
    assert kvs.get(h, "t.raw") == "not json"
    assert kvs.get_key_direct(h, "t.number") == 42
    assert isinstance(kvs.get(h, "t"), kvs.KVSDir)
    assert kvs.commit(h) == 0
    with pytest.raises(TypeError):
        kvs.put(h, "t.bad", object())
    with pytest.raises(OSError) as caught:
        kvs.get(h, "t.nosuch")
    assert caught.value.errno == errno.ENOENT


def test_links_directories_and_unlink(h: flux.Flux) -> None:
    kvs.put(h, "t.a", 1)
    kvs.put_symlink(h, "t.link", "t.a")
    kvs.put_mkdir(h, "t.d")
    kvs.commit(h)
    assert kvs.get(h, "t.link") == 1
    assert (kvs.isdir(h, "t.d"), kvs.isdir(h, "t.a"), kvs.isdir(h, "t.x")) == (True, False, False)
    assert (kvs.exists(h, "t.d"), kvs.exists(h, "t.x")) == (True, False)
    kvs.dropcache(h)
    kvs.put_unlink(h, "t.a")
    kvs.commit(h)
    assert not kvs.exists(h, "t.a")


def _set_and_fail(directory: kvs.KVSDir) -> None:
    directory["unsent"] = 1
    raise ValueError("wrong")


def test_directory_is_a_mapping(h: flux.Flux) -> None:
    kvs.put_mkdir(h, "t")
    kvs.commit(h)
    with kvs.get_dir(h, "t") as top:
        top["a"] = 1
        top["b"] = "two"
        top["sub.c"] = [3]
    assert dict(top.items())["a"] == 1
    assert list(top) == ["a", "b", "sub"]
    assert len(top) == 3
    assert "a" in top
    assert "z" not in top
    assert top["sub"]["c"] == [3]
    assert (top.files(), top.directories()) == (["a", "b"], ["sub"])
    assert (top.key_at("a"), kvs.get_dir(h).key_at("a")) == ("t.a", "a")
    top.mkdir("more", {"x": 1, "deep.y": {"z": 2}})
    assert top["more"]["deep"]["y"] == {"z": 2}
    del top["a"]
    top.commit()
    assert "a" not in top
    with pytest.raises(KeyError):
        top["a"]
    with pytest.raises(ValueError, match="non-empty"):
        top.fill({})
    with pytest.raises(ValueError, match="wrong"), top:
        _set_and_fail(top)
    top.commit()
    assert "unsent" not in top
    for path, expected in (("t.b", errno.ENOTDIR), ("t.nosuch", errno.ENOENT)):
        with pytest.raises(OSError) as caught:
            kvs.get_dir(h, path)
        assert caught.value.errno == expected


def test_walk(h: flux.Flux) -> None:
    for key in ("t.x", "t.a.y", "t.a.b.z"):
        kvs.put(h, key, 1)
    kvs.commit(h)
    bottom_up = [("a.b", [], ["z"]), ("a", ["b"], ["y"]), ("", ["a"], ["x"])]
    assert list(kvs.walk(kvs.get_dir(h, "t"))) == bottom_up
    assert list(kvs.walk("t", topdown=True, flux_handle=h)) == bottom_up[::-1]
    with pytest.raises(ValueError, match="flux_handle"):
        kvs.walk("t")
    assert kvs.join("a", "", "b") == "a.b"


def test_requests(h: flux.Flux) -> None:
    answer = kvs_rpc.commit(h, Txn().put("t.a", 1).put("t.b", 2)).get()
    assert kvs_rpc.getroot(h).get()["rootref"] == answer["rootref"]
    assert kvs_rpc.get_version(h) == answer["rootseq"]
    kvs_rpc.move(h, "t.a", "t.c")
    assert (kvs.exists(h, "t.a"), kvs.get(h, "t.c")) == (False, 1)
    first = kvs_rpc.fence(h, f"fence-{h.get_rank()}", 2, Txn().put("t.f", 1))
    second = kvs_rpc.fence(h, f"fence-{h.get_rank()}", 2, Txn().put("t.g", 1))
    assert first.get() == second.get()
    kvs_rpc.namespace_create(h, "other").get()
    kvs_rpc.commit(h, Txn().put("k", 7), namespace="other").get()
    kvs_rpc.copy(h, "k", "t.copy", source_ns="other")
    assert kvs.get(h, "t.copy") == 7
    assert {space["namespace"] for space in kvs_rpc.namespace_list(h)} == {"primary", "other"}
    kvs_rpc.namespace_remove(h, "other").get()
    assert not kvs_rpc.is_symlink(h, "t.copy")
    with pytest.raises(OSError) as caught:
        kvs_rpc.lookup(h, "")
    assert caught.value.errno == errno.EINVAL


def test_watch_until_cancelled(h: flux.Flux) -> None:
    kvs_rpc.commit(h, Txn().put("t.w", 0)).get()
    future = kvs_rpc.lookup(h, "t.w", WATCH)
    for number in range(5):
        assert kvs_rpc.value_of(future.wait_for(10)) == b"%d" % number
        future.reset()
        kvs_rpc.commit(h, Txn().put("t.w", number + 1)).get()
    assert kvs_rpc.value_of(future.wait_for(10)) == b"5"
    future.reset()
    kvs_rpc.lookup_cancel(future)
    with pytest.raises(OSError) as caught:
        future.wait_for(10).get()
    assert caught.value.errno == errno.ENODATA


def test_the_deepest_tree_can_be_listed(h: flux.Flux, instance: Instance) -> None:
    deepest = ".".join(["t", *"a" * (KEY_DEPTH - 1)])
    kvs.put(h, deepest, 1)
    assert kvs.commit(h, kvs.SYNC) == 0
    assert sum(1 for _ in kvs.walk("t", flux_handle=h)) == KEY_DEPTH - 1
    for arguments in (("ls", "-R", "t"), ("dir", "-R", "t")):
        listed = instance.run("kvs", *arguments)
        assert listed.returncode == 0, listed.stderr
        assert deepest[:-2] in listed.stdout


def test_blobs(h: flux.Flux) -> None:
    for data in (b"", b"x", os.urandom(100_000)):
        for flags in (0, content.CONTENT_FLAG_CACHE_BYPASS):
            ref = content.store(h, data, flags)
            assert ref == treeobj.blobref(data)
            assert content.load(h, ref, flags) == data
    with pytest.raises(OSError) as caught:
        content.load(h, "nonsense")
    assert caught.value.errno == errno.EINVAL
    if h.get_rank() == 0:
        with pytest.raises(OSError) as caught:
            content.load(h, treeobj.blobref(b"x"), content.CONTENT_FLAG_UPSTREAM)
        assert caught.value.errno == errno.EHOSTUNREACH
    else:
        assert content.load(h, treeobj.blobref(b"x"), content.CONTENT_FLAG_UPSTREAM) == b"x"


def test_a_killed_instance_finds_what_was_committed_for_good(tmp_path: Path) -> None:
    option = f"-o,-Scontent.backing-path={tmp_path}/content.sqlite"
    with running_instance(1, option) as running, flux.Flux(running.uri) as handle:
        for number in range(30):
            kvs_rpc.commit(handle, Txn().put(f"job.{number}", "x" * number * 10), SYNC).get()
        version = kvs_rpc.get_version(handle)
        os.kill(int(handle.attr_get("broker.pid") or 0), signal.SIGKILL)
        assert running.process.wait(30) != 0
    with running_instance(1, option) as running, flux.Flux(running.uri) as handle:
        assert [kvs.get(handle, f"job.{number}") for number in range(30)] == [
            "x" * n * 10 for n in range(30)
        ]
        assert kvs_rpc.get_version(handle) >= version


def test_large_directories_are_plain_to_those_who_read_blobs(instance: Instance) -> None:
    """As flux-core's flux dump does: from a root, by blobref, without the key-value store."""
    names = [f"n{number}" for number in range(1000)]
    with flux.Flux(instance.uri) as handle:
        values = {name: treeobj.val(name.encode()) for name in names}
        txn = [{"key": f"large.{name}", "flags": 0, "dirent": values[name]} for name in names]
        handle.rpc("kvs.commit", {"namespace": "primary", "ops": txn, "flags": 0}).get()
        root = handle.rpc("kvs.getroot", {"namespace": "primary", "flags": 0}).get()["rootref"]
        top = json.loads(content.load(handle, root))
        assert (top["type"], top["data"]["large"]["type"]) == ("dir", "dirref")
        (ref,) = top["data"]["large"]["data"]
        large = json.loads(content.load(handle, ref))
        assert large == treeobj.directory(values)
        # The whole object may be put elsewhere.
        instance.run("kvs", "put", "--treeobj", f"again={json.dumps(large)}")
        instance.run("kvs", "put", "--treeobj", f"other={json.dumps(top['data']['large'])}")
        for key in ("again", "other"):
            assert instance.run("kvs", "get", f"{key}.n77").stdout == "n77\n"
            assert len(instance.run("kvs", "ls", "-1", key).stdout.split()) == 1000
